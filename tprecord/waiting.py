"""Where a recorded wait begins and ends, for all probes.

Each wait of the standard library's Python code comes down to one C call: the ``acquire`` of a
waiter lock in ``Condition.wait``, or the join of a thread.  A probe records the wait's begin; its
end is seen here, when that C call returns or raises.  A thread's wait goes through two stages,
kept per thread: `ANNOUNCED`, its begin is recorded and the C call has not been reached; `PARKED`,
the thread is in the C call.

A thread that reaches the C call in ``Condition.wait`` unannounced blocks on an object: which, and
in what operation, is told by the functions that have called, see ``Monitor.blockers``.
"""

from __future__ import annotations

import sys
from _thread import LockType
from _weakref import ref

from tprecord.frames import local_values
from tprecord.own import name_of
from tprecord.schema import BLOCK, OPERATION, WAKE
from tprecord.timeouts import AT_ONCE, ticks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
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
    monitor.note_sizes()
    try:
        local.wait, local.waits_in = ANNOUNCED, frame.f_code
        monitor.emit(kind, *numbers)
        monitor.writer.waits(local.number)
    except BaseException:
        end(monitor, raised=True)
        raise


def is_announced(monitor: Monitor, here: FrameType) -> bool:
    """Return true if the calling thread is in a recorded wait, `here` being a part of it.

    An announced wait whose function is not among the callers was left by an exception: it ends.
    """
    local = monitor.names.local
    if not getattr(local, "wait", 0):
        return False
    frame: FrameType | None = here
    while frame is not None:
        if frame.f_code is local.waits_in:
            return True
        frame = frame.f_back
    end(monitor, raised=True)
    return False


def end(monitor: Monitor, *, raised: bool = False) -> None:
    """Record that the calling thread's wait is over, if one is recorded."""
    local = monitor.names.local
    if getattr(local, "wait", 0):
        monitor.emit(WAKE, int(raised))  # first: a Ctrl-C in between makes two of it, not none
        local.wait = 0
        monitor.writer.waits_no_more(local.number)


def ranges(numbers: Iterable[int]) -> list[int]:
    """Return numbers as a flat list ``first, last, first, last, ...`` of ranges, ascending."""
    found: list[int] = []
    for number in sorted(numbers):
        if found and number <= found[-1] + 1:
            found[-1] = number
        else:
            found += (number, number)
    return found


def install(monitor: Monitor, threading: ModuleType) -> None:
    """Watch the C call in ``Condition.wait``, and the end of ``Event.wait``."""
    local = monitor.names.local
    monitor.names.add_floor(threading.Thread._bootstrap_inner)
    monitor.passing_on = lambda: end(monitor, raised=True)

    def acquires(callee: Any, arg0: Any) -> object:
        if type(arg0) is not LockType or name_of(callee) != "acquire":
            return DISABLE
        here = sys._getframe(2)
        condition, timeout, gotit = local_values(here, "self", "timeout", "gotit")
        if gotit is None:
            return DISABLE  # not set yet: the acquire that makes the new waiter lock a locked one
        if ticks(timeout) == AT_ONCE:
            return DISABLE  # the acquire that only tries: it stands at a place of its own
        if getattr(local, "wait", 0):
            if _is_within(here.f_back, local.waits_in):
                local.wait = PARKED
                return None
            end(monitor, raised=True)  # a Ctrl-C came before that wait got here
        _block(monitor, here, condition, ticks(timeout))
        return None

    def acquired(raised: bool) -> None:
        if getattr(local, "wait", 0) == PARKED:
            end(monitor, raised=raised)

    monitor.on_native(threading.Condition.wait, acquires, acquired)
    # The event may have been set between the wait's begin and the look at its flag.
    monitor.on_return(threading.Event.wait, lambda _: end(monitor))


def _is_within(frame: FrameType | None, code: object) -> bool:
    """Return true if `frame` is a call of `code`, or was called by one, but for one between."""
    for _ in range(2):
        if frame is None:
            return False
        if frame.f_code is code:
            return True
        frame = frame.f_back
    return False


def _block(monitor: Monitor, here: FrameType, condition: object, left: int) -> None:
    """Record that the calling thread blocks on an object, in ``Condition.wait``'s frame `here`."""
    blockers = monitor.blockers
    outermost: FrameType = here
    caller = here.f_back
    while caller is not None and id(caller.f_code) in blockers:
        outermost, caller = caller, caller.f_back
    operation = blockers.get(id(outermost.f_code), 0)
    if not operation:
        return
    if operation == OPERATION["Queue.get"] and id(caller and caller.f_code) in monitor.queue_owners:
        return
    (thing,) = local_values(outermost, "self")
    number = monitor.names.waited_on(thing)
    if id(condition) not in monitor.conditions:
        key, conditions = id(condition), monitor.conditions
        conditions[key] = number
        monitor.watchers[key] = ref(
            condition, lambda _: (conditions.pop(key, None), monitor.watchers.pop(key, None))
        )
    begin(monitor, here, BLOCK, operation, number, left, monitor.names.site(caller))
    monitor.names.local.wait = PARKED


PROBES = (("threading", install),)
