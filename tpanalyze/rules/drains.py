"""Threads that wait for workers to end: in shutdown, a ``with`` block, interpreter exit."""

from __future__ import annotations

from collections.abc import Iterator

from tpanalyze.atoms import Atom, drained, ends, frees, moves
from tpanalyze.horn import Rule
from tpanalyze.model import PoolRole, Snapshot
from tpanalyze.rules.ask import drained_pools, drains, workers_to_end


def a_drain_ends_when_all_workers_have_ended(snapshot: Snapshot) -> Iterator[Rule]:
    """All known workers of all its pools must end; unknown ones are taken to end by themselves.

    A worker that shuts down its own pool waits for the others only: when its turn comes to join
    itself, ``Thread.join`` raises "cannot join current thread", and it moves on.  The order in
    which ``shutdown`` joins is that of a set, which the trace does not know; a worker that still
    waits is taken not to have come to itself.

    A crew's workers end only after all its results have been handed out, the callbacks included,
    so one of its own that waits for that waits for itself (CPython,
    ``multiprocessing.pool.Pool._handle_workers``).
    """
    for pool in drained_pools(snapshot):
        body = tuple(ends(worker.id) for worker in workers_to_end(snapshot, pool))
        if pool.role is PoolRole.CREW and pool.results in snapshot.pools:
            body = (*body, frees(pool.results))
        yield Rule(drained(pool.id), len(body), body, "each of its workers can end")
    for thread, wait in drains(snapshot):
        atoms: dict[Atom, None] = {}
        for pool_id in wait.pools:
            if pool_id not in snapshot.pools:
                continue
            if thread.pool == pool_id and snapshot.pools[pool_id].role is not PoolRole.CREW:
                others = workers_to_end(snapshot, snapshot.pools[pool_id])
                atoms.update({ends(other.id): None for other in others if other.id != thread.id})
            else:
                atoms[drained(pool_id)] = None
        body = tuple(atoms)
        yield Rule(moves(thread.id), len(body), body, "every worker it waits for can end")
