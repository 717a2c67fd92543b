"""Pools, and what can give them a free worker.

Capacity is the workers that live, not `max_workers`: a ThreadPoolExecutor starts threads only
inside ``submit``, and only when it believes that none is idle.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from tpanalyze.atoms import ANYBODY, frees, moves
from tpanalyze.horn import Rule
from tpanalyze.model import Pool, PoolRole, Snapshot, ThreadState
from tpanalyze.rules.ask import occupied_workers


def an_idle_worker_is_free(snapshot: Snapshot) -> Iterator[Rule]:
    """A worker that waits for a task takes the next one; so may one that is not known."""
    for pool in snapshot.pools.values():
        if pool.role in (PoolRole.LOOP, PoolRole.LIMITER):
            continue  # threads with a token are not idle, and a loop's thread never is
        threads = [snapshot.threads.get(worker) for worker in pool.workers]
        if any(thread is None or thread.state is ThreadState.IDLE for thread in threads):
            yield Rule(frees(pool.id), 0, (), "one of its workers is idle")


def a_worker_about_to_come_is_free(snapshot: Snapshot) -> Iterator[Rule]:
    """A worker that was started and not yet seen will take a task."""
    for pool in snapshot.pools.values():
        if pool.starting > 0 or pool.unseen > 0:
            yield Rule(frees(pool.id), 0, (), "it has a worker that has not been seen yet")


def a_token_that_no_task_has_is_free(snapshot: Snapshot) -> Iterator[Rule]:
    """A limiter lends out its tokens, however many threads there are; each busy one has one."""
    for pool in snapshot.pools.values():
        if pool.role is PoolRole.LIMITER and pool.max_workers is not None:
            lent = sum(1 for _ in occupied_workers(snapshot, pool))
            if lent < pool.max_workers:
                yield Rule(frees(pool.id), 0, (), "it has a token that no running task has")


def a_process_is_free(snapshot: Snapshot) -> Iterator[Rule]:
    """What other processes do is not known: any of them may be done at any time."""
    for pool in snapshot.pools.values():
        if pool.role is PoolRole.PROCESSES:
            yield Rule(frees(pool.id), 0, (), "its workers are other processes")


def a_crew_replaces_the_workers_that_have_ended(snapshot: Snapshot) -> Iterator[Rule]:
    """It does so by itself (CPython, ``multiprocessing.pool.Pool._maintain_pool``)."""
    for pool in snapshot.pools.values():
        there = len(pool.workers) + pool.starting + pool.unseen + pool.lost
        if pool.role is PoolRole.CREW and there < (pool.max_workers or 0):
            yield Rule(frees(pool.id), 0, (), "it has fewer workers than it keeps")


def a_loop_that_nobody_runs_may_be_run_by_anybody(snapshot: Snapshot) -> Iterator[Rule]:
    """Unless it is closed: that is for ever."""
    for pool in snapshot.pools.values():
        if pool.role is PoolRole.LOOP and not pool.workers and not pool.closed:
            yield Rule(frees(pool.id), 1, (ANYBODY,), "any thread that can move may run it")


def a_pool_of_unknown_size_may_have_a_free_worker(snapshot: Snapshot) -> Iterator[Rule]:
    """Without its size nothing can be said of its workers."""
    for pool in snapshot.pools.values():
        if pool.max_workers is None:
            yield Rule(frees(pool.id), 0, (), "it is not known how many workers it has")


def an_occupied_worker_becomes_free_if_it_moves(snapshot: Snapshot) -> Iterator[Rule]:
    """One worker that can get on is enough, whatever it does."""
    for pool in snapshot.pools.values():
        body = tuple(moves(worker.id) for worker in occupied_workers(snapshot, pool))
        yield Rule(frees(pool.id), 1, body, "one of its workers can get on with its task")


def may_grow(pool: Pool, begun: int) -> bool:
    """Return whether the next submit may start one more worker; so many have `begun` so far.

    Those that have ended count: a pool never forgets a worker, not even one that died of an
    exception, nor one that a fork has left behind (CPython,
    ``ThreadPoolExecutor._adjust_thread_count``).
    """
    if pool.closed or pool.broken or pool.max_workers is None:
        return False
    if pool.role is not PoolRole.EXECUTOR:
        return False
    return begun + pool.starting + pool.unseen + pool.lost < pool.max_workers


def a_submit_may_bring_one_more_worker(snapshot: Snapshot) -> Iterator[Rule]:
    """An open pool that is not full grows when any thread that moves submits something."""
    begun = Counter(thread.pool for thread in snapshot.threads.values())
    for pool in snapshot.pools.values():
        if may_grow(pool, begun[pool.id]):
            reason = "it is not full, and somebody may submit a task and so start a worker"
            yield Rule(frees(pool.id), 1, (ANYBODY,), reason)
