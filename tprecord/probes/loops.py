"""Event loops of asyncio: who runs them, and what they owe to other threads."""

from __future__ import annotations

import sys
from types import CoroutineType

from tprecord import compat
from tprecord.frames import local_values
from tprecord.loops import Loops
from tprecord.own import name_of
from tprecord.schema import CLOSE, HALT, RUN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

    from tprecord.monitor import Monitor

DISABLE = sys.monitoring.DISABLE


def install(monitor: Monitor, base_events: ModuleType) -> None:
    """Watch loops begin, end and close, and the coroutines that other threads hand to them."""
    loops = Loops(monitor, base_events)
    events, tasks = sys.modules["asyncio.events"], sys.modules["asyncio.tasks"]
    monitor.names.add_floor(events.Handle._run)
    _watch_running(monitor, base_events.BaseEventLoop, events._set_running_loop)
    _watch_closing(monitor, base_events.BaseEventLoop)
    _watch_coroutines(monitor, loops, tasks)


PROBES = (("asyncio.base_events", install),)


def _watch_running(monitor: Monitor, loop_class: Any, set_running_loop: Any) -> None:
    """Nothing is recorded of a loop that owes nothing."""
    names = monitor.names

    def begins_or_ends(callee: Any, loop: Any) -> object:
        if callee is not set_running_loop:
            return DISABLE
        if loop is not None:
            if number := names.pools.get(id(loop)):
                monitor.emit(RUN, number, names.thread())
            return None
        (loop,) = local_values(sys._getframe(2), "self")
        if number := names.pools.get(id(loop)):
            monitor.emit(HALT, number)
        return None

    for name in {compat.LOOP_BEGINS, compat.LOOP_ENDS}:
        monitor.on_call(getattr(loop_class, name), begins_or_ends)


def _watch_closing(monitor: Monitor, loop_class: Any) -> None:
    closed: set[int] = set()

    def closes(_: Any) -> None:
        (loop,) = local_values(sys._getframe(2), "self")
        number = monitor.names.pools.get(id(loop))
        if number is not None and number not in closed:
            closed.add(number)
            monitor.emit(CLOSE, number)

    monitor.on_return(loop_class.close, closes)


def _watch_coroutines(monitor: Monitor, loops: Loops, tasks: ModuleType) -> None:
    def hands_over(callee: Any, _: Any) -> object:
        if name_of(callee) != "call_soon_threadsafe":
            return DISABLE
        future, loop, coro = local_values(sys._getframe(2), "future", "loop", "coro")
        loops.deliver(future, loop, _function(monitor, coro))
        return None

    monitor.on_call(tasks.run_coroutine_threadsafe, hands_over)


def _function(monitor: Monitor, coro: Any) -> int:
    """Return the number of the function that the coroutine is a call of; 0 if it is not known."""
    if type(coro) is not CoroutineType:
        return 0
    if id(coro.cr_code) in monitor.wrappers and coro.cr_frame is not None:
        func, args = local_values(coro.cr_frame, "func", "args")
        if func is not None:
            return monitor.names.function(func, args or ())
    return monitor.names.code(coro.cr_code)
