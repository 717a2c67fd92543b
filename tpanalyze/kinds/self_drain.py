"""Self-drain: a task shuts down the pool it runs in and waits for the pool's workers to end."""

from __future__ import annotations

from typing import Final

from tpanalyze.describe import at, listing
from tpanalyze.findings import Advice
from tpanalyze.kinds.case import Case, Kind
from tpanalyze.kinds.phrases import member, who, with_timeout
from tpanalyze.model import DrainWait, PoolRole, Thread


def _drain(case: Case) -> tuple[Thread, DrainWait] | None:
    return next(((t, wait) for t, wait in case.drains if t.pool in wait.pools), None)


def _matches(case: Case) -> bool:
    return _drain(case) is not None


def _summary(case: Case) -> str:
    drain = _drain(case)
    assert drain is not None
    thread, wait = drain
    pools = case.words.pools(wait.pools)
    if case.role(thread.pool) is PoolRole.CREW:
        return (
            f"{who(case, thread)} waits in {wait.operation} for every worker of {pools} to end; "
            "but it runs in that pool itself, so it waits for its own end."
        )
    others = [member(case, t) for t in case.threads if t.pool == thread.pool and t is not thread]
    return (
        f"{who(case, thread)} shuts down {pools}, in which it runs, and waits for the other "
        f"workers to end, but {listing(others)} cannot end before it does."
    )


def _advice(case: Case) -> tuple[Advice, ...]:
    drain = _drain(case)
    assert drain is not None
    thread, wait = drain
    pools = case.words.pools(wait.pools)
    call = "shutdown(wait=False)"
    if case.role(thread.pool) is PoolRole.CREW:
        call = "close() alone"
    return (
        Advice(
            "owner-shuts-down",
            f"Never shut a pool down from a task of its own: drop the call{at(wait.site)}, and let "
            f"the code that made {pools} shut it down after the last task (a with block does).",
        ),
        Advice(
            "do-not-wait",
            f"Or let {member(case, thread)} call {call}: the pool takes no more "
            "tasks, and its workers end when the queue is empty.",
        ),
        *with_timeout(case),
    )


KIND: Final = Kind("self-drain", _matches, _summary, _advice)
