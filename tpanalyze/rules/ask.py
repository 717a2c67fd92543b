"""Questions to a snapshot that several rules ask."""

from __future__ import annotations

from collections.abc import Iterator

from tpanalyze.atoms import Atom, resolves, taken
from tpanalyze.model import (
    FutureWait,
    Pool,
    Snapshot,
    Task,
    TaskId,
    TaskOrigin,
    TaskState,
    Thread,
    ThreadState,
)


def is_active(thread: Thread) -> bool:
    """Return whether the thread is in the middle of something of its own: running or waiting."""
    return thread.state in (ThreadState.RUNNING, ThreadState.WAITING)


def occupied_workers(snapshot: Snapshot, pool: Pool) -> Iterator[Thread]:
    """Yield the pool's live workers that are in the middle of something."""
    for worker in pool.workers:
        thread = snapshot.threads.get(worker)
        if thread is not None and is_active(thread):
            yield thread


def is_settled(task: Task | None, wait: FutureWait) -> bool:
    """Return whether the future counts as done for this wait.

    A cancelled future is done at once for ``result()``; ``wait()`` and ``as_completed()`` are told
    only by the worker that takes it from the queue (CPython, ``set_running_or_notify_cancel``).
    A future the snapshot does not know counts as done: nothing may lean on a gap.
    """
    if task is None:
        return True
    if task.state is TaskState.CANCELLED:
        return task.notified or wait.counts_cancelled
    return task.done


def target(task: Task, wait: FutureWait) -> Atom:
    """Return the atom that must be true before the future counts for this wait."""
    if task.state is TaskState.CANCELLED and not wait.counts_cancelled:
        return taken(task.id)
    return resolves(task.id)


def is_promise(task: Task) -> bool:
    """Return whether whoever holds the future may resolve it."""
    return task.origin is TaskOrigin.PROMISE


def tasks_in_queues(snapshot: Snapshot) -> frozenset[TaskId]:
    """Return the tasks that a worker will come upon, cancelled ones included."""
    return frozenset(task for pool in snapshot.pools.values() for task in pool.queue)
