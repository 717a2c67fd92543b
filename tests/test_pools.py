"""Pools used in less plain ways, from the hanging program to the report."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.recorded import record
from tests.test_classics import TRACES, function_of, hang_and_analyse, place
from tpanalyze import analyze
from tpanalyze.findings import Finding, Party, Report, Verdict
from tpanalyze.render.dot import render_dot
from tpanalyze.render.json_report import render_json
from tpanalyze.render.text import render_text


@dataclass(frozen=True)
class Sample:
    """A sample and what its report must say: of the core (function, operation, its line) each."""

    name: str
    kind: str
    core: tuple[tuple[str, str, str], ...]
    victims: tuple[tuple[str, str, str], ...]
    pools: tuple[str, ...]
    twins: tuple[str, ...]
    queued: tuple[str, ...] = ()
    """functions of the tasks of the core that no worker takes"""


RESULT, SHUTDOWN, WAIT_ALL = "Future.result", "Executor.shutdown", "wait(ALL_COMPLETED)"

SAMPLES = (
    Sample(
        "done_callback",
        "pool-starvation",
        (("fetch", RESULT, "print(stored.result("),),
        (("", SHUTDOWN, "pool.shutdown()"),),
        ("net",),
        ("enough-workers", "timeout", "rearranged"),
        ("store",),
    ),
    Sample(
        "two_pools",
        "pool-starvation",
        (
            ("mirror", RESULT, "other.submit(function).result("),
            ("publish", RESULT, "other.submit(function).result("),
        ),
        (("", RESULT, "print(task.result())"),),
        ("disk", "net"),
        ("enough-workers", "timeout", "rearranged"),
        ("fetch", "read"),
    ),
    Sample(
        "cancelled_in_queue",
        "unheard-cancel",
        (("search", WAIT_ALL, "wait(places"),),
        (("", RESULT, "pool.submit(search).result()"),),
        ("search",),
        ("enough-workers", "timeout", "rearranged"),
        ("look",),
    ),
    Sample(
        "cancel_futures",
        "unheard-cancel",
        (("", WAIT_ALL, "wait(pages"),),
        (),
        ("press",),
        ("timeout", "rearranged"),
        ("print_page",),
    ),
    Sample(
        "self_drain",
        "self-drain",
        (
            ("job", SHUTDOWN, "pool.shutdown(wait="),
            ("job", RESULT, "return task.result("),
        ),
        (("", RESULT, "print(task.result())"),),
        ("jobs",),
        ("timeout", "rearranged"),
    ),
    Sample(
        "drain_cycle",
        "drain-cycle",
        (
            ("job", SHUTDOWN, "with ThreadPoolExecutor("),
            ("log", RESULT, "job.result("),
        ),
        (("", RESULT, "print(task.result())"),),
        ("jobs", "loggers"),
        ("timeout", "rearranged"),
    ),
    Sample(
        "threadpool_apply",
        "pool-starvation",
        (
            ("load_book", "Pool.apply", "return pool.apply("),
            ("load_book", "Pool.apply", "return pool.apply("),
        ),
        (("", "Pool.map", "print(pool.map("),),
        ("",),
        ("enough-workers", "timeout", "rearranged"),
        ("load_page", "load_page"),
    ),
    Sample(
        "threadpool_join",
        "self-drain",
        (("last_one", "Pool.join", "pool.join()"),),
        (("", "AsyncResult.get", "pool.apply_async("),),
        ("",),
        ("close-only", "owner-joins"),
    ),
    Sample(
        "initializer",
        "pool-starvation",
        (("", RESULT, "loaded.result("),),
        (("", RESULT, "pool.submit(measure).result()"),),
        ("lab",),
        ("timeout", "rearranged"),
        ("load_settings",),
    ),
    Sample(
        "copied_submit",
        "circular-wait",
        (
            ("goods", RESULT, "futures[name].result("),
            ("price", RESULT, "futures[name].result("),
        ),
        (("", SHUTDOWN, "with Executor("),),
        ("shop",),
        ("timeout", "rearranged"),
    ),
)


def blocked(report: Report, parties: Sequence[Party], name: str) -> list[tuple[str, str, str]]:
    """Return (function, operation, source line) of each blocked thread, sorted."""
    return sorted(
        (function_of(report, p.task), p.wait.operation, place(p.wait.site, name))
        for p in parties
        if p.wait is not None
    )


def assert_are(
    found: list[tuple[str, str, str]], expected: tuple[tuple[str, str, str], ...]
) -> None:
    assert [row[:2] for row in found] == [row[:2] for row in expected]
    for (*_, line), (*_, fragment) in zip(found, expected, strict=True):
        assert fragment in line


def functions_in_queue(report: Report, finding: Finding) -> tuple[str, ...]:
    return tuple(sorted(function_of(report, p.task) for p in finding.core if p.thread is None))


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_a_sample_is_named_with_who_waits_for_what_where(sample: Sample, tmp_path: Path) -> None:
    report = hang_and_analyse(sample.name, tmp_path)
    (finding,) = report.findings
    assert (finding.verdict, finding.kind) == (Verdict.DEADLOCK, sample.kind)
    assert_are(blocked(report, finding.core, sample.name), sample.core)
    assert_are(blocked(report, finding.victims, sample.name), sample.victims)
    assert functions_in_queue(report, finding) == sample.queued
    pools = sorted(report.snapshot.pools[pool].name for pool in finding.pools)
    assert tuple(pools) == sample.pools


def test_a_done_callback_is_named_wherever_the_wait_is_told(tmp_path: Path) -> None:
    report = hang_and_analyse("done_callback", tmp_path)
    (finding,) = report.findings
    who = "the done-callback when_fetched of task 1 (fetch)"
    assert f"runs {who}, which waits for task 2 (store)" in finding.summary
    assert "a pool calls when_fetched on the worker" in finding.advice[2].text
    assert f"runs {who}, stuck" in " ".join(render_text(report).split())
    assert "done-callback when_fetched" in render_dot(report)
    (party, _) = json.loads(render_json(report))["findings"][0]["core"]
    assert (party["function"], party["callback"]) == ("fetch", "when_fetched")


@pytest.mark.parametrize(("name", "twin"), [(s.name, twin) for s in SAMPLES for twin in s.twins])
def test_the_harmless_twin_of_a_sample_gives_none(name: str, twin: str, tmp_path: Path) -> None:
    run = record(tmp_path, "program.py", twin, cwd=TRACES / name)
    assert run.status == 0, run.stderr
    report = analyze(run.trace_path)
    assert (report.verdict, report.findings) == (Verdict.NONE, ())
    assert report.quality.ended == "exit"
    assert report.quality.complete, report.quality.remarks
