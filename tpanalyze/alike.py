"""Tasks that are alike: what is proved of one of them is proved of all.

Two tasks are alike if no rule can tell them apart: both stand in the queue of the same pool, or are
promises that any thread may set, or are run by other processes of one pool, or are done in the same
way; and every untimed wait names both or neither.  To exchange them in all rules gives the same
rules, so either both can be resolved or neither can; and so it is for any number of them.

So the rules are made of a snapshot that has one task of each such class, which stands in for the
others.  A rule that names one of them names them all, and of all of them the same follows; so "at
least `need` of these" says what it said before if a stand-in counts for as many as it stands for
(`Snapshot.times`, :mod:`tpanalyze.horn`).  It does whatever `need` is: one, all, or the k of the
k-th item of ``as_completed``.  Done and open futures of a wait are of different classes, and where
the futures of two waits overlap, those that both name are a class apart.

What keeps something stuck may be a part of a class: how large a part, :mod:`tpanalyze.cores` says.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from heapq import merge
from typing import NamedTuple

from tpanalyze.compact import Ascending, Places, ascends
from tpanalyze.model import (
    FutureWait,
    PoolRole,
    Snapshot,
    Task,
    TaskId,
    TaskOrigin,
    TaskState,
    Thread,
    ThreadId,
)

type _Likeness = tuple[object, int]
"""What alike tasks have in common: where they stand, and which waits name them."""


MANY = 32
"""Up to so many tasks are looked at one by one: there is little to save."""


class Few(NamedTuple):
    """A snapshot with one task for all that are alike."""

    snapshot: Snapshot
    members: Mapping[TaskId, Sequence[TaskId]]
    """the tasks of each class of more than one, by the first of them, which stands in for all"""


def one_of_each(snapshot: Snapshot, *, nameless: bool = False) -> Few:
    """Return the snapshot with one task for all that are alike.

    With `nameless` only for those that no rule for anything else names.
    """
    if len(snapshot.tasks) <= MANY:
        return Few(replace(snapshot, tasks=dict(snapshot.tasks.items())), {})
    alike = _Alike(snapshot, nameless=nameless)
    tasks: dict[TaskId, Task] = {}
    classes: dict[_Likeness, _Class] = {}
    apart = alike.apart
    for number, task in snapshot.tasks.items():
        if task.awaits:
            apart.update(task.awaits)
        likeness = alike.likeness(task)
        if likeness is None:
            tasks[number] = task
        elif likeness in classes:
            classes[likeness].add(number)
        else:
            classes[likeness] = _Class(number)
            tasks[number] = task
    members: dict[TaskId, Sequence[TaskId]] = {}
    for of_class in classes.values():
        found = of_class.members(apart)
        if found and found[0] != of_class.seen_first:
            del tasks[of_class.seen_first]
            tasks[found[0]] = snapshot.tasks[found[0]]
        if len(found) > 1:
            members[found[0]] = found
    tasks.update({number: snapshot.tasks[number] for number in apart if number in snapshot.tasks})
    tasks = {number: tasks[number] for number in snapshot.tasks if number in tasks}
    if not members:
        return Few(replace(snapshot, tasks=tasks), members)
    times = {stand_in: len(found) for stand_in, found in members.items()}
    pools = {
        pool.id: replace(
            pool, queue=tuple(n for n in pool.queue if n in tasks or n not in snapshot.tasks)
        )
        for pool in snapshot.pools.values()
    }
    threads = alike.threads(tasks, times)
    return Few(replace(snapshot, threads=threads, tasks=tasks, pools=pools, times=times), members)


class _Class:
    """The numbers of the tasks of one class, as they come."""

    def __init__(self, number: TaskId) -> None:
        self.seen_first = number
        self._ascending = Ascending((number,))
        self._others = array("q")

    def add(self, number: TaskId) -> None:
        if not self._ascending.append(number):
            self._others.append(number)

    def members(self, apart: Collection[TaskId]) -> Ascending[TaskId]:
        """Return them, the smallest first, without those that are `apart`."""
        found = self._ascending
        if self._others:
            found = Ascending(merge(found, map(TaskId, sorted(self._others))))
        if any(number in found for number in apart):
            found = Ascending(number for number in found if number not in apart)
        return found


class _Alike:
    """Which tasks of a snapshot are alike."""

    def __init__(self, snapshot: Snapshot, *, nameless: bool) -> None:
        self._snapshot, self._nameless = snapshot, nameless
        self._queues = {
            pool.id: Places(pool.queue)
            for pool in snapshot.pools.values()
            # that somebody can move leans on each task of another process
            if pool.queue and not (nameless and pool.role is PoolRole.PROCESSES)
        }
        self._bits: dict[ThreadId, int] = {}
        """a bit for each thread that waits"""
        self.apart: set[TaskId] = set()
        """tasks that are looked at one by one"""
        waits: list[tuple[int, Ascending[TaskId]]] = []
        for thread in snapshot.threads.values():
            wait = thread.wait
            if not isinstance(wait, FutureWait) or wait.timed:
                continue
            if not ascends(wait.futures):
                self.apart.update(wait.futures)
                continue
            bit = self._bits[thread.id] = 1 << len(waits)
            futures = wait.futures
            waits.append((bit, futures if isinstance(futures, Ascending) else Ascending(futures)))
        self._names = _Names(waits)

    def likeness(self, task: Task) -> _Likeness | None:
        """Return what the task has in common with all that are like it; None: nothing is."""
        where = self._whereabouts(task)
        if where is None:
            return None
        names = self._names.of(task.id)
        return None if names and self._nameless else (where, names)

    def _whereabouts(self, task: Task) -> object:
        """Return where the task stands, as far as rules ask; None: where no other one may."""
        state = task.state
        if state is TaskState.QUEUED and task.origin is TaskOrigin.POOL and not task.passed:
            queue = None if task.pool is None else self._queues.get(task.pool)
            return task.pool if queue is not None and queue.of(task.id) is not None else None
        if state is TaskState.PENDING and task.origin is TaskOrigin.PROMISE:
            return state if task.loop is None and not task.awaits else None
        if self._nameless:
            return None
        if state in (TaskState.FINISHED, TaskState.FAILED):
            return state
        if state is TaskState.RUNNING and task.origin is TaskOrigin.POOL and task.worker is None:
            return state, task.pool, task.passed
        return None

    def threads(
        self, tasks: Mapping[TaskId, Task], times: Mapping[TaskId, int]
    ) -> dict[ThreadId, Thread]:
        """Return the threads, whose waits name only these of all known tasks."""
        named: defaultdict[int, list[TaskId]] = defaultdict(list)
        for number in sorted(tasks):
            left = self._names.of(number)
            while left:
                bit = left & -left
                named[bit].append(number)
                left ^= bit
        threads = dict(self._snapshot.threads)
        for waiter, bit in self._bits.items():
            thread = threads[waiter]
            if isinstance(thread.wait, FutureWait):
                futures = self._futures(thread.wait, named[bit], times)
                threads[waiter] = replace(thread, wait=replace(thread.wait, futures=futures))
        return threads

    def _futures(
        self, wait: FutureWait, known: list[TaskId], times: Mapping[TaskId, int]
    ) -> tuple[TaskId, ...]:
        """Return the known tasks of a wait, and after them those that the snapshot has not got."""
        if sum(times.get(number, 1) for number in known) == len(wait.futures):
            return tuple(known)
        return (*known, *(n for n in wait.futures if n not in self._snapshot.tasks))


class _Names:
    """Which waits name a task, as the sum of their bits."""

    def __init__(self, waits: list[tuple[int, Ascending[TaskId]]]) -> None:
        self._from = array("q")
        self._sums: list[int] = []
        known = {0: 0}
        names = 0
        for at, bit in merge(*(_turns(bit, futures) for bit, futures in waits)):
            names ^= bit
            names = known.setdefault(names, names)
            if self._from and self._from[-1] == at:
                self._sums[-1] = names
            else:
                self._from.append(at)
                self._sums.append(names)

    def of(self, task: TaskId) -> int:
        at = bisect_right(self._from, task)
        return self._sums[at - 1] if at else 0


def _turns(bit: int, futures: Ascending[TaskId]) -> Iterator[tuple[int, int]]:
    """Yield where the futures begin and cease to be named."""
    for first, last in futures.ranges():
        yield first, bit
        yield last + 1, bit
