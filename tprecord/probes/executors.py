"""Pools of threads: ``concurrent.futures.thread``."""

from __future__ import annotations

import sys

from tprecord import waiting
from tprecord.frames import local_values
from tprecord.schema import CLOSE, DRAIN, ENTER, IDLE, LEAVE, OPERATION, SPAWN, WITHDRAW

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
    monitor.hot.work_item = thread._WorkItem
    monitor.names.recorded |= {
        id(executor.submit.__code__),
        id(thread._WorkItem.run.__code__),
        id(executor._initializer_failed.__code__),
    }
    monitor.names.add_floor(thread._WorkItem.run)
    monitor.on_call(executor.submit)
    monitor.on_call(thread._WorkItem.run)
    monitor.on_call(executor._initializer_failed)
    _watch_workers(monitor, thread)
    _watch_shutdown(monitor, thread)
    _watch_exit(monitor, thread)


PROBES = (("concurrent.futures.thread", install),)


def _watch_workers(monitor: Monitor, thread: ModuleType) -> None:
    names = monitor.names
    start = sys.modules["threading"].Thread.start

    def spawns(callee: Any, _: Any) -> object:
        if callee is not start:
            return DISABLE
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

    def idles(callee: Any, _: Any) -> object:
        if getattr(callee, "__name__", "") != "get":
            return DISABLE
        monitor.emit(IDLE)
        monitor.writer.flush()
        return None

    monitor.on_call(thread.ThreadPoolExecutor._adjust_thread_count, spawns)
    monitor.on_start(thread._worker, enters)
    monitor.on_call(thread._worker, idles)
    monitor.on_return(thread._worker, lambda _: monitor.emit(LEAVE))


def _watch_shutdown(monitor: Monitor, thread: ModuleType) -> None:
    names = monitor.names
    join = sys.modules["threading"].Thread.join
    cancel = sys.modules["concurrent.futures._base"].Future.cancel

    def shuts_down(callee: Any, arg0: Any) -> object:
        if callee is join:
            if not waiting.is_announced(monitor):
                here = sys._getframe(2)
                (executor,) = local_values(here, "self")
                site = names.site(here.f_back)
                operation = OPERATION["Executor.shutdown"]
                waiting.begin(monitor, here, DRAIN, operation, names.pool(executor), site)
            return None
        if callee is cancel:
            monitor.emit(WITHDRAW, names.future(arg0))
            return None
        if getattr(callee, "__name__", "") == "put":
            (executor,) = local_values(sys._getframe(2), "self")
            monitor.emit(CLOSE, names.pool(executor))
            return None
        return DISABLE

    monitor.on_call(thread.ThreadPoolExecutor.shutdown, shuts_down)
    monitor.on_return(thread.ThreadPoolExecutor.shutdown, lambda _: waiting.end(monitor))


def _watch_exit(monitor: Monitor, thread: ModuleType) -> None:
    join = sys.modules["threading"].Thread.join
    closed = False

    def exits(callee: Any, _: Any) -> object:
        nonlocal closed
        if callee is join:
            if not waiting.is_announced(monitor):
                here = sys._getframe(2)
                site = monitor.names.site(here.f_back)
                operation = OPERATION["interpreter exit"]
                waiting.begin(monitor, here, DRAIN, operation, ALL, site)
            return None
        if getattr(callee, "__name__", "") == "put":
            if not closed:
                closed = True
                monitor.emit(CLOSE, ALL)
            return None
        return DISABLE

    monitor.on_call(thread._python_exit, exits)
    monitor.on_return(thread._python_exit, lambda _: waiting.end(monitor))
