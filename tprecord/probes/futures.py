"""Futures: ``concurrent.futures._base``."""

from __future__ import annotations

import sys
from _weakref import ref

from tprecord import waiting
from tprecord.frames import local_values
from tprecord.own import attribute, name_of, variables
from tprecord.schema import CANCEL, FAIL, FINISH, OPERATION, PROMISE, READ, SUBMIT, WAIT
from tprecord.timeouts import AT_ONCE, ticks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType, ModuleType
    from typing import Any

    from tprecord.monitor import Monitor

DISABLE = sys.monitoring.DISABLE
TELL_A_WAITER = ("add_result", "add_exception")


def install(monitor: Monitor, base: ModuleType) -> None:
    """Watch futures: their birth, what is awaited of them, and who sets or cancels them."""
    future_class = base.Future
    monitor.hot.set_running = future_class.set_running_or_notify_cancel
    monitor.hot.set_result = future_class.set_result
    monitor.hot.set_exception = future_class.set_exception
    monitor.hot.get_result = future_class._Future__get_result
    monitor.hot.future_init = future_class.__init__.__code__
    _watch_promises(monitor, base)
    _watch_waits_for_one(monitor, base)
    _watch_waits_for_many(monitor, base)
    _watch_cancel(monitor, base)


PROBES = (("concurrent.futures._base", install),)


def _watch_promises(monitor: Monitor, base: ModuleType) -> None:
    """Record the futures that no recorded pool makes, and who sets them."""
    names = monitor.names
    notify_all = sys.modules["threading"].Condition.notify_all
    promises: dict[int, int] = {}
    ends_watched = False

    def is_born() -> None:
        nonlocal ends_watched
        here = sys._getframe(2)
        maker = here.f_back
        if maker is not None and id(maker.f_code) in names.recorded:
            return
        (future,) = local_values(here, "self")
        while maker is not None and _initialises(maker, future):
            maker = maker.f_back  # a subclass's: what matters is who made the object
        if maker is not None and maker.f_code is monitor.hot.submit:
            executor, fn, args = local_values(maker, "self", "fn", "args")
            number = names.futures[id(future)] = names.next_future()
            pool, function = names.pool(executor), names.function(fn, args or ())
            monitor.emit(SUBMIT, number, pool, function, names.site(maker.f_back))
            return
        if not ends_watched:  # a program that makes no promises does not pay for their ends
            ends_watched = True
            monitor.on_call(base.Future.set_result, sets(FINISH))
            monitor.on_call(base.Future.set_exception, sets(FAIL))
            for hear in monitor.at_first_promise:
                hear()
        number = names.next_future()
        names.futures[id(future)] = promises[id(future)] = number
        monitor.emit(PROMISE, number, names.site(maker))

    def sets(kind: int) -> Callable[[Any, Any], object]:
        def is_set(callee: Any, _: Any) -> object:
            # Its waiters are told one by one, and then all who wait for it alone.  Before the first
            # of them is, nobody else can see it: who looks takes the lock that is held here.
            if callee is not notify_all and name_of(callee) not in TELL_A_WAITER:
                return DISABLE
            here = sys._getframe(2)
            (future,) = local_values(here, "self")
            number = promises.pop(id(future), None)
            setter = here.f_back
            if number is None or number != names.futures.get(id(future)):
                return None
            if (
                setter is None
                or id(setter.f_code) not in names.recorded
                or _is_called(setter, future)
            ):
                monitor.emit(kind, number)
            return None

        return is_set

    monitor.on_start(base.Future.__init__, is_born)


def _initialises(frame: FrameType, thing: object) -> bool:
    """Return true if `frame` is an ``__init__`` of `thing`."""
    code = frame.f_code
    if code.co_name != "__init__" or not code.co_argcount:
        return False
    (first,) = local_values(frame, code.co_varnames[0])
    return first is thing


