"""Lock and future mixed: a thread has a lock while it waits for something that needs the lock."""

from __future__ import annotations

from typing import Final

from tpanalyze.describe import at, listing, lock, thing
from tpanalyze.findings import Advice
from tpanalyze.kinds.case import Case, Kind
from tpanalyze.kinds.phrases import acquire_with_timeout, member, who, with_timeout
from tpanalyze.model import LockWait, Thread


def _mixed(case: Case) -> LockWait | None:
    """Return a wait for a lock whose owner waits, in the end, for somebody to get it."""
    return next((wait for _, wait in case.locks if case.needs_itself(wait)), None)


def _matches(case: Case) -> bool:
    return _mixed(case) is not None


def _found(case: Case) -> tuple[LockWait, Thread, list[Thread]]:
    """Return the lock as it is waited for, the thread that has it, and those that want it."""
    wait = _mixed(case)
    assert wait is not None
    assert wait.owner is not None
    want = [thread for thread, other in case.locks if other.object.id == wait.object.id]
    return wait, case.snapshot.threads[wait.owner], want


def _summary(case: Case) -> str:
    wait, owner, want = _found(case)
    assert owner.wait is not None
    awaited = case.words.wait(owner.wait)
    names = listing([member(case, thread) for thread in want])
    needs = "" if names == awaited else f", but that needs {names}"
    return (
        f"{who(case, owner)} holds {lock(wait)} while it waits for {awaited}{needs}, which "
        f"{'waits' if len(want) == 1 else 'wait'} for the same lock: none of them can ever go on."
    )


def _advice(case: Case) -> tuple[Advice, ...]:
    wait, owner, want = _found(case)
    assert owner.wait is not None
    name, holder = thing(wait.object), member(case, owner)
    others = listing([member(case, thread) for thread in want])
    return (
        Advice(
            "wait-outside",
            f"Never wait for others while holding a lock: let {holder} leave the block that took "
            f"{name}{at(wait.held_site)} before it waits{at(owner.wait.site)}. Under the lock only "
            "submit and remember the future; wait, and use the result, after its end.",
        ),
        Advice(
            "hand-it-over",
            f"Or let {others} do without the lock{at(wait.site)}: hand over as arguments what it "
            "reads under it, and let it return what it would have changed.",
        ),
        Advice(
            "no-rlock",
            "An RLock does not help here: whoever wants the lock is another thread than the one "
            "that has it.",
        ),
        acquire_with_timeout(wait),
        *with_timeout(case),
    )


KIND: Final = Kind("lock-future", _matches, _summary, _advice)
