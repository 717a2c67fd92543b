"""Periods in which one thing held, as the replay gives them to whoever listens.

Tuples of eight integers: there is one for nearly every event.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, Protocol

from tpanalyze.state import UNSEEN, State, ThreadRecord, birth_call, birth_ticks
from tprecord import schema

type Interval = tuple[int, int, int, int, int, int, int, int]
"""Kind, thread, pool, task, call, begin and end in ticks, site of a wait; 0: none or not known."""

WIDTH: Final = 8
"""Integers of an interval."""

# The kinds.
QUEUED: Final = 1
"""a task is in its queue"""
BUSY: Final = 2
"""a thread runs a task and is in no recorded wait"""
BLOCKED: Final = 3
"""a thread is in a recorded wait, in a task or in none"""
WORKER: Final = 4
"""a thread is a worker of the pool"""

type Emit = Callable[[Interval], object]


class Sink(Protocol):
    """Takes the intervals of a replay, each when it ends."""

    @property
    def add(self) -> Emit:
        """What takes one interval; asked for once."""

    def settle(self) -> None:
        """Called now and then, between events."""


def queued(task: int, made: int, until: int) -> Interval:
    """Return the time in the queue of a task with this birth."""
    return (QUEUED, 0, 0, task, birth_call(made), birth_ticks(made), until, 0)


def busy(thread: ThreadRecord, until: int) -> Interval:
    """Return the time that the thread has been running its innermost task."""
    call, begin = birth_call(thread.birth), thread.since
    return (BUSY, thread.number, thread.pool, thread.task, call, begin, until, 0)


def blocked(thread: ThreadRecord, wait: list[int], until: int) -> Interval:
    """Return the time that the thread has been in its wait, begun by the event `wait`."""
    call = birth_call(thread.birth) if thread.task else UNSEEN
    site = wait[5] if wait[0] == schema.DRAIN else wait[6]
    begin = thread.since
    return (BLOCKED, thread.number, thread.pool, thread.task, call, begin, until, site)


def worker(thread: ThreadRecord, until: int) -> Interval:
    """Return the time that the thread has been a worker of its pool."""
    return (WORKER, thread.number, thread.pool, 0, 0, thread.entered, until, 0)


def still_open(state: State, now: int) -> Iterator[Interval]:
    """Yield the intervals that have not ended, as if they ended at `now`."""
    for task, made in state.queued.items():
        yield queued(task, made, now)
    for thread in state.threads.values():
        if thread.wait is not None:
            yield blocked(thread, thread.wait, now)
        elif thread.task:
            yield busy(thread, now)
        if thread.pool:
            yield worker(thread, now)
