"""Threads: ``threading.Thread``, from launch to end, and the joins."""

from __future__ import annotations

import sys
from _thread import get_ident, get_native_id

from tprecord import compat, waiting
from tprecord.frames import local_values
from tprecord.own import attribute, name_of
from tprecord.schema import BEGIN, GONE, JOIN, LAUNCH, OPERATION, UNLAUNCH
from tprecord.timeouts import AT_ONCE, NEVER, ticks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

    from tprecord.monitor import Monitor

DISABLE = sys.monitoring.DISABLE
EVERY = 0
"""The thread number that means all that are no daemons."""


def install(monitor: Monitor, threading: ModuleType) -> None:
    """Watch the lives of threads, and who waits for their end."""
    if not monitor.names.forked:  # there it is one, whatever threading still believes
        monitor.writer.threads(threading.active_count() - 1)
    _watch_lives(monitor, threading)
    _watch_joins(monitor, threading)
    _watch_exit(monitor, threading)


PROBES = (("threading", install),)


def _watch_lives(monitor: Monitor, threading: ModuleType) -> None:
    names = monitor.names
    starter = getattr(threading, compat.THREAD_STARTER)

    def starts(callee: Any, _: Any) -> object:
        if callee is not starter:
            return DISABLE
        (thread,) = local_values(sys._getframe(2), "self")
        monitor.emit(LAUNCH, names.launch(thread))
        return None

    def is_started(raised: bool) -> None:
        if raised:  # there are too many threads, or the interpreter is ending
            (thread,) = local_values(sys._getframe(2), "self")
            number = names.launched.get(id(thread))
            if number is not None:
                monitor.emit(UNLAUNCH, number)

    def begins() -> None:
        (thread,) = local_values(sys._getframe(2), "self")
        names.begin(thread)
        monitor.writer.threads(+1)
        monitor.emit(BEGIN, get_native_id())

    def ends(_: Any) -> None:
        monitor.emit(GONE)
        names.gone()
        monitor.writer.threads(-1)

    monitor.on_native(threading.Thread.start, starts, is_started)
    monitor.on_start(threading.Thread._bootstrap_inner, begins)
    monitor.on_return(threading.Thread._bootstrap_inner, ends)


def _watch_joins(monitor: Monitor, threading: ModuleType) -> None:
    names = monitor.names
    method = getattr(threading.Thread, compat.JOIN_METHOD)

    def joins(callee: Any, arg0: Any) -> object:
        if name_of(callee) not in ("join", "acquire"):
            return DISABLE
        here = sys._getframe(2)
        if waiting.is_announced(monitor, here):
            return None  # a drain joins its workers one by one
        thread, block, timeout = local_values(here, "self", "block", "timeout")
        if block is False or compat.has_ended(arg0):
            return None
        left = NEVER if timeout == compat.JOIN_NEVER else ticks(timeout)
        if left == AT_ONCE:
            return None
        other = names.launched.get(id(thread)) or names.thread_by_ident(attribute(thread, "_ident"))
        operation, site = OPERATION["Thread.join"], names.site(here.f_back)
        waiting.begin(monitor, here, JOIN, operation, other, left, site)
        return None

    def joined(raised: bool) -> None:
        if raised or getattr(monitor.names.local, "waits_in", None) is method.__code__:
            waiting.end(monitor, raised=raised)

    monitor.on_native(method, joins, joined)


def _watch_exit(monitor: Monitor, threading: ModuleType) -> None:
    """Watch the interpreter wait for all threads that are no daemons, after the pools' workers."""

    def is_any_left() -> bool:
        me = get_ident()
        others = [thread for ident, thread in list(threading._active.items()) if ident != me]
        return any(not attribute(thread, "_daemonic") for thread in others)

    def exits(callee: Any, arg0: Any) -> object:
        if not compat.joins_every_thread(callee):
            return DISABLE
        if compat.has_ended(arg0) or not is_any_left():
            return None
        here = sys._getframe(2)
        operation, site = OPERATION["interpreter exit"], monitor.names.site(here)
        waiting.begin(monitor, here, JOIN, operation, EVERY, NEVER, site)
        return None

    def exited(raised: bool) -> None:
        waiting.end(monitor, raised=raised)

    monitor.on_native(threading._shutdown, exits, exited)
