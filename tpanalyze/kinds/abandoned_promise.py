"""Abandoned promise: a future made by hand that no thread is left to set."""

from __future__ import annotations

from typing import Final

from tpanalyze.describe import at, listing
from tpanalyze.findings import Advice
from tpanalyze.kinds.case import Case, Kind
from tpanalyze.kinds.phrases import member, with_timeout
from tpanalyze.model import Thread


def _matches(case: Case) -> bool:
    return bool(case.promises) and case.anybody


def _waiting(case: Case) -> list[Thread]:
    promises = {task.id for task in case.promises}
    return [thread for thread, wait in case.waits if promises.intersection(wait.futures)]


def _summary(case: Case) -> str:
    words = case.words
    waiting = _waiting(case)
    who = listing([member(case, thread) for thread in waiting])
    what = words.tasks([task.id for task in case.promises])
    return (
        f"{who[:1].upper()}{who[1:]} {'waits' if len(waiting) == 1 else 'wait'} for {what}, which "
        "nobody can set any more: every thread of the program is stuck, idle or gone."
    )


def _advice(case: Case) -> tuple[Advice, ...]:
    words = case.words
    made = at(case.promises[0].submit_site)
    name = words.tasks([task.id for task in case.promises])
    is_, it = ("are", "them") if len(case.promises) > 1 else ("is", "it")
    found = [
        Advice(
            "set-in-finally",
            f"Make sure that {name}, made{made}, {is_} set on every way out of the code that "
            f"owes {it}: by set_result, or by set_exception in an except branch, however early it "
            "leaves.",
        ),
        Advice(
            "let-the-pool-set-it",
            "Better, let the work be a task: the future that submit() returns is always resolved, "
            "by the result or by the exception, and needs no set_result.",
        ),
    ]
    for thread, wait in case.drains:
        found.insert(
            0,
            Advice(
                "set-before-the-drain",
                f"If {words.thread(thread.id)} was to set {it}, let it do so before it waits "
                f"for the workers{at(wait.site)}: inside the with block, not after it.",
            ),
        )
    if case.pools:
        queued = [task for pool in case.pools for task in pool.queue]
        found.append(
            Advice(
                "queued-behind",
                f"If a queued task was to set it ({words.tasks(queued)}): none of them can start, "
                f"since all workers of {words.pools([pool.id for pool in case.pools])} are "
                "blocked. Submit it to a pool of its own, or before those that wait for it.",
            )
        )
    return (*found, *with_timeout(case))


KIND: Final = Kind("abandoned-promise", _matches, _summary, _advice)
