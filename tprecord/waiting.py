"""Where a recorded wait begins and ends, for all probes.

Each wait of the standard library's Python code comes down to one C call: the ``acquire`` of a
waiter lock in ``Condition.wait``, or the join of a thread.  A probe records the wait's begin; its
end is seen here, when that C call returns or raises.  A thread's wait goes through two stages,
kept per thread: `ANNOUNCED`, its begin is recorded and the C call has not been reached; `PARKED`,
the thread is in the C call.
"""

from __future__ import annotations

import sys
from _thread import LockType

from tprecord import compat
from tprecord.schema import WAKE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType, ModuleType
    from typing import Any

    from tprecord.monitor import Monitor

ANNOUNCED, PARKED = 1, 2
DISABLE = sys.monitoring.DISABLE


def begin(monitor: Monitor, frame: FrameType, kind: int, *numbers: int) -> None:
    """Record the begin of a wait in `frame`, and write it out before the thread blocks.

    If a Ctrl-C lands in here the wait never happens, and the trace says so.
    """
    local = monitor.names.local
    monitor.emit(kind, *numbers)
    local.wait, local.waits_in = ANNOUNCED, frame.f_code
    try:
        monitor.writer.waits(local.number)
    except BaseException:
        end(monitor, raised=True)
        raise


def is_announced(monitor: Monitor) -> bool:
    """Return true if the calling thread is in a recorded wait."""
    return bool(getattr(monitor.names.local, "wait", 0))


def end(monitor: Monitor, *, raised: bool = False) -> None:
    """Record that the calling thread's wait is over, if one is recorded."""
    local = monitor.names.local
    if getattr(local, "wait", 0):
        local.wait = 0
        monitor.emit(WAKE, int(raised))
        monitor.writer.waits_no_more(local.number)


def install(monitor: Monitor, threading: ModuleType) -> None:
    """Watch the C calls in ``Condition.wait`` and in joins, and the end of ``Event.wait``."""
    local = monitor.names.local
    monitor.names.add_floor(threading.Thread._bootstrap_inner)

    def acquires(callee: Any, arg0: Any) -> object:
        if type(arg0) is not LockType or callee.__name__ != "acquire" or not arg0.locked():
            return DISABLE  # so is the acquire that makes the new waiter lock a locked one
        if getattr(local, "wait", 0):
            caller = sys._getframe(2).f_back
            for _ in range(2):  # the wait's function calls us, or calls Event.wait which does
                if caller is not None and caller.f_code is not local.waits_in:
                    caller = caller.f_back
            if caller is None or caller.f_code is not local.waits_in:
                end(monitor, raised=True)  # a Ctrl-C came before that wait got here
            else:
                local.wait = PARKED
        return None

    def acquired(raised: bool) -> None:
        if getattr(local, "wait", 0) == PARKED:
            end(monitor, raised=raised)

    def joined(raised: bool) -> None:
        if raised:
            end(monitor, raised=True)

    monitor.on_native(threading.Condition.wait, acquires, acquired)
    # The event may have been set between the wait's begin and the look at its flag.
    monitor.on_return(threading.Event.wait, lambda _: end(monitor))
    for name in compat.JOIN_METHODS:
        monitor.on_native(getattr(threading.Thread, name), lambda *_: None, joined)


PROBES = {"threading": install}
