"""The public functions: ``tpanalyze.analyze`` and ``tpanalyze.load``."""

from __future__ import annotations

import io
from pathlib import Path
from xml.etree import ElementTree as ET

import tpanalyze
from tests.recorded import ROOT
from tpanalyze.findings import Report

TRACE = ROOT / "traces" / "exit_hang" / "trace.jsonl"


def test_analyze_takes_a_path_or_a_file_and_gives_the_report() -> None:
    by_path, by_name = tpanalyze.analyze(TRACE), tpanalyze.analyze(str(TRACE))
    by_file = tpanalyze.analyze(io.BytesIO(TRACE.read_bytes()))
    assert isinstance(by_path, Report)
    assert by_path == by_name
    assert by_path.findings == by_file.findings
    assert by_path.verdict is tpanalyze.Verdict.DEADLOCK


def test_a_report_shows_itself_in_print_and_in_a_notebook() -> None:
    report = tpanalyze.analyze(TRACE)
    assert str(report).startswith("DEADLOCK  pool-starvation")
    picture = ET.fromstring(report._repr_svg_())  # noqa: S314  # our own
    assert picture.tag == "{http://www.w3.org/2000/svg}svg"


def test_load_gives_every_interval_and_the_pools_load() -> None:
    run = tpanalyze.load(TRACE)
    frame = run.intervals()
    waits = frame[(frame["state"] == "waiting") & frame["open"]]
    assert sorted(waits["thread_name"]) == ["MainThread", "mail_0", "mail_1"]
    assert set(waits["end_ns"]) == {run.timeline.end_ns}
    queued = frame[(frame["state"] == "queued") & frame["open"]]
    assert list(queued["function"]) == ["deliver", "deliver"]
    load = run.pool_load()
    assert load["queued"].max() == 2


def test_the_text_names_source_lines_only_of_files_that_have_not_changed(tmp_path: Path) -> None:
    from tpanalyze.sources import SourceLines  # noqa: PLC0415

    report = tpanalyze.analyze(TRACE)
    (first, *_) = [p.wait.site for p in report.findings[0].core if p.wait and p.wait.site]
    frame = next(frame for frame in first.frames if not frame.function.stdlib)
    (tmp_path / "program.py").write_text("\n" * (frame.line - 1) + "    the line\n")
    assert SourceLines([tmp_path], "2999-01-01T00:00:00Z")(frame) == "the line"
    assert SourceLines([tmp_path], report.header.started)(frame) in ("", "the line")
    assert SourceLines([tmp_path], "1999-01-01T00:00:00Z")(frame) == ""
    assert SourceLines([tmp_path / "elsewhere"], "2999-01-01T00:00:00Z")(frame) == ""
    assert SourceLines([tmp_path], "some day")(frame) == ""
