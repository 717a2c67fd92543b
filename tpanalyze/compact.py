"""Collections of very many things, kept small: a thing is made when it is asked for."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, ItemsView, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from operator import eq, lt
from typing import NamedTuple, Self, cast, overload


def ascends(numbers: Sequence[int]) -> bool:
    """Return whether each number is greater than the one before it."""
    return isinstance(numbers, Ascending) or all(map(lt, numbers, islice(numbers, 1, None)))


class Places:
    """Where each number stands in a line of distinct ones, found by bisection.

    Memory: none where the line ascends, else 16 bytes a number.
    """

    __slots__ = ("_ascending", "_places")

    def __init__(self, line: Sequence[int]) -> None:
        self._ascending = line
        self._places: Sequence[int] = range(len(line))
        if not ascends(line):
            self._places = array("Q", sorted(self._places, key=line.__getitem__))
            self._ascending = [line[place] for place in self._places]

    def of(self, number: int) -> int | None:
        """Return the place of the number, from 0 on; None if it is not in the line."""
        at = bisect_left(self._ascending, number)
        if at < len(self._ascending) and self._ascending[at] == number:
            return self._places[at]
        return None


class Line[K: int, S, V](NamedTuple):
    """Distinct numbers, of each something small, and what makes a value of both."""

    numbers: Sequence[K]
    small: Sequence[S]
    make: Callable[[K, S], V]


class Made[K: int, S, V](Mapping[K, V]):
    """A mapping that keeps something small of each of many numbers, and makes the value of it.

    Equal to ``{number: make(number, small), ...} | kept``, one line of numbers after the other,
    and in that order.  No number is in two lines.  The value that was made last is at hand.
    Memory: that of the lines, and of :class:`Places` for each.
    """

    __slots__ = ("_kept", "_last", "_lines", "_more")

    def __init__(self, lines: Iterable[Line[K, S, V]], kept: dict[K, V]) -> None:
        self._lines = [(line, Places(line.numbers)) for line in lines if line.numbers]
        self._kept = kept
        self._last: tuple[K, V] | None = None
        self._more = [number for number in kept if self._find(number) is None]

    def _find(self, number: int) -> tuple[Line[K, S, V], int] | None:
        """Return the line of the number, and its place there; None if it is in none."""
        for line, places in self._lines:
            if (place := places.of(number)) is not None:
                return line, place
        return None

    def __getitem__(self, number: K) -> V:
        if number in self._kept:
            return self._kept[number]
        if self._last is None or self._last[0] != number:
            found = self._find(number)
            if found is None:
                raise KeyError(number)
            line, place = found
            self._last = number, line.make(number, line.small[place])
        return self._last[1]

    def __contains__(self, number: object) -> bool:
        return number in self._kept or (isinstance(number, int) and self._find(number) is not None)

    def __iter__(self) -> Iterator[K]:
        for line, _ in self._lines:
            yield from line.numbers
        yield from self._more

    def __len__(self) -> int:
        return sum(len(line.numbers) for line, _ in self._lines) + len(self._more)

    def items(self) -> ItemsView[K, V]:
        """Return all pairs; to walk over them looks nothing up."""
        return _Pairs(self, self._pairs)

    def _pairs(self) -> Iterator[tuple[K, V]]:
        for line, _ in self._lines:
            for number, small in zip(line.numbers, line.small, strict=True):
                there = number in self._kept
                yield number, self._kept[number] if there else line.make(number, small)
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


class Ascending[N: int](Values[N]):
    """Distinct numbers in ascending order, kept as ranges.

    Memory: 24 bytes a range, whatever the count.
    """

    __slots__ = ("_firsts", "_lasts", "_places")

    def __init__(self, numbers: Iterable[N] = ()) -> None:
        """Take the numbers, which ascend; what does not is left out."""
        self._firsts, self._lasts, self._places = array("q"), array("q"), array("q")
        for number in numbers:
            self.append(number)

    @classmethod
    def of_ranges(cls, ranges: Iterable[tuple[int, int]]) -> Self:
        """Return the numbers of ranges, each given by its first and last, which ascend."""
        found = cls()
        for first, last in ranges:
            found._add(first, last)
        return found

    def _add(self, first: int, last: int) -> None:
        if self._lasts and self._lasts[-1] == first - 1:
            self._lasts[-1] = last
            return
        self._places.append(len(self))
        self._firsts.append(first)
        self._lasts.append(last)

    def append(self, number: N) -> bool:
        """Put the number at the end; return False if it is not greater than the last one."""
        if self._lasts and number <= self._lasts[-1]:
            return False
        self._add(number, number)
        return True

    def ranges(self) -> Iterator[tuple[int, int]]:
        """Yield each range as its first and its last number."""
        return zip(self._firsts, self._lasts, strict=True)

    def __len__(self) -> int:
        if not self._firsts:
            return 0
        return self._places[-1] + self._lasts[-1] - self._firsts[-1] + 1

    def __contains__(self, number: object) -> bool:
        if not isinstance(number, int):
            return False
        at = bisect_right(self._firsts, number) - 1
        return at >= 0 and number <= self._lasts[at]

    def __iter__(self) -> Iterator[N]:
        for first, last in self.ranges():
            yield from cast("Iterable[N]", range(first, last + 1))

    @overload
    def __getitem__(self, index: int) -> N: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[N, ...]: ...
    def __getitem__(self, index: int | slice) -> N | tuple[N, ...]:
        places = range(len(self))[index]
        if not isinstance(places, int):
            return tuple(map(self._at, places))
        return self._at(places)

    def _at(self, place: int) -> N:
        at = bisect_right(self._places, place) - 1
        return cast("N", self._firsts[at] + place - self._places[at])


def each_once[T](values: Sequence[T]) -> Sequence[T]:
    """Return the values, each once, in their order."""
    return values if isinstance(values, Ascending) else tuple(dict.fromkeys(values))


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


class Later[V](Values[V]):
    """Values that are all made when one of them is asked for first."""

    __slots__ = ("_made", "_make")

    def __init__(self, make: Callable[[], Iterable[V]]) -> None:
        self._make = make
        self._made: tuple[V, ...] | None = None

    def _all(self) -> tuple[V, ...]:
        if self._made is None:
            self._made = tuple(self._make())
        return self._made

    def __len__(self) -> int:
        return len(self._all())

    @overload
    def __getitem__(self, index: int) -> V: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[V, ...]: ...
    def __getitem__(self, index: int | slice) -> V | tuple[V, ...]:
        return self._all()[index]

    def __iter__(self) -> Iterator[V]:
        return iter(self._all())
