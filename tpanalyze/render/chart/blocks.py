"""One lane at a level of detail that its width can show.

What is at least `grain` pixels long is a block of its own.  What is shorter goes into cells, each
`grain` pixels wide, that say how much of their time was spent how.  The grain is doubled until the
lane has no more parts than allowed: so a lane of a million tasks costs what one of fifty does, and
still shows when it was busy.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from tpanalyze.render.chart.scale import Scale
from tpanalyze.render.chart.spans import Kind, Span

_FINEST: Final = 2.0
_COARSEST: Final = 256.0
_KINDS: Final = len(Kind)


@dataclass(frozen=True, slots=True)
class Block:
    """A stretch of a lane in which one span is drawn as it was."""

    left: float
    right: float
    span: Span


@dataclass(frozen=True, slots=True)
class Cell:
    """A stretch of a lane in which many short spans are added up."""

    left: float
    right: float
    shares: tuple[float, ...]
    """by Kind, how much of the time was spent so; the rest of 1.0 is idle"""
    spans: int
    """how many began here"""


@dataclass(frozen=True, slots=True)
class Lane:
    """What to draw of one thread, or of many together."""

    blocks: tuple[Block, ...]
    cells: tuple[Cell, ...]


class _Cells:
    """Cells of one grain in the making; spans are added in constant time."""

    def __init__(self, scale: Scale, grain: float) -> None:
        self.grain = grain
        self._left, self._right = scale.left, scale.right
        self.size = max(1, math.ceil((scale.right - scale.left) / grain))
        self.partial = [[0.0] * self.size for _ in range(_KINDS)]
        self.rises = [[0] * (self.size + 1) for _ in range(_KINDS)]
        self.begun = [0] * self.size

    def add(self, kind: Kind, left: float, right: float, spans: int = 1) -> None:
        first, last = self._index(left), self._index(right)
        self.begun[first] += spans
        partial = self.partial[kind]
        if first == last:
            partial[first] += right - left
            return
        partial[first] += self._left + (first + 1) * self.grain - left
        partial[last] += right - (self._left + last * self.grain)
        self.rises[kind][first + 1] += 1
        self.rises[kind][last] -= 1

    def add_cell(self, cell: Cell) -> None:
        """Take over a finer cell."""
        index = self._index(cell.left)
        self.begun[index] += cell.spans
        for kind, share in enumerate(cell.shares):
            self.partial[kind][index] += share * (cell.right - cell.left)

    def _index(self, x: float) -> int:
        return min(self.size - 1, max(0, int((x - self._left) / self.grain)))

    def finished(self, lanes: int = 1) -> list[Cell]:
        """Return the cells in which something was, each an average over so many lanes."""
        cells: list[Cell] = []
        covered = [0] * _KINDS
        for index in range(self.size):
            left = self._left + index * self.grain
            right = min(left + self.grain, self._right)
            shares = []
            for kind in range(_KINDS):
                covered[kind] += self.rises[kind][index]
                time = self.partial[kind][index] + covered[kind] * (right - left)
                shares.append(min(1.0, time / lanes / max(right - left, 1e-9)))
            if any(shares) or self.begun[index]:
                cells.append(Cell(left, right, tuple(shares), self.begun[index]))
        return cells


def lane(spans: Iterable[Span], scale: Scale, most: int) -> Lane:
    """Return the spans of one thread as at most `most` parts, or as few as the coarsest grain."""
    grain = _FINEST
    cells = _Cells(scale, grain)
    blocks: list[Block] = []
    for span in spans:
        left, right = scale.x(span.start_ns), scale.x(span.end_ns)
        if right - left >= grain:
            blocks.append(Block(left, right, span))
        else:
            cells.add(span.kind, left, right)
    finished = cells.finished()
    while len(blocks) + len(finished) > most and grain < _COARSEST:
        grain *= 2
        coarser = _Cells(scale, grain)
        for cell in finished:
            coarser.add_cell(cell)
        for block in blocks:
            if block.right - block.left < grain:
                coarser.add(block.span.kind, block.left, block.right)
        blocks = [block for block in blocks if block.right - block.left >= grain]
        finished = coarser.finished()
    return Lane(tuple(sorted(blocks, key=lambda block: block.left)), tuple(finished))


def lane_of_many(lanes: Sequence[Iterable[Span]], scale: Scale, most: int) -> Lane:
    """Return the spans of many threads as one lane of cells: at each moment, how many did what."""
    grain = max(4 * _FINEST, (scale.right - scale.left) / most)
    cells = _Cells(scale, grain)
    for spans in lanes:
        for span in spans:
            cells.add(span.kind, scale.x(span.start_ns), scale.x(span.end_ns))
    return Lane((), tuple(cells.finished(len(lanes))))
