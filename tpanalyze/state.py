"""What holds at one instant of a replay, in the form that is quick to change and small to keep.

Plain data: :mod:`tpanalyze.replay` changes it event by event, :mod:`tpanalyze.freeze` makes the
values of :mod:`tpanalyze.model` of it.  Times are in ticks, 0 is "not known" or "none".

A task is kept where it is found next: in ``queued`` until it starts, then in its thread, then in
``done``.  What is known of its beginning is one integer, its *birth* (see :func:`birth`): 32 bytes,
so that a queue of millions fits, where an object would take several hundred.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, NamedTuple

from tpanalyze.model import Function, Site
from tpanalyze.ranges import NumberSet

# The states of a thread.  RUNNING is the false one: it is what an event leaves behind, so the
# replay asks only one question before each event.
RUNNING: Final = 0
WAITING: Final = 1
IDLE: Final = 2
ENDED: Final = 3

# How a future ended; 0: it has not.
FINISHED: Final = 1
FAILED: Final = 2
CANCELLED: Final = 3
"""cancelled, and no worker has told those who wait"""
NOTIFIED: Final = 4
"""cancelled, and a worker has taken it from the queue"""

PASSED: Final = 5
"""of a thread's task only: it has passed its outcome on"""

_OUTCOME_BITS: Final = 3
_LOW_CALL_BITS: Final = 20
_TICKS_BITS: Final = 96
_PARENT_BITS: Final = 40
TICKS_SHIFT: Final = _OUTCOME_BITS + _LOW_CALL_BITS
_PARENT_SHIFT: Final = TICKS_SHIFT + _TICKS_BITS
_HIGH_CALL_SHIFT: Final = _PARENT_SHIFT + _PARENT_BITS
PARENT_UNIT: Final = 1 << _PARENT_SHIFT
OUTCOME_MASK: Final = (1 << _OUTCOME_BITS) - 1
_LOW_CALL_MASK: Final = (1 << _LOW_CALL_BITS) - 1
_TICKS_MASK: Final = (1 << _TICKS_BITS) - 1
LAST_TASK: Final = (1 << _PARENT_BITS) - 1
"""The highest number a task may have."""


class Call(NamedTuple):
    """What the tasks of one line of the program have in common; kept once for all of them."""

    submitter: int = 0
    pool: int = 0
    """:data:`NO_POOL` if the future was made by hand"""
    function: int = 0
    site: int = 0


EXECUTOR: Final = "executor"
"""The role of a pool that has none of its own."""
PROCESSES: Final = "processes"
"""The role of a pool whose workers are other processes."""
NO_POOL: Final = -(1 << 62)
"""No number of a pool: none in a trace is so far from 0, see :mod:`tpanalyze.rows`."""
UNSEEN: Final = 0
"""Number of the call of futures that nothing is known of."""


def birth(ticks: int, parent: int, call: int = 0) -> int:
    """Return when, in which task and by which call a task came to be, as one integer.

    From its low end: 3 bits for the outcome (0 here), the 20 low ones of the number of the call, 96
    for the ticks, which may be negative, 40 for the parent, and the rest of the call.  What is most
    often 0 stands highest: 32 bytes hold a task that no task has submitted, in a run of hours.

    >>> made = birth(-5, 7, 1 << 31) | FAILED
    >>> birth_ticks(made), birth_parent(made), birth_call(made) == 1 << 31, made & OUTCOME_MASK
    (-5, 7, True, 2)
    """
    low = (ticks & _TICKS_MASK) << TICKS_SHIFT | (call & _LOW_CALL_MASK) << _OUTCOME_BITS
    return low | parent << _PARENT_SHIFT | call >> _LOW_CALL_BITS << _HIGH_CALL_SHIFT


def birth_ticks(birth: int) -> int:
    """Return when it was."""
    ticks = birth >> TICKS_SHIFT & _TICKS_MASK
    return ticks - (ticks >> _TICKS_BITS - 1 << _TICKS_BITS)


def birth_parent(birth: int) -> int:
    """Return the task in which it was."""
    return birth >> _PARENT_SHIFT & LAST_TASK


def birth_call(birth: int) -> int:
    """Return the number of the call."""
    low = birth >> _OUTCOME_BITS & _LOW_CALL_MASK
    return low | birth >> _HIGH_CALL_SHIFT << _LOW_CALL_BITS


class Occupation(NamedTuple):
    """A task that a thread has begun and not returned from."""

    task: int
    birth: int
    started: int
    finished: int
    outcome: int