def _watch_waits_for_one(monitor: Monitor, base: ModuleType) -> None:
    names = monitor.names
    condition_wait = sys.modules["threading"].Condition.wait
    through_map = base._result_or_cancel.__code__

    def waits_in(operation: str) -> Callable[[Any, Any], object]:
        def waits(callee: Any, _: Any) -> object:
            if callee is not condition_wait:
                return DISABLE
            here = sys._getframe(2)
            caller = here.f_back
            how = OPERATION[operation]
            if caller is not None and caller.f_code is through_map:
                how = OPERATION["Executor.map"]
            future, timeout = local_values(here, "self", "timeout")
            left = ticks(timeout)
            if left != AT_ONCE:
                task, site = names.future(future), names.site(caller)
                waiting.begin(monitor, here, WAIT, how, 1, left, site, task, task)
            return None

        return waits

    def reads_exception() -> None:
        here = sys._getframe(2)
        caller = here.f_back
        if caller is not None and caller.f_code is not base.wait.__code__:
            (future,) = local_values(here, "self")
            if attribute(future, "_state") == base.FINISHED:
                monitor.emit(READ, names.future(future), names.site(caller))

    for name in ("result", "exception"):
        monitor.on_call(getattr(base.Future, name), waits_in(f"Future.{name}"))
    monitor.on_start(base.Future.exception, reads_exception)


def _watch_waits_for_many(monitor: Monitor, base: ModuleType) -> None:
    names = monitor.names
    event_wait = sys.modules["threading"].Event.wait
    sets: dict[int, tuple[int, int, object]] = {}

    def waits(callee: Any, _: Any) -> object:
        if callee is not event_wait:
            return DISABLE
        here = sys._getframe(2)
        every, not_done, how, timeout = local_values(
            here, "fs", "not_done", "return_when", "timeout"
        )
        left = ticks(timeout)
        if left == AT_ONCE:
            return None
        # FIRST_EXCEPTION may end with any future that is not done yet.
        awaited, need = (every, len(every)) if how == base.ALL_COMPLETED else (not_done, 1)
        operation = OPERATION.get(f"wait({how})", OPERATION["wait(ALL_COMPLETED)"])
        ranges = waiting.ranges(names.future(future) for future in awaited)
        site = names.site(here.f_back)
        waiting.begin(monitor, here, WAIT, operation, need, left, site, *ranges)
        return None

    def waits_for_next(callee: Any, _: Any) -> object:
        if callee is not event_wait:
            return DISABLE
        here = sys._getframe(2)
        pending, waiter, timeout = local_values(here, "pending", "waiter", "wait_timeout")
        left = ticks(timeout)
        if left == AT_ONCE:
            return None
        number, first_pending, _watcher = sets.get(id(waiter)) or new_set(waiter, pending)
        need = 1 + first_pending - len(pending)
        site = names.site(here.f_back)
        operation = OPERATION["as_completed"]
        waiting.begin(monitor, here, WAIT, operation, need, left, site, -number)
        return None

    def new_set(waiter: Any, pending: Any) -> tuple[int, int, object]:
        """Define the set all further steps of one ``as_completed`` wait for.

        Naming the futures again at each step would make a trace of n steps n² long.
        """
        key = id(waiter)
        number = names.new_set(waiting.ranges(names.future(future) for future in pending))

        def forget(_: object) -> None:
            sets.pop(key, None)
            names.sets.discard(number)

        sets[key] = number, len(pending), ref(waiter, forget)
        return sets[key]

    monitor.on_call(base.wait, waits)
    monitor.on_call(base.as_completed, waits_for_next)


def _watch_cancel(monitor: Monitor, base: ModuleType) -> None:
    names = monitor.names
    notify_all = sys.modules["threading"].Condition.notify_all

    def cancels(callee: Any, _: Any) -> object:
        if callee is not notify_all:
            return DISABLE
        (future,) = local_values(sys._getframe(2), "self")
        monitor.emit(CANCEL, names.future(future))
        return None

    monitor.on_call(base.Future.cancel, cancels)


def _is_called(setter: FrameType, future: object) -> bool:
    """Return true if a work item sets a future that is not its own: that is what its task does."""
    (item,) = local_values(setter, "self")
    return variables(item).get("future", future) is not future
