"""Since when a deadlock is certain, by what, and what its proof takes for granted."""

from __future__ import annotations

from collections.abc import Iterator

from tpanalyze.atoms import ANYBODY
from tpanalyze.describe import at, listing, thing
from tpanalyze.edges import joined
from tpanalyze.findings import Step, StepKind
from tpanalyze.kinds.case import Case
from tpanalyze.kinds.phrases import sentence
from tpanalyze.model import (
    DrainWait,
    FutureWait,
    Pool,
    PoolRole,
    Quality,
    Snapshot,
    Task,
    TaskState,
    Thread,
    ThreadState,
)
from tpanalyze.rules.ask import is_kept_by_its_owner
from tpanalyze.rules.waits import FIRST_EXCEPTION


def certain_since_ns(case: Case) -> int:
    """Return the moment from which no continuation could have ended the waits of the core.

    It is the moment at which the last of the things that hold each other up took the place it has
    now.  Not later: from then on every rule of the core has had the support it has now, and what
    is stuck does not change.  Not earlier: a moment before, that last member could still move, and
    nothing can be left out of a core, so the rest could move as well.  What counts:

    * the begin of each blocked thread's wait, of each queued task's time in the queue, and the
      cancellation of a cancelled one;
    * of a wait for the first exception, the end of each future that did not fail;
    * where the core needs a worker of a pool: the end of those of its workers that are gone, and
      for a pool with room for more, the moment it was shut down;
    * where it leans on nobody being able to move: the moment each other thread ended or went idle.

    In two cases the snapshot tells a moment that is a little too late: a worker that has ended was
    idle just before; and of a shutdown only the wait that follows it is known (where nobody waits,
    the answer is the moment of the snapshot).  In one it may be too early: a task that was
    cancelled by hand, and taken out of its queue only later by ``shutdown(cancel_futures=True)``.
    """
    return max(ns for ns, _ in _moments(case))


def certain_by(case: Case) -> Step | None:
    """Return what happened at that moment; None if that is not known for sure.

    It is not where two things happened in the same tick, where only the moment after a shutdown is
    known, and where a cancelled task is no more in its queue: see above.
    """
    moments = list(_moments(case))
    last_ns = max(ns for ns, _ in moments)
    steps = {step for ns, step in moments if ns == last_ns and step is not None}
    if len(steps) > 1 or any(_was_withdrawn(case, task) for task in case.queued):
        return None
    return next(iter(steps), None)


def _moments(case: Case) -> Iterator[tuple[int, Step | None]]:
    """Yield when each of the things took its place, and by what step, if that is known."""
    snapshot, words = case.snapshot, case.words
    for thread in case.threads:
        if thread.wait is not None:
            who = words.task_of(thread.id) or words.thread(thread.id)
            step = Step(StepKind.WAIT, thread.id, thread.task, f"{who} began to wait")
            yield thread.wait.since_ns, step
        else:
            yield thread.since_ns, _rest(case, thread)
    for task in case.queued:
        name = words.task(task.id)
        if task.finished_ns:
            yield task.finished_ns, Step(StepKind.CANCEL, None, task.id, f"{name} was cancelled")
        elif task.submitted_ns:
            yield task.submitted_ns, Step(StepKind.SUBMIT, None, task.id, f"{name} was submitted")
    for pool in case.pools:
        if has_room(pool):
            yield _closed_ns(snapshot, pool), None
    for _, wait in case.waits:
        if wait.operation == FIRST_EXCEPTION:
            yield from _ends_without_failure(case, wait)
    pools = {pool.id for pool in case.pools}
    for thread in snapshot.threads.values():
        gone = thread.state is ThreadState.ENDED and (case.anybody or thread.pool in pools)
        if gone or (case.anybody and thread.state is ThreadState.IDLE):
            yield thread.since_ns, _rest(case, thread)


def _rest(case: Case, thread: Thread) -> Step | None:
    """Return the step by which the thread came to do nothing any more."""
    name = case.words.thread(thread.id)
    if thread.state is ThreadState.ENDED:
        return Step(StepKind.END, thread.id, None, f"{name} ended")
    if thread.state is ThreadState.IDLE:
        return Step(StepKind.IDLE, thread.id, None, f"{name} had no more to do")
    return None


