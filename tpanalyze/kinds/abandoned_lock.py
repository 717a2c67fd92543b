"""Abandoned lock: whoever had it has ended, or gone idle, and has not released it."""

from __future__ import annotations

from typing import Final

from tpanalyze.describe import at, listing, lock, thing
from tpanalyze.findings import Advice
from tpanalyze.kinds.case import Case, Kind
from tpanalyze.kinds.phrases import acquire_with_timeout, member
from tpanalyze.model import LockWait, Thread, ThreadState


def _owner(case: Case, wait: LockWait) -> Thread | None:
    """Return the lock's owner if it does nothing any more."""
    owner = None if wait.owner is None else case.snapshot.threads.get(wait.owner)
    gone = owner is not None and owner.state in (ThreadState.ENDED, ThreadState.IDLE)
    return owner if gone else None


def _abandoned(case: Case) -> LockWait | None:
    return next((wait for _, wait in case.locks if _owner(case, wait) is not None), None)


def _matches(case: Case) -> bool:
    return _abandoned(case) is not None


def _found(case: Case) -> tuple[LockWait, Thread, list[Thread]]:
    wait = _abandoned(case)
    assert wait is not None
    owner = _owner(case, wait)
    assert owner is not None
    want = [thread for thread, other in case.locks if other.object.id == wait.object.id]
    return wait, owner, want


def _summary(case: Case) -> str:
    wait, owner, want = _found(case)
    names = listing([member(case, thread) for thread in want])
    now = "has ended" if owner.state is ThreadState.ENDED else "is idle"
    return (
        f"{names} {'waits' if len(want) == 1 else 'wait'} for {lock(wait)}, which "
        f"{case.words.thread(owner.id)} took{at(wait.held_site)} and never released: that thread "
        f"{now}."
    )


def _advice(case: Case) -> tuple[Advice, ...]:
    wait, _, _ = _found(case)
    name = thing(wait.object)
    return (
        Advice(
            "with",
            f"Take {name} by a with block{at(wait.held_site)}: it is then released on every way "
            "out, an exception and an early return included.",
        ),
        Advice(
            "finally",
            "Where a with block does not fit, begin a try right after acquire(), and release in "
            "its finally.",
        ),
        acquire_with_timeout(wait),
    )


KIND: Final = Kind("abandoned-lock", _matches, _summary, _advice)
