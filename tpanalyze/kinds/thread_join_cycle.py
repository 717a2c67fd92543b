"""Thread join cycle: a thread waits for the end of one that waits, in the end, for it."""

from __future__ import annotations

from typing import Final

from tpanalyze.describe import at, listing
from tpanalyze.findings import Advice
from tpanalyze.kinds.case import Case, Kind
from tpanalyze.kinds.phrases import member, with_timeout


def _matches(case: Case) -> bool:
    return bool(case.joins) and not case.anybody


def _summary(case: Case) -> str:
    told = []
    for thread in case.threads:
        assert thread.wait is not None
        told.append(f"{member(case, thread)} waits for {case.words.wait(thread.wait)}")
    return f"{listing(told)}: none of them can go on before another one has."


def _advice(case: Case) -> tuple[Advice, ...]:
    thread, wait = case.joins[-1]
    name = case.words.thread(thread.id)
    others = listing([case.words.thread(other) for other in wait.threads if case.holds(other)])
    return (
        Advice(
            "join-in-the-starter",
            "Let only the thread that starts others join them, when it has nothing more to do for "
            f"them: take the join out of {name}{at(wait.site)}, and join both threads where they "
            "are started.",
        ),
        Advice(
            "wait-for-the-part",
            f"If {name} needs only a part of what {others or 'the other'} does, wait for that part "
            "instead of its end: an Event that is set, or a Queue that is fed, when it is there.",
        ),
        Advice(
            "timeout",
            f"As a last resort, join with a timeout{at(wait.site)} and look at is_alive() "
            "afterwards: the join then returns instead of hanging. It cures nothing.",
        ),
        *with_timeout(case),
    )


KIND: Final = Kind("thread-join-cycle", _matches, _summary, _advice)
