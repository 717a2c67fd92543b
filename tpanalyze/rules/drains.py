"""Threads that wait for workers to end: in shutdown, a ``with`` block, interpreter exit."""

from __future__ import annotations

from collections.abc import Iterator

from tpanalyze.atoms import ANYBODY, Atom, drained, ends, moves
from tpanalyze.horn import Rule
from tpanalyze.model import DrainWait, Pool, PoolId, Snapshot, Thread, ThreadState
from tpanalyze.rules.ask import is_active


def untimed(snapshot: Snapshot) -> Iterator[tuple[Thread, DrainWait]]:
    """Yield every drain that does not end by itself."""
    for thread in snapshot.threads.values():
        if isinstance(thread.wait, DrainWait) and not thread.wait.timed:
            yield thread, thread.wait


def drained_pools(snapshot: Snapshot) -> list[Pool]:
    """Return the pools whose workers somebody waits for, each once."""
    pools: dict[PoolId, None] = {}
    for _, wait in untimed(snapshot):
        pools.update(dict.fromkeys(wait.pools))
    return [snapshot.pools[pool] for pool in pools if pool in snapshot.pools]


def joined_workers(snapshot: Snapshot, pool: Pool) -> Iterator[Thread]:
    """Yield the pool's workers that live and are known."""
    for worker in pool.workers:
        thread = snapshot.threads.get(worker)
        if thread is not None and thread.state is not ThreadState.ENDED:
            yield thread


def a_drain_ends_when_all_workers_have_ended(snapshot: Snapshot) -> Iterator[Rule]:
    """All known workers of all its pools must end; unknown ones are taken to end by themselves.

    A worker that shuts down its own pool waits for the others only: when its turn comes to join
    itself, ``Thread.join`` raises "cannot join current thread", and it moves on.  The order in
    which ``shutdown`` joins is that of a set, which the trace does not know; a worker that still
    waits is taken not to have come to itself.
    """
    for pool in drained_pools(snapshot):
        body = tuple(ends(worker.id) for worker in joined_workers(snapshot, pool))
        yield Rule(drained(pool.id), len(body), body, "each of its workers can end")
    for thread, wait in untimed(snapshot):
        atoms: dict[Atom, None] = {}
        for pool_id in wait.pools:
            if pool_id not in snapshot.pools:
                continue
            if thread.pool == pool_id:
                others = joined_workers(snapshot, snapshot.pools[pool_id])
                atoms.update({ends(other.id): None for other in others if other.id != thread.id})
            else:
                atoms[drained(pool_id)] = None
        body = tuple(atoms)
        yield Rule(moves(thread.id), len(body), body, "every worker it waits for can end")


def a_worker_ends_after_its_task(snapshot: Snapshot) -> Iterator[Rule]:
    """A worker in the middle of something must first be able to get on with it."""
    for pool in drained_pools(snapshot):
        for worker in joined_workers(snapshot, pool):
            if is_active(worker):
                yield Rule(ends(worker.id), 1, (moves(worker.id),), "it can get on with its task")


def an_idle_worker_of_a_closed_pool_ends(snapshot: Snapshot) -> Iterator[Rule]:
    """The shutdown has woken it; it works off the queue and leaves."""
    for pool in drained_pools(snapshot):
        for worker in joined_workers(snapshot, pool):
            if worker.state is ThreadState.IDLE and pool.closed:
                yield Rule(ends(worker.id), 0, (), "it is idle and its pool is shut down")


def an_idle_worker_ends_once_somebody_closes_its_pool(snapshot: Snapshot) -> Iterator[Rule]:
    """Nobody has woken it yet; any thread that moves may."""
    for pool in drained_pools(snapshot):
        for worker in joined_workers(snapshot, pool):
            if worker.state is ThreadState.IDLE and not pool.closed:
                yield Rule(ends(worker.id), 1, (ANYBODY,), "somebody may shut its pool down")
