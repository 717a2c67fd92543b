"""Questions to a snapshot that several rules ask."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tpanalyze.atoms import Atom, resolves, taken
from tpanalyze.model import (
    DrainWait,
    FutureWait,
    LockWait,
    ObjectWait,
    Pool,
    PoolId,
    Snapshot,
    Task,
    TaskId,
    TaskOrigin,
    TaskState,
    Thread,
    ThreadState,
    ThreadWait,
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


def how_many(snapshot: Snapshot, tasks: Iterable[Task]) -> int:
    """Return how many tasks these are, and those that they stand in for."""
    return sum(snapshot.times.get(task.id, 1) for task in tasks)


def is_promise(task: Task) -> bool:
    """Return whether whoever holds the future may resolve it."""
    return task.origin is TaskOrigin.PROMISE


def drains(snapshot: Snapshot) -> Iterator[tuple[Thread, DrainWait]]:
    """Yield every wait for workers to end that does not end by itself."""
    for thread in snapshot.threads.values():
        if isinstance(thread.wait, DrainWait) and not thread.wait.timed:
            yield thread, thread.wait


def drained_pools(snapshot: Snapshot) -> list[Pool]:
    """Return the pools whose workers somebody waits for, each once."""
    pools: dict[PoolId, None] = {}
    for _, wait in drains(snapshot):
        pools.update(dict.fromkeys(wait.pools))
    return [snapshot.pools[pool] for pool in pools if pool in snapshot.pools]


def workers_to_end(snapshot: Snapshot, pool: Pool) -> Iterator[Thread]:
    """Yield the pool's workers that live and are known."""
    for worker in pool.workers:
        thread = snapshot.threads.get(worker)
        if thread is not None and thread.state is not ThreadState.ENDED:
            yield thread


def joins(snapshot: Snapshot) -> Iterator[tuple[Thread, ThreadWait]]:
    """Yield every wait for threads to end that does not end by itself."""
    for thread in snapshot.threads.values():
        if isinstance(thread.wait, ThreadWait) and not thread.wait.timed:
            yield thread, thread.wait


def threads_to_end(snapshot: Snapshot, wait: ThreadWait) -> Iterator[Thread]:
    """Yield the threads that a join still waits for, as far as they are known."""
    for number in dict.fromkeys(wait.threads):
        thread = snapshot.threads.get(number)
        if thread is not None and thread.state is not ThreadState.ENDED:
            yield thread


def is_called_away(thread: Thread) -> bool:
    """Return whether a signal is how the thread's wait is meant to end.

    Signal handlers run in the main thread, and programs park it on purpose, in ``Event().wait()``
    or in the join of a server's thread, until one comes: Ctrl-C, or a handler for SIGTERM.  A wait
    for futures, for workers, or at interpreter exit is none that programs park in.
    """
    wait = thread.wait
    if not thread.main or wait is None:
        return False
    return isinstance(wait, ObjectWait) or (isinstance(wait, ThreadWait) and not wait.every)


def is_kept_by_its_owner(snapshot: Snapshot, wait: LockWait) -> bool:
    """Return whether only the thread that has the lock is taken to release it."""
    owner = None if wait.owner is None else snapshot.threads.get(wait.owner)
    if owner is None or not is_active(owner):
        return False
    return wait.reentrant or (wait.scoped and not wait.released_by)


def tasks_in_queues(snapshot: Snapshot) -> frozenset[TaskId]:
    """Return the tasks that a worker will come upon, cancelled ones included."""
    return frozenset(task for pool in snapshot.pools.values() for task in pool.queue)
