"""The benchmarks measure what they say, and their page shows it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

import tpanalyze
from benchmarks import analyser, floor, instructions, locks, made_trace, page, recorder, results
from benchmarks.measure import (
    BARE,
    IN_PYTHON,
    CannotRun,
    Figure,
    Setup,
    interleaved,
    ratios,
    run,
    workload,
)
from benchmarks.picture import Bar, Group, draw
from tests.recorded import environment, read
from tpanalyze.findings import Verdict


@pytest.mark.parametrize("kind", analyser.KINDS)
def test_a_made_trace_is_as_a_recorder_would_have_written_it(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "made.trace.jsonl"
    made_trace.write(path, 4000, open_at_end=17, kind=kind)
    report = tpanalyze.analyze(path)
    assert report.quality.remarks == ()
    open_ = [task for task in report.snapshot.tasks.values() if not task.done]
    assert len(open_) == 17
    assert (report.verdict is Verdict.DEADLOCK) == (kind == made_trace.STUCK)
    assert len(read(path).of("submit")) == 1000 + 17 * (kind != made_trace.PROMISED)


@pytest.mark.parametrize("name", sorted({each.program for each in recorder.WORKLOADS}))
def test_each_workload_runs_and_tells_what_it_took(name: str, tmp_path: Path) -> None:
    took = run(BARE, tmp_path, *workload(name, 1000, 10))
    assert took.ns > 0
    assert took.peak > 1000
    assert took.size == 0


def test_a_recorded_workload_leaves_a_trace_and_a_ratio(tmp_path: Path) -> None:
    said: list[str] = []
    program = workload("no-op", 300)
    taken = interleaved((BARE, IN_PYTHON), 2, tmp_path, program, said.append)
    assert said == ["no-op 300"]
    assert [took.size > 300 * 40 for took in taken[IN_PYTHON.name]] == [True, True]
    assert ratios(taken, lambda took: took.ns)[BARE.name] == Figure(1, 1, 1)


def test_a_recorder_that_is_not_there_is_said_to_be_absent(tmp_path: Path) -> None:
    nobody = Setup("nobody", ("-m", "no_such_recorder"))
    with pytest.raises(CannotRun, match="No module named no_such_recorder"):
        run(nobody, tmp_path, *workload("no-op", 1))


def measured() -> dict[str, Any]:
    """Return results as they would be in the file."""
    names = ["bare", "tprecord, C", "tprecord, Python"]
    row = {name: [1.2, 1.1, 1.3] for name in names} | {"bare": [8000.0, 7000.0, 9000.0]}
    figures = {
        "times": {each.name: row for each in recorder.WORKLOADS},
        "cpu": {},
        "start_ms": {"nothing": row},
        "bytes_per_task": {"tprecord, C": 60.4},
        "peak_mb": {name: [12.0, 12.1] for name in names},
        "gc_ns": {name: [100.0, 90.0, 110.0] for name in names},
    }
    here = {"python": "3.13.0", "machine": "m", "load": "0", "command": "c", "seconds": 1}
    job = {"seconds": [0.5, 0.5, 0.5], "cpu": [0.5, 0.5, 0.5], "mb": 2.0, "result": 9}
    return {
        "pythons": {
            "3.13": {
                "conditions": here,
                "absent": {"trace0": "No module named trace0"},
                "recorder": figures,
                "parts": {"tprecord, C": {"submit": 95.0}},
            }
        },
        "analyser": {
            "conditions": here,
            "jobs": {"verdict": {"1000000": job}, "HTML": {"1000000": job}},
            "bytes_per_open_task": {"in a queue": 120.0, "awaited": 121.0},
            "commands_ms": {"tpanalyze --help": [50.0, 49.0, 51.0]},
        },
    }


def test_the_page_shows_every_figure_and_who_was_not_there() -> None:
    shown = page.tables(measured())
    assert "| no-op tasks | 8.0 µs each | **1.20** (1.10–1.30) | **1.20** (1.10–1.30) |" in shown
    assert "trace0 is not there: No module named trace0" in shown
    assert "| 1 000 000 | 0.50 s, 2.00 M/s, 2 MB |" in shown
    assert "| **all of it** | **1600** |" in shown
    assert "| memory per open task, awaited | 121 bytes |" in shown


def test_the_page_shows_what_was_measured_before_there_were_kinds_of_open_tasks() -> None:
    results = measured()
    results["analyser"]["bytes_per_open_task"] = 135.0
    assert "| memory per open task, in a queue | 135 bytes |" in page.tables(results)


def test_results_of_several_pythons_stand_in_one_file(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    file.write_text(json.dumps(measured()), encoding="utf-8")
    here = results.Conditions("3.12.1", "m", "0", "c", 1)
    recorded = recorder.Recorded({}, {}, {}, {}, {}, {"bare": Figure(1.23456, 1, 2)})
    results.save(file, here, {}, recorded, {}, None)
    kept = results.load(file)
    assert sorted(kept["pythons"]) == ["3.12", "3.13"]
    assert kept["pythons"]["3.12"]["recorder"]["gc_ns"] == {"bare": [1.235, 1, 2]}
    assert kept["analyser"]["bytes_per_open_task"]["in a queue"] == 120


def test_the_picture_is_an_image_with_a_bar_for_each_recorder() -> None:
    bars = (Bar("tprecord, C", 1.1, 1.0, 1.2), Bar("viztracer", 9.0, 8.0, 10.0))
    picture = ET.fromstring(draw("<&>", [Group("tasks & more", bars)]))  # noqa: S314  # our own
    texts = [node.text for node in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert {"tasks & more", "1.10", "9.00", "<&>"} <= set(texts)


def test_the_page_has_a_place_for_the_results() -> None:
    text = page.PAGE.read_text(encoding="utf-8")
    assert text.count(page.BEGIN) == text.count(page.END) == 1


def test_without_valgrind_no_instructions_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert instructions.main() == 2
    assert capsys.readouterr().err == "cannot count: valgrind is not installed\n"


@pytest.mark.parametrize("step", floor.STEPS)
def test_the_floor_is_measured_under_callbacks_that_meet_every_task(
    step: str, tmp_path: Path
) -> None:
    command = [sys.executable, str(floor.PROGRAM), step, *workload("no-op", 3000)]
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment(), cwd=tmp_path, check=True
    )
    assert json.loads(done.stdout)["ns"] > 0
    assert done.stderr == f"{0 if step == 'called' else 4 * 3000} events\n"


def test_the_floor_is_told_beside_the_core_in_python(capsys: pytest.CaptureFixture[str]) -> None:
    assert floor.main(tasks=100, rounds=1) == 0
    _, _, *rows = capsys.readouterr().out.splitlines()
    assert len(rows) == len(floor.STEPS) + 1
    assert all("**" in row for row in rows)


def test_what_locks_cost_is_measured_alone_and_recorded(tmp_path: Path) -> None:
    alone, recorded = (locks.took(setup, tmp_path, 500) for setup in (BARE, locks.RECORDED))
    assert list(alone) == list(recorded)
    assert all(ns > 0 for ns in (*alone.values(), *recorded.values()))
    assert read(tmp_path / "trace.jsonl").of("contend")
    head, _, *rows = locks.table({"with": 150.0}, {"with": 550.0})
    assert head.count("|") == 5
    assert rows == ["| with | 0.15 | 0.55 | 0.40 |"]
