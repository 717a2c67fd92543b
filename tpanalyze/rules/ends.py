"""Threads whose end somebody waits for, and what they do before."""

from __future__ import annotations

from collections.abc import Iterator

from tpanalyze.atoms import ANYBODY, ends, moves
from tpanalyze.horn import Rule
from tpanalyze.model import PoolRole, Snapshot, Thread, ThreadId, ThreadState
from tpanalyze.rules.ask import drained_pools, is_active, joins, threads_to_end, workers_to_end


def _awaited(snapshot: Snapshot) -> list[Thread]:
    """Return the threads that a drain or a join waits for, each once."""
    found: dict[ThreadId, Thread] = {}
    for pool in drained_pools(snapshot):
        found.update((worker.id, worker) for worker in workers_to_end(snapshot, pool))
    for _, wait in joins(snapshot):
        found.update((thread.id, thread) for thread in threads_to_end(snapshot, wait))
    return list(found.values())


def a_thread_ends_after_what_it_does(snapshot: Snapshot) -> Iterator[Rule]:
    """A thread in the middle of something must first be able to get on with it."""
    for thread in _awaited(snapshot):
        if is_active(thread):
            yield Rule(ends(thread.id), 1, (moves(thread.id),), "it can get on with what it does")


def _is_closed(snapshot: Snapshot, worker: Thread) -> bool:
    """Return whether its pool is closed; of who serves another pool it is not asked."""
    pool = None if worker.pool is None else snapshot.pools.get(worker.pool)
    return pool is None or pool.closed or pool.role is PoolRole.HANDLER


def an_idle_worker_of_a_closed_pool_ends(snapshot: Snapshot) -> Iterator[Rule]:
    """The shutdown has woken it; it works off the queue and leaves."""
    for thread in _awaited(snapshot):
        if thread.state is ThreadState.IDLE and _is_closed(snapshot, thread):
            yield Rule(ends(thread.id), 0, (), "it is idle and its pool is shut down")


def an_idle_worker_ends_once_somebody_closes_its_pool(snapshot: Snapshot) -> Iterator[Rule]:
    """Nobody has woken it yet; any thread that moves may."""
    for thread in _awaited(snapshot):
        if thread.state is ThreadState.IDLE and not _is_closed(snapshot, thread):
            yield Rule(ends(thread.id), 1, (ANYBODY,), "somebody may shut its pool down")
