"""Threads that wait for futures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from tpanalyze.atoms import Atom, AtomKind, moves
from tpanalyze.compact import each_once
from tpanalyze.horn import Rule
from tpanalyze.model import FutureWait, Snapshot, TaskId, TaskState, ThreadId
from tpanalyze.rules.ask import how_many, target

FIRST_EXCEPTION: Final = "wait(FIRST_EXCEPTION)"


def untimed(snapshot: Snapshot) -> Iterator[tuple[ThreadId, FutureWait]]:
    """Yield every wait for futures that does not end by itself."""
    for thread in snapshot.threads.values():
        if isinstance(thread.wait, FutureWait) and not thread.wait.timed:
            yield thread.id, thread.wait


def a_wait_ends_when_enough_futures_are_done(snapshot: Snapshot) -> Iterator[Rule]:
    """`need` of the futures must count as done; one the snapshot does not know does.

    A set of futures that several threads wait for is one atom, so that the rules stay linear in
    the size of the state.
    """
    shared: dict[tuple[Sequence[TaskId], int, bool], Atom] = {}
    for thread, wait in untimed(snapshot):
        if wait.operation == FIRST_EXCEPTION:
            continue
        key = (wait.futures, wait.need, wait.counts_cancelled)
        enough = shared.get(key)
        if enough is None:
            enough = shared[key] = Atom(AtomKind.ENOUGH, len(shared))
            futures = each_once(wait.futures)
            tasks = [snapshot.tasks[future] for future in futures if future in snapshot.tasks]
            unknown = len(futures) - len(tasks)
            need = min(wait.need, unknown + how_many(snapshot, tasks)) - unknown
            body = tuple(target(task, wait) for task in tasks)
            yield Rule(enough, max(need, 0), body, "so many of the futures can become done")
        yield Rule(moves(thread), 1, (enough,), "enough futures it waits for can become done")


def a_wait_for_an_exception_ends_when_one_may_fail(snapshot: Snapshot) -> Iterator[Rule]:
    """``wait(FIRST_EXCEPTION)`` ends at the first failure, or when all are done.

    Any future that can still be resolved may fail, so one such is enough.  Where none is left but
    cancelled ones, which never count as failures, all of them must be taken from their queues.
    Source: CPython, ``concurrent.futures._base.wait`` and ``_AllCompletedWaiter``.
    """
    for thread, wait in untimed(snapshot):
        if wait.operation != FIRST_EXCEPTION:
            continue
        tasks = [snapshot.tasks.get(future) for future in each_once(wait.futures)]
        known = [task for task in tasks if task is not None]
        if len(known) < len(tasks) or any(task.state is TaskState.FAILED for task in known):
            yield Rule(moves(thread), 0, (), "one of the futures it waits for has failed")
        elif unfinished := [task for task in known if not task.done]:
            body = tuple(target(task, wait) for task in unfinished)
            yield Rule(moves(thread), 1, body, "one of the futures it waits for may still fail")
        else:
            body = tuple(target(task, wait) for task in known)
            need = how_many(snapshot, known)
            yield Rule(moves(thread), need, body, "all futures it waits for can become done")
