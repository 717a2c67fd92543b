"""What the reader hands to the replay."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

BOUND: Final = 10**15
"""No integer of a row is so far from 0; so sums of them fit into 64 bits."""

type Row = list[int] | dict[str, object]
"""One line of a trace: an event, an array of integers; or a definition."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Some consecutive lines of a trace."""

    first_line: int
    rows: list[Row]
