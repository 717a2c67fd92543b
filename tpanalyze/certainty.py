"""Since when a deadlock is certain, and what its proof takes for granted."""

from __future__ import annotations

from tpanalyze.atoms import ANYBODY
from tpanalyze.describe import at, listing, thing
from tpanalyze.edges import joined
from tpanalyze.kinds.case import Case
from tpanalyze.kinds.phrases import sentence
from tpanalyze.model import (
    DrainWait,
    FutureWait,
    Pool,
    PoolRole,
    Quality,
    Snapshot,
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
    snapshot = case.snapshot
    moments = [_wait_begin_ns(thread) for thread in case.threads]
    moments += [task.finished_ns or task.submitted_ns or 0 for task in case.queued]
    moments += [_closed_ns(snapshot, pool) for pool in case.pools if has_room(pool)]
    moments += [ns for _, wait in case.waits for ns in _did_not_fail_ns(snapshot, wait)]
    pools = {pool.id for pool in case.pools}
    for thread in snapshot.threads.values():
        gone = thread.state is ThreadState.ENDED and (case.anybody or thread.pool in pools)
        if gone or (case.anybody and thread.state is ThreadState.IDLE):
            moments.append(thread.since_ns)
    return max(moments)


def _did_not_fail_ns(snapshot: Snapshot, wait: FutureWait) -> list[int]:
    if wait.operation != FIRST_EXCEPTION:
        return []
    ends = (snapshot.tasks[f].finished_ns for f in wait.futures if f in snapshot.tasks)
    return [end_ns for end_ns in ends if end_ns is not None]


def has_room(pool: Pool) -> bool:
    """Return whether only its shutdown keeps the pool from getting one more worker."""
    return pool.closed and (pool.max_workers is None or len(pool.workers) < pool.max_workers)


def _closed_ns(snapshot: Snapshot, pool: Pool) -> int:
    waits = [thread.wait for thread in snapshot.threads.values()]
    drains = [w.since_ns for w in waits if isinstance(w, DrainWait) and pool.id in w.pools]
    return min(drains, default=snapshot.time_ns)


def _wait_begin_ns(thread: Thread) -> int:
    return thread.since_ns if thread.wait is None else thread.wait.since_ns


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
        found.append(f"no signal handler, C code or other process sets {promises}")
    if case.blocks:
        things = listing(list(dict.fromkeys(thing(wait.object) for _, wait in case.blocks)))
        found.append(f"no signal handler, C code or other process ends the wait on {things}")
    plain = [thing(wait.object) for _, wait in case.locks if not wait.reentrant]
    if plain:
        found.append(f"no signal handler or C code releases {listing(sorted(set(plain)))}")
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
