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
from types import CodeType, FrameType, FunctionType

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
        """code of ``__init__`` of a pool's work items: where it begins, called by `submit`, a task
        is submitted.  A watched call in `submit` would cost the app several times as much."""
        self.submit: object = None
        """code of the function that makes the futures of pools: their births are no events"""


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


class Texts:
    """A table of numbers by ``id`` that are text already, as they stand in events: ``,17``."""

    __slots__ = ("texts",)

    def __init__(self) -> None:
        """Make an empty one."""
        self.texts: dict[int, str] = {}

    def get(self, key: int, default: Any = None, /) -> Any:
        """Return the number of a key."""
        text = self.texts.get(key)
        return default if text is None else int(text[1:])

    def __len__(self) -> int:
        """Return how many keys there are."""
        return len(self.texts)

    def pop(self, key: int, default: None, /) -> int | None:
        """Remove a key, if it is there."""
        text = self.texts.pop(key, None)
        return default if text is None else int(text[1:])

    def values(self) -> list[int]:
        """Return the numbers."""
        return [int(text[1:]) for text in list(self.texts.values())]

    def __setitem__(self, key: int, number: int, /) -> None:
        """Enter a number."""
        self.texts[key] = f",{number}"


def make_callbacks(
    my_buffer: Buffer, my_names: Names, hot: Hot, my_handlers: Handlers, my_trouble: Trouble
) -> Callbacks:
    """Return the callbacks.  `hot` is read now: make new ones when it has changed.

    A place whose event is not hot and has no handler is switched off.
    """
    my_names.as_known = ",{}".format
    space: dict[str, Any] = {
        **globals(),
        **{name: getattr(hot, name) for name in Hot.__slots__},
        "buffer": my_buffer,
        "names": my_names,
        "handlers": my_handlers,
        "trouble": my_trouble,
        "local": my_names.local,
        "steps": my_names.steps,
        **{name: getattr(my_names, name).texts for name in ("futures", "pools", "functions")},
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
steps: Steps = _not_here
futures: dict[int, str] = _not_here
pools: dict[int, str] = _not_here
functions: dict[int, str] = _not_here
next_future: Callable[[], int] = _not_here
set_running: object = _not_here
set_result: object = _not_here
set_exception: object = _not_here
get_result: object = _not_here
future_init: object = _not_here
item_init: object = _not_here
submit: object = _not_here

SUBMITS, STARTS, FINISHES, FAILS, READS = map(str, (SUBMIT, START, FINISH, FAIL, READ))
"""What the lines of the hot events begin with."""

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
    event: tuple[int, str]
    try:
        found: Steps | str = steps  # first, so that the outer handler is the first one's
        try:
            me = local.text
        except AttributeError:
            names.thread()
            me = local.text
        if callee is set_running:
            task = futures.get(id(arg0)) or f",{names.future(arg0)}"
            event = clock(), f"{STARTS}{me}{task}"
        elif callee is set_result:
            task = futures.get(id(arg0)) or f",{names.future(arg0)}"
            event = clock(), f"{FINISHES}{me}{task}"
        elif callee is get_result:
            caller: FrameType | None
            try:
                caller = getframe(2)
            except ValueError:  # a thread of somebody's C code
                caller = None
            here = caller  # Names.site, at half its price
            try:
                while isinstance(found, dict):
                    if here is None:
                        found = found[TOP]
                    else:
                        found = found[id(here.f_code) + here.f_lasti]
                        here = here.f_back
            except KeyError:
                found = f",{names.new_site(caller)}"
            task = futures.get(id(arg0)) or f",{names.future(arg0)}"
            event = clock(), f"{READS}{me}{task}{found}"
        elif callee is set_exception:
            task = futures.get(id(arg0)) or f",{names.future(arg0)}"
            event = clock(), f"{FAILS}{me}{task}"
        else:
            handle = handlers.calls.get(id(code))
            return disable if handle is None else handle(callee, arg0)
        buffer.put(event)  # the step after `put` was looked up calls it: nobody changes it between
    except BaseException as error:
        trouble(error, code)
    return None


def _on_start(code: CodeType, _offset: int) -> object:
    try:
        found: Steps | str = steps  # first, so that the outer handler is the first one's
        if code is future_init or code is item_init:
            try:
                by = getframe(2)
            except ValueError:  # a thread of somebody's C code
                by = None
            if by is not None and by.f_code is submit:
                if code is future_init:
                    return None
                try:
                    me = local.text
                except AttributeError:
                    names.thread()
                    me = local.text
                caller = here = by.f_back  # Names.site, at half its price
                try:
                    while isinstance(found, dict):
                        if here is None:
                            found = found[TOP]
                        else:
                            found = found[id(here.f_code) + here.f_lasti]
                            here = here.f_back
                except KeyError:
                    found = f",{names.new_site(caller)}"
                values = by.f_locals
                executor, fn = values["self"], values["fn"]
                if type(fn) is FunctionType:
                    function = functions.get(id(fn.__code__)) or f",{names.function(fn)}"
                else:
                    function = f",{names.function(fn, values['args'])}"
                if SNAPSHOT_LOCALS:
                    values.clear()
                values = getframe(1).f_locals
                future = values["future"]
                if SNAPSHOT_LOCALS:
                    values.clear()
                pool = pools.get(id(executor)) or f",{names.pool(executor)}"
                futures[id(future)] = task = f",{next_future()}"
                event = clock(), f"{SUBMITS}{me}{task}{pool}{function}{found}"
                buffer.put(event)  # as above
                return None
        handle = handlers.starts.get(id(code))
        if handle is None:
            return None if code is item_init else disable
        return handle()
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
