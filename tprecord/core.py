"""The hot callbacks: what runs for every task.

Whatever they look up is a global of theirs: an attribute would cost the app more on each event,
and the cells of a closure are copied on each call.  So each recording has functions of its own,
with globals of their own: see `make_callbacks`.  Three rules hold for whatever runs in a callback:

1. Nothing of the app stays referenced, not even by an exception's traceback.
2. No callback waits for a lock: its thread may be ended at any instruction, at interpreter exit.
3. An exception of the app that lands in a callback (Ctrl-C, a signal handler's) goes on to the
   app; one of ours never does: see :mod:`tprecord.monitor`.
"""

from __future__ import annotations

import sys
from time import perf_counter_ns as clock
from types import CodeType, FunctionType

from tprecord.compat import SNAPSHOT_LOCALS
from tprecord.guard import covered_throughout
from tprecord.names import TOP
from tprecord.schema import FAIL, FINISH, READ, START, SUBMIT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    from tprecord.buffer import Buffer
    from tprecord.names import Names, Steps

    class Emit(Protocol):
        """Append an event of the calling thread to the buffer."""

        def __call__(self, kind: int, *numbers: int) -> None:
            """Append it."""

    Trouble = Callable[[BaseException, CodeType], None]
    Callback = Callable[..., object]

    class AnyCallbacks(Protocol):
        """The callbacks of one recording, in Python or C."""

        emit: Emit
        on_call: Callback
        on_start: Callback
        on_return: Callback
        on_native_return: Callback
        on_native_raise: Callback


class Hot:
    """The objects of the standard library that the hot callbacks look for, once imported."""

    __slots__ = (
        "future_init",
        "get_result",
        "item_init",
        "set_exception",
        "set_result",
        "set_running",
        "submit",
    )

    def __init__(self) -> None:
        self.set_running = self.set_result = object()
        self.set_exception = self.get_result = object()
        self.future_init: object = None
        self.item_init: object = None
        """code of ``__init__`` of a pool's work items: that `submit` makes one is no event"""
        self.submit: object = None
        """code of the function by which a pool is given a task: where it makes the future, the task
        is submitted.  A watched call in it would cost the app several times as much."""


class Handlers:
    """What is called for events that are not hot, by the ``id`` of the code they happen in.

    ``sys._getframe(2)`` is the frame they happen in: a callback in Python is between the two, one
    in C calls its handlers by way of `between`.
    """

    __slots__ = ("calls", "natives", "returns", "starts")

    @staticmethod
    def between(handler: Callable[..., object], *arguments: object) -> object:
        """Call a handler from C."""
        return handler(*arguments)

    def __init__(self) -> None:
        self.calls: dict[int, Callable[[Any, Any], object]] = {}
        """``handler(callee, first_argument)``"""
        self.starts: dict[int, Callable[[], object]] = {}
        """``handler()``"""
        self.returns: dict[int, Callable[[Any], object]] = {}
        """``handler(value)``"""
        self.natives: dict[int, Callable[[bool], object]] = {}
        """``handler(raised)``: a C function that was called is over"""


class Callbacks:
    """Of one recording: the callbacks for sys.monitoring, and what records other events."""

    __slots__ = ("emit", "on_call", "on_native_raise", "on_native_return", "on_return", "on_start")

    def __init__(
        self,
        on_call: Callback,
        on_start: Callback,
        on_return: Callback,
        on_native_return: Callback,
        on_native_raise: Callback,
        emit: Emit,
    ) -> None:
        self.on_call, self.on_start, self.on_return = on_call, on_start, on_return
        self.on_native_return, self.on_native_raise = on_native_return, on_native_raise
        self.emit = emit


def make_callbacks(
    my_buffer: Buffer, my_names: Names, hot: Hot, my_handlers: Handlers, my_trouble: Trouble
) -> Callbacks:
    """Return the callbacks.  `hot` is read now: make new ones when it has changed.

    A place whose event is not hot and has no handler is switched off.
    """
    my_names.as_known = f",{{}}{END}".format

    def begin() -> None:
        number = my_names.thread()
        for name, kind in HEADS.items():
            setattr(my_names.local, name, f"[{kind},%d,{number},%d")

    space: dict[str, Any] = {
        **globals(),
        **{name: getattr(hot, name) for name in Hot.__slots__},
        "buffer": my_buffer,
        "names": my_names,
        "handlers": my_handlers,
        "trouble": my_trouble,
        "local": my_names.local,
        "begin": begin,
        "steps": my_names.steps,
        "futures": my_names.futures,
        "pools": my_names.pools,
        "functions": {},
        "next_future": my_names.next_future,
    }

    def mine(function: Any) -> Any:
        return FunctionType(function.__code__.replace(), space)

    def guarded(function: Any) -> Any:
        return FunctionType(covered_throughout(function.__code__), space)

    return Callbacks(
        on_call=guarded(_on_call),
        on_start=guarded(_on_start),
        on_return=guarded(_on_return),
        on_native_return=guarded(_on_native_return),
        on_native_raise=guarded(_on_native_raise),
        emit=mine(_emit),
    )


# ----------------------------------------------------------------- what the callbacks look up

