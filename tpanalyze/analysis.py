"""From a trace to its report: the whole way, for the command line and for programs."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING, BinaryIO

from tpanalyze.findings import Report
from tpanalyze.reader import open_trace
from tpanalyze.replay import Replay
from tpanalyze.timeline import Collector, Timeline
from tpanalyze.verdict import analyse

if TYPE_CHECKING:
    import pandas as pd

type Source = str | PathLike[str] | BinaryIO


@dataclass(frozen=True, slots=True)
class Run:
    """A recorded run: what the analyser says of it, and what happened in it."""

    report: Report
    timeline: Timeline

    def intervals(self) -> pd.DataFrame:
        """Return every interval of the run, a row each; see `tpanalyze.frames.intervals`."""
        from tpanalyze.frames import intervals  # noqa: PLC0415  # pandas is for those who ask

        return intervals(self.timeline)

    def pool_load(self) -> pd.DataFrame:
        """Return how each pool's load changed; see `tpanalyze.frames.pool_load`."""
        from tpanalyze.frames import pool_load  # noqa: PLC0415

        return pool_load(self.timeline)


def analyze(source: Source, *, at_ns: int | None = None) -> Report:
    """Return the report on a trace, at its end or at a moment (ns since the recording began).

    Raises `tpanalyze.errors.TraceError`.
    """
    return _replay(source, at_ns, None)[0]


def load(source: Source, *, at_ns: int | None = None) -> Run:
    """Return the report on a trace and the timeline that led to it.

    Raises `tpanalyze.errors.TraceError`.
    """
    collector = Collector()
    report, replay = _replay(source, at_ns, collector)
    return Run(report, collector.timeline(replay))


def _replay(
    source: Source, at_ns: int | None, collector: Collector | None
) -> tuple[Report, Replay]:
    with open_trace(source) as trace:
        replay = Replay(trace.header.tick_ns, trace.remarks, at_ns=at_ns, sink=collector)
        for batch in trace:
            replay.feed(batch.rows, batch.first_line)
            if replay.passed:
                break
    report = analyse(replay.snapshot(), trace.header, replay.quality(), trace.name)
    return report, replay
