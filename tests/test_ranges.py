"""Sets of numbers as ranges."""

from __future__ import annotations

from hypothesis import given, strategies as st

from tpanalyze.ranges import NumberSet

NUMBERS = st.lists(st.integers(1, 30))


@given(NUMBERS)
def test_it_is_a_set(numbers: list[int]) -> None:
    ours, theirs = NumberSet(), set[int]()
    for number in numbers:
        assert ours.add(number) == (number not in theirs)
        theirs.add(number)
        assert len(ours) == len(theirs)
    for first in range(32):
        assert (first in ours) == (first in theirs)
        for last in range(first, 32):
            assert ours.covers(first, last) == theirs.issuperset(range(first, last + 1))


@given(NUMBERS)
def test_its_ranges_are_sorted_and_never_adjoin(numbers: list[int]) -> None:
    ours = NumberSet()
    for number in numbers:
        ours.add(number)
    flat = [number for pair in ours for number in pair]
    assert flat == sorted(flat)
    assert all(end + 1 < begin for end, begin in zip(flat[1::2], flat[2::2], strict=False))
    assert {n for first, last in ours for n in range(first, last + 1)} == set(numbers)


def test_an_empty_range_is_covered_by_nothing() -> None:
    ours = NumberSet()
    ours.add(1)
    ours.add(2)
    assert not ours.covers(2, 1)
