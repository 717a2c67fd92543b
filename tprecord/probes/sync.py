"""What threads block on: events, conditions, semaphores, barriers, and ``queue.Queue``.

Recorded only when a thread really blocks, and when one is really woken.
"""

from __future__ import annotations

import sys

from tprecord.frames import local_values
from tprecord.own import name_of
from tprecord.schema import OPERATION, SIGNAL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

    from tprecord.monitor import Monitor

DISABLE = sys.monitoring.DISABLE


def install(monitor: Monitor, threading: ModuleType) -> None:
    """Tell which functions block in ``Condition.wait``, and watch who notifies."""
    blockers = monitor.blockers
    blockers[id(threading.Condition.wait.__code__)] = OPERATION["Condition.wait"]
    blockers[id(threading.Condition.wait_for.__code__)] = OPERATION["Condition.wait"]
    blockers[id(threading.Event.wait.__code__)] = OPERATION["Event.wait"]
    blockers[id(threading.Semaphore.acquire.__code__)] = OPERATION["Semaphore.acquire"]
    for step in (threading.Barrier.wait, threading.Barrier._wait, threading.Barrier._enter):
        blockers[id(step.__code__)] = OPERATION["Barrier.wait"]
    blockers[id(threading.Thread.start.__code__)] = 0  # until the new thread runs: not worth it
    conditions = monitor.conditions

    def wakes(callee: Any, _: Any) -> object:
        if name_of(callee) != "release":
            return DISABLE
        (condition,) = local_values(sys._getframe(2), "self")
        number = conditions.get(id(condition))
        if number is not None:
            monitor.emit(SIGNAL, number)
        return None

    monitor.on_call(threading.Condition.notify, wakes)


def install_queue(monitor: Monitor, queue: ModuleType) -> None:
    """Tell which functions of a queue block."""
    for name in ("get", "put", "join"):
        code = getattr(queue.Queue, name).__code__
        monitor.blockers[id(code)] = OPERATION[f"Queue.{name}"]


PROBES = (("threading", install), ("queue", install_queue))
