"""The timeline: how threads, tasks and pools spent the run, as intervals and as steps.

An interval is a period in which one thing held: a task was *queued*, a thread was *running* a task,
or a thread was *waiting* in a recorded wait (in a task, or like the main thread in none).  Of
nested tasks the innermost owns the time.  What an idle worker does is no interval.

Plain Python; :mod:`tpanalyze.frames` makes pandas' DataFrames of it.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import Final, NamedTuple

from tpanalyze.intervals import BLOCKED, BUSY, QUEUED, WIDTH, WORKER, Interval
from tpanalyze.model import Function, PoolId, Site, TaskId, ThreadId
from tpanalyze.replay import Replay
from tpanalyze.state import State


class IntervalState(StrEnum):
    """What an interval is a period of."""

    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"


_STATES: Final = {
    QUEUED: IntervalState.QUEUED,
    BUSY: IntervalState.RUNNING,
    BLOCKED: IntervalState.WAITING,
}


class Period(NamedTuple):
    """One interval, in the words of the model."""

    state: IntervalState
    thread: ThreadId | None
    """None while the task is queued"""
    pool: PoolId | None
    """the pool that the thread is a worker of, or else that of the task"""
    task: TaskId | None
    """None for a wait outside any task"""
    function: Function | None
    """what the task calls"""
    start_ns: int
    end_ns: int
    site: Site | None
    """where the wait is; of a task that is queued or running, where it was submitted"""
    open: bool
    """it had not ended when the trace did"""


class Load(NamedTuple):
    """How a pool was loaded from a moment on."""

    time_ns: int
    queued: int
    """tasks in its queue"""
    running: int
    """workers in a task and in no recorded wait"""
    waiting: int
    """workers in a recorded wait"""
    workers: int
    """workers that lived, and were seen"""


_FAR: Final = 1 << 62
"""A moment that no clock has, and that an array of machine integers still takes."""


class Collector:
    """Gathers the intervals of a replay: give it as `sink`, then ask for the timeline.

    Eight machine integers per interval, 64 bytes.
    """

    def __init__(self) -> None:
        self._fresh: list[int] = []
        self._columns = array("q")

    @property
    def add(self) -> Callable[[Interval], object]:
        """What takes one interval."""
        return self._fresh.extend

    def settle(self) -> None:
        """Pack what came since the last time."""
        _pack(self._fresh, self._columns)
        self._fresh.clear()

    def timeline(self, replay: Replay) -> Timeline:
        """Return the timeline up to now of the replay that this was the sink of."""
        self.settle()
        columns = self._columns[:]
        ended = len(columns) // WIDTH
        still: list[int] = []
        for interval in replay.open_intervals():
            still.extend(interval)
        _pack(still, columns)
        return Timeline(columns, ended, replay)


def _pack(numbers: list[int], columns: array[int]) -> None:
    try:
        columns.fromlist(numbers)
    except OverflowError:  # a damaged trace
        columns.fromlist([min(max(number, -_FAR), _FAR) for number in numbers])


class Timeline:
    """The intervals of a run, those that ended in the order in which they did, then the open ones.

    ``end_ns`` is the moment of the last event, at which open intervals end.
    """

    def __init__(self, columns: array[int], ended: int, replay: Replay) -> None:
        self._columns = columns
        self._ended = ended
        self._state = replay.state
        self.end_ns: Final = replay.now_ns

    def periods(self) -> Iterator[Period]:
        """Yield every interval; none ends before it begins, even if time stepped back."""
        state = self._state
        ns, calls, functions, sites = state.ns, state.calls, state.functions, state.sites
        for index, row in enumerate(self._rows()):
            kind, thread, pool, task, number, start, end, site = row
            if kind == WORKER:
                continue
            call = calls[number]
            pool = pool or max(call.pool, 0)
            yield Period(
                _STATES[kind],
                ThreadId(thread) if thread else None,
                PoolId(pool) if pool else None,
                TaskId(task) if task else None,
                functions.get(call.function),
                ns(start),
                ns(max(start, end)),
                sites.get(site if kind == BLOCKED else call.site),
                index >= self._ended,
            )

    def pool_load(self) -> dict[PoolId, list[Load]]:
        """Return for each pool when its load changed, and what it was from then on."""
        changes: dict[int, list[int]] = {number: [] for number in self._state.pools}
        pools = [call.pool for call in self._state.calls]
        for index, (kind, _, pool, _, call, start, end, _) in enumerate(self._rows()):
            change = changes.get(pool or pools[call])
            if change is not None:
                change.append(start << _CHANGE_BITS | kind << 1 | 1)
                if index < self._ended:
                    change.append(max(start, end) << _CHANGE_BITS | kind << 1)
        return {PoolId(number): self._steps(change) for number, change in changes.items()}

    def _steps(self, changes: list[int]) -> list[Load]:
        """Return the running totals of the changes; several of one moment are one step."""
        changes.sort()
        steps: list[Load] = []
        before = [0] * len(_KINDS)
        counts = before[:]
        for at, change in enumerate(changes):
            counts[(change >> 1 & _KIND_MASK) - 1] += 1 if change & 1 else -1
            moment = change >> _CHANGE_BITS
            if at + 1 == len(changes) or changes[at + 1] >> _CHANGE_BITS != moment:
                if counts != before:
                    steps.append(Load(self._state.ns(moment), *counts))
                before = counts[:]
        return steps

    def columns(self) -> tuple[array[int], int]:
        """Return all intervals as one flat array, eight integers each, and how many have ended.

        For :mod:`tpanalyze.frames`; what the integers are: :data:`tpanalyze.intervals.Interval`.
        """
        return self._columns, self._ended

    @property
    def state(self) -> State:
        """What the numbers in the columns refer to."""
        return self._state

    def _rows(self) -> Iterator[tuple[int, ...]]:
        columns = self._columns
        return zip(*(columns[at::WIDTH] for at in range(WIDTH)), strict=True)


# A change of a pool's load as one integer, so that sorting is quick: the moment, the kind of the
# interval that begins or ends, and whether it begins.
_KINDS: Final = (QUEUED, BUSY, BLOCKED, WORKER)
_KIND_MASK: Final = 7
_CHANGE_BITS: Final = 4
