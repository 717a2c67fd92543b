"""sys.monitoring: the tool id, which code is watched, and what happens to errors.

All events are *local*: they are set on code objects of the standard library, one by one, so code
of the app runs at its bare speed.  A module is not imported for this: its probe is installed when
the app imports it, which is seen by watching the import system's own ``_load_unlocked`` return.
"""

from __future__ import annotations

import sys
from _thread import get_ident
from types import CodeType

from tprecord import compat, tracebacks
from tprecord.core import Handlers, Hot
from tprecord.own import attribute, class_module, text
from tprecord.schema import RESIZE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import ModuleType
    from typing import Any, NoReturn

    from tprecord.buffer import AnyBuffer
    from tprecord.core import Emit
    from tprecord.cores import Core
    from tprecord.names import Names
    from tprecord.writer import Writer

    Handler = Callable[[Any, Any], object]
    Install = Callable[["Monitor", ModuleType], None]

DISABLE = sys.monitoring.DISABLE
EVENTS = sys.monitoring.events

NO_LIMIT = -1
"""The size of a pool of which none is known."""


class NoToolId(RuntimeError):
    """Both of the tool ids that nobody owns are taken."""


class Monitor:
    """The events of one recording.

    Probes call `on_call`, `on_start`, `on_return` and `on_native` to watch a code object, `emit` to
    record, and `writer.flush` before a thread blocks.
    """

    def __init__(
        self,
        buffer: AnyBuffer,
        names: Names,
        writer: Writer,
        complain: Callable[[str], None],
        core: Core,
    ) -> None:
        self.names = names
        self.writer = writer
        self.hot = Hot()
        self.blockers: dict[int, int] = {}
        """``id`` of the code objects that may block in ``Condition.wait`` -> operation; 0: in
        which nothing is recorded"""
        self.conditions: dict[int, int] = {}
        """``id(condition)`` -> number of the object whose threads block in it"""
        self.family = ""
        """``NAME=value`` of what a new Python, started with an environment of its own, is told"""
        self.leave: Callable[[], None] = lambda: None
        """what a probe calls when it sees the process about to end with ``os._exit``"""
        self.watchers: dict[int, object] = {}
        """weak references that clear the entries of what has died"""
        self.passing_on: Callable[[], object] = lambda: None
        """called before an exception of the app leaves a callback, and ends the call it is about"""
        self.queue_owners: set[int] = set()
        """``id`` of the code objects of workers: blocked in their own queue they are idle"""
        self.at_first_promise: list[Callable[[], None]] = []
        """called when the app makes its first future by hand: it may bring a pool of its own"""
        self.looks: list[Callable[[], object]] = []
        """what is done at each look at a silent program, after the look at its threads"""
        self.suspended: list[Callable[[Any], int]] = []
        """each may tell of an asyncio task which recorded task its coroutine is suspended for"""
        self.shared: dict[str, object] = {}
        """what one probe has made and others use, by name"""
        self.wrappers: set[int] = set()
        """``id`` of the code of coroutines that only call another one, their free variable
        ``func``"""
        self.at_stop: list[Callable[[], None]] = []
        """called when nothing is watched any more"""
        self._buffer, self._complain = buffer, complain
        self.core = core
        self._codes: dict[int, CodeType] = {}
        self._events: dict[int, int] = {}
        self._handlers = Handlers()
        self._line_handlers: dict[int, Callable[[], object]] = {}
        self._tool: int | None = None
        self._leaving: set[int] = set()
        """idents of the threads in which an exception of the app leaves a callback"""
        self._modules: dict[str, list[Install]] = {}
        self._refresh()

    def _refresh(self) -> None:
        """Make the callbacks anew, since `hot` has changed."""
        callbacks = self.core.make_callbacks(
            self._buffer, self.names, self.hot, self._handlers, self._trouble
        )
        self.emit: Emit = callbacks.emit
        self._callbacks: dict[int, Callable[..., object]] = {
            EVENTS.CALL: callbacks.on_call,
            EVENTS.PY_START: callbacks.on_start,
            EVENTS.PY_RETURN: callbacks.on_return,
            EVENTS.C_RETURN: callbacks.on_native_return,
            EVENTS.C_RAISE: callbacks.on_native_raise,
            EVENTS.RAISE: self._on_raise,
            EVENTS.LINE: self._on_line,
        }
        if self._tool is not None:
            for event, callback in self._callbacks.items():
                sys.monitoring.register_callback(self._tool, event, callback)

    # ---------------------------------------------------------------- life

    def start(self, probes: Iterable[tuple[str, Install]], tool: int | None = None) -> None:
        """Take a tool id and install each module's probes, now or when it is imported.

        `tool` is the id of a monitor whose place this one takes.  Raises `NoToolId`.
        """
        monitoring = sys.monitoring
        self._tool = compat.free_tool() if tool is None else tool
        if self._tool is None:
            raise NoToolId(
                "sys.monitoring tool ids 3 and 4 are taken by "
                f"{monitoring.get_tool(3)} and {monitoring.get_tool(4)}"
            )
        self._refresh()
        for name, install in probes:
            self._modules.setdefault(name, []).append(install)
        bootstrap = sys.modules["_frozen_importlib"]
        self.on_return(bootstrap._load_unlocked, self._imported)
        for name in list(self._modules):
            module = sys.modules.get(name)
            spec = getattr(module, "__spec__", None)
            if module is not None and not getattr(spec, "_initializing", False):
                self._install(name, module)

    @property
    def active(self) -> bool:
        """True between start and stop."""
        return self._tool is not None

    def take_over(self, other: Monitor, probes: Iterable[tuple[str, Install]]) -> None:
        """Take the place of another monitor, which is active, in a forked child.

        What both watch stays watched, which costs a fraction of what it would to begin anew.
        """
        tool, other._tool = other._tool, None
        self.start(probes, tool)
        for key, code in other._codes.items():
            if key not in self._codes and self._tool is not None:
                sys.monitoring.set_local_events(self._tool, code, 0)

    def stop(self) -> bool:
        """Watch nothing any more and give back the tool id; return false if that was done before.

        Before 3.14 ``free_tool_id`` alone would end neither events nor callbacks (gh-111963).
        """
        if self._tool is None:
            return False
        tool, self._tool = self._tool, None
        monitoring = sys.monitoring
        monitoring.set_events(tool, 0)
        for code in self._codes.values():
            monitoring.set_local_events(tool, code, 0)
        for event in self._callbacks:
            monitoring.register_callback(tool, event, None)
        monitoring.free_tool_id(tool)
        for stopped in self.at_stop:
            stopped()
        return True

    def _imported(self, module: Any) -> None:
        name = text(attribute(module, "__name__"))  # a lazy module must not be loaded by this
        if name in self._modules:
            self._install(name, module)

    def _install(self, name: str, module: ModuleType) -> None:
        """Install the probes of a module; what one does not find there is said once."""
        for install in self._modules.pop(name):
            try:
                install(self, module)
            except (AttributeError, KeyError, TypeError) as error:
                self.complain(
                    f"the probe {install.__module__} does not know this version of {name} "
                    f"({type(error).__name__}: {error}): what happens there is not recorded"
                )
        self._refresh()

    # ---------------------------------------------------------------- for probes

    def on_call(self, function: Any, handler: Handler | None = None) -> None:
        """Watch the calls that `function` makes: ``handler(callee, first_argument)``.

        The handler returns ``sys.monitoring.DISABLE`` for a call site that is none of its own.
        Without a handler only the hot calls are recorded.
        """
        code = _code(function)
        if handler is not None:
            self._handlers.calls[id(code)] = handler
        self._watch(code, EVENTS.CALL)

    def on_start(self, function: Any, handler: Callable[[], object] | None = None) -> None:
        """Call ``handler()`` when `function` begins.

        Without a handler only what is hot is recorded.
        """
        code = _code(function)
        if handler is not None:
            self._handlers.starts[id(code)] = handler
        self._watch(code, EVENTS.PY_START)

    def on_return(self, function: Any, handler: Callable[[Any], object]) -> None:
        """Call ``handler(value)`` when `function` returns, not when it raises."""
        code = _code(function)
        self._handlers.returns[id(code)] = handler
        self._watch(code, EVENTS.PY_RETURN)

    def on_native(self, function: Any, on_call: Handler, on_end: Callable[[bool], object]) -> None:
        """Watch the calls of C functions that `function` makes, and their ends.

        ``on_call`` as in `on_call`; ``on_end(raised)`` after each call it did not disable.
        """
        self._handlers.natives[id(_code(function))] = on_end
        self.on_call(function, on_call)

    def on_line(self, function: Any, handler: Callable[[], object]) -> None:
        """Call ``handler()`` when `function` comes to a line.

        The handler returns ``sys.monitoring.DISABLE`` for a line that is none of its own.
        """
        code = _code(function)
        self._line_handlers[id(code)] = handler
        self._watch(code, EVENTS.LINE)

    def watch_calls_again(self, function: Any) -> None:
        """Make the call sites of `function` that were switched off call back once more.

        Not by ``restart_events``, which would do so for every tool and all of its code.
        """
        code = _code(function)
        events = self._events.get(id(code), 0)
        if self._tool is not None and events & EVENTS.CALL:
            sys.monitoring.set_local_events(self._tool, code, events & ~EVENTS.CALL)
            sys.monitoring.set_local_events(self._tool, code, events)

    def note_down(self, kind: int, *numbers: int) -> None:
        """Record what a look has found; no thread of the app did it."""
        self._buffer.add(kind, 0, *numbers)

    def note_sizes(self) -> None:
        """Record which pools have another size than was told: nobody is seen to change it."""
        for number, size in self.names.resized():
            self.note_down(RESIZE, number, NO_LIMIT if size is None else size)

    def _watch(self, code: CodeType, event: int) -> None:
        key = id(code)
        self._codes[key] = code
        self._events[key] = self._events.get(key, 0) | event
        if self._tool is not None:
            sys.monitoring.set_local_events(self._tool, code, self._events[key])

    def give_up(self, text: str) -> None:
        """Stop watching for good, and say why: what is recorded from now on would be false."""
        self.complain(text)
        self._buffer.definitions.append({"note": 1, "text": text, "dropped": 1})
        self.stop()

    def complain(self, text: str) -> None:
        """Say something about the recording, once, on stderr and in the trace."""
        self._buffer.definitions.append({"note": 1, "text": text})
        self._complain(text)

    # ---------------------------------------------------------------- errors

    def _on_line(self, code: CodeType, _line: int) -> object:
        try:
            handle = self._line_handlers.get(id(code))
            return DISABLE if handle is None else handle()
        except BaseException as error:
            self._trouble(error, code)
            return None

    def _trouble(self, error: BaseException, code: CodeType) -> None:
        """Pass on an exception that is the app's; end the recording of `code` if it is ours.

        The app's are: what is no `Exception` (Ctrl-C lands where it lands), what was raised in a
        frame that is not of this package (a signal handler's), and classes that are not built in
        (sent by ``PyThreadState_SetAsyncExc``).  Too little stack or memory is nobody's bug: the
        event is lost, and the app gets an error of its own in a moment.
        """
        if not isinstance(error, Exception) or class_module(type(error)) != "builtins":
            self._pass_on(error)
        raised_at = tracebacks.innermost(error.__traceback__)
        place = ""
        if raised_at is not None:
            if not tracebacks.is_ours(raised_at):
                self._pass_on(error)
            file = raised_at.tb_frame.f_code.co_filename
            place = f" at {file.rpartition('/')[2]}:{raised_at.tb_lineno}"
        error.__traceback__ = None
        if isinstance(error, (RecursionError, MemoryError)):
            return
        key = id(code)
        if self._tool is not None and self._events.pop(key, 0):
            sys.monitoring.set_local_events(self._tool, code, 0)
            self.complain(
                f"a bug in the recorder's probe of {code.co_qualname} "
                f"({type(error).__name__}: {error}{place}): it is switched off"
            )

    def _pass_on(self, error: BaseException) -> NoReturn:
        """Let an exception of the app leave the callback; users see none of our frames in it.

        Those that it still passes are put into its traceback by the interpreter.  So the very next
        exception to be raised in this thread is caught sight of, in the frame of the app: it is
        this one.  Nobody keeps it until then.
        """
        if self._tool is not None:
            self._leaving.add(get_ident())
            sys.monitoring.set_events(self._tool, EVENTS.RAISE)
        self.passing_on()
        raise error

    def _on_raise(self, _code: CodeType, _offset: int, error: BaseException) -> None:
        me = get_ident()
        if me in self._leaving:
            self._leaving.discard(me)
            tracebacks.take_out_ours(error)
        if not self._leaving and self._tool is not None:
            sys.monitoring.set_events(self._tool, 0)


def _code(function: Any) -> CodeType:
    code = function.__code__
    if not isinstance(code, CodeType):
        raise TypeError(f"{function!r} has no code object")
    return code
