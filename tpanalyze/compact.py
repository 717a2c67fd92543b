"""Collections of very many things, kept small: a thing is made when it is asked for."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, ItemsView, Iterator, Mapping, Sequence
from itertools import islice
from operator import eq, lt
from typing import overload


class Places:
    """Where each number stands in a line of distinct ones, found by bisection.

    Memory: none where the line ascends, else 16 bytes a number.
    """

    __slots__ = ("_ascending", "_places")

    def __init__(self, line: Sequence[int]) -> None:
        self._ascending = line
        self._places: Sequence[int] = range(len(line))
        if not all(map(lt, line, islice(line, 1, None))):
            self._places = array("Q", sorted(self._places, key=line.__getitem__))
            self._ascending = [line[place] for place in self._places]

    def of(self, number: int) -> int | None:
        """Return the place of the number, from 0 on; None if it is not in the line."""
        at = bisect_left(self._ascending, number)
        if at < len(self._ascending) and self._ascending[at] == number:
            return self._places[at]
        return None


class Made[K: int, S, V](Mapping[K, V]):
    """A mapping that keeps something small of each of many numbers, and makes the value of it.

    Equal to ``{number: make(number, small), ...} | kept``, and in that order.  The value that was
    made last is at hand.
    Memory: 16 bytes a number, and those of :class:`Places`.
    """

    __slots__ = ("_kept", "_last", "_make", "_more", "_numbers", "_places", "_small")

    def __init__(
        self, numbers: Sequence[K], small: Sequence[S], make: Callable[[K, S], V], kept: dict[K, V]
    ) -> None:
        self._numbers, self._small, self._make, self._kept = numbers, small, make, kept
        self._places = Places(numbers)
        self._last: tuple[K, V] | None = None
        self._more = [number for number in kept if self._places.of(number) is None]

    def __getitem__(self, number: K) -> V:
        if number in self._kept:
            return self._kept[number]
        if self._last is None or self._last[0] != number:
            place = self._places.of(number)
            if place is None:
                raise KeyError(number)
            self._last = number, self._make(number, self._small[place])
        return self._last[1]

    def __contains__(self, number: object) -> bool:
        return number in self._kept or (
            isinstance(number, int) and self._places.of(number) is not None
        )

    def __iter__(self) -> Iterator[K]:
        yield from self._numbers
        yield from self._more

    def __len__(self) -> int:
        return len(self._numbers) + len(self._more)

    def items(self) -> ItemsView[K, V]:
        """Return all pairs; to walk over them looks nothing up."""
        return _Pairs(self, self._pairs)

    def _pairs(self) -> Iterator[tuple[K, V]]:
        for number, small in zip(self._numbers, self._small, strict=True):
            there = number in self._kept
            yield number, self._kept[number] if there else self._make(number, small)
        for number in self._more:
            yield number, self._kept[number]

    def __repr__(self) -> str:
        return repr(dict(self))


class _Pairs[K, V](ItemsView[K, V]):
    """The pairs of a mapping that has a way of its own to walk over them."""

    def __init__(self, of: Mapping[K, V], walk: Callable[[], Iterator[tuple[K, V]]]) -> None:
        super().__init__(of)
        self._walk = walk

    def __iter__(self) -> Iterator[tuple[K, V]]:
        return self._walk()


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


class Each[K, V](Values[V]):
    """Some values, and after them one for each key, made when it is asked for."""

    __slots__ = ("_first", "_keys", "_make")

    def __init__(self, first: Sequence[V], keys: Sequence[K], make: Callable[[K], V]) -> None:
        self._first, self._keys, self._make = first, keys, make

    def __len__(self) -> int:
        return len(self._first) + len(self._keys)

    @overload
    def __getitem__(self, index: int) -> V: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[V, ...]: ...
    def __getitem__(self, index: int | slice) -> V | tuple[V, ...]:
        places = range(len(self))[index]
        if not isinstance(places, int):
            return tuple(map(self._at, places))
        return self._at(places)

    def _at(self, place: int) -> V:
        behind = place - len(self._first)
        return self._first[place] if behind < 0 else self._make(self._keys[behind])
