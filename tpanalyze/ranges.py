"""A set of numbers that are mostly handed out in order, kept as ranges."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator


class NumberSet:
    """Positive integers as sorted, disjoint, never adjoining ranges.

    The last range is ``first`` up to and without ``next``; both may be read, and ``next`` may be
    raised by one, by a caller for whom a method call is too dear.  Memory: one pair of integers
    per gap, whatever the count.
    """

    __slots__ = ("_ends", "_starts", "first", "next")

    def __init__(self) -> None:
        self.first = 1
        self.next = 1
        self._starts: list[int] = []
        self._ends: list[int] = []

    def __contains__(self, number: int) -> bool:
        return self.covers(number, number)

    def __len__(self) -> int:
        return sum(last - first + 1 for first, last in self)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Yield each range as its first and its last number."""
        for start, end in zip(self._starts, self._ends, strict=True):
            yield start, end - 1
        if self.first < self.next:
            yield self.first, self.next - 1

    def covers(self, first: int, last: int) -> bool:
        """Return True if every number from `first` to `last` is in the set."""
        if first >= self.first:
            return first <= last < self.next
        at = bisect_right(self._starts, first) - 1
        return at >= 0 and first <= last < self._ends[at]

    def add(self, number: int) -> bool:
        """Put `number` in; return False if it was there already."""
        if number >= self.next:
            if number > self.next:
                self._begin_last_range(number)
            self.next = number + 1
            return True
        if number in self:
            return False
        if number >= self.first - 1:
            self.first = number
            if self._ends and self._ends[-1] == number:
                self._ends.pop()
                self.first = self._starts.pop()
        else:
            self._fill(number)
        return True

    def restart(self, ranges: list[int]) -> None:
        """Hold exactly what ``first, last, first, last, ...`` says, ascending and disjoint."""
        self._starts.clear()
        self._ends.clear()
        self.first = self.next = 1
        for first, last in zip(ranges[::2], ranges[1::2], strict=True):
            if self.next < first:
                self._begin_last_range(first)
            self.next = last + 1

    def _begin_last_range(self, number: int) -> None:
        if self.first < self.next:
            self._starts.append(self.first)
            self._ends.append(self.next)
        self.first = number

    def _fill(self, number: int) -> None:
        """Put a number in that neither is in the last range nor adjoins it."""
        starts, ends = self._starts, self._ends
        at = bisect_left(starts, number)
        joins_left = at > 0 and ends[at - 1] == number
        joins_right = at < len(starts) and starts[at] == number + 1
        if joins_left and joins_right:
            ends[at - 1] = ends.pop(at)
            starts.pop(at)
        elif joins_left:
            ends[at - 1] = number + 1
        elif joins_right:
            starts[at] = number
        else:
            starts.insert(at, number)
            ends.insert(at, number + 1)
