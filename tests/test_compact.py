"""Collections that are kept small, against the plain ones."""

from __future__ import annotations

from hypothesis import given, strategies as st

from tpanalyze.compact import Places

LINES = st.lists(st.integers(0, 40), unique=True)


@given(LINES | LINES.map(sorted))
def test_a_number_is_found_at_its_place(line: list[int]) -> None:
    places = Places(line)
    for number in range(-1, 42):
        assert places.of(number) == (line.index(number) if number in line else None)
