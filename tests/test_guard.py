"""A callback's ``try`` covers each of its steps, the first one included."""

from __future__ import annotations

import dis
from itertools import pairwise
from types import CodeType, FunctionType

import pytest

from tprecord import core
from tprecord.guard import covered_throughout

CALLBACKS = [
    core._on_call,
    core._on_start,
    core._on_return,
    core._on_native_return,
    core._on_native_raise,
]


def ranges(code: CodeType) -> list[tuple[int, int, int]]:
    entries = dis.Bytecode(code).exception_entries  # type: ignore[attr-defined]
    return [(entry.start, entry.end, entry.target) for entry in entries]


@pytest.mark.parametrize("callback", CALLBACKS, ids=lambda callback: str(callback.__name__))
def test_each_step_before_the_outermost_handler_is_covered(callback: FunctionType) -> None:
    before, after = ranges(callback.__code__), ranges(covered_throughout(callback.__code__))
    assert set(before) < set(after)
    target = after[0][2]
    assert target == before[0][2] and after[0][0] == 0
    covered = {step for start, end, _ in after for step in range(start, end)}
    assert covered.issuperset(range(target))
    assert all(end <= start for (_, end, _), (start, _, _) in pairwise(after))


def test_what_happens_is_what_happened_before() -> None:
    def adds(values: list[int]) -> object:
        try:
            total = 0
            for value in values:
                try:
                    total += 6 // value
                except ZeroDivisionError:
                    continue
        except TypeError as error:
            return error
        return total

    covered = FunctionType(covered_throughout(adds.__code__), {})
    assert covered([1, 0, 3]) == adds([1, 0, 3]) == 8
    assert isinstance(covered(["a"]), TypeError)
    assert isinstance(covered(1), TypeError)


def test_a_function_without_a_try_stays_as_it_is() -> None:
    code = test_a_function_without_a_try_stays_as_it_is.__code__
    assert covered_throughout(code) is code
