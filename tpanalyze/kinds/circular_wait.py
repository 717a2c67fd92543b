"""Circular wait: threads wait for one another's tasks; no pool, promise or drain is involved.

Also what is left when no other kind matches: any core closes a circle.
"""

from __future__ import annotations

from typing import Final

from tpanalyze.describe import listing, number, place
from tpanalyze.findings import Advice
from tpanalyze.kinds.case import Case, Kind
from tpanalyze.kinds.phrases import functions, member, submit_places, with_timeout
from tpanalyze.model import Task, Thread


def _matches(case: Case) -> bool:
    return bool(case.threads)


def _circle(case: Case) -> list[tuple[Thread, Task]]:
    """Return each member with the one it waits for, in the order of waiting, if it is a circle."""
    way: list[tuple[Thread, Task]] = []
    by_task = {task: thread for thread in case.threads for task in thread.tasks}
    waits = {thread.id: wait for thread, wait in case.waits}
    thread = case.threads[0]
    for _ in case.threads:
        if thread.id not in waits:
            return []
        awaited = case.awaited(waits[thread.id])
        if len(awaited) != 1 or awaited[0].id not in by_task:
            return []
        way.append((thread, awaited[0]))
        thread = by_task[awaited[0].id]
    return way if thread is case.threads[0] else []


def _summary(case: Case) -> str:
    circle = _circle(case)
    if not circle:
        members = listing([member(case, thread) for thread in case.threads])
        return (
            f"{members[:1].upper()}{members[1:]} wait for one another: none of them can move "
            "before another one has."
        )
    steps = [
        f"{member(case, thread)} waits for {case.words.task(target.id)}"
        for thread, target in circle
    ]
    if len(steps) > 4:
        steps = [*steps[:3], f"so on through {number(len(steps) - 3)} more, back to the first"]
    told = f"{', '.join(steps[:-1])}, and {steps[-1]}"
    end = "neither" if len(circle) == 2 else "none of them"
    return f"{told[:1].upper()}{told[1:]}: {end} can ever finish."


def _advice(case: Case) -> tuple[Advice, ...]:
    last = case.threads[-1]
    wait = last.wait
    where = place(wait.site) if wait is not None else ""
    submitted = submit_places(case.running)
    task = case.words.task_function(last)
    cut = (
        "Break the circle: one of them must not wait. "
        + (f"For instance, let {task} return without the wait" if task else "Drop the wait")
        + (f" at {where}" if where else "")
        + f", and let the caller combine the results of {functions(case, case.running)}"
        + (f" where it submits them ({submitted})." if submitted else ".")
    )
    order = (
        "As a rule, let a task wait only for tasks it has submitted itself, or that were submitted "
        "before it: then no circle can form, whatever the timing."
    )
    split = (
        "If both need a part of each other's work, split that part off as a task of its own that "
        "waits for nobody, and let both wait for it."
    )
    return (
        Advice("break-the-circle", cut),
        Advice("wait-backwards", order),
        Advice("split", split),
        *with_timeout(case),
    )


KIND: Final = Kind("circular-wait", _matches, _summary, _advice)
