"""The intervals of a run by thread, kept small: seven machine integers each."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from enum import IntEnum
from typing import NamedTuple, Protocol

from tpanalyze.model import Function, PoolId, Site, TaskId, ThreadId
from tpanalyze.timeline import IntervalState, Load, Period


class Recording(Protocol):
    """What the chart is made of; a :class:`tpanalyze.timeline.Timeline` is one."""

    @property
    def end_ns(self) -> int:
        """When the last event was."""

    def periods(self) -> Iterator[Period]:
        """Yield every interval."""

    def pool_load(self) -> Mapping[PoolId, Sequence[Load]]:
        """Return for each pool when its load changed, and what it was from then on."""


class Kind(IntEnum):
    """What a thread does in a span."""

    RUNNING = 0
    WAITING = 1
    VICTIM = 2
    """waiting, stuck behind a core"""
    CORE = 3
    """waiting, stuck in a core"""


class Span(NamedTuple):
    """One interval of a thread."""

    kind: Kind
    start_ns: int
    end_ns: int
    task: TaskId | None
    function: Function | None
    site: Site | None
    open: bool

    @property
    def length_ns(self) -> int:
        """How long it is."""
        return self.end_ns - self.start_ns


_WIDTH = 7


class Spans:
    """Every interval of every thread, and when the last change was."""

    def __init__(self, recording: Recording) -> None:
        self._columns: dict[ThreadId, array[int]] = {}
        self._pools: dict[ThreadId, PoolId] = {}
        self._functions: list[Function | None] = [None]
        self._sites: list[Site | None] = [None]
        numbers: dict[int, int] = {id(None): 0}
        places: dict[int, int] = {id(None): 0}
        quiet_ns: int | None = None
        first_ns: int | None = None
        for (
            state,
            thread,
            pool,
            task,
            function,
            start_ns,
            end_ns,
            site,
            still,
        ) in recording.periods():
            first_ns = start_ns if first_ns is None else min(first_ns, start_ns)
            last_ns = start_ns if still else end_ns
            quiet_ns = last_ns if quiet_ns is None else max(quiet_ns, last_ns)
            if thread is None or state is IntervalState.QUEUED:
                continue
            if (number := numbers.get(id(function))) is None:
                number = numbers[id(function)] = len(self._functions)
                self._functions.append(function)
            if (place := places.get(id(site))) is None:
                place = places[id(site)] = len(self._sites)
                self._sites.append(site)
            column = self._columns.get(thread)
            if column is None:
                column = self._columns[thread] = array("q")
            if pool is not None:
                self._pools[thread] = pool
            waiting = state is IntervalState.WAITING
            column.extend((waiting, start_ns, end_ns, task or 0, number, place, still))
        self.start_ns = 0 if first_ns is None else first_ns
        self.end_ns = max(recording.end_ns, self.start_ns)
        self.quiet_ns = self.end_ns if quiet_ns is None else quiet_ns

    @property
    def threads(self) -> frozenset[ThreadId]:
        """The threads that have intervals."""
        return frozenset(self._columns)

    def pool(self, thread: ThreadId) -> PoolId | None:
        """Return the pool the thread worked for, as far as its intervals tell."""
        return self._pools.get(thread)

    def busy_ns(self, thread: ThreadId) -> int:
        """Return how long the thread ran or waited."""
        column = self._columns.get(thread, ())
        return sum(column[2::_WIDTH]) - sum(column[1::_WIDTH])

    def of(self, thread: ThreadId) -> Iterator[Span]:
        """Yield the intervals of a thread, in the order in which they ended."""
        column = self._columns.get(thread, array("q"))
        for row in zip(*(column[at::_WIDTH] for at in range(_WIDTH)), strict=True):
            kind, start_ns, end_ns, task, number, place, still = row
            yield Span(
                Kind(kind),
                start_ns,
                end_ns,
                TaskId(task) if task else None,
                self._functions[number],
                self._sites[place],
                bool(still),
            )
