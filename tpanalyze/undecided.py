"""What has not moved for long though no deadlock is proved: threads that are stalled.

A thread is taken to stand still if, for at least `LONG_NS`, it has

* blocked on an object, without a timeout, that a thread may still signal;
* waited for a promise that a thread may still set;
* waited for a task of another process, while nothing came from there;
* waited for a lock whose owner stands still, while another thread may release it; or
* stood at one place outside of any recorded wait, without using the processor, as two looks found.

None of these can be told apart from a healthy service that has nothing to do, unless somebody waits
for its result.  So that is what is asked: who could not move, and which queued task not start, if
all that stands still did so for ever?  The same rules answer it, less those by which it moves.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from heapq import merge
from typing import Final

from tpanalyze.atoms import ANYBODY, Atom, AtomKind, moves, resolves
from tpanalyze.compact import Ascending
from tpanalyze.graphs import reachable
from tpanalyze.horn import Rule
from tpanalyze.model import (
    DrainWait,
    FutureWait,
    LockWait,
    ObjectWait,
    PoolRole,
    Snapshot,
    Task,
    TaskId,
    Thread,
    ThreadId,
    ThreadState,
)
from tpanalyze.rules import RULES, RuleSource
from tpanalyze.rules.ask import is_called_away, is_kept_by_its_owner, is_promise
from tpanalyze.rules.locks import a_lock_may_be_released_by_any_thread_that_moves
from tpanalyze.waitgraph import WaitGraph, build

LONG_NS: Final = 1_000_000_000
"""A wait, a place or a turn in the queue is long from here on: 1 s, so that no short run is told
of, while a person who looks at a program that hangs has waited longer."""


@dataclass(frozen=True, slots=True)
class Standstill:
    """Threads that stand still, and whoever waits for them, in the end."""

    still: tuple[ThreadId, ...]
    """they block on objects, or stand at one place"""
    promises: tuple[TaskId, ...]
    """nobody has set them, or they are tasks of other processes; of those that are alike, one"""
    behind: tuple[ThreadId, ...]
    """they wait for results or workers, and move only if one of the others does"""
    queued: Sequence[TaskId]
    """no worker comes to them before one of the others has moved"""


def if_all_stands_still(snapshot: Snapshot, graph: WaitGraph) -> WaitGraph:
    """Return the wait-for graph in which what stands still does so for ever.

    And in which each lock is released by its owner, if it is.  `graph` is the snapshot's own, and
    the same if nothing stands still and nobody waits for a lock that others may release.
    """
    still = frozenset(_still(graph.few))
    if not still and not any(a_lock_may_be_released_by_any_thread_that_moves(snapshot)):
        return graph
    sources = [s for s in RULES if s is not a_lock_may_be_released_by_any_thread_that_moves]
    return build(snapshot, [_without(source, still) for source in sources])


def _without(source: RuleSource, heads: frozenset[Atom]) -> RuleSource:
    def rules(snapshot: Snapshot) -> Iterator[Rule]:
        return (rule for rule in source(snapshot) if rule.head not in heads)

    return rules


def _still(snapshot: Snapshot) -> Iterator[Atom]:
    for thread in snapshot.threads.values():
        if blocks_long(snapshot, thread) or stands_long(snapshot, thread):
            yield moves(thread.id)
    for task in snapshot.tasks.values():
        if (is_promise(task) and not task.done) or is_away_long(snapshot, task):
            yield resolves(task.id)


def is_away_long(snapshot: Snapshot, task: Task) -> bool:
    """Return whether the task is one for another process, and its pool has long heard of none."""
    pool = None if task.pool is None else snapshot.pools.get(task.pool)
    if task.done or pool is None or pool.role is not PoolRole.PROCESSES:
        return False
    handlers = [other for other in snapshot.pools.values() if other.serves == pool.id]
    threads = [snapshot.threads.get(worker) for other in handlers for worker in other.workers]
    return all(thread is None or _is_long(snapshot, thread.since_ns) for thread in threads)


def blocks_long(snapshot: Snapshot, thread: Thread) -> bool:
    """Return whether the thread has long blocked on an object, and is not parked there."""
    wait = thread.wait
    if not isinstance(wait, ObjectWait) or wait.timed or wait.signalled:
        return False
    return not is_called_away(thread) and _is_long(snapshot, wait.since_ns)


def stands_long(snapshot: Snapshot, thread: Thread) -> bool:
    """Return whether looks, long apart, have found the thread at one place, doing nothing.

    And nothing at all has happened since.  Of the main thread it is not asked: nobody waits for it.
    """
    if thread.state is not ThreadState.RUNNING or thread.main or not snapshot.all_threads_known:
        return False
    if thread.stack_ns is None or snapshot.looked_ns is None:
        return False
    return snapshot.looked_ns - thread.stack_ns >= LONG_NS


def _is_long(snapshot: Snapshot, since_ns: int | None) -> bool:
    return since_ns is not None and snapshot.time_ns - since_ns >= LONG_NS


def standstills(snapshot: Snapshot, graph: WaitGraph) -> list[Standstill]:
    """Return what stands still and is waited for, apart what has nothing to do with each other.

    `graph` is that of :func:`if_all_stands_still`.
    """
    still = frozenset(_still(graph.few)) | frozenset(_wants_what_others_may_release(snapshot))
    groups: list[tuple[set[Atom], set[Atom]]] = []
    for waiter in _waiters(snapshot, graph):
        causes = still.intersection(_leads_to(graph, waiter))
        if not causes or (causes == {waiter} and _waits_for_its_own_lock(snapshot, waiter)):
            continue
        waiters = {waiter}
        for group in [g for g in groups if g[0] & causes]:
            groups.remove(group)
            causes |= group[0]
            waiters |= group[1]
        groups.append((set(causes), waiters))
    return [_standstill(graph, causes, waiters) for causes, waiters in groups]


def _wants_what_others_may_release(snapshot: Snapshot) -> Iterator[Atom]:
    """Yield who waits for a lock that not only its owner may release."""
    for thread in snapshot.threads.values():
        wait = thread.wait
        if isinstance(wait, LockWait) and not is_kept_by_its_owner(snapshot, wait):
            yield moves(thread.id)


def _waits_for_its_own_lock(snapshot: Snapshot, waiter: Atom) -> bool:
    """Return whether the thread took the lock itself, to be woken by whoever releases it."""
    wait = snapshot.threads[ThreadId(waiter.id)].wait if waiter.kind is AtomKind.MOVES else None
    return isinstance(wait, LockWait) and wait.owner == waiter.id


def _waiters(snapshot: Snapshot, graph: WaitGraph) -> Iterator[Atom]:
    """Yield who has long waited for results or workers, or a worker, and would do so for ever.

    Of tasks that are alike one, in the place of the last of them.
    """
    for thread in snapshot.threads.values():
        wait = thread.wait
        owed = isinstance(wait, FutureWait | DrainWait | LockWait)
        waits_long = owed and wait is not None and _is_long(snapshot, wait.since_ns)
        if waits_long and graph.is_stuck(moves(thread.id)):
            yield moves(thread.id)
    queued = [
        (last, task)
        for task in graph.stuck_few
        if (last := next(_queued_long(graph, reversed(graph.all_like(task))), None)) is not None
    ]
    yield from (resolves(task) for _, task in sorted(queued))


def _queued_long(graph: WaitGraph, tasks: Iterable[TaskId]) -> Iterator[TaskId]:
    """Yield those of the tasks that have long been queued."""
    known = graph.snapshot
    return (task for task in tasks if _is_long(known, known.tasks[task].submitted_ns))


def _leads_to(graph: WaitGraph, waiter: Atom) -> list[Atom]:
    """Return all that the waiter leans on; not what could be done by anybody at all."""
    return reachable([waiter], lambda atom: [a for a in graph.hindrances(atom) if a != ANYBODY])


def _standstill(graph: WaitGraph, causes: set[Atom], waiters: set[Atom]) -> Standstill:
    def threads(atoms: set[Atom]) -> tuple[ThreadId, ...]:
        return tuple(ThreadId(a.id) for a in sorted(atoms) if a.kind is AtomKind.MOVES)

    def tasks(atoms: set[Atom]) -> tuple[TaskId, ...]:
        return tuple(TaskId(a.id) for a in sorted(atoms) if a.kind is AtomKind.RESOLVES)

    queued = Ascending(merge(*(_queued_long(graph, graph.all_like(one)) for one in tasks(waiters))))
    return Standstill(threads(causes), tasks(causes), threads(waiters - causes), queued)
