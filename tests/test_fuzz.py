"""Traces with something wrong: an answer or a clear error, and no harm in what is written."""

from __future__ import annotations

import random
import resource

import numpy as np
from hypothesis import given, settings, strategies as st

from tests.judges.fuzz import DRAWN, mutated, opened, some_of_it
from tests.random_rows import ROWS, trace_of
from tests.tracegen import HEADER, TraceGen
from tpanalyze.model import ThreadId
from tpanalyze.render.page.lanes import _lanes
from tpanalyze.rows import Row

QUICK = DRAWN[:-1]
"""All but the page, which takes as long as all the rest."""


def test_samples_with_something_wrong_are_answered_or_refused() -> None:
    """``python3 dev.py judge fuzz`` does it for longer."""
    verdicts = set()
    for seed in range(250):
        chance = random.Random(seed)
        verdicts.add(opened(mutated(chance), some_of_it(chance)))
    assert {"deadlock", "none", "error"} <= verdicts


@settings(max_examples=60)
@given(ROWS)
def test_lines_of_anything_are_answered(rows: list[Row]) -> None:
    opened(trace_of(rows).data(), QUICK)


@settings(max_examples=100)
@given(st.binary(max_size=400))
def test_bytes_of_anything_are_answered_or_refused(data: bytes) -> None:
    opened(data, QUICK)
    opened(TraceGen(**HEADER).data() + data, QUICK)


class Endless:
    """A file with one line that is a gigabyte long."""

    def __init__(self) -> None:
        self._left = 1 << 30
        self._begin = TraceGen(**HEADER).data() + b"["

    def read(self, size: int, /) -> bytes:
        begin, self._begin = self._begin, b""
        self._left -= size
        return begin or (b"1," * (size // 2) if self._left > 0 else b"")

    def close(self) -> None:
        pass


def test_a_gigabyte_in_one_line_costs_no_memory() -> None:
    import tpanalyze  # noqa: PLC0415

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    report = tpanalyze.analyze(Endless())  # type: ignore[arg-type]
    assert report.verdict == "none"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 150_000  # kB


def test_numbers_of_any_size_take_no_more_room_than_small_ones() -> None:
    """A thread's number was the length of a list in the page."""
    order = [ThreadId(10**15), ThreadId(7)]
    lanes = _lanes(np.array([7, 10**15, 3, 0, 2**62]), order)
    assert lanes.tolist() == [1, 0, -1, -1, -1]
    assert _lanes(np.array([7, 8]), []).tolist() == [-1, -1]


def test_who_waits_behind_a_wait_that_has_just_begun_is_not_called_stalled() -> None:
    """Thread 1 has long waited for a task; its worker has begun to wait for a promise just now."""
    lines = b"""[1,179526,1,1,1,1,1]
[2,7,2,1]
[15,116,2,2,2]
[6,107,1,1,1,-1,1,1,1]
[24,1043045,0,2,4]
[6,302,2,1,1,-1,3,2,2]
"""
    assert opened(TraceGen(**HEADER).data() + lines, QUICK) == "none"
