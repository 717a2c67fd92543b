"""Futures, and what can resolve them."""

from __future__ import annotations

from collections.abc import Iterator

from tpanalyze.atoms import ANYBODY, Atom, frees, moves, resolves, taken
from tpanalyze.horn import Rule
from tpanalyze.model import Snapshot, Task, TaskOrigin, TaskState, ThreadState
from tpanalyze.rules.ask import is_promise, tasks_in_queues


def a_done_future_is_done(snapshot: Snapshot) -> Iterator[Rule]:
    """What ``Future.done()`` says."""
    for task in snapshot.tasks.values():
        if task.done:
            yield Rule(resolves(task.id), 0, (), "it is done")


def an_unseen_future_may_be_set_by_anyone_unseen(snapshot: Snapshot) -> Iterator[Rule]:
    """Nothing is known of a future made before the recording began: it may be set at any time."""
    for task in snapshot.tasks.values():
        if task.origin is TaskOrigin.UNSEEN and not task.done:
            yield Rule(resolves(task.id), 0, (), "nothing is known of what stands behind it")


def a_running_task_finishes_if_its_thread_moves(snapshot: Snapshot) -> Iterator[Rule]:
    """Only the thread that runs a pool's task resolves its future.

    In a pool with a handler for its results, the handler's thread does when the worker has passed
    them on.  What runs in another process may finish at any time.
    """
    for task in snapshot.tasks.values():
        if task.origin is not TaskOrigin.POOL or task.done or task.state is TaskState.QUEUED:
            continue
        worker = None if task.worker is None else snapshot.threads.get(task.worker)
        if task.passed:
            yield _handed_out(snapshot, task, (), "its result can be handed out")
        elif worker is None or worker.state is ThreadState.ENDED:
            yield Rule(resolves(task.id), 0, (), "it is not known which thread runs it")
        else:
            reason = "the thread that runs it can move"
            yield _handed_out(snapshot, task, (moves(worker.id),), reason)


def _handed_out(snapshot: Snapshot, task: Task, body: tuple[Atom, ...], reason: str) -> Rule:
    """Return the rule that the task is done after `body`, and when its result is handed out."""
    pool = None if task.pool is None else snapshot.pools.get(task.pool)
    if pool is not None and pool.results in snapshot.pools:
        body = (*body, frees(pool.results))
    return Rule(resolves(task.id), len(body), body, reason)


def a_queued_task_finishes_if_a_worker_takes_it(snapshot: Snapshot) -> Iterator[Rule]:
    """What a task does once it has started is not known: it is taken to finish."""
    queued = tasks_in_queues(snapshot)
    for task in snapshot.tasks.values():
        if task.origin is not TaskOrigin.POOL or task.state is not TaskState.QUEUED:
            continue
        if task.pool is None or task.pool not in snapshot.pools:
            yield Rule(resolves(task.id), 0, (), "its pool is not known")
        elif task.id not in queued:
            yield Rule(resolves(task.id), 0, (), "somebody has taken it out of the queue")
        else:
            yield _handed_out(snapshot, task, (frees(task.pool),), "a worker can take it")


def a_cancelled_task_is_counted_once_a_worker_took_it(snapshot: Snapshot) -> Iterator[Rule]:
    """``wait()`` and ``as_completed()`` hear of a cancellation only when a worker takes the task.

    Of a task that is not in the queue any more, as after ``shutdown(cancel_futures=True)``, they
    never hear: there is no rule for it.  Of a promise cancelled by hand they hear from whoever
    calls ``set_running_or_notify_cancel``.
    """
    queued = tasks_in_queues(snapshot)
    for task in snapshot.tasks.values():
        if task.state is not TaskState.CANCELLED:
            continue
        if task.notified or task.origin is TaskOrigin.UNSEEN:
            yield Rule(taken(task.id), 0, (), "those who wait have been told")
        elif is_promise(task):
            yield Rule(taken(task.id), 1, (ANYBODY,), "somebody may tell those who wait")
        elif task.pool is None or task.pool not in snapshot.pools:
            yield Rule(taken(task.id), 0, (), "its pool is not known")
        elif task.id in queued:
            yield Rule(taken(task.id), 1, (frees(task.pool),), "a worker can take it")


def a_promise_may_be_set_by_any_thread_that_moves(snapshot: Snapshot) -> Iterator[Rule]:
    """Who holds a future made by hand is not known: every thread may."""
    for task in snapshot.tasks.values():
        if is_promise(task) and not task.done and task.loop not in snapshot.pools:
            yield Rule(resolves(task.id), 1, (ANYBODY,), "some thread can move, and may set it")


def a_promise_of_a_loop_is_set_when_its_thread_comes_to_it(snapshot: Snapshot) -> Iterator[Rule]:
    """Only a callback in the loop sets it: the loop's thread must be free to run one.

    If its coroutine has been seen suspended for recorded tasks, one of these must be done as well:
    until then nothing but a cancellation makes the coroutine get on.
    Source: CPython, ``asyncio.tasks.run_coroutine_threadsafe``; ``asyncio.futures._chain_future``.
    """
    for task in snapshot.tasks.values():
        if not is_promise(task) or task.done or task.loop not in snapshot.pools:
            continue
        free = frees(task.loop)
        awaited = [snapshot.tasks.get(awaited) for awaited in task.awaits]
        if not awaited or any(other is None or other.done for other in awaited):
            reason = "its event loop can come to it"
            yield Rule(resolves(task.id), 1, (free,), reason)
            continue
        for other in awaited:
            if other is not None:
                reason = "what its coroutine awaits can become done, and its event loop come to it"
                yield Rule(resolves(task.id), 2, (free, resolves(other.id)), reason)
