"""Lock cycle: each of several threads has a lock that the next one wants."""

from __future__ import annotations

from typing import Final

from tpanalyze.describe import at, listing, lock, number, own_frames, thing
from tpanalyze.findings import Advice
from tpanalyze.kinds.case import Case, Kind
from tpanalyze.kinds.phrases import acquire_with_timeout, member
from tpanalyze.model import LockWait, Thread, ThreadId

_TOLD = 4


def _circle(case: Case) -> list[tuple[Thread, LockWait]]:
    """Return the threads that wait for one another's locks, in the order of waiting."""
    waits = {thread.id: (thread, wait) for thread, wait in case.locks}
    for start in waits:
        way: dict[ThreadId, tuple[Thread, LockWait]] = {}
        here: ThreadId | None = start
        while here is not None and here in waits and here not in way:
            way[here] = waits[here]
            here = waits[here][1].owner
        if here == start and len(way) > 1:
            return list(way.values())
    return []


def _matches(case: Case) -> bool:
    return bool(_circle(case))


def _summary(case: Case) -> str:
    circle = _circle(case)
    steps = []
    for (thread, wait), (_, has) in zip(circle, [circle[-1], *circle[:-1]], strict=True):
        steps.append(f"{member(case, thread)} has {lock(has)} and waits for {thing(wait.object)}")
    if len(steps) > _TOLD:
        steps = [*steps[: _TOLD - 1], f"so on through {number(len(steps) - _TOLD + 1)} more"]
    end = "neither" if len(circle) == 2 else "none of them"
    return f"{', and '.join(steps)}: {end} can ever go on."


def _by_the_same_code(circle: list[tuple[Thread, LockWait]]) -> bool:
    """Return whether each thread took what it has, and wants what it lacks, in the same places."""
    befores = [circle[-1], *circle[:-1]]
    places = {
        (own_frames(has.held_site)[:1], own_frames(wait.site)[:1])
        for (_, wait), (_, has) in zip(circle, befores, strict=True)
    }
    return len(places) == 1 and all(all(each) for each in places)


def _advice(case: Case) -> tuple[Advice, ...]:
    circle = _circle(case)
    names = listing(sorted({thing(wait.object) for _, wait in circle}))
    (first, wants), (_, has) = circle[0], circle[-1]
    if _by_the_same_code(circle):
        one_order = (
            "Take the locks in one order everywhere. Here the same code takes them, one"
            f"{at(has.held_site)} and the next{at(wants.site)}, and each thread gives it {names} "
            "in an order of its own: let that code sort them first by what never changes, an "
            "account's number or id(lock), and take them in that order."
        )
    else:
        one_order = (
            f"Take the locks in one order everywhere ({names}, say): let "
            f"{member(case, first)} take {thing(wants.object)}{at(wants.site)} before "
            f"{thing(has.object)}{at(has.held_site)}, or the others the other way round."
        )
    return (
        Advice("one-order", one_order),
        Advice(
            "let-go-first",
            f"Or let {member(case, first)} release {thing(has.object)}, taken{at(has.held_site)}, "
            f"before it takes {thing(wants.object)}{at(wants.site)}: do what needs one lock under "
            "that lock alone.",
        ),
        Advice(
            "one-lock",
            "Or guard what belongs together with a single lock: it is always taken in one step.",
        ),
        acquire_with_timeout(wants),
    )


KIND: Final = Kind("lock-cycle", _matches, _summary, _advice)
