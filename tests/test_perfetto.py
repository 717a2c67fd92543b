"""The run for Perfetto: every arrow hangs on slices, slices nest, names are safe.

The rules are those of the Trace Event Format's document, which both viewers implement: a slice has
a begin and a length; on one thread slices nest; an arrow's ends share category, name and id, and
each lies in a slice of its thread, or it is dropped.
"""

from __future__ import annotations

import json
from collections import defaultdict

import pytest

import tpanalyze
from tests.recorded import ROOT
from tpanalyze.render.perfetto import _Waits, render_perfetto

SAMPLES = sorted(program.parent.name for program in (ROOT / "traces").glob("*/program.py"))


def events_of(sample: str) -> list[dict[str, object]]:
    run = tpanalyze.load(ROOT / "traces" / sample / "trace.jsonl", deeds=True)
    assert run.deeds is not None
    document = json.loads(render_perfetto(run.report, run.timeline, run.deeds))
    events: list[dict[str, object]] = document["traceEvents"]
    return events


def number(value: object) -> float:
    assert isinstance(value, (int, float))
    return value


@pytest.mark.parametrize("sample", SAMPLES)
def test_slices_nest_and_every_arrow_begins_and_ends_on_one(sample: str) -> None:
    slices: defaultdict[object, list[tuple[float, float]]] = defaultdict(list)
    arrows: defaultdict[object, list[dict[str, object]]] = defaultdict(list)
    for event in events_of(sample):
        assert {"ph", "pid", "tid", "ts", "name"} <= event.keys()
        if event["ph"] == "X":
            begin = number(event["ts"])
            slices[event["tid"]].append((begin, begin + number(event["dur"])))
        elif event["ph"] in ("s", "f"):
            arrows[event["cat"], event["id"]].append(event)
    for found in slices.values():
        open_: list[float] = []
        for begin, end in sorted(found, key=lambda each: (each[0], -each[1])):
            while open_ and open_[-1] <= begin:
                open_.pop()
            assert not open_ or end <= open_[-1] + 1e-6
            open_.append(end)
    for ends in arrows.values():
        assert [each["ph"] for each in ends] in (["s", "f"], ["s"])
        for each in ends:
            at = number(each["ts"])
            assert any(begin <= at <= stop for begin, stop in slices[each["tid"]])


def test_a_deadlock_is_an_instant_and_a_queue_a_counter() -> None:
    events = events_of("pool_starvation")
    (instant,) = (event for event in events if event["ph"] == "i")
    assert instant["name"] == "deadlock" and instant["s"] == "p"
    queued = [event["args"] for event in events if str(event["name"]).endswith(" queue")]
    assert {"queued": 1} in queued and {"queued": 0} in queued
    names = [event["args"] for event in events if event["name"] == "thread_name"]
    assert {"name": "MainThread"} in names
    waits = [event for event in events if event.get("cat") == "wait"]
    assert len(waits) == 2


@pytest.mark.parametrize(
    ("need", "by"), [(3, 12), (1, 11)], ids=["the last of all", "the first of any"]
)
def test_what_ended_a_wait_is_the_finish_that_was_enough(need: int, by: int) -> None:
    waits = _Waits()
    waits.begin(1, (2, need, -1, 0, 5, 7))
    for at_ns, task, thread in ((100, 6, 11), (200, 4, 13), (300, 7, 12)):
        waits.finish(task, (at_ns, thread))
    cause = waits.end(1)
    assert cause is not None and cause[1] == by
    assert waits.end(1) is None


def test_a_wait_that_timed_out_is_ended_by_nobody() -> None:
    waits = _Waits()
    waits.begin(1, (1, 1, 500, 0, 5, 5))
    assert waits.end(1) is None
    waits.finish(5, (900, 11))
    waits.begin(1, (1, 1, -1, 0, 6, 6))
    assert waits.end(1) is None, "what finished between two waits ended neither"


def test_what_starts_in_another_process_has_no_arrow_to_nowhere() -> None:
    events = events_of("process_pool")
    assert [each["ph"] for each in events if each.get("cat") == "submit"] == ["X", "s"]


def test_numbers_of_arrows_are_of_one_process_and_exact_in_json() -> None:
    numbers = {each["id"] for each in events_of("two_pools") if each["ph"] == "s"}
    others = {each["id"] for each in events_of("done_callback") if each["ph"] == "s"}
    assert numbers and others and not numbers & others
    assert all(number(each) < 1 << 53 for each in numbers | others)
