"""Exit hang: the program is done, and interpreter exit itself is part of what cannot move.

Where workers are dead among themselves and main, at exit, only waits for them, the finding keeps
the kind of the root cause, and main is its victim.  This kind is for the rest: what the workers
wait for could have come only from the main thread, which has nothing more to do.
"""

from __future__ import annotations

from typing import Final

from tpanalyze.describe import INTERPRETER_EXIT, at, listing, thing
from tpanalyze.findings import Advice
from tpanalyze.kinds.case import Case, Kind
from tpanalyze.kinds.phrases import member, runners, with_timeout
from tpanalyze.model import ObjectWait, Thread


def _at_exit(case: Case) -> list[Thread]:
    waits = (t for t, _ in (*case.drains, *case.joins))
    return [t for t in waits if t.wait is not None and t.wait.operation == INTERPRETER_EXIT]


def _matches(case: Case) -> bool:
    return bool(_at_exit(case))


def _others(case: Case) -> list[Thread]:
    exiting = {thread.id for thread in _at_exit(case)}
    others = [thread for thread in case.threads if thread.id not in exiting]
    return [thread for thread in others if case.must_end(thread.id)] or others


def _summary(case: Case) -> str:
    words, others = case.words, _others(case)
    workers = listing([words.thread(thread.id) for thread in others])
    whom = "all threads that are no daemons" if case.joins and not case.drains else "all workers"
    if case.promises:
        what = words.tasks([task.id for task in case.promises])
        cause = f"for {what}, which no thread is left to set"
    elif blocks := _blocks(case):
        cause = f"for {case.words.wait(blocks[0][1])}, which no thread is left to bring about"
    else:
        cause = "for what no thread is left to do"
    verb = "waits" if len(others) == 1 else "wait"
    return (
        "The program has finished its work but cannot exit: the interpreter waits for "
        f"{whom} to end, and {workers} {verb} {cause}."
    )


def _blocks(case: Case) -> list[tuple[Thread, ObjectWait]]:
    """Return those of the others that block on an object."""
    others = {thread.id for thread in _others(case)}
    return [(thread, wait) for thread, wait in case.blocks if thread.id in others]


def _advice(case: Case) -> tuple[Advice, ...]:
    blocks = _blocks(case)
    if blocks and not case.promises:
        return _advice_for_objects(case, *blocks[0])
    who = runners(case, tuple(_others(case))) or "the worker"
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


def _advice_for_objects(case: Case, thread: Thread, wait: ObjectWait) -> tuple[Advice, ...]:
    name, where = thing(wait.object), at(wait.site)
    who = member(case, thread)
    if wait.operation == "Queue.get":
        stop = Advice(
            "sentinel",
            f"Put a stop value into {name} (None, say) before the main thread returns, one for "
            f"each that takes from it, in a finally; and let {who} return when it gets it{where}.",
        )
    else:
        stop = Advice(
            "stop-event",
            f"Tell {who} that the end has come before the main thread returns, in a finally: set a "
            f"stop flag, then wake it where it waits for {case.words.wait(wait)}{where}, and let "
            "it return when the flag is set.",
        )
    if thread.pool is None:
        cut_off = "start it with threading.Thread(daemon=True)"
    else:
        cut_off = (
            "run it on threading.Thread(daemon=True) rather than on a pool: the interpreter waits "
            "for every worker of every pool"
        )
    return (
        stop,
        Advice("daemon", f"If {who} may be cut off at any moment, {cut_off}."),
        Advice(
            "timeout",
            f"Or let {who} wait with a timeout{where}, in a loop that looks at a stop flag which "
            "the main thread sets before it returns.",
        ),
    )


KIND: Final = Kind("exit-hang", _matches, _summary, _advice)
