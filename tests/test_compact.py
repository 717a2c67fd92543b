"""Collections that are kept small, against the plain ones."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from tpanalyze.compact import Ascending, Each, Line, Made, Places, ascends, each_once

LINES = st.lists(st.integers(0, 40), unique=True)


@given(LINES | LINES.map(sorted))
def test_a_number_is_found_at_its_place(line: list[int]) -> None:
    places = Places(line)
    for number in range(-1, 42):
        assert places.of(number) == (line.index(number) if number in line else None)


@given(LINES, st.integers(0, 41), st.sets(st.integers(0, 50)))
def test_what_is_made_when_asked_for_is_as_if_it_had_been_made_before(
    line: list[int], cut: int, kept: set[int]
) -> None:
    there = {number: f"kept {number}" for number in kept}
    parts = line[:cut], line[cut:]
    lines = [Line(part, [-n for n in part], "made {} of {}".format) for part in parts]
    made = Made(lines, there)
    plain = {number: f"made {number} of {-number}" for number in line} | there
    assert made == plain
    assert plain == made
    assert list(made.items()) == list(plain.items())
    assert len(made) == len(plain)
    assert repr(made) == repr(plain)
    for number in range(-1, 52):
        assert (number in made) == (number in plain)
        assert made.get(number) == plain.get(number)
    assert made != plain | {60: ""}
    assert None not in made


@given(LINES.map(sorted), st.slices(12), st.integers(-12, 12))
def test_ascending_numbers_are_a_tuple_of_them(line: list[int], part: slice, place: int) -> None:
    kept, plain = Ascending(line), tuple(line)
    assert kept == plain
    assert plain == kept
    assert (tuple(kept), len(kept), hash(kept), repr(kept)) == (
        plain,
        len(plain),
        hash(plain),
        repr(plain),
    )
    assert Ascending.of_ranges(kept.ranges()) == kept
    assert [n in kept for n in range(-1, 42)] == [n in plain for n in range(-1, 42)]
    assert not kept.__contains__("1")
    assert kept[part] == plain[part]
    if -len(plain) <= place < len(plain):
        assert kept[place] == plain[place]
    else:
        with pytest.raises(IndexError):
            kept[place]


@given(LINES | LINES.map(sorted))
def test_numbers_are_seen_to_ascend(line: list[int]) -> None:
    assert ascends(line) == (line == sorted(line))
    assert ascends(Ascending(sorted(line)))


@given(st.lists(st.integers(0, 9)))
def test_of_each_value_the_first_is_left(values: list[int]) -> None:
    once = sorted(set(values))
    assert list(each_once(values)) == list(dict.fromkeys(values))
    assert each_once(Ascending(once)) == tuple(once)


@given(st.lists(st.integers()), st.lists(st.integers()), st.slices(12), st.integers(-12, 12))
def test_some_values_and_one_for_each_key_are_a_tuple_of_them(
    first: list[int], keys: list[int], part: slice, place: int
) -> None:
    each = Each(first, keys, lambda key: key + 1)
    plain = (*first, *(key + 1 for key in keys))
    assert each == plain
    assert plain == each
    assert each != (*plain, 0)
    assert (tuple(each), len(each), hash(each), repr(each)) == (
        plain,
        len(plain),
        hash(plain),
        repr(plain),
    )
    assert each[part] == plain[part]
    if -len(plain) <= place < len(plain):
        assert each[place] == plain[place]
    else:
        with pytest.raises(IndexError):
            each[place]
