"""A program of which a part is dead, in two places, while the rest works on: recorded, analysed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import pytest

import tpanalyze
from tests.recorded import hanging, read, until
from tpanalyze.findings import Report, Verdict
from tpanalyze.render.json_report import render_json
from tpanalyze.render.text import render_text

PROGRAM = """
import itertools
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Thread

small = ThreadPoolExecutor(1, thread_name_prefix="small")
large = ThreadPoolExecutor(2, thread_name_prefix="large")
busy = ThreadPoolExecutor(2, thread_name_prefix="busy")
both = [Event(), Event()]


def leaf():
    return 1


def starve():
    return small.submit(leaf).result()


def nest(mine, other):
    both[mine].set()
    both[other].wait()
    return large.submit(leaf).result()


def ask(task):
    return task.result()


first = small.submit(starve)
nested = [large.submit(nest, 0, 1), large.submit(nest, 1, 0)]
for task in (*nested, nested[0]):
    Thread(target=ask, args=(task,), daemon=True).start()
for number in itertools.count():  # the rest of the program is well, for ever
    assert busy.submit(abs, -number).result() == number
"""


@dataclass(frozen=True)
class Seen:
    """The trace of the program, of a moment at which all that will be dead is dead."""

    report: Report
    path: Path


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    place = tmp_path_factory.mktemp("several")
    (place / "app.py").write_text(PROGRAM)

    def is_all_there() -> bool:
        if not (path.exists() and read(path).header):
            return False
        return [len(f.victims) for f in tpanalyze.analyze(path).findings] == [3, 0]

    with hanging(place, "app.py") as (_, path):
        until(is_all_there, "two deadlocks, three threads behind one of them")
        kept = place / "kept.jsonl"
        kept.write_bytes(path.read_bytes())
    return Seen(tpanalyze.analyze(kept), kept)


def names(report: Report, threads: Sequence[int]) -> list[str]:
    return sorted(thread.name for n, thread in report.snapshot.threads.items() if n in threads)


def test_each_root_cause_is_a_finding_of_its_own_those_with_most_victims_first(seen: Seen) -> None:
    nested, starved = seen.report.findings
    assert seen.report.verdict is Verdict.DEADLOCK
    assert (nested.kind, starved.kind) == ("pool-starvation", "pool-starvation")
    cores = [[p.thread for p in f.core if p.thread is not None] for f in (nested, starved)]
    assert [names(seen.report, core) for core in cores] == [
        ["large_0", "large_1"],
        ["small_0"],
    ]
    victims = [p.thread for p in nested.victims if p.thread is not None]
    assert all("ask" in name for name in names(seen.report, victims))
    assert "Two independent findings" in render_text(seen.report)
    assert not starved.victims


def test_what_works_on_is_told_apart_from_what_is_dead(seen: Seen) -> None:
    pools = seen.report.snapshot.pools
    named = {pools[pool].name for finding in seen.report.findings for pool in finding.pools}
    assert named == {"small", "large"}
    stuck = [
        party.thread
        for finding in seen.report.findings
        for party in (*finding.core, *finding.victims)
        if party.thread is not None
    ]
    assert "MainThread" not in names(seen.report, stuck)
    assert not any("busy" in name for name in names(seen.report, stuck))
    # somebody moves, and could: that is what the proof takes for granted, and it says so
    for finding in seen.report.findings:
        assert any("cancels" in condition for condition in finding.conditions)


def test_it_is_certain_since_the_last_of_the_core_began_to_wait(seen: Seen) -> None:
    trace = read(seen.path)
    tick_ns = trace.header["tick_ns"]
    moments = list(accumulate(event["dt"] for event in trace.events))
    for finding in seen.report.findings:
        core = {party.thread for party in finding.core if party.thread is not None}
        begun = [
            at
            for at, event in zip(moments, trace.events, strict=True)
            if event["event"] == "wait" and event["thread"] in core
        ]
        certain = finding.certain_since_ns
        assert certain == max(begun) * tick_ns
        assert f"certain since {certain / 1e9:.3f} s" in render_text(seen.report)
        told = json.loads(render_json(seen.report))["findings"]
        assert certain in [each["certain_since_ns"] for each in told]
        before = tpanalyze.analyze(seen.path, at_ns=certain - tick_ns)
        then = tpanalyze.analyze(seen.path, at_ns=certain)
        assert finding.signature not in [each.signature for each in before.findings]
        assert finding.signature in [each.signature for each in then.findings]
