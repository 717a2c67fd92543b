"""Self-wait: a task waits for its own future."""

from __future__ import annotations

from typing import Final

from tpanalyze.describe import at
from tpanalyze.findings import Advice
from tpanalyze.kinds.case import Case, Kind
from tpanalyze.kinds.phrases import with_timeout
from tpanalyze.model import Task


def _own(case: Case) -> Task | None:
    """Return the task that its own thread waits for, if that is all there is."""
    if len(case.threads) != 1 or case.queued or case.promises or case.pools or not case.running:
        return None
    return case.running[0] if case.running[0].id in case.threads[0].tasks else None


def _matches(case: Case) -> bool:
    return _own(case) is not None


def _summary(case: Case) -> str:
    task = _own(case)
    assert task is not None
    name = case.words.task(task.id)
    return (
        f"{name[:1].upper()}{name[1:]} waits for its own result, which is there only after it has "
        "returned."
    )


def _advice(case: Case) -> tuple[Advice, ...]:
    (thread,) = case.threads
    task = _own(case)
    assert task is not None
    function = case.words.function_of(task.id)
    where = at(thread.wait.site) if thread.wait else ""
    return (
        Advice(
            "do-not-wait",
            f"Let {function} not wait for itself{where}: inside the task its result is not there "
            "yet; use the value it is about to return.",
        ),
        Advice(
            "other-future",
            f"If {function} means another task, look at how the future reaches it: its own, "
            f"submitted{at(task.submit_site)}, got into the variable, list or dictionary it reads. "
            "Pass the futures it needs as arguments, or leave its own out of the list.",
        ),
        *with_timeout(case),
    )


KIND: Final = Kind("self-wait", _matches, _summary, _advice)