_not_here: Any = None
"""The globals of the module are a table of names and types: each recording has the values."""

buffer: Buffer = _not_here
names: Names = _not_here
handlers: Handlers = _not_here
trouble: Trouble = _not_here
local: Any = _not_here
begin: Callable[[], None] = _not_here
steps: Steps = _not_here
futures: dict[int, int] = _not_here
pools: dict[int, int] = _not_here
functions: dict[int, str] = _not_here
"""``id(code)`` -> number as it stands in events, ``,17``; `names` keeps the code"""
next_future: Callable[[], int] = _not_here
set_running: object = _not_here
set_result: object = _not_here
set_exception: object = _not_here
get_result: object = _not_here
future_init: object = _not_here
item_init: object = _not_here
submit: object = _not_here

END = "]\n"
"""What lines end with."""

HEADS = {"submits": SUBMIT, "starts": START, "finishes": FINISH, "fails": FAIL, "reads": READ}
"""What the lines of a thread begin with, by the kind of event: attributes of `local`."""

getframe = sys._getframe
disable = sys.monitoring.DISABLE


# ----------------------------------------------------------------------------- the callbacks


def _emit(kind: int, *numbers: int) -> None:
    try:
        me = local.number
    except AttributeError:
        me = names.thread()
    buffer.add(kind, me, *numbers)


def _on_call(code: CodeType, _offset: int, callee: Any, arg0: Any) -> object:
    here: Any
    tail: Any
    try:
        if callee is set_running:
            try:
                head = local.starts
            except AttributeError:
                begin()
                head = local.starts
            tail = END
        elif callee is set_result:
            try:
                head = local.finishes
            except AttributeError:
                begin()
                head = local.finishes
            tail = END
        elif callee is get_result:
            try:
                head = local.reads
            except AttributeError:
                begin()
                head = local.reads
            try:
                here = caller = getframe(2)
            except ValueError:  # a thread of somebody's C code
                here = caller = None
            try:  # Names.site, at half its price
                tail = steps[id(here.f_code) + here.f_lasti]
                while type(tail) is dict:
                    here = here.f_back
                    tail = tail[TOP if here is None else id(here.f_code) + here.f_lasti]
            except (KeyError, AttributeError):
                tail = f",{names.new_site(caller)}{END}"
        elif callee is set_exception:
            try:
                head = local.fails
            except AttributeError:
                begin()
                head = local.fails
            tail = END
        else:
            handle = handlers.calls.get(id(code))
            return disable if handle is None else handle(callee, arg0)
        try:
            task = futures[id(arg0)]
        except KeyError:
            task = names.future(arg0)
        event = clock(), head, task, tail
        buffer.put(event)  # the step after `put` was looked up calls it: nobody changes it between
    except BaseException as error:
        trouble(error, code)
    return None


def _on_start(code: CodeType, _offset: int) -> object:
    here: Any
    site: Any
    try:
        if code is future_init:
            birth = getframe(1)
            by = birth.f_back
            if by is not None and by.f_code is submit:
                try:
                    head = local.submits
                except AttributeError:
                    begin()
                    head = local.submits
                here = caller = by.f_back
                try:  # as above
                    site = steps[id(here.f_code) + here.f_lasti]
                    while type(site) is dict:
                        here = here.f_back
                        site = site[TOP if here is None else id(here.f_code) + here.f_lasti]
                except (KeyError, AttributeError):
                    site = f",{names.new_site(caller)}{END}"
                values = by.f_locals
                executor, fn = values["self"], values["fn"]
                if type(fn) is not FunctionType:
                    function = f",{names.function(fn, values['args'])}"
                else:
                    try:
                        function = functions[id(fn.__code__)]
                    except KeyError:
                        functions[id(fn.__code__)] = function = f",{names.function(fn)}"
                try:
                    pool = pools[id(executor)]
                except KeyError:
                    pool = names.pool(executor)
                born = birth.f_locals
                futures[id(born["self"])] = task = next_future()
                if SNAPSHOT_LOCALS:
                    values.clear()
                    born.clear()
                event = clock(), head, task, f",{pool}{function}{site}"
                buffer.put(event)  # as above
                return None
        elif code is item_init:
            by = getframe(1).f_back
            if by is not None and by.f_code is submit:
                return None
        handle = handlers.starts.get(id(code))
        return disable if handle is None else handle()
    except BaseException as error:
        trouble(error, code)
        return None


def _on_return(code: CodeType, _offset: int, value: Any) -> object:
    try:
        handle = handlers.returns.get(id(code))
        return disable if handle is None else handle(value)
    except BaseException as error:
        trouble(error, code)
        return None


def _on_native_return(code: CodeType, _offset: int, _callee: Any, _arg0: Any) -> object:
    # It comes with each CALL of what is no Python function, and cannot be switched off.
    try:
        handle = handlers.natives.get(id(code))
        if handle is not None:
            handle(False)
    except BaseException as error:
        trouble(error, code)
    return None


def _on_native_raise(code: CodeType, _offset: int, _callee: Any, _arg0: Any) -> object:
    try:
        handle = handlers.natives.get(id(code))
        if handle is not None:
            handle(True)
    except BaseException as error:
        trouble(error, code)
    return None