@dataclass(slots=True, eq=False)
class ThreadRecord:
    """A thread; its innermost task is spread over the fields from ``task`` on."""

    number: int
    name: str
    native_id: int | None = None
    main: bool = False
    daemon: bool = False
    launched: bool = False
    """it is a ``threading.Thread`` that was seen to be started"""
    made_up: bool = False
    """an event named it before any definition did"""

    state: int = RUNNING
    since: int = 0
    """when the present state, or the present task, began"""
    pool: int = 0
    entered: int = 0
    """when it became a worker of `pool`"""
    spawns: int = 0
    """the pool it is about to launch a worker of"""
    launches: int = 0
    """the pool it has just launched a worker of"""
    wait: list[int] | None = None
    """the event that began the wait it is in"""
    awaited: tuple[int, ...] = ()
    """the futures of that wait, if it is one for futures: ``first, last, first, last, ...``"""
    drained: tuple[int, ...] = ()
    """the pools of that wait, if it is a drain"""
    stack: int = 0
    """the site where the last look found it that found it in a new place"""
    looked: int = 0
    """when that was"""

    task: int = 0
    birth: int = 0
    started: int = 0
    finished: int = 0
    outcome: int = 0
    outer: list[Occupation] = field(default_factory=list)
    """the tasks around the innermost one, outermost first"""

    def innermost(self) -> Occupation:
        """Return the innermost task; there must be one."""
        return Occupation(self.task, self.birth, self.started, self.finished, self.outcome)

    def occupations(self) -> list[Occupation]:
        """Return the tasks it has begun and not returned from, outermost first."""
        return [*self.outer, self.innermost()] if self.task else []

    def occupy(self, occupation: Occupation) -> None:
        """Make `occupation` the innermost task, in place of the one that is."""
        self.task, self.birth, self.started, self.finished, self.outcome = occupation


@dataclass(slots=True, eq=False)
class ObjectRecord:
    """Something threads block on."""

    number: int
    kind: str
    parties: int | None = None
    waiting: int = 0
    """how many threads block on it"""
    signals: int = 0
    """how many of them have been woken and not been seen to go on; never too few"""
    wakers: dict[int, None] = field(default_factory=dict)
    """the threads that were seen to wake somebody who blocked on it, first ones first; of a lock:
    to release it for its owner"""
    made: int = 0
    """of a lock: the site where it was made"""
    turn: int = 0
    """of a lock: the last turn that was told of, twice its number and one more if it is over"""
    owner: int = 0
    """of a lock: whose turn that is; 0: nobody's, or not known"""
    held_site: int = 0
    scoped: bool = False

    def turns(self, turn: int, owner: int, held_site: int, scoped: int) -> None:
        """An event tells whose turn it is; void if a later one was told of."""
        if turn > self.turn:
            self.turn, self.owner, self.held_site = turn, owner, held_site
            self.scoped = bool(scoped)


@dataclass(slots=True, eq=False)
class PoolRecord:
    """A pool."""

    number: int
    kind: str
    name: str
    max_workers: int | None
    unseen: int = 0
    lost: int = 0
    """workers that a fork has left behind"""
    starting: int = 0
    closed: bool = False
    broken: bool = False
    """an initializer has failed"""
    role: str = EXECUTOR
    serves: int = 0
    """of a handler: the pool it serves"""
    results: int = 0
    """the handler whose thread sets the results of its tasks; 0: the workers do so themselves"""
    workers: dict[int, None] = field(default_factory=dict)
    """the workers that live, in the order in which they came; of an event loop: who runs it"""


