"""Collections that are kept small, against the plain ones."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from tpanalyze.compact import Each, Made, Places

LINES = st.lists(st.integers(0, 40), unique=True)


@given(LINES | LINES.map(sorted))
def test_a_number_is_found_at_its_place(line: list[int]) -> None:
    places = Places(line)
    for number in range(-1, 42):
        assert places.of(number) == (line.index(number) if number in line else None)


@given(LINES, st.sets(st.integers(0, 50)))
def test_what_is_made_when_asked_for_is_as_if_it_had_been_made_before(
    line: list[int], kept: set[int]
) -> None:
    small = [-number for number in line]
    there = {number: f"kept {number}" for number in kept}
    made = Made(line, small, "made {} of {}".format, there)
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
