"""Programs: jobs, each a list of operations, and the pools, threads and things they work with."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Submit:
    """Put the job into the queue of its pool; raises if the pool is closed."""

    job: int


@dataclass(frozen=True, slots=True)
class Await:
    """Wait until `need` of the futures that exist by then are done."""

    futures: tuple[int, ...]
    need: int
    timed: bool = False
    hears_cancel: bool = True
    """``result()`` does; ``wait()`` hears of a cancelled task only when a worker has taken it"""
    first_exception: bool = False


@dataclass(frozen=True, slots=True)
class Settle:
    """Set the promise's result or exception; tell those who wait, if it was cancelled."""

    promise: int
    fails: bool = False


@dataclass(frozen=True, slots=True)
class Cancel:
    """Cancel the future, if it has not begun."""

    future: int


@dataclass(frozen=True, slots=True)
class Close:
    """Shut the pools down without waiting."""

    pools: tuple[int, ...]
    cancel_futures: bool = False


@dataclass(frozen=True, slots=True)
class Drain:
    """Wait until no worker of the pools lives, oneself excepted."""

    pools: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Join:
    """Wait until the threads have ended, oneself excepted; `exits`: at interpreter exit."""

    threads: tuple[int, ...]
    timed: bool = False
    exits: bool = False


@dataclass(frozen=True, slots=True)
class Block:
    """Wait for the event to be set, or for the barrier to open."""

    thing: int
    timed: bool = False


@dataclass(frozen=True, slots=True)
class Signal:
    """Set the event; break the barrier."""

    thing: int


@dataclass(frozen=True, slots=True)
class Take:
    """Wait until one has the lock; `scoped`: in a ``with`` block."""

    lock: int
    timed: bool = False
    scoped: bool = False


@dataclass(frozen=True, slots=True)
class Release:
    """Release the lock, once or, if it is `whole`, as often as it was taken."""

    lock: int
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Fail:
    """Raise: the job ends here, and its future fails."""


Waiting = Await | Drain | Join | Block | Take
Operation = Submit | Settle | Cancel | Close | Fail | Signal | Release | Waiting
Job = tuple[Operation, ...]


@dataclass(frozen=True, slots=True)
class Program:
    """Jobs, and the resources they share.  Futures: one per job, then the promises.

    The last jobs are spare, for :func:`optimist`: one to submit to each pool, and what a new
    worker runs before it takes a task, its initializer.
    """

    jobs: tuple[Job, ...]
    threads: int
    """the first so many jobs are threads of their own, the first of them main; the rest tasks"""
    home: tuple[int, ...]
    """of each job: the pool it is submitted to; -1: none"""
    sizes: tuple[int, ...]
    """of the pools"""
    promises: int
    hidden: int | None = None
    """a thread that the trace does not know"""
    unseen: frozenset[int] = frozenset()
    """promises made before the recording began"""
    sizes_unknown: frozenset[int] = frozenset()
    """pools of whose size the trace knows nothing"""
    things: tuple[int, ...] = ()
    """what threads block on: the parties of a barrier; 0: an event"""
    reentrant: tuple[bool, ...] = ()
    """of each lock: it is an RLock"""

    @property
    def futures(self) -> range:
        return range(len(self.jobs) + self.promises)

    @property
    def spare(self) -> range:
        return range(self.initializer - len(self.sizes), self.initializer)

    @property
    def initializer(self) -> int:
        return len(self.jobs) - 1

    @property
    def tasks(self) -> range:
        return range(self.threads, self.spare.start)

    @property
    def promised(self) -> range:
        return range(len(self.jobs), len(self.jobs) + self.promises)

    def is_promise(self, future: int) -> bool:
        return future >= len(self.jobs)
