"""Drain cycle: who waits for the workers of a pool to end is, in the end, what they wait for."""

from __future__ import annotations

from typing import Final

from tpanalyze.describe import at, listing
from tpanalyze.findings import Advice
from tpanalyze.kinds.case import Case, Kind
from tpanalyze.kinds.phrases import member, who, with_timeout


def _matches(case: Case) -> bool:
    return bool(case.drains)


def _summary(case: Case) -> str:
    thread, wait = case.drains[0]
    pools = case.words.pools(wait.pools)
    held = [member(case, t) for t in case.threads if t.pool in wait.pools and t is not thread]
    return (
        f"{who(case, thread)} waits for the workers of {pools} to end, but "
        f"{listing(held) or 'they'} cannot end before it has moved on."
    )


def _advice(case: Case) -> tuple[Advice, ...]:
    thread, wait = case.drains[0]
    pools = case.words.pools(wait.pools)
    return (
        Advice(
            "hand-over-first",
            f"Let {member(case, thread)} finish what the tasks of {pools} wait for before it waits "
            f"for their end{at(wait.site)}: return first, and shut the pool down in the caller.",
        ),
        Advice(
            "do-not-wait",
            f"Or call shutdown(wait=False) there: {pools} takes no more tasks, and the workers end "
            "when the queue is empty.",
        ),
        *with_timeout(case),
    )


KIND: Final = Kind("drain-cycle", _matches, _summary, _advice)
