"""Pools of threads: ``concurrent.futures.thread``."""

from __future__ import annotations

import sys
from _thread import get_ident

from tprecord import compat, waiting
from tprecord.frames import local_values
from tprecord.own import attribute, is_a, name_of
from tprecord.schema import (
    ADOPT,
    BREAK,
    CLOSE,
    DRAIN,
    ENTER,
    IDLE,
    LEAVE,
    OPERATION,
    SPAWN,
    START,
    TAKE,
    WITHDRAW,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

    from tprecord.monitor import Monitor

DISABLE = sys.monitoring.DISABLE
ALL = 0
"""The pool number that means all of them."""


def install(monitor: Monitor, thread: ModuleType) -> None:
    """Watch executors: their queue, the lives of their workers, their shutdown."""
    executor = thread.ThreadPoolExecutor
    monitor.hot.item_init = thread._WorkItem.__init__.__code__
    monitor.hot.submit = _unwrapped(executor.submit).__code__
    monitor.names.recorded |= {
        id(monitor.hot.submit),
        id(thread._WorkItem.run.__code__),
        id(executor._initializer_failed.__code__),
    }
    monitor.names.add_floor(thread._WorkItem.run)
    monitor.on_call(executor._initializer_failed)
    _watch_tasks(monitor, thread)
    _watch_workers(monitor, thread)
    _watch_shutdown(monitor, thread)
    _watch_exit(monitor, thread)


PROBES = (("concurrent.futures.thread", install),)


def _unwrapped(function: Any) -> Any:
    """Return what is inside of wrappers (``functools.wraps``).

    Tools that watch a service put one around ``submit``, perhaps before it is recorded.
    """
    inner = attribute(function, "__wrapped__")
    return function if inner is None else _unwrapped(inner)


def _watch_tasks(monitor: Monitor, thread: ModuleType) -> None:
    """Watch tasks run whose future is of a class of the app's own: the hot calls are not its."""
    names = monitor.names
    future_class = sys.modules["concurrent.futures._base"].Future

    def calls_its_own(callee: Any, arg0: Any) -> object:
        name = name_of(callee)
        if not is_a(arg0, future_class) or not name.startswith("set_"):
            return DISABLE
        (item,) = local_values(sys._getframe(2), "self")
        if attribute(item, "future") is not arg0:
            return DISABLE
        if name == "set_running_or_notify_cancel":
            monitor.emit(START, names.future(arg0))
        return None

    def adopts() -> None:  # what `submit` makes is not told
        here = sys._getframe(2)
        future, fn, args = compat.call_in_work_item(
            *local_values(here, "future", "fn", "args", "task")
        )
        monitor.emit(ADOPT, names.future(future), names.function(fn, args))

    def look_at_each() -> None:
        monitor.on_start(thread._WorkItem.__init__, adopts)

    monitor.on_call(thread._WorkItem.run, calls_its_own)
    monitor.at_first_promise.append(look_at_each)


def _watch_workers(monitor: Monitor, thread: ModuleType) -> None:
    """Watch workers come, take tasks, wait for more, and go.

    Executors that bring a ``submit`` of their own may put things of their own into the queue.
    Nobody sees them enter, so the worker tells when it takes one; but as long as the app has made
    no future by hand there is no such thing, and the call it is told by costs nothing.
    """
    names = monitor.names
    run = thread._WorkItem.run
    may_be_foreign = False
    start = sys.modules["threading"].Thread.start

    def spawns(callee: Any, _: Any) -> object:
        if callee is not start:
            return DISABLE
        if compat.threads_are_greenlets():
            monitor.give_up(
                "the program's threads are greenlets (gevent, eventlet): they cannot be told "
                "apart, and nothing is recorded from here on"
            )
            return None
        (executor,) = local_values(sys._getframe(2), "self")
        monitor.emit(SPAWN, names.pool(executor))
        return None

    def enters() -> None:
        queue, reference = local_values(sys._getframe(2), "work_queue", "executor_reference")
        pool = names.queues.get(id(queue))
        if pool is None:
            executor = reference()
            if executor is None:
                return
            pool = names.pool(executor)
        monitor.emit(ENTER, pool)

    def works(callee: Any, _: Any) -> object:
        if callee is run:
            return None if may_be_foreign else DISABLE
        name = name_of(callee)
        if name == "get":
            monitor.emit(IDLE)
            monitor.writer.flush()
        elif name == "run":
            monitor.emit(TAKE)
        else:
            return DISABLE
        return None

    def look_at_each() -> None:
        nonlocal may_be_foreign
        may_be_foreign = True
        monitor.watch_calls_again(thread._worker)

    def breaks() -> None:
        (executor,) = local_values(sys._getframe(2), "self")
        monitor.emit(BREAK, names.pool(executor))

    monitor.on_call(thread.ThreadPoolExecutor._adjust_thread_count, spawns)
    monitor.on_start(thread._worker, enters)
    monitor.on_call(thread._worker, works)
    monitor.on_return(thread._worker, lambda _: monitor.emit(LEAVE))
    monitor.on_start(thread.ThreadPoolExecutor._initializer_failed, breaks)
    monitor.at_first_promise.append(look_at_each)
    monitor.queue_owners.add(id(thread._worker.__code__))
    monitor.looks.append(monitor.note_sizes)


def _watch_shutdown(monitor: Monitor, thread: ModuleType) -> None:
    names = monitor.names
    join = sys.modules["threading"].Thread.join
    future_class = sys.modules["concurrent.futures._base"].Future

    def shuts_down(callee: Any, arg0: Any) -> object:
        if callee is join:
            if attribute(arg0, "_ident") == get_ident():
                waiting.end(monitor, raised=True)  # "cannot join current thread"
            elif not compat.has_thread_ended(arg0) and not waiting.is_announced(
                monitor, here := sys._getframe(2)
            ):
                (executor,) = local_values(here, "self")
                site = names.site(here.f_back)
                operation = OPERATION["Executor.shutdown"]
                waiting.begin(monitor, here, DRAIN, operation, names.pool(executor), site)
            return None
        name = name_of(callee)
        if name == "cancel" and is_a(arg0, future_class):
            monitor.emit(WITHDRAW, names.future(arg0))
            return None
        if name == "put":
            (executor,) = local_values(sys._getframe(2), "self")
            monitor.emit(CLOSE, names.pool(executor))
            return None
        return DISABLE

    monitor.on_call(thread.ThreadPoolExecutor.shutdown, shuts_down)
    monitor.on_return(thread.ThreadPoolExecutor.shutdown, lambda _: waiting.end(monitor))


def _watch_exit(monitor: Monitor, thread: ModuleType) -> None:
    join = sys.modules["threading"].Thread.join
    closed = False

    def exits(callee: Any, arg0: Any) -> object:
        nonlocal closed
        if callee is join:
            if not compat.has_thread_ended(arg0) and not waiting.is_announced(
                monitor, here := sys._getframe(2)
            ):
                site = monitor.names.site(here.f_back)
                operation = OPERATION["interpreter exit"]
                waiting.begin(monitor, here, DRAIN, operation, ALL, site)
            return None
        if name_of(callee) == "put":
            if not closed and monitor.names.pools:
                closed = True
                monitor.emit(CLOSE, ALL)
            return None
        return DISABLE

    monitor.on_call(thread._python_exit, exits)
    monitor.on_return(thread._python_exit, lambda _: waiting.end(monitor))
