"""Self-lock: a thread waits for a lock that it has already, and that is not reentrant."""

from __future__ import annotations

from typing import Final

from tpanalyze.describe import at, lock, thing
from tpanalyze.findings import Advice
from tpanalyze.kinds.case import Case, Kind
from tpanalyze.kinds.phrases import acquire_with_timeout, who
from tpanalyze.model import LockWait, Thread


def _own(case: Case) -> tuple[Thread, LockWait] | None:
    return next(((t, wait) for t, wait in case.locks if wait.owner == t.id), None)


def _matches(case: Case) -> bool:
    return _own(case) is not None


def _found(case: Case) -> tuple[Thread, LockWait]:
    found = _own(case)
    assert found is not None
    return found


def _summary(case: Case) -> str:
    thread, wait = _found(case)
    return (
        f"{who(case, thread)} waits for {lock(wait)}, which it has itself: it took it"
        f"{at(wait.held_site)}, and wants it once more{at(wait.site)}."
    )


def _advice(case: Case) -> tuple[Advice, ...]:
    _, wait = _found(case)
    name = thing(wait.object)
    return (
        Advice(
            "split",
            f"Take {name} only in the functions that others call, and let the code inside"
            f"{at(wait.site)} be a function of its own that expects the lock to be held and does "
            "not take it.",
        ),
        Advice(
            "rlock",
            f"Or make it a threading.RLock(){at(wait.object.made)}: the thread that has it may "
            "take it again. What is half changed at the outer place is then seen at the inner one.",
        ),
        Advice(
            "with",
            f"If it should be free by then: take it by a with block{at(wait.held_site)}, which "
            "releases it on every way out, an exception included.",
        ),
        acquire_with_timeout(wait),
    )


KIND: Final = Kind("self-lock", _matches, _summary, _advice)
