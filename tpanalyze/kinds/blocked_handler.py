"""Blocked handler: the one thread that serves a pool waits for what comes only through itself.

A pool of ``multiprocessing`` has one thread that hands out all results and runs the callbacks, and
one that asks iterables for the next item; a ``ProcessPoolExecutor`` has one for results.
"""

from __future__ import annotations

from typing import Final

from tpanalyze.describe import at
from tpanalyze.findings import Advice
from tpanalyze.kinds.case import Case, Kind
from tpanalyze.kinds.phrases import functions, who, with_timeout
from tpanalyze.model import Pool, PoolRole, Thread

RESULTS: Final = "results"


def _handlers(case: Case) -> list[Pool]:
    return [pool for pool in case.pools if pool.role is PoolRole.HANDLER]


def _matches(case: Case) -> bool:
    return bool(_handlers(case))


def _blocked(case: Case, handler: Pool) -> Thread | None:
    """Return the blocked thread that it is; None if that has ended."""
    return next((thread for thread in case.threads if thread.id in handler.workers), None)


def _served(case: Case, handler: Pool) -> str:
    return "its pool" if handler.serves is None else case.words.pool(handler.serves)


def _summary(case: Case) -> str:
    handler = _handlers(case)[0]
    name = case.words.pool(handler.id)
    thread = _blocked(case, handler)
    if thread is None or thread.wait is None:
        waiting = case.threads[0]
        wait = waiting.wait
        what = "something" if wait is None else case.words.wait(wait)
        why = "stayed in the parent process" if handler.lost else "has ended"
        return f"{who(case, waiting)} waits for {what}, which never comes: {name} {why}."
    what = case.words.wait(thread.wait)
    if handler.name == RESULTS:
        return (
            f"{name[:1].upper()}{name[1:]} runs a callback that waits for {what}; but no other "
            "result of that pool is handed out before the callback has returned."
        )
    return (
        f"{name[:1].upper()}{name[1:]} asks an iterable for its next item, and that waits for "
        f"{what}; but no task comes to that pool before the item is there."
    )


def _advice(case: Case) -> tuple[Advice, ...]:
    handler = _handlers(case)[0]
    thread = _blocked(case, handler)
    if thread is None:
        return (_let_nothing_escape(case, handler), *with_timeout(case))
    where = "" if thread.wait is None else at(thread.wait.site)
    if handler.name != RESULTS:
        return (
            Advice(
                "do-not-wait-in-the-iterable",
                f"Let the iterable not wait for results of {_served(case, handler)}{where}: make "
                "the items first, or hand the next ones over when the results are there "
                "(apply_async for each).",
            ),
            *with_timeout(case),
        )
    asked = functions(case, (*case.queued, *case.running))
    for_what = f" for {asked}" if asked else ""
    return (
        Advice(
            "callbacks-do-not-wait",
            f"Let the callback not wait{for_what}{where}: let it note the result, or put it into a "
            "queue, and let the thread that asked for it go on from there.",
        ),
        Advice(
            "own-thread",
            "If it has to wait, let the callback submit the rest to a pool of threads of its own, "
            "where it blocks nobody's results.",
        ),
        *with_timeout(case),
    )


def _let_nothing_escape(case: Case, handler: Pool) -> Advice:
    return Advice(
        "callbacks-do-not-raise",
        f"Find what ended {case.words.pool(handler.id)}: an exception that leaves a callback of "
        "apply_async or map_async does, as does terminate() while somebody still waits. Let "
        "callbacks catch what they raise, and call close() and join() before terminate().",
    )


KIND: Final = Kind("blocked-handler", _matches, _summary, _advice)
