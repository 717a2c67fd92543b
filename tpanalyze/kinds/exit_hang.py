"""Exit hang: the program is done, and interpreter exit itself is part of what cannot move.

Where workers are dead among themselves and main, at exit, only waits for them, the finding keeps
the kind of the root cause, and main is its victim.  This kind is for the rest: what the workers
wait for could have come only from the main thread, which has nothing more to do.
"""

from __future__ import annotations

from typing import Final

from tpanalyze.describe import INTERPRETER_EXIT, at, listing
from tpanalyze.findings import Advice
from tpanalyze.kinds.case import Case, Kind
from tpanalyze.kinds.phrases import functions, with_timeout
from tpanalyze.model import Thread


def _at_exit(case: Case) -> list[Thread]:
    return [thread for thread, wait in case.drains if wait.operation == INTERPRETER_EXIT]


def _matches(case: Case) -> bool:
    return bool(_at_exit(case))


def _others(case: Case) -> list[Thread]:
    exiting = {thread.id for thread in _at_exit(case)}
    return [thread for thread in case.threads if thread.id not in exiting]


def _summary(case: Case) -> str:
    words, others = case.words, _others(case)
    workers = listing([words.thread(thread.id) for thread in others])
    if case.promises:
        what = words.tasks([task.id for task in case.promises])
        cause = f"for {what}, which no thread is left to set"
    else:
        cause = "for what no thread is left to do"
    verb = "waits" if len(others) == 1 else "wait"
    return (
        "The program has finished its work but cannot exit: the interpreter waits for all workers "
        f"to end, and {workers} {verb} {cause}."
    )


def _advice(case: Case) -> tuple[Advice, ...]:
    tasks = tuple(case.snapshot.tasks[t.task] for t in _others(case) if t.task is not None)
    who = functions(case, tasks) if tasks else "the worker"
    made = at(case.promises[0].submit_site) if case.promises else ""
    return (
        Advice(
            "set-before-the-end",
            f"Tell {who} that the end has come before the main thread returns: set the promise "
            f"made{made} (set_result, set_exception or cancel), in a finally, on every way out of "
            "the main function.",
        ),
        Advice(
            "sentinel",
            f"Let {who} wait for something that always comes: a stop value from whoever feeds it, "
            "or a wait with a timeout in a loop that looks at a stop flag.",
        ),
        Advice(
            "daemon",
            f"If {who} is a service that never ends, run it on threading.Thread(daemon=True) "
            "rather than on a pool: the interpreter waits for every worker of every pool, and "
            "shutdown(wait=False) does not change that.",
        ),
        *with_timeout(case),
    )


KIND: Final = Kind("exit-hang", _matches, _summary, _advice)
