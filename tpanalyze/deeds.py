"""What each thread did, event by event: for those who tell the story or draw arrows.

Plain columns of machine integers, nine for each event, however many there are.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from tpanalyze.rows import Row

WIDTH: Final = 9
"""Integers of a deed."""

_FIELDS: Final = WIDTH - 3
_NONE: Final = (0,) * _FIELDS


class Deed(NamedTuple):
    """One event; `fields` are those of the trace format, filled up with zeros."""

    ticks: int
    kind: int
    thread: int
    fields: tuple[int, ...]


class Deeds:
    """Gathers the events of a trace up to a moment: feed it what the replay is fed."""

    def __init__(self, tick_ns: int, at_ns: int | None = None) -> None:
        self.columns: Final = array("q")
        """nine integers each: ticks, kind, thread, and the first six fields"""
        self._ticks = 0
        self._last = None if at_ns is None else at_ns // tick_ns

    def feed(self, rows: Sequence[Row]) -> None:
        """Take the next rows in; definitions, and what is no event, are passed over."""
        ticks, last = self._ticks, self._last
        fresh: list[int] = []
        for row in rows:
            if not isinstance(row, list) or len(row) < len(("kind", "dt", "thread")):
                continue
            ticks += row[1]
            if last is not None and ticks > last:
                break
            fresh += (ticks, row[0], row[2])
            fields = row[3:WIDTH]
            fresh += fields
            fresh += _NONE[len(fields) :]
        self._ticks = ticks
        self.columns.fromlist(fresh)

    def __len__(self) -> int:
        return len(self.columns) // WIDTH

    def __getitem__(self, index: int) -> Deed:
        ticks, kind, thread, *fields = self.columns[index * WIDTH : (index + 1) * WIDTH]
        return Deed(ticks, kind, thread, tuple(fields))

    def __iter__(self) -> Iterator[Deed]:
        return (self[index] for index in range(len(self)))
