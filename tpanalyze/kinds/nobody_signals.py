"""Nobody signals: a thread blocks on an event or queue that no thread is left to serve."""

from __future__ import annotations

from typing import Final

from tpanalyze.describe import at, did, listing, thing
from tpanalyze.findings import Advice
from tpanalyze.kinds.case import Case, Kind
from tpanalyze.kinds.phrases import member, needed, wakers, who
from tpanalyze.model import ObjectWait, Thread


def _matches(case: Case) -> bool:
    return case.anybody and bool(case.blocks)


def _summary(case: Case) -> str:
    waiting = needed(case)
    thread, wait = waiting[0]
    what = case.words.wait(wait)
    alike = [t for t, w in waiting if w.object.id == wait.object.id]
    subject = who(case, thread) if len(alike) == 1 else listing([member(case, t) for t in alike])
    before = f" Before, {wakers(case, wait)} did." if wait.woken_by else ""
    return (
        f"{subject[:1].upper()}{subject[1:]} {'waits' if len(alike) == 1 else 'wait'} for {what}, "
        "which nobody can bring about any more: every thread of the program is stuck, idle or "
        f"gone.{before}"
    )


def _advice(case: Case) -> tuple[Advice, ...]:
    thread, wait = needed(case)[0]
    found = [_serve(case, thread, wait)]
    if wait.operation == "Condition.wait":
        found.append(
            Advice(
                "wait-for-a-predicate",
                f"Wait with wait_for(predicate){at(wait.site)} rather than wait(): a notification "
                "that comes before the wait is lost, and a predicate notices that it came.",
            )
        )
    found.append(
        Advice(
            "let-the-future-tell",
            "Where one task waits for what another one does, let it wait for that task's future "
            "instead: it is done when the task has ended, whichever way, an exception included.",
        )
    )
    found.append(
        Advice(
            "timeout",
            f"As a last resort, wait with a timeout{at(wait.site)}, in a loop that looks at what "
            "it waits for: it then notices that nobody comes.",
        )
    )
    return tuple(found)


def _serve(case: Case, thread: Thread, wait: ObjectWait) -> Advice:
    name = thing(wait.object)
    if wait.woken_by:
        some = "one of " if len(wait.woken_by) > 1 else ""
        text = (
            f"See to it that {some}{wakers(case, wait)} serves {name} once more before it ends "
            f"or waits, for {member(case, thread)}{at(wait.site)}: in a finally, on every way out."
        )
    else:
        text = (
            f"In this run nobody ever {did(wait)} {name} for somebody who waited. Make sure that "
            f"who owes it to {member(case, thread)}{at(wait.site)} has begun, and does it on every "
            "way out, in a finally; a task that is to do it must not stand behind it in the queue."
        )
    return Advice("serve", text)


KIND: Final = Kind("nobody-signals", _matches, _summary, _advice)
