"""Blocked loop: a thread waits for what only an event loop can do that never gets to run again.

Mostly the loop's own thread blocks, in ``result()`` where it should ``await``.  Or the loop is
closed, or nobody is left to run it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tpanalyze.describe import at, listing
from tpanalyze.findings import Advice
from tpanalyze.kinds.case import Case, Kind
from tpanalyze.kinds.phrases import functions, member, who, with_timeout
from tpanalyze.model import FutureWait, Pool, PoolId, PoolRole, Task, Thread


def _loops(case: Case) -> list[Pool]:
    return [pool for pool in case.pools if pool.role is PoolRole.LOOP]


def _owed(case: Case, loop: Pool) -> tuple[Task, ...]:
    """Return the promises of the core that the loop is to set."""
    return tuple(task for task in case.promises if task.loop == loop.id)


def _blocked(case: Case, loop: Pool) -> Thread | None:
    """Return the blocked thread that runs the loop; None if no thread runs it."""
    return next((thread for thread in case.threads if thread.id in loop.workers), None)


def _matches(case: Case) -> bool:
    return any(_owed(case, loop) for loop in _loops(case))


def _summary(case: Case) -> str:
    words, loops = case.words, _loops(case)
    runners = [thread for loop in loops if (thread := _blocked(case, loop)) is not None]
    promises = tuple(task for loop in loops for task in _owed(case, loop))
    what = words.tasks([task.id for task in promises])
    if not runners:
        owed = set(_ids(promises))
        waiting = next(t for t, wait in case.waits if owed.intersection(wait.futures))
        why = "is closed" if all(loop.closed for loop in loops) else "no thread runs any more"
        return (
            f"{who(case, waiting)} waits for {what}, which {words.pools(_pool_ids(loops))} was to "
            f"set; but that loop {why}."
        )
    if len(runners) > 1:
        names = listing([words.thread(thread.id) for thread in runners])
        return (
            f"{names[:1].upper()}{names[1:]} each run an event loop and block in it, until another "
            "one of these loops has done something: none of them ever will."
        )
    (runner,) = runners
    name = words.thread(runner.id)
    name = name[:1].upper() + name[1:]
    if set(_ids(promises)) & set(_awaited(runner)):
        return (
            f"{name} runs an event loop and blocks in it until {what} is set, which only that same "
            "loop can do: never."
        )
    return (
        f"{name} runs an event loop and blocks in it, {_for_what(case, runner)}; but that needs "
        f"{what}, which only the blocked loop can set."
    )


def _ids(tasks: tuple[Task, ...]) -> list[int]:
    return [task.id for task in tasks]


def _pool_ids(pools: list[Pool]) -> list[PoolId]:
    return [pool.id for pool in pools]


def _awaited(thread: Thread) -> Sequence[int]:
    return thread.wait.futures if isinstance(thread.wait, FutureWait) else ()


def _for_what(case: Case, thread: Thread) -> str:
    wait = thread.wait
    return "stuck" if wait is None else f"waiting for {case.words.wait(wait)}"


def _advice(case: Case) -> tuple[Advice, ...]:
    found: list[Advice] = []
    for loop in _loops(case):
        runner = _blocked(case, loop)
        if runner is None:
            found += _of_a_dead_loop(case, loop)
        elif runner.wait is not None:
            found += _of_a_blocked_loop(case, loop, runner)
    return (*found, *with_timeout(case))


def _of_a_blocked_loop(case: Case, loop: Pool, runner: Thread) -> list[Advice]:
    wait = runner.wait
    where = at(wait.site) if wait is not None else ""
    own = tuple(task for task in _owed(case, loop) if task.id in _awaited(runner))
    if own:
        name = functions(case, own) if own[0].function else "the coroutine"
        first = Advice(
            "await-the-coroutine",
            f"Await {name} itself{where}: the loop's own thread can. run_coroutine_threadsafe(...)"
            ".result() is for other threads, and blocks the one it is called in.",
        )
    else:
        first = Advice(
            "await-the-future",
            f"Await instead of blocking{where}: await loop.run_in_executor(pool, function), or "
            "await asyncio.wrap_future(future) for a future that is there already. The loop goes "
            "on meanwhile, and does what is asked of it.",
        )
    second = Advice(
        "to-thread",
        f"If the code that blocks{where} cannot be made async, let the coroutine that calls it run "
        "it in a thread, by await asyncio.to_thread(function): it may block there.",
    )
    return [first, second]


def _of_a_dead_loop(case: Case, loop: Pool) -> list[Advice]:
    promises = _owed(case, loop)
    made = at(promises[0].submit_site)
    owed = set(_ids(promises))
    waiting = [t for t, wait in case.waits if owed.intersection(wait.futures)]
    name = listing([member(case, thread) for thread in waiting])
    return [
        Advice(
            "end-the-threads-first",
            f"Let {name} end before the loop does: await what the threads owe (asyncio.to_thread, "
            "loop.run_in_executor) before the main coroutine returns, and close the loop last.",
        ),
        Advice(
            "ask-whether-it-runs",
            f"Or hand nothing to a loop that is about to stop{made}: what is scheduled after its "
            "last turn never runs, and its future is never set.",
        ),
    ]


KIND: Final = Kind("blocked-loop", _matches, _summary, _advice)
