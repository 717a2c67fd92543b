"""Pool starvation: all workers of a pool wait, in the end, for tasks in the queue of that pool."""

from __future__ import annotations

from typing import Final

from tpanalyze.describe import all_of, at, counted, listing, number, waits_in_callback
from tpanalyze.findings import Advice
from tpanalyze.kinds.case import Case, Kind
from tpanalyze.kinds.phrases import functions, runners, sentence, submit_places, with_timeout
from tpanalyze.model import (
    FutureWait,
    ObjectWait,
    Pool,
    PoolRole,
    Task,
    TaskState,
    Thread,
    ThreadState,
)

_SIZED: Final = (PoolRole.EXECUTOR, PoolRole.LIMITER, PoolRole.CREW)
"""The pools whose size the user chooses."""


def _matches(case: Case) -> bool:
    queued = any(task.state is TaskState.QUEUED for task in case.queued)
    starved = [pool for pool in case.pools if case.starves(pool)]
    return queued and any(not _waits_for_the_dead(case, pool) for pool in starved)


def _waits_for_the_dead(case: Case, pool: Pool) -> bool:
    """Return whether all workers wait on objects that a thread has served which has ended.

    Then that one is missing, and no worker more would help: a consumer that has died, say.
    """
    waits = [worker.wait for worker in case.occupants(pool)]
    threads = case.snapshot.threads.values()
    ended = {thread.id for thread in threads if thread.state is ThreadState.ENDED}
    return bool(waits) and all(
        isinstance(wait, ObjectWait) and ended.intersection(wait.woken_by) for wait in waits
    )


def _summary(case: Case) -> str:
    if len(case.pools) > 1:
        return _summary_of_several(case)
    (pool,) = case.pools
    name = case.words.pool(pool.id)
    workers = case.occupants(pool)
    if pool.role is PoolRole.LIMITER:
        return (
            f"{all_of(len(workers))} tokens of {name} are lent to calls in threads that wait, "
            "in the end, for calls which need a token of that same limiter: none will ever be "
            "given back."
        )
    direct = all(_waits_for_queued(case, worker) for worker in workers)
    if len(workers) == 1 and direct:
        (worker,) = workers
        task = case.words.task_of(worker.id)
        runs = f"runs {task}, which waits" if task else "waits"
        awaited = _queued_targets(case, worker)
        what = case.words.tasks([t.id for t in awaited])
        only = "only worker" if pool.max_workers == 1 else "one live worker"
        verb = "is" if len(awaited) == 1 else "are"
        return (
            f"The {only} of {name} {runs} for {what}, which {verb} queued in that same pool: no "
            f"worker will ever be free to start {'it' if len(awaited) == 1 else 'them'}."
        )
    run, queue = _function_of_all(case, workers), _function_of_all_queued(case)
    if direct and run and queue:
        return (
            f"{all_of(len(workers))} workers of {name} run {run} and wait for calls of {queue} "
            "that are queued in that same pool: no worker will ever be free to start them."
        )
    if direct:
        return (
            f"{all_of(len(workers))} workers of {name} wait for tasks that are queued in that "
            "same pool: no worker will ever be free to start them."
        )
    return (
        f"{sentence(counted(len(workers), 'worker')).rstrip('.')} of {name}, "
        f"{'its only one' if len(workers) == 1 else 'all it has'}, "
        f"{'waits' if len(workers) == 1 else 'wait'}, in the end, for tasks that are queued in "
        "that same pool: no worker will ever be free to start them."
    )


def _summary_of_several(case: Case) -> str:
    names = [case.words.pool(pool.id).removeprefix("pool ") for pool in case.pools]
    return (
        f"Pools {listing(names)} starve each other: all their workers wait, in the end, for tasks "
        "that are queued in one of these pools, and no worker will ever be free to start them."
    )


def _function_of_all(case: Case, workers: tuple[Thread, ...]) -> str:
    """Return the name of the function that all of them run; empty if there is no such one."""
    names = {case.words.task_function(worker) for worker in workers}
    return names.pop() if len(names) == 1 else ""


def _function_of_all_queued(case: Case) -> str:
    """Return the name of the function that all queued tasks of the core call; empty if none is."""
    names = {task.function.name if task.function else "" for task in case.queued}
    return names.pop() if len(names) == 1 else ""


