"""Traces with something wrong: an answer or a clear error, and no harm in what is written."""

from __future__ import annotations

import random
import resource

from hypothesis import given, settings, strategies as st

from tests.judges.fuzz import mutated, opened
from tests.random_rows import ROWS, trace_of
from tests.tracegen import HEADER, TraceGen
from tpanalyze.rows import Row


def test_samples_with_something_wrong_are_answered_or_refused() -> None:
    """``python3 dev.py judge fuzz`` does it for longer."""
    verdicts = {opened(mutated(random.Random(seed))) for seed in range(250)}
    assert {"deadlock", "none", "error"} <= verdicts


@settings(max_examples=60)
@given(ROWS)
def test_lines_of_anything_are_answered(rows: list[Row]) -> None:
    opened(trace_of(rows).data())


@settings(max_examples=100)
@given(st.binary(max_size=400))
def test_bytes_of_anything_are_answered_or_refused(data: bytes) -> None:
    opened(data)
    opened(TraceGen(**HEADER).data() + data)


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
