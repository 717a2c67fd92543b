"""Whether anybody at all can move: who could still set a promise, submit a task, shut a pool."""

from __future__ import annotations

from collections.abc import Iterator

from tpanalyze.atoms import ANYBODY, frees, moves, resolves
from tpanalyze.horn import Rule
from tpanalyze.model import PoolRole, Snapshot, TaskState
from tpanalyze.rules.ask import is_active


def any_thread_that_moves_is_somebody(snapshot: Snapshot) -> Iterator[Rule]:
    """Idle workers are nobody: they do nothing unless somebody submits."""
    threads = snapshot.threads.values()
    body = tuple(moves(thread.id) for thread in threads if is_active(thread))
    yield Rule(ANYBODY, 1, body, "a thread can move")


def a_thread_the_trace_does_not_know_is_somebody(snapshot: Snapshot) -> Iterator[Rule]:
    """A thread that has made no event yet may do anything."""
    if not snapshot.all_threads_known:
        yield Rule(ANYBODY, 0, (), "there may be threads the trace does not know")


def a_worker_about_to_come_is_somebody(snapshot: Snapshot) -> Iterator[Rule]:
    """A worker not seen yet may run an initializer or a task; it may do anything."""
    if any(pool.starting > 0 or pool.unseen > 0 for pool in snapshot.pools.values()):
        yield Rule(ANYBODY, 0, (), "a worker has not been seen yet")


def a_result_that_is_handed_out_is_somebody(snapshot: Snapshot) -> Iterator[Rule]:
    """With a result comes its callback, which may do anything: in an idle thread, until then.

    Of what runs in another process no thread of this one needs to move.
    """
    body = []
    for task in snapshot.tasks.values():
        pool = None if task.pool is None else snapshot.pools.get(task.pool)
        away = pool is not None and pool.role is PoolRole.PROCESSES
        if not task.done and (task.passed or away):
            body.append(resolves(task.id))
    if body:
        yield Rule(ANYBODY, 1, tuple(body), "a result can come, and a callback run")


def a_queued_task_that_starts_is_somebody(snapshot: Snapshot) -> Iterator[Rule]:
    """What a task does once it has started is not known; it may do anything."""
    body = []
    for pool in snapshot.pools.values():
        queue = (snapshot.tasks.get(task) for task in pool.queue)
        if any(task is None or task.state is TaskState.QUEUED for task in queue):
            body.append(frees(pool.id))
    if body:
        yield Rule(ANYBODY, 1, tuple(body), "a queued task can start")