def _queued_targets(case: Case, worker: Thread) -> tuple[Task, ...]:
    if not isinstance(worker.wait, FutureWait):
        return ()
    queued = {task.id for task in case.queued}
    return tuple(task for task in case.awaited(worker.wait) if task.id in queued)


def _waits_for_queued(case: Case, worker: Thread) -> bool:
    return bool(_queued_targets(case, worker))


def _advice(case: Case) -> tuple[Advice, ...]:
    inner = tuple(task for task in case.queued if task.state is TaskState.QUEUED)
    found = [_second_pool(case, inner)]
    found += _call_directly(case, inner)
    found.append(_do_not_block(case, inner))
    found += _more_workers(case)
    found += with_timeout(case)
    return tuple(found)


def _second_pool(case: Case, inner: tuple[Task, ...]) -> Advice:
    where = submit_places(inner)
    names = functions(case, inner)
    if any(pool.role is PoolRole.LIMITER for pool in case.pools):
        return Advice(
            "own-limiter",
            f"Give {names} a limiter of {'their' if _distinct(case, inner) > 1 else 'its'} own"
            + (f" (at {where})" if where else "")
            + ": to_thread.run_sync(function, limiter=CapacityLimiter(n)), one for all calls; when "
            "those who wait and those they wait for share no tokens, one for each is enough.",
        )
    if len(case.pools) > 1:
        return Advice(
            "acyclic-pools",
            f"Let the pools form no circle: submit {names}"
            + (f" (at {where})" if where else "")
            + " to one more pool, whose tasks wait for none of these pools; then it can hang with "
            "no number of workers.",
        )
    own = f"a pool of {'their' if _distinct(case, inner) > 1 else 'its'} own"
    if nested := _nested(case, inner):
        return Advice(
            "second-pool",
            f"{nested} waits for calls of itself, so one more pool does not help, but one for each "
            "level of nesting does: make the pool for the next level an argument"
            + (f" (at {where})" if where else "")
            + ". Where the depth is not known, call directly or do not wait, as below.",
        )
    return Advice(
        "second-pool",
        f"Submit {names} to {own}"
        + (f" (at {where})" if where else "")
        + ": when those who wait and those they wait for share no workers, one worker in each pool "
        "is enough, however many tasks there are.",
    )


def _distinct(case: Case, tasks: tuple[Task, ...]) -> int:
    """Return how many functions the tasks call."""
    return len({case.words.function_of(task.id) for task in tasks})


def _nested(case: Case, inner: tuple[Task, ...]) -> str:
    """Return the function, or method, whose calls wait for queued calls of the same; or nothing.

    They would starve a second pool as they starve this one.
    """
    queued = {task.function for task in inner}
    for worker in case.threads:
        task = None if worker.task is None else case.snapshot.tasks.get(worker.task)
        if task is None or task.function is None or waits_in_callback(worker):
            continue
        if task.function in queued and _waits_for_queued(case, worker):
            return task.function.name
    return ""


def _call_directly(case: Case, inner: tuple[Task, ...]) -> list[Advice]:
    """Offer to call the function where the task waits at once for what it has just submitted."""
    for task in inner:
        for worker in case.threads:
            if task.submitted_in is None or task.submitted_in != worker.task:
                continue
            if len(_queued_targets(case, worker)) == 1 and worker.wait is not None:
                outer, name = case.words.task_function(worker), functions(case, (task,))
                return [
                    Advice(
                        "call-directly",
                        f"If {outer} has nothing else to do meanwhile, let it call {name} directly "
                        f"instead of submitting it{at(task.submit_site)} and waiting for it"
                        f"{at(worker.wait.site)}: the worker is there anyway.",
                    )
                ]
    return []


def _do_not_block(case: Case, inner: tuple[Task, ...]) -> Advice:
    if through := tuple(task for task in case.promises if task.loop is not None):
        where = submit_places(through)
        return Advice(
            "stay-in-the-thread",
            f"Or let the code that waits call {functions(case, inner)} directly, instead of going "
            "back to the event loop"
            + (f" (at {where})" if where else "")
            + " for a coroutine that wants one more thread: it is in a thread already.",
        )
    waiting = tuple(
        worker
        for worker in case.threads
        if worker.task is not None and _waits_for_queued(case, worker)
    )
    who = runners(case, waiting) or "the task"
    if all(pool.role is PoolRole.CREW for pool in case.pools):
        return Advice(
            "do-not-block",
            f"Or do not wait inside the pool: let {who} return what apply_async or map_async gives "
            f"for {functions(case, inner)} to its caller, which waits for both.",
        )
    if any(waits_in_callback(worker) for worker in waiting):
        return Advice(
            "do-not-block-in-callbacks",
            f"Or do not wait in a done-callback: a pool calls {who} on the worker that ran the "
            "task, which takes no other task before that has returned. Go on in "
            f"inner_future.add_done_callback(…) with what {functions(case, inner)} gives, or wait "
            "where the tasks are submitted.",
        )
    return Advice(
        "do-not-block",
        f"Or do not wait inside the pool: let {who} return the future of {functions(case, inner)} "
        "to its caller, which waits for both, or go on in inner_future.add_done_callback(…), or "
        "make both coroutines and await.",
    )