@dataclass(slots=True, eq=False)
class State:
    """All of it."""

    tick_ns: int
    ticks: int = 0
    """the moment of the last event"""

    threads: dict[int, ThreadRecord] = field(default_factory=dict)
    """number 0 stands for every thread that is not known, and is not one"""
    pools: dict[int, PoolRecord] = field(default_factory=dict)
    all_closed: bool = False
    """the interpreter is ending: pools to come are closed too"""
    functions: dict[int, Function] = field(default_factory=dict)
    sites: dict[int, Site] = field(default_factory=dict)
    sets: dict[int, tuple[int, tuple[int, ...]]] = field(default_factory=dict)
    """size and ranges of the sets of tasks that waits name by number"""
    objects: dict[int, ObjectRecord] = field(default_factory=dict)
    census: bool = False
    """every thread that can run Python code is in `threads`, and nothing has happened since"""
    looked: int = 0
    """when the last look was"""
    quiet: int = 0
    """when the first look was of those since which nothing has happened"""
    calls: list[Call] = field(default_factory=lambda: [Call()])
    call_births: dict[tuple[int, int, int, int], int] = field(default_factory=dict)
    """what the births of their tasks have in common"""

    created: NumberSet = field(default_factory=NumberSet)
    """the numbers of all tasks and promises there ever were"""
    queued: dict[int, int] = field(default_factory=dict)
    """births of the tasks in the queues; in the order of the queues, all pools together"""
    cancelled: dict[int, int] = field(default_factory=dict)
    """when those of `queued` were cancelled that were"""
    withdrawn: dict[int, int] = field(default_factory=dict)
    """births of tasks taken out of their queues that are not done"""
    promises: dict[int, int] = field(default_factory=dict)
    """births of futures made by hand that are not done"""
    delivered: dict[int, tuple[int, int]] = field(default_factory=dict)
    """event loop, and function of the coroutine, of those of `promises` that a loop is to set"""
    suspended: dict[int, tuple[int, ...]] = field(default_factory=dict)
    """of some of these: the tasks of which one must be done before the coroutine gets on"""
    passed: dict[int, Occupation] = field(default_factory=dict)
    """the tasks that workers have run, and whose results another thread is to set"""
    unknown: dict[int, int] = field(default_factory=dict)
    """births of futures that nobody knows what becomes of"""
    adrift: dict[int, Occupation] = field(default_factory=dict)
    """the tasks that threads not known have begun"""
    done: dict[int, int] = field(default_factory=dict)
    """births, with the outcome, of done futures that somebody may still name; see `forget`"""
    done_limit: int = 0
    """how many may gather in `done` before it is worth looking who names them"""

    torn: int = 0
    """when an exception, as of a Ctrl-C, ended a wait of the main thread: the first since one ended
    as it should; 0: never"""
    ended: str | None = None
    dropped: int = 0
    partial: bool = False
    """the checkpoint that is being read lacks something"""

    def __post_init__(self) -> None:
        self.threads[0] = ThreadRecord(0, "")
        self.done_limit = _DONE_AT_LEAST

    def restart(self, tasks: list[int], *, partial: bool) -> None:
        """Forget all that holds: a checkpoint follows.  `tasks`: ranges of those that are done.

        The calls stay: intervals that have ended are of them.
        """
        for things in (self.threads, self.pools, self.functions, self.sites, self.sets):
            things.clear()
        for tasks_in in (self.queued, self.cancelled, self.withdrawn, self.promises, self.unknown):
            tasks_in.clear()
        for more in (self.objects, self.delivered, self.suspended, self.adrift, self.passed):
            more.clear()
        self.done.clear()
        self.created.restart(tasks)
        self.threads[0] = ThreadRecord(0, "")
        self.all_closed = self.census = False
        self.ticks = self.looked = self.quiet = self.torn = 0
        self.partial = partial

    def lose_track(self) -> None:
        """Take nothing for certain any more: events are missing, so all that was open may be over.

        Threads run, futures may become done, pools may have free workers; what comes from here on
        counts again.
        """
        for thread in self.threads.values():
            if thread.state != ENDED:
                for occupation in thread.occupations():
                    if not occupation.outcome:
                        self.unknown[occupation.task] = occupation.birth
                thread.state, thread.task, thread.pool, thread.wait = RUNNING, 0, 0, None
                thread.awaited = thread.drained = ()
                thread.outer.clear()
        for pool in self.pools.values():
            pool.unseen += len(pool.workers) + pool.starting
            pool.max_workers, pool.starting = None, 0
            pool.workers.clear()
        for births in (self.queued, self.withdrawn, self.promises):
            self.unknown.update(births)
            births.clear()
        for lost in (self.adrift, self.passed):
            self.unknown.update((task, begun.birth) for task, begun in lost.items())
        for none in (self.adrift, self.passed, self.cancelled, self.delivered, self.suspended):
            none.clear()
        for thing in self.objects.values():
            thing.waiting = thing.signals = thing.owner = 0
        self.census = False

    def ns(self, ticks: int) -> int:
        """Return a number of ticks in nanoseconds; never more than 64 bits can hold."""
        return in_ns(ticks, self.tick_ns)

    def awaited_ranges(self) -> set[tuple[int, ...]]:
        """Return the futures of every wait in progress, each set of them once."""
        return {thread.awaited for thread in self.threads.values() if thread.awaited}

    def forget(self) -> None:
        """Drop what is done and named by no wait in progress.

        Called when twice as many are there as the last time left, so that its cost, spread over
        the tasks, does not depend on how many there are.
        """
        done = self.done
        kept = {
            task: done[task] for ranges in self.awaited_ranges() for task in members(ranges, done)
        }
        done.clear()
        done.update(kept)
        self.done_limit = max(_DONE_AT_LEAST, 2 * len(kept))


_DONE_AT_LEAST: Final = 8192
_FAR_NS: Final = 1 << 62


def in_ns(ticks: int, tick_ns: int) -> int:
    """Return a number of ticks in nanoseconds; never more than 64 bits can hold."""
    return max(-_FAR_NS, min(ticks * tick_ns, _FAR_NS))


def members(ranges: tuple[int, ...], among: dict[int, int]) -> list[int]:
    """Return the keys of `among` that are in ``first, last, first, last, ...``."""
    found: list[int] = []
    for first, last in zip(ranges[::2], ranges[1::2], strict=True):
        if last - first < len(among):
            found += [task for task in range(first, last + 1) if task in among]
        else:
            found += [task for task in among if first <= task <= last]
    return found
