"""anyio's worker threads, in which Starlette and FastAPI run all code that is not ``async``.

A call that is handed to ``to_thread.run_sync`` is a task.  What it needs is a token of its limiter
(40 in all, unless the program says otherwise), not a thread, of which anyio starts as many as there
are tokens.  So the limiter is the pool, its tokens are the workers, and a thread is a worker of the
limiter whose token its task has.

Active only where the program imports anyio, and uses it on asyncio; checked with 4.0 to 4.16.
"""

from __future__ import annotations

import os
import sys
from _weakref import ref
from types import CodeType, CoroutineType

from tprecord.frames import local_values
from tprecord.loops import Loops
from tprecord.monitor import NO_LIMIT
from tprecord.own import attribute, name_of
from tprecord.schema import (
    CANCEL,
    ENTER,
    FAIL,
    FINISH,
    IDLE,
    LEAVE,
    RESIZE,
    START,
    SUBMIT,
    WITHDRAW,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType, ModuleType
    from typing import Any

    from tprecord.monitor import Monitor

DISABLE = sys.monitoring.DISABLE


def install(monitor: Monitor, backend: ModuleType) -> None:
    """Watch calls be handed to threads and run there, and coroutines be handed back."""
    owner = backend.AsyncIOBackend
    monitor.names.add_library(os.path.dirname(os.path.dirname(str(backend.__file__))))
    monitor.names.add_floor(backend.WorkerThread.run)
    calls = Calls(monitor, owner.run_sync_in_worker_thread.__code__)
    monitor.suspended.append(calls.awaited_by)
    monitor.looks.append(calls.forget_cancelled)
    _watch_calls(monitor, calls, backend)
    _watch_threads(monitor, calls, backend.WorkerThread)
    _watch_limits(monitor, backend.CapacityLimiter)
    _watch_ways_back(monitor, owner)


def install_portal(monitor: Monitor, from_thread: ModuleType) -> None:
    """Watch what threads hand to the event loop of a portal."""
    portal_class = from_thread.BlockingPortal
    spawn = "_spawn_task_from_thread"

    def spawns(callee: Any, portal: Any) -> object:
        if name_of(callee) != spawn:
            return DISABLE
        loops = Loops.of(monitor)
        future, func, args = local_values(sys._getframe(2), "f", "func", "args")
        if loops is not None and future is not None:
            token = attribute(portal, "_token")
            loop = getattr(token, "native_token", None) or attribute(portal, "_loop")
            loops.deliver(future, loop, monitor.names.function(func, args or ()))
        return None

    def begins() -> None:
        loops = Loops.of(monitor)
        (future,) = local_values(sys._getframe(2), "future")
        if loops is not None:
            loops.comes_from(future, _current_task())

    monitor.on_call(portal_class.start_task_soon, spawns)
    monitor.on_call(portal_class.start_task, spawns)
    monitor.on_start(portal_class._call_func, begins)


PROBES = (
    ("anyio._backends._asyncio", install),
    ("anyio.from_thread", install_portal),
)


def _current_task() -> Any:
    return sys.modules["asyncio.tasks"].current_task()


class Call:
    """A call that has been handed to a thread and whose coroutine has not gone on."""

    __slots__ = ("asyncio_task", "pool", "started", "task")

    def __init__(self, task: int, pool: int, asyncio_task: Any) -> None:
        self.task, self.pool, self.started = task, pool, False
        self.asyncio_task: Any = ref(asyncio_task)


class Calls:
    """The calls of one recording, by what anyio knows them by."""

    def __init__(self, monitor: Monitor, code: CodeType) -> None:
        self._monitor, self.code = monitor, code
        self._by_frame: dict[int, Call] = {}
        """``id`` of the frame of the coroutine that hands it over"""
        self._by_future: dict[int, Call] = {}
        """``id`` of the asyncio future that the thread will have set"""

    def ask(self, frame: FrameType, limiter: Any) -> None:
        """The coroutine in `frame` stands in line for a token of the limiter."""
        names = self._monitor.names
        before = self._by_frame.pop(id(frame), None)
        if before is not None and not before.started:  # of a frame that is gone: it was cancelled
            self._monitor.emit(CANCEL, before.task)
            self._monitor.emit(WITHDRAW, before.task)
        func, args = local_values(frame, "func", "args")
        pool, task = names.limiter(limiter), names.next_future()
        function = names.function(func, args or ())
        self._monitor.emit(SUBMIT, task, pool, function, names.site(frame.f_back))
        self._by_frame[id(frame)] = Call(task, pool, _current_task())

    def hand_over(self, frame: FrameType) -> None:
        """It has a token, and puts the call into the queue of a thread."""
        (future,) = local_values(frame, "future")
        call = self._by_frame.get(id(frame))
        if call is not None:
            self._by_future[id(future)] = call

    def take(self, future: Any) -> Call | None:
        """A thread begins with the call whose result is to go to the asyncio future."""
        call = self._by_future.pop(id(future), None)
        if call is not None:
            call.started = True
        return call

    def goes_on(self, frame: FrameType) -> None:
        """The coroutine that has handed the call over has its result."""
        self._by_frame.pop(id(frame), None)

    def awaited_by(self, asyncio_task: Any) -> int:
        """Return the task that the coroutine of an asyncio task is suspended for; 0 for none."""
        call = self._by_frame.get(id(self._frame_of(asyncio_task)))
        return 0 if call is None else call.task

    def _frame_of(self, asyncio_task: Any) -> object:
        """Return the frame in which its coroutine hands over a call, if it is suspended in one."""
        coro = asyncio_task.get_coro()
        while type(coro) is CoroutineType:
            if coro.cr_code is self.code:
                return coro.cr_frame
            coro = coro.cr_await
        return None

    def forget_cancelled(self) -> None:
        """Record which of the calls will never run, since their coroutines were cancelled."""
        for key, call in list(self._by_frame.items()):
            asyncio_task = call.asyncio_task()
            if asyncio_task is not None and not asyncio_task.done():
                runs = asyncio_task._fut_waiter is None
                if runs or id(self._frame_of(asyncio_task)) == key:
                    continue
            if self._by_frame.pop(key, None) is call and not call.started:
                self._monitor.note_down(CANCEL, call.task)
                self._monitor.note_down(WITHDRAW, call.task)


def _watch_calls(monitor: Monitor, calls: Calls, backend: ModuleType) -> None:
    put_nowait = sys.modules["queue"].Queue.put_nowait

    def asks() -> None:
        here = sys._getframe(2)
        (limiter,) = local_values(here, "self")
        frame = here.f_back
        if frame is not None and frame.f_code is not calls.code:
            frame = frame.f_back  # through the adapter of a limiter made outside of any loop
        if frame is not None and frame.f_code is calls.code:
            calls.ask(frame, limiter)

    def hands_over(callee: Any, _: Any) -> object:
        if callee is not put_nowait:
            return DISABLE
        calls.hand_over(sys._getframe(2))
        return None

    monitor.on_start(backend.CapacityLimiter.__aenter__, asks)
    hand_over = backend.AsyncIOBackend.run_sync_in_worker_thread
    monitor.on_call(hand_over, hands_over)
    monitor.on_return(hand_over, lambda _: calls.goes_on(sys._getframe(2)))


def _watch_threads(monitor: Monitor, calls: Calls, worker_thread: Any) -> None:
    local = monitor.names.local

    def works(callee: Any, _: Any) -> object:
        name = name_of(callee)
        if name == "get":
            monitor.emit(IDLE)
            monitor.writer.flush()
        elif name == "run":
            (future,) = local_values(sys._getframe(2), "future")
            call = local.call = calls.take(future)
            if call is not None:
                if getattr(local, "lent_to", 0) != call.pool:
                    local.lent_to = call.pool
                    monitor.emit(ENTER, call.pool)
                monitor.emit(START, call.task)
        elif name == "call_soon_threadsafe":
            call = getattr(local, "call", None)
            if call is not None:
                local.call = None
                (exception,) = local_values(sys._getframe(2), "exception")
                monitor.emit(FINISH if exception is None else FAIL, call.task)
        else:
            return DISABLE
        return None

    # Its wait for the next call is that of an idle worker, not one for somebody who puts.
    monitor.queue_owners.add(id(worker_thread.run.__code__))
    monitor.on_call(worker_thread.run, works)
    monitor.on_return(worker_thread.run, lambda _: monitor.emit(LEAVE))


def _watch_limits(monitor: Monitor, limiter_class: Any) -> None:
    def changes() -> None:
        limiter, value = local_values(sys._getframe(2), "self", "value")
        number = monitor.names.pools.get(id(limiter))
        if number is not None:
            monitor.emit(RESIZE, number, value if type(value) is int else NO_LIMIT)

    monitor.on_start(limiter_class.total_tokens.fset, changes)


def _watch_ways_back(monitor: Monitor, owner: Any) -> None:
    """Watch the coroutines and functions that worker threads hand to the loop."""
    hand_back = owner.run_async_from_thread.__code__
    monitor.wrappers |= {id(c) for c in hand_back.co_consts if isinstance(c, CodeType)}

    def hands_back(callee: Any, loop: Any) -> object:
        if name_of(callee) != "call_soon_threadsafe":
            return DISABLE
        loops = Loops.of(monitor)
        future, func, args = local_values(sys._getframe(2), "f", "func", "args")
        if loops is not None:
            loops.deliver(future, loop, monitor.names.function(func, args or ()))
        return None

    monitor.on_call(owner.run_sync_from_thread, hands_back)