def enough_workers(case: Case, pool: Pool) -> tuple[int, int]:
    """Return how many workers the pool would have needed at the least, and with what is queued.

    The first: those that are blocked in it now, and one to work off the queue.  The second adds
    the queued tasks of the same functions as the blocked ones, which would block a worker each.
    Of several pools that starve each other one would have needed that many, any one: without it
    nothing of a core holds.

    It is no promise: it speaks of what this run had submitted, in its order, and takes queued
    tasks of other functions to finish.  Source: THEORY.md 5.7, the hint of a hung trace.
    """
    blocked = case.occupants(pool)
    functions_ = {
        case.words.function_of(thread.task) for thread in blocked if thread.task is not None
    }
    queue = (case.snapshot.tasks.get(number_) for number_ in pool.queue)
    alike = sum(t.function.name in functions_ for t in queue if t is not None and t.function)
    least = len(blocked) + 1
    return least, least + alike


def _more_workers(case: Case) -> list[Advice]:
    """Return how far more workers would have gone, in one piece of advice for all pools."""
    sized = [pool for pool in case.pools if pool.workers and pool.role in _SIZED]
    full = [pool for pool in sized if len(pool.workers) >= (pool.max_workers or 0)]
    if full:
        text = _one_more(case, full[0]) if len(sized) == 1 else _one_more_somewhere(case, full)
        return [
            Advice(
                "more-workers",
                f"More {_unit(full[0])}s only move the limit: {text}; with more such tasks, one "
                "more level of nesting or another order of events it hangs again.",
            )
        ]
    if sized:
        pool = sized[0]
        text = (
            f"A higher max_workers would not have helped: {case.words.pool(pool.id)} may have "
            f"{pool.max_workers}, and has started {number(len(pool.workers))}. It starts one only "
            "when something is submitted, and only if it believes that none is idle."
        )
        return [Advice("more-workers", text)]
    return []


def _one_more(case: Case, pool: Pool) -> str:
    least, all_ = enough_workers(case, pool)
    count = len(case.occupants(pool))
    text = (
        f"in this run {case.words.pool(pool.id)} would have needed at least {least} "
        f"({_setting(pool)}{least}), since {number(count)} {'was' if count == 1 else 'were'} "
        "blocked at the same time"
    )
    return text + _if_alike(all_, all_ - least, "it" if count == 1 else "them")


def _one_more_somewhere(case: Case, pools: list[Pool]) -> str:
    told, alike = [], 0
    for pool in pools:
        least, all_ = enough_workers(case, pool)
        told.append(f"{case.words.pool(pool.id)} with {_setting(pool)}{least}")
        alike += all_ - least
    which = " or ".join(told) if len(told) < 3 else f"{', '.join(told[:-1])} or {told[-1]}"
    text = (
        f"in this run one of the pools would have needed one more {_unit(pools[0])} at least, "
        f"{which}, since all they had were blocked at the same time"
    )
    return text + _if_alike(None, alike, "them")


def _if_alike(count: int | None, alike: int, them: str) -> str:
    """Return the condition on the queued tasks of the same kind, if there are such."""
    if not alike:
        return ""
    needed = "more" if count is None else str(count)
    queued = f"{counted(alike, 'queued task')} of the same kind"
    return f", and {needed} if the {queued} {'waits' if alike == 1 else 'wait'} like {them}"


def _unit(pool: Pool) -> str:
    return "token" if pool.role is PoolRole.LIMITER else "worker"


def _setting(pool: Pool) -> str:
    if pool.role is PoolRole.CREW:
        return "processes="
    return "total_tokens = " if pool.role is PoolRole.LIMITER else "max_workers="


KIND: Final = Kind("pool-starvation", _matches, _summary, _advice)
