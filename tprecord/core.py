"""The hot callbacks: what runs for every task.

Written as closures over local names: an attribute look-up would be paid for on each event of the
app.  Three rules hold for whatever runs in a callback:

1. Nothing of the app stays referenced, not even by an exception's traceback.
2. No callback waits for a lock: its thread may be ended at any instruction, at interpreter exit.
3. An exception of the app that lands in a callback (Ctrl-C, a signal handler's) goes on to the
   app; one of ours never does: see :mod:`tprecord.monitor`.
"""

from __future__ import annotations

import sys
from time import perf_counter_ns
from types import CodeType, FunctionType

from tprecord import compat
from tprecord.schema import FAIL, FINISH, READ, START, SUBMIT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    from tprecord.buffer import Buffer, Row
    from tprecord.names import Names

    class Emit(Protocol):
        """Append an event of the calling thread to the buffer."""

        def __call__(self, kind: int, *numbers: int) -> None:
            """Append it."""

    OnCall = Callable[[CodeType, int, Any, Any], object]


class Signal:
    """Tells the writer that something was appended, where it asked to be told.

    ``raised`` is looked at after each event: one attribute, so that the usual case costs nothing.
    """

    __slots__ = ("raised", "tell")

    def __init__(self) -> None:
        self.raised = True
        self.tell: Callable[[], None] = lambda: None


class Hot:
    """The objects of the standard library that the hot calls are made to, once imported."""

    __slots__ = ("get_result", "set_exception", "set_result", "set_running", "work_item")

    def __init__(self) -> None:
        self.work_item = self.set_running = self.set_result = object()
        self.set_exception = self.get_result = object()


def make_callbacks(
    buffer: Buffer,
    names: Names,
    signal: Signal,
    hot: Hot,
    handlers: dict[int, Callable[[Any, Any], object]],
    trouble: Callable[[BaseException, CodeType], None],
) -> tuple[OnCall, Emit]:
    """Return the callback for CALL events, and the function that appends any other event.

    Calls that are not hot go to ``handlers[id(code)](callee, arg0)``; where there is no handler
    the call site is switched off.  `hot` is read now: make new callbacks when it has changed.
    """
    append: Callable[[Row], None] = buffer.rows.append
    clock = perf_counter_ns
    getframe = sys._getframe
    disable = sys.monitoring.DISABLE
    snapshot_locals = compat.SNAPSHOT_LOCALS
    local = names.local
    futures, new_future, next_future = names.futures, names.future, names.next_future
    get_future, get_pool, get_function = futures.get, names.pools.get, names.functions.get
    site, get_handler = names.site, handlers.get
    work_item, set_running, get_result = hot.work_item, hot.set_running, hot.get_result
    set_result, set_exception = hot.set_result, hot.set_exception

    def emit(kind: int, *numbers: int) -> None:
        try:
            me = local.number
        except AttributeError:
            me = names.thread()
        append([kind, clock(), me, *numbers])
        if signal.raised:
            signal.tell()

    def on_call(code: CodeType, _offset: int, callee: Any, arg0: Any) -> object:
        try:
            if callee is set_running:
                row = [START, 0, 0, get_future(id(arg0)) or new_future(arg0)]
            elif callee is set_result:
                row = [FINISH, 0, 0, get_future(id(arg0)) or new_future(arg0)]
            elif callee is get_result:
                future = get_future(id(arg0)) or new_future(arg0)
                row = [READ, 0, 0, future, site(getframe(2))]
            elif callee is work_item:
                frame = getframe(1)
                values = frame.f_locals
                executor, fn = values["self"], values["fn"]
                if type(fn) is FunctionType:
                    function = get_function(id(fn.__code__)) or names.function(fn)
                else:
                    function = names.function(fn, values["args"])
                if snapshot_locals:
                    values.clear()
                future = futures[id(arg0)] = next_future()
                pool = get_pool(id(executor)) or names.pool(executor)
                row = [SUBMIT, 0, 0, future, pool, function, site(frame.f_back)]
            elif callee is set_exception:
                row = [FAIL, 0, 0, get_future(id(arg0)) or new_future(arg0)]
            else:
                handler = get_handler(id(code))
                return disable if handler is None else handler(callee, arg0)
            try:
                row[2] = local.number
            except AttributeError:
                row[2] = names.thread()
            row[1] = clock()
            append(row)
            if signal.raised:
                signal.tell()
        except BaseException as error:
            trouble(error, code)
        return None

    return on_call, emit