def _ends_without_failure(case: Case, wait: FutureWait) -> Iterator[tuple[int, Step]]:
    for future in wait.futures:
        task = case.snapshot.tasks.get(future)
        if task is not None and task.finished_ns is not None:
            name = case.words.task(task.id)
            if task.state is TaskState.CANCELLED:
                step = Step(StepKind.CANCEL, None, task.id, f"{name} was cancelled")
            else:
                step = Step(StepKind.FINISH, None, task.id, f"{name} finished")
            yield task.finished_ns, step


def _was_withdrawn(case: Case, task: Task) -> bool:
    """Return whether a cancelled task is in no queue, from which somebody may have taken it."""
    pool = None if task.pool is None else case.snapshot.pools.get(task.pool)
    return task.state is TaskState.CANCELLED and (pool is None or task.id not in pool.queue)


def has_room(pool: Pool) -> bool:
    """Return whether only its shutdown keeps the pool from getting one more worker."""
    return pool.closed and (pool.max_workers is None or len(pool.workers) < pool.max_workers)


def _closed_ns(snapshot: Snapshot, pool: Pool) -> int:
    waits = [thread.wait for thread in snapshot.threads.values()]
    drains = [w.since_ns for w in waits if isinstance(w, DrainWait) and pool.id in w.pools]
    return min(drains, default=snapshot.time_ns)


def conditions(case: Case, quality: Quality) -> tuple[str, ...]:
    """Return what the proof takes for granted, a sentence each.

    Where no thread at all can move, nobody is left to break the first three.
    Source: THEORY.md 2.4.
    """
    found = []
    if not case.graph.is_stuck(ANYBODY):
        found += _while_others_move(case)
    if by_hand := [task.id for task in case.promises if task.loop is None]:
        promises = case.words.tasks(by_hand)
        found.append(f"no signal handler, finaliser, C code or other process sets {promises}")
    if case.blocks:
        things = listing(list(dict.fromkeys(thing(wait.object) for _, wait in case.blocks)))
        found.append(
            f"no signal handler, finaliser, C code or other process ends the wait on {things}"
        )
    plain = [thing(wait.object) for _, wait in case.locks if not wait.reentrant]
    if plain:
        names = listing(sorted(set(plain)))
        found.append(f"no signal handler, finaliser or C code releases {names}")
    if any(thread.main for thread in case.threads):
        found.append("no signal (Ctrl-C, say) raises an exception in the main thread")
    for thread, wait in case.drains:
        crew = case.role(thread.pool) is PoolRole.CREW
        if not crew and thread.pool in wait.pools and joined(case.snapshot, thread, wait):
            name = case.words.thread(thread.id)
            found.append(
                f"{name} does not come to join itself{at(wait.site)} before the others: that would "
                "raise a RuntimeError, and the order of the joins is not recorded"
            )
    if not quality.complete:
        found.append(
            "none of the events that the trace has lost "
            + (f"({quality.dropped} at least) " if quality.dropped else "")
            + "ended one of these waits or freed a worker"
        )
    return tuple(sentence(text) for text in found)


def _while_others_move(case: Case) -> list[str]:
    words, found = case.words, []
    queued = [task.id for task in case.queued if task.state is TaskState.QUEUED]
    if queued:
        found.append(f"nobody cancels {words.tasks(queued)} in the queue")
    if running := [task.id for task in case.running]:
        found.append(f"nobody but its own thread sets the result of {words.tasks(running)}")
    if by_loops := [task.id for task in case.promises if task.loop is not None]:
        found.append(f"nobody cancels {words.tasks(by_loops)}, or sets it by hand")
    if any(task.awaits for task in case.promises):
        found.append(
            "nobody cancels the coroutines that await (there was no timeout that could, when the "
            "recorder last looked)"
        )
    kept = [w for _, w in case.locks if not w.reentrant and is_kept_by_its_owner(case.snapshot, w)]
    if kept:
        names = listing(sorted({thing(wait.object) for wait in kept}))
        found.append(
            f"no thread releases {names} for the one that has it, whose with block does that"
        )
    unsized = (PoolRole.LOOP, PoolRole.HANDLER, PoolRole.CREW, PoolRole.PROCESSES)
    sized = [pool for pool in case.pools if pool.role not in unsized]
    if full := [pool.id for pool in sized if not (pool.closed or pool.broken)]:
        found.append(f"nobody changes the size of {words.pools(full)} from outside")
    return found
