"""Explain what a recorded program waited for: ``tpanalyze.analyze("trace.jsonl")``."""

from tpanalyze.analysis import Analysis, Run, analyze, load
from tpanalyze.errors import TraceError
from tpanalyze.findings import Finding, Report, Verdict

__all__ = ["Analysis", "Finding", "Report", "Run", "TraceError", "Verdict", "analyze", "load"]
