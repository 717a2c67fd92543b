"""Pool starvation: all workers of a pool wait, in the end, for tasks in the queue of that pool."""

from __future__ import annotations

from typing import Final

from tpanalyze.describe import all_of, at, counted, listing, number
from tpanalyze.findings import Advice
from tpanalyze.kinds.case import Case, Kind
from tpanalyze.kinds.phrases import functions, sentence, submit_places, with_timeout
from tpanalyze.model import FutureWait, Pool, PoolRole, Task, TaskState, Thread


def _matches(case: Case) -> bool:
    queued = any(task.state is TaskState.QUEUED for task in case.queued)
    return queued and any(case.starves(pool) for pool in case.pools)


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
    tasks = [case.snapshot.tasks.get(w.task) if w.task is not None else None for w in workers]
    names = {task.function.name if task and task.function else "" for task in tasks}
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
    found += [_more_workers(case, pool) for pool in case.pools if pool.workers]
    found += with_timeout(case)
    return tuple(found)


def _second_pool(case: Case, inner: tuple[Task, ...]) -> Advice:
    where = submit_places(inner)
    names = functions(case, inner)
    if any(pool.role is PoolRole.LIMITER for pool in case.pools):
        return Advice(
            "own-limiter",
            f"Give {names} a limiter of its own"
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
    return Advice(
        "second-pool",
        f"Submit {names} to a pool of its own"
        + (f" (at {where})" if where else "")
        + ": when those who wait and those they wait for share no workers, one worker in each pool "
        "is enough, however many tasks there are.",
    )


def _call_directly(case: Case, inner: tuple[Task, ...]) -> list[Advice]:
    """Offer to call the function where the task waits at once for what it has just submitted."""
    for task in inner:
        for worker in case.threads:
            if task.submitted_in is None or task.submitted_in != worker.task:
                continue
            if len(_queued_targets(case, worker)) == 1 and worker.wait is not None:
                outer, name = case.words.function_of(task.submitted_in), functions(case, (task,))
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
        case.snapshot.tasks[worker.task]
        for worker in case.threads
        if worker.task is not None and _waits_for_queued(case, worker)
    )
    who = functions(case, waiting) if waiting else "the task"
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
    """
    blocked = case.occupants(pool)
    functions_ = {
        case.words.function_of(thread.task) for thread in blocked if thread.task is not None
    }
    queue = [task for number_ in pool.queue if (task := case.snapshot.tasks.get(number_))]
    alike = sum(case.words.function_of(t.id) in functions_ for t in queue if t.function)
    least = len(blocked) + 1
    return least, least + alike


def _unit(pool: Pool) -> str:
    return "token" if pool.role is PoolRole.LIMITER else "worker"


def _setting(pool: Pool) -> str:
    return "total_tokens = " if pool.role is PoolRole.LIMITER else "max_workers="


def _more_workers(case: Case, pool: Pool) -> Advice:
    least, all_ = enough_workers(case, pool)
    blocked = case.occupants(pool)
    text = (
        f"More {_unit(pool)}s only move the limit: in this run {case.words.pool(pool.id)} would "
        f"have needed at least {least} ({_setting(pool)}{least}), since {number(len(blocked))} "
        f"{'was' if len(blocked) == 1 else 'were'} blocked at the same time"
    )
    if all_ > least:
        text += (
            f", and {all_} if the {counted(all_ - least, 'queued task')} of the same kind "
            f"{'waits' if all_ - least == 1 else 'wait'} like "
            f"{'it' if len(blocked) == 1 else 'them'}"
        )
    return Advice(
        "more-workers",
        f"{text}; with more such tasks, or one more level of nesting, it hangs again.",
    )


KIND: Final = Kind("pool-starvation", _matches, _summary, _advice)
