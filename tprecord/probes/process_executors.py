"""Pools of processes, from the parent's side: ``concurrent.futures.process``.

What runs in another process is not seen here; a child that has threads of its own writes a trace of
its own.  One thread hands the tasks over, sets their results and runs the done-callbacks: it is the
one worker of the pool's *handler*, and idle while it waits for news of the processes.
"""

from __future__ import annotations

import sys

from tprecord.frames import local_values
from tprecord.own import attribute, name_of, variables
from tprecord.schema import BREAK, CLOSE, ENTER, IDLE, LEAVE, SPAWN, START, SUBMIT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

    from tprecord.monitor import Monitor

DISABLE = sys.monitoring.DISABLE


def install(monitor: Monitor, process: ModuleType) -> None:
    """Watch process pools: what is submitted, handed over and set, and their end."""
    executor, manager = process.ProcessPoolExecutor, process._ExecutorManagerThread
    monitor.names.recorded |= {
        id(function.__code__)
        for function in (
            executor.submit,
            manager.process_result_item,
            manager._terminate_broken,
            process._SafeQueue._on_queue_feeder_error,
        )
    }
    pools = _Pools(monitor)
    _watch_tasks(monitor, process, pools)
    _watch_manager(monitor, process, pools)


PROBES = (("concurrent.futures.process", install),)


class _Pools:
    """The process pools of one recording."""

    def __init__(self, monitor: Monitor) -> None:
        self._names = monitor.names
        self.served_by: dict[int, int] = {}
        """number of a handler -> that of its pool"""

    def number(self, executor: Any) -> int:
        """Return the pool's number."""
        number = self._names.pools.get(id(executor))
        if number is None:
            has = variables(executor)
            handlers = ((has["_executor_manager_thread_wakeup"], "results"),)
            number, (handler,) = self._names.served_pool(
                executor,
                "processes",
                has["_max_workers"],
                handlers,
                results=True,
                there=0 if has["_executor_manager_thread"] is None else 1,
            )
            self.served_by[handler] = number
        return number


def _watch_tasks(monitor: Monitor, process: ModuleType, pools: _Pools) -> None:
    names = monitor.names
    work_item, chunk, partial = process._WorkItem, process._process_chunk, process.partial

    def submits(callee: Any, future: Any) -> object:
        if callee is not work_item:
            return DISABLE
        here = sys._getframe(2)
        executor, fn, args = local_values(here, "self", "fn", "args")
        pool = pools.number(executor)
        if type(fn) is partial and fn.func is chunk and fn.args:
            fn, args = fn.args[0], ()  # Executor.map: a chunk of calls of the app's function
        number = names.next_future()
        names.futures[id(future)] = number
        function, site = names.function(fn, args or ()), names.site(here.f_back)
        monitor.emit(SUBMIT, number, pool, function, site)
        return None

    def is_handed_over() -> None:
        here = sys._getframe(2).f_back
        if here is not None and here.f_code is hand_over:
            (item,) = local_values(here, "work_item")
            monitor.note_down(START, names.future(attribute(item, "future")))

    hand_over = process._ExecutorManagerThread.add_call_item_to_queue.__code__
    monitor.on_call(process.ProcessPoolExecutor.submit, submits)
    monitor.on_start(process._CallItem.__init__, is_handed_over)


def _watch_manager(monitor: Monitor, process: ModuleType, pools: _Pools) -> None:
    names, local = monitor.names, monitor.names.local
    manager, executor_class = process._ExecutorManagerThread, process.ProcessPoolExecutor
    start = sys.modules["threading"].Thread.start

    def starts(callee: Any, _: Any) -> object:
        if callee is not start:
            return DISABLE
        (executor,) = local_values(sys._getframe(2), "self")
        handler = names.queues.get(id(attribute(executor, "_executor_manager_thread_wakeup")))
        if handler is not None:
            monitor.emit(SPAWN, handler)
        return None

    def enters() -> None:
        (thread,) = local_values(sys._getframe(2), "self")
        number = local.crew = names.queues.get(id(attribute(thread, "thread_wakeup")), 0)
        if number:
            monitor.emit(ENTER, number)

    def waits(callee: Any, _: Any) -> object:
        if name_of(callee) != "wait":
            return DISABLE
        if getattr(local, "crew", 0):
            monitor.emit(IDLE)
            monitor.writer.flush()
        return None

    def leaves(_: Any) -> None:
        if getattr(local, "crew", 0):
            monitor.emit(LEAVE)

    def breaks() -> None:
        (thread,) = local_values(sys._getframe(2), "self")
        handler = names.queues.get(id(attribute(thread, "thread_wakeup")))
        number = pools.served_by.get(handler or 0)
        if number is not None:
            monitor.emit(BREAK, number)

    def closes() -> None:
        (executor,) = local_values(sys._getframe(2), "self")
        number = names.pools.get(id(executor))
        if number is not None:
            monitor.emit(CLOSE, number)

    monitor.on_call(executor_class._start_executor_manager_thread, starts)
    monitor.on_start(manager.run, enters)
    monitor.on_return(manager.run, leaves)
    monitor.on_call(manager.wait_result_broken_or_wakeup, waits)
    monitor.on_call(manager.process_result_item)
    monitor.on_start(manager._terminate_broken, breaks)
    monitor.on_call(manager._terminate_broken)
    monitor.on_call(process._SafeQueue._on_queue_feeder_error)
    monitor.on_start(executor_class.shutdown, closes)
    names.add_floor(manager.run)
