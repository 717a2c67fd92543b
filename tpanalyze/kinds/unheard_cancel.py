"""Unheard cancel: ``wait()`` or ``as_completed()`` waits for a task cancelled in the queue.

They count a cancelled future only when a worker has taken it from the queue, and none can: it was
taken out (``shutdown(cancel_futures=True)``), or the workers are all stuck or gone.
Source: CPython, ``concurrent.futures._base`` (``CANCELLED_AND_NOTIFIED``).
"""

from __future__ import annotations

from typing import Final

from tpanalyze.describe import at
from tpanalyze.findings import Advice
from tpanalyze.kinds.case import Case, Kind
from tpanalyze.kinds.phrases import who, with_timeout
from tpanalyze.model import FutureWait, Task, TaskState, Thread


def _cancelled(case: Case) -> tuple[Task, ...]:
    return tuple(task for task in case.queued if task.state is TaskState.CANCELLED)


def _matches(case: Case) -> bool:
    return bool(_cancelled(case)) and len(_cancelled(case)) == len(case.queued)


def _waiting(case: Case) -> tuple[Thread, FutureWait]:
    cancelled = {task.id for task in _cancelled(case)}
    return next((t, wait) for t, wait in case.waits if cancelled.intersection(wait.futures))


def _summary(case: Case) -> str:
    thread, wait = _waiting(case)
    cancelled = _cancelled(case)
    names = case.words.tasks([task.id for task in cancelled])
    are, them = ("is", "it") if len(cancelled) == 1 else ("are", "them")
    return (
        f"{who(case, thread)} waits for {names}, which {are} cancelled: {wait.operation} hears of "
        f"that only from a worker that takes {them} from the queue, and none ever will."
    )


def _advice(case: Case) -> tuple[Advice, ...]:
    _, wait = _waiting(case)
    return (
        Advice(
            "leave-out-cancelled",
            f"Leave cancelled futures out of the wait{at(wait.site)}: "
            "wait([f for f in futures if not f.cancelled()]).",
        ),
        Advice(
            "ask-each",
            "Or ask each future by result() or exception(): these raise CancelledError at once, "
            "whether or not a worker has seen the task.",
        ),
        Advice(
            "wait-first",
            "Or wait before the pool is shut down with cancel_futures=True: it takes the tasks out "
            "of the queue, so that no worker ever sees them.",
        ),
        *with_timeout(case),
    )


KIND: Final = Kind("unheard-cancel", _matches, _summary, _advice)
