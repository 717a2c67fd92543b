"""Collections of very many things, kept small: a thing is made when it is asked for."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from operator import eq, lt


class Places:
    """Where each number stands in a line of distinct ones, found by bisection.

    Memory: none where the line ascends, else 8 bytes a number.
    """

    __slots__ = ("_ascending", "_line")

    def __init__(self, line: Sequence[int]) -> None:
        self._line = line
        self._ascending: Sequence[int] = range(len(line))
        if not all(map(lt, line, islice(line, 1, None))):
            self._ascending = array("Q", sorted(self._ascending, key=line.__getitem__))

    def of(self, number: int) -> int | None:
        """Return the place of the number, from 0 on; None if it is not in the line."""
        at = bisect_left(self._ascending, number, key=self._line.__getitem__)
        if at < len(self._line) and self._line[self._ascending[at]] == number:
            return self._ascending[at]
        return None


class Made[K: int, S, V](Mapping[K, V]):
    """A mapping that keeps something small of each of many numbers, and makes the value of it.

    Equal to ``{number: make(number, small), ...} | kept``, and in that order.
    Memory: 16 bytes a number, and those of :class:`Places`.
    """

    __slots__ = ("_kept", "_make", "_more", "_numbers", "_places", "_small")

    def __init__(
        self, numbers: Sequence[K], small: Sequence[S], make: Callable[[K, S], V], kept: dict[K, V]
    ) -> None:
        self._numbers, self._small, self._make, self._kept = numbers, small, make, kept
        self._places = Places(numbers)
        self._more = [number for number in kept if self._places.of(number) is None]

    def __getitem__(self, number: K) -> V:
        if number in self._kept:
            return self._kept[number]
        place = self._places.of(number)
        if place is None:
            raise KeyError(number)
        return self._make(number, self._small[place])

    def __contains__(self, number: object) -> bool:
        return number in self._kept or (
            isinstance(number, int) and self._places.of(number) is not None
        )

    def __iter__(self) -> Iterator[K]:
        yield from self._numbers
        yield from self._more

    def __len__(self) -> int:
        return len(self._numbers) + len(self._more)

    def __repr__(self) -> str:
        return repr(dict(self))


class Values[T](Sequence[T]):
    """A sequence that is equal to every other one of the same values, as tuples are."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(map(eq, self, other))

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return repr(tuple(self))
