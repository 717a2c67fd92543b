"""The samples in ``traces/``: what is kept there is what the analyser says today."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

import tpanalyze
from tests.recorded import ROOT, read
from tools.gallery import samples
from tools.samples import RESULTS, analysed

SAMPLES = samples()
KEPT = [(sample, result) for sample in SAMPLES for result in RESULTS if (sample / result).exists()]


def test_each_sample_has_a_trace_and_its_results() -> None:
    assert len(SAMPLES) >= 8
    for sample in SAMPLES:
        assert {path.name for path in sample.iterdir()} >= {
            "program.py",
            "trace.jsonl",
            "report.txt",
            "graph.svg",
            "timeline.svg",
        }


@pytest.mark.parametrize(("sample", "result"), KEPT, ids=[f"{s.name}-{r}" for s, r in KEPT])
def test_a_sample_s_results_are_what_the_analyser_says_today(sample: Path, result: str) -> None:
    kept, today = (sample / result).read_bytes(), analysed(sample, result)
    if result.endswith(".json"):
        assert json.loads(kept) == json.loads(today)
    elif result == "graph.svg":
        # Graphviz' coordinates differ from one version to the next; its words do not.
        assert words(kept) == words(today)
    else:
        assert kept == today


def words(svg: bytes) -> list[str]:
    """Return the texts of a picture, in order of the alphabet."""
    root = ET.fromstring(svg)  # noqa: S314  # our own file
    return sorted("".join(e.itertext()) for e in root.iter("{http://www.w3.org/2000/svg}text"))


@pytest.mark.parametrize("sample", SAMPLES, ids=[sample.name for sample in SAMPLES])
def test_a_sample_s_trace_carries_no_path_of_a_machine(sample: Path) -> None:
    functions = read(sample / "trace.jsonl").definitions["function"].values()
    assert not [row for row in functions if str(row.get("file", "")).startswith("/")]


def test_a_thousand_tasks_with_a_core_of_two_stay_readable() -> None:
    sample = ROOT / "traces" / "crowd"
    report = tpanalyze.analyze(sample / "trace.jsonl")
    (finding,) = report.findings
    assert finding.kind == "circular-wait"
    assert len(finding.core) == 2
    assert len(finding.victims) == 999
    assert len((sample / "report.txt").read_text().splitlines()) < 80
    assert len(words((sample / "graph.svg").read_bytes())) < 80
