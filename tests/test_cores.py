"""The core in C and the core in Python are one: the same calls make the same trace."""

from __future__ import annotations

import gc
import re
import shutil
import subprocess
import sys
import weakref
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from pathlib import Path
from threading import Thread
from types import CodeType
from typing import Any

import orjson
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.judges import memory
from tests.recorded import PATIENCE_S, ROOT, environment
from tprecord import buffer, core, cores, encode, schema
from tprecord.names import Names, counter
from tprecord.schema import EVENTS, IDLE, SUBMIT, TICK_NS, WAIT
from tprecord.version import VERSION

PYTHON = cores.Core("Python", buffer.Buffer, dict[int, int], counter, core.make_callbacks)
try:
    from tprecord import _core

    C = cores.Core("C", _core.Buffer, _core.Table, _core.Counter, _core.Callbacks)
except ImportError:
    C = PYTHON  # there is no compiler here: then there is but one core, equal to itself
BOTH = pytest.mark.parametrize("chosen", [PYTHON, C], ids=["python", "c"])


# ------------------------------------------------------------------------------------- the parts


class TheTable(RuleBasedStateMachine):
    """A table of ids is as good as a dict, whatever is entered and removed."""

    # allocated side by side, a page apart, or anywhere
    ids = (
        st.integers(1, 400).map(lambda n: 0x7F00_0000_0000 + 16 * n)
        | st.integers(1, 50).map(lambda n: 0x7F00_0000_0000 + n * 2**20)
        | st.integers(1, 2**64 - 1)
    )

    def __init__(self) -> None:
        super().__init__()
        self.table: Any = C.table()
        self.dict: dict[int, int] = {}

    @rule(key=ids, number=st.integers(1, 2**63 - 1))
    def enter(self, key: int, number: int) -> None:
        self.table[key] = self.dict[key] = number

    @rule(keys=st.sets(ids, max_size=50))
    def enter_many(self, keys: set[int]) -> None:
        for number, key in enumerate(sorted(keys), 1):
            self.table[key] = self.dict[key] = number

    @rule(key=ids)
    def remove(self, key: int) -> None:
        assert self.table.pop(key, None) == self.dict.pop(key, None)

    @rule(data=st.data())
    def remove_one_that_is_there(self, data: st.DataObject) -> None:
        if self.dict:
            key = data.draw(st.sampled_from(sorted(self.dict)))
            assert self.table.pop(key, None) == self.dict.pop(key)

    @rule(key=ids)
    def look_up(self, key: int) -> None:
        assert self.table.get(key) == self.dict.get(key)

    @invariant()
    def they_hold_the_same(self) -> None:
        assert len(self.table) == len(self.dict)
        assert all(self.table.get(key) == number for key, number in self.dict.items())


TheTable.TestCase.settings = settings(max_examples=50, stateful_step_count=40)
test_the_table_is_as_good_as_a_dict = TheTable.TestCase


@BOTH
def test_a_table_takes_ids_and_numbers_only(chosen: cores.Core) -> None:
    if chosen is PYTHON:
        return  # a dict takes anything
    table: Any = chosen.table()
    for key, number in ((0, 1), (-1, 1), (2**64, 1), ("a", 1), (16, 0), (16, -1), (16, 2**63)):
        with pytest.raises((ValueError, OverflowError, TypeError)):
            table[key] = number
    with pytest.raises(KeyError):
        table[16]
    assert len(table) == 0


def rows() -> st.SearchStrategy[tuple[int | None, ...]]:
    """Return events as they may stand in a buffer."""
    numbers = st.integers(0, 9) | st.integers(-(2**40), 2**62)
    moments = st.integers(0, 10**7) | st.integers(0, 2**61)

    def of(spec: schema.EventSpec) -> st.SearchStrategy[tuple[int | None, ...]]:
        least = len(spec.fields)
        rest = st.lists(numbers, min_size=least, max_size=least + (6 if spec.rest else 0))
        return st.builds(
            lambda moment, me, rest: (None, spec.number, moment, me, *rest),
            moments,
            st.integers(0, 100),
            rest,
        )

    return st.sampled_from(EVENTS).flatmap(of)


def put(into: Any, row: tuple[int | None, ...]) -> None:  # noqa: ANN401  # of either core
    """Append an event to a core's buffer."""
    if isinstance(into, buffer.Buffer):
        _, kind, moment, thread, *numbers = row
        assert kind is not None and thread is not None
        text = encode.event_text(kind, thread, *(number or 0 for number in numbers))
        into.put((moment or 0, *text))
    else:
        into.put(row)


@given(
    origin=st.integers(0, 10**13),
    batches=st.lists(st.tuples(st.lists(rows(), max_size=8), st.booleans()), max_size=5),
)
def test_the_buffers_write_the_same_lines(
    origin: int, batches: list[tuple[list[tuple[int | None, ...]], bool]]
) -> None:
    one, other = PYTHON.buffer(origin), C.buffer(origin)
    for added, removed in batches:
        for row in added:
            put(one, row)
            put(other, row)
        (lines, remove), (same_lines, remove_there) = one.lines(), other.lines()
        assert lines == same_lines
        assert len(one) == len(other) == lines.count(b"\n")
        assert bool(one) is bool(other) is bool(lines)
        if removed:
            late = (None, IDLE, origin, 1)  # what comes while lines are made stays
            put(one, late)
            put(other, late)
            remove()
            remove_there()
            assert len(one) == len(other) == 1


@BOTH
def test_rounding_to_ticks_does_not_add_up(chosen: cores.Core) -> None:
    here = chosen.buffer(0)
    written = b""
    for number, moment in enumerate(range(0, 10 * TICK_NS, TICK_NS // 3)):
        put(here, (None, IDLE, moment, 1))
        if number % 4 == 0:
            lines, remove = here.lines()
            remove()
            written += lines
    written += here.lines()[0]
    assert sum(int(line.split(b",")[1]) for line in written.splitlines()) == 9


@BOTH
def test_whoever_adds_an_event_tells_if_that_is_wanted(chosen: cores.Core) -> None:
    here = chosen.buffer(0)
    told: list[int] = []
    here.add(IDLE, 1)
    here.tell = lambda: told.append(len(here))
    here.add(IDLE, 1)
    put(here, (None, IDLE, 5, 1))
    here.tell = None
    here.add(IDLE, 1)
    assert told == [2, 3]


@BOTH
def test_a_full_buffer_drops_what_is_new_as_long_as_somebody_is_to_be_told(
    chosen: cores.Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(buffer, "FULL", 3)
    here: Any = buffer.Buffer(0) if chosen is PYTHON else chosen.buffer(0, 40)  # type: ignore[call-arg]
    here.tell = lambda: None
    for moment in range(100):
        put(here, (None, WAIT, moment, 1, 1, 1, -1, 7, *[moment] * 6))
    assert (len(here), here.dropped) == (3, 97)
    lines, remove = here.lines()
    assert [line.split(b",")[-1] for line in lines.splitlines()] == [b"0]", b"1]", b"2]"]
    remove()
    put(here, (None, IDLE, 100, 1))
    assert (len(here), here.dropped) == (1, 97)


@BOTH
def test_a_row_that_is_none_is_refused_and_leaves_nothing_behind(chosen: cores.Core) -> None:
    if chosen is PYTHON:
        return  # it does not look
    here: Any = chosen.buffer(0)
    for row in ((), (None, 1, 2), [None, 1, 2, 3], (None, 1, 2, "3"), (None, 1, 2, 3, 2**63)):
        with pytest.raises((TypeError, OverflowError)):
            here.put(row)
    assert len(here) == 0
    assert here.lines()[0] == b""
    here.put((None, IDLE, 5 * TICK_NS, 1))
    with pytest.raises(OverflowError):
        here.put((None, WAIT, 9 * TICK_NS, 1, 2**63))
    here.lines()[1]()
    here.put((None, IDLE, 10 * TICK_NS, 1))
    assert here.lines()[0] == b"[8,5,1]\n"


@BOTH
def test_other_threads_add_events_while_many_lines_are_made(chosen: cores.Core) -> None:
    here = chosen.buffer(0)
    added = 60_000
    written = b""

    def add() -> None:
        for number in range(added):
            here.add(WAIT, 1, 1, 1, -1, number)

    threads = [Thread(target=add) for _ in range(2)]
    for one in threads:
        one.start()
    while any(one.is_alive() for one in threads) or here:
        lines, remove = here.lines()
        written += lines
        remove()
    numbers = [int(line[:-1].split(b",")[-1]) for line in written.splitlines()]
    assert sorted(numbers) == sorted([*range(added), *range(added)])


# ---------------------------------------------------------------------------------- the callbacks


class Recorder:
    """A core with all it needs, and a list of what trouble it had."""

    def __init__(self, chosen: cores.Core, *, depth: int = 4) -> None:
        self.buffer = chosen.buffer(0)
        self.names = Names(self.buffer, depth=depth, table=chosen.table, new_counter=chosen.counter)
        self.hot = core.Hot()
        self.hot.item_init = Item.__init__.__code__
        self.hot.future_init = initialise.__code__
        self.hot.set_running = Future.set_running_or_notify_cancel
        self.hot.set_result = Future.set_result
        self.hot.set_exception = Future.set_exception
        self.hot.get_result = vars(Future)["_Future__get_result"]
        self.hot.submit = Executor.submit.__code__
        self.handlers = core.Handlers()
        self.troubles: list[tuple[BaseException, CodeType]] = []
        self.raises = False
        self.callbacks = chosen.make_callbacks(
            self.buffer, self.names, self.hot, self.handlers, self.trouble
        )

    def trouble(self, error: BaseException, code: CodeType) -> None:
        self.troubles.append((error, code))
        if self.raises:
            raise error.with_traceback(None)

    def hold(self, _: object) -> None:
        """Be called."""

    def trace(self) -> list[object]:
        """Return what would be written but for the moments, and forget it."""
        lines, remove = self.buffer.lines()
        remove()
        definitions = list(self.buffer.definitions)
        self.buffer.definitions.clear()
        return [*definitions, *re.sub(rb"(?m)^\[(\d+),-?\d+", rb"[\1", lines).splitlines()]


def initialise(self: Future[Any], recorders: tuple[Recorder, ...]) -> list[object]:
    """As a future's ``__init__``, tell recorders when it begins to be."""
    told = [recorder.callbacks.on_start(recorder.hot.future_init, 0) for recorder in recorders]
    del self  # until here it can be read through the frame
    return told


class Item:
    """As the standard library's work item, it tells recorders when it begins to be."""

    def __init__(self, recorders: tuple[Recorder, ...]) -> None:
        self.told = [
            recorder.callbacks.on_start(recorder.hot.item_init, 0) for recorder in recorders
        ]


class Executor(ThreadPoolExecutor):
    """Its ``submit`` makes futures and work items."""

    recorders: tuple[Recorder, ...] = ()
    made: Future[Any]

    def submit(self, fn: Callable[..., Any], /, *args: object, **kwargs: object) -> Future[Any]:
        assert initialise(self.made, self.recorders) == [None] * len(self.recorders)
        assert Item(self.recorders).told == [None] * len(self.recorders)
        del fn, args, kwargs  # until here they can be read through the frame
        return self.made


CODE = Executor.submit.__code__
"""The code a callback is told to be in, where that does not matter."""


def plain(*_: object) -> None:
    """Do nothing, as a task."""


class Thing:
    """It has a method, and can be called."""

    def method(self) -> None:
        """Do nothing."""

    def __call__(self) -> None:
        """Do nothing."""


FUNCTIONS: tuple[Callable[..., Any], ...] = (
    plain,
    lambda: None,
    Thing().method,
    Thing(),
    partial(partial(plain, 1), 2),
    copy_context().run,
    len,
    Thing,
)

SLOTS = 6


class App:
    """What an app does, seen by both cores at once: from the same frames, with the same objects."""

    def __init__(self, depth: int) -> None:
        self.recorders = (Recorder(PYTHON, depth=depth), Recorder(C, depth=depth))
        self.executors = [Executor(2, f"pool{number}") for number in range(2)]
        self.futures: list[Future[Any]] = [Future() for _ in range(SLOTS)]
        self.answers: list[list[object]] = [[], []]

    def hot(self, name: str, slot: int) -> None:
        """Make a hot call."""
        future = self.futures[slot]
        for recorder, answers in zip(self.recorders, self.answers, strict=True):
            callee = getattr(recorder.hot, name)
            answers.append(recorder.callbacks.on_call(CODE, 0, callee, future))

    def submit(self, slot: int, which: int) -> None:
        """Submit a function to an executor."""
        executor = self.executors[slot % 2]
        executor.recorders, executor.made = self.recorders, self.futures[slot]
        executor.submit(FUNCTIONS[which], plain)

    def read(self, slot: int) -> None:
        """Deliver a result."""
        for recorder in self.recorders:
            recorder.callbacks.on_call(CODE, 0, recorder.hot.get_result, self.futures[slot])

    def renew(self, slot: int) -> None:
        """Let a future die and another be born, often at the same address."""
        del self.futures[slot]
        self.futures.insert(slot, Future())

    def renew_pool(self, slot: int) -> None:
        """Let a pool die and another be born."""
        del self.executors[slot % 2]
        self.executors.insert(slot % 2, Executor(1, "new"))

    def other(self, slot: int) -> None:
        """Call what is watched by a handler, and what is watched by nobody."""
        for recorder, answers in zip(self.recorders, self.answers, strict=True):
            recorder.handlers.calls[id(CODE)] = lambda callee, first: (callee, first)
            answers.append(recorder.callbacks.on_call(CODE, 0, plain, slot))
            del recorder.handlers.calls[id(CODE)]
            answers.append(recorder.callbacks.on_call(CODE, 0, plain, slot))

    def emit(self, slot: int) -> None:
        """Record what is not hot."""
        for recorder in self.recorders:
            recorder.callbacks.emit(WAIT, 1, 1, -1, 0, slot, 2**40 + slot)


def through(steps: int, action: Callable[[], None]) -> None:
    """Call `action` from more or fewer frames."""
    if steps % 3 == 1:
        through(steps - 1, action)
    elif steps:
        through(steps - 1, action)  # another line
    else:
        action()


ACTIONS = st.one_of(
    st.tuples(st.sampled_from(["set_running", "set_result", "set_exception"])),
    st.tuples(st.just("submit"), st.integers(0, len(FUNCTIONS) - 1)),
    st.tuples(st.sampled_from(["read", "renew", "renew_pool", "other", "emit"])),
)


@settings(max_examples=150)
@given(
    depth=st.integers(1, 6),
    steps=st.lists(
        st.tuples(ACTIONS, st.integers(0, SLOTS - 1), st.integers(0, 5), st.booleans()), max_size=40
    ),
)
def test_the_same_calls_make_the_same_trace(
    depth: int, steps: list[tuple[tuple[Any, ...], int, int, bool]]
) -> None:
    app = App(depth)

    def act(name: str, slot: int, which: int) -> None:
        if name == "submit":
            app.submit(slot, which)
        elif name.startswith("set_"):
            app.hot(name, slot)
        else:
            getattr(app, name)(slot)

    for (name, *more), slot, frames, elsewhere in steps:
        action = partial(through, frames, partial(act, name, slot, *(more or [0])))
        if elsewhere:
            thread = Thread(target=action)
            thread.start()
            thread.join()
        else:
            action()
    one, other = app.recorders
    assert one.trace() == other.trace()
    assert app.answers[0] == app.answers[1]
    assert not one.troubles and not other.troubles


@BOTH
def test_where_a_pool_makes_a_future_its_task_is_submitted_and_elsewhere_others_are_told(
    chosen: cores.Core,
) -> None:
    recorder = Recorder(chosen)
    told: list[str] = []
    for code in (recorder.hot.future_init, recorder.hot.item_init):
        recorder.handlers.starts[id(code)] = lambda: told.append(sys._getframe(2).f_code.co_name)
    executor = Executor(1)
    executor.recorders, executor.made = (recorder,), Future()
    executor.submit(plain)
    assert told == []
    *definitions, event = recorder.trace()
    assert isinstance(event, bytes)
    rows = [row for row in definitions if isinstance(row, dict)]
    named = {row["function"]: row["name"] for row in rows if "function" in row}
    kind, thread, task, pool, function, _site = orjson.loads(event)
    assert (kind, thread, task, pool, named[function]) == (SUBMIT, 1, 1, 1, "plain")

    initialise(Future(), (recorder,))
    Item((recorder,))
    assert told == ["initialise", "__init__"]
    assert recorder.trace() == []
    assert recorder.callbacks.on_start(CODE, 0) is sys.monitoring.DISABLE


@BOTH
def test_a_handler_finds_the_frame_it_watches_two_frames_up(chosen: cores.Core) -> None:
    recorder = Recorder(chosen)
    seen: list[str] = []

    def look(*_: object) -> None:
        seen.append(sys._getframe(2).f_code.co_name)

    handlers, callbacks = recorder.handlers, recorder.callbacks
    handlers.calls[id(CODE)] = handlers.returns[id(CODE)] = look
    handlers.natives[id(plain.__code__)] = handlers.starts[id(CODE)] = look

    def watched() -> None:
        callbacks.on_call(CODE, 0, None, None)
        callbacks.on_start(CODE, 0)
        callbacks.on_return(CODE, 0, None)
        callbacks.on_native_return(plain.__code__, 0, None, None)
        callbacks.on_native_raise(plain.__code__, 0, None, None)

    watched()
    assert seen == ["watched"] * 5


def ways_to_fail(recorder: Recorder) -> list[tuple[str, Callable[[], object]]]:
    """Return a callback of each kind, and the method of Names it asks first."""
    callbacks, hot = recorder.callbacks, recorder.hot
    executor, future = Executor(1), Future[Any]()
    executor.recorders, executor.made = (recorder,), future
    return [
        ("future", lambda: callbacks.on_call(CODE, 0, hot.set_running, future)),
        ("future", lambda: callbacks.on_call(CODE, 0, hot.get_result, future)),
        ("function", lambda: executor.submit(plain)),
        ("function", lambda: executor.submit(len)),
        ("pool", lambda: executor.submit(plain)),
        ("find_site", lambda: executor.submit(plain)),
        ("next_future", lambda: executor.submit(plain)),
    ]


@BOTH
@pytest.mark.parametrize("way", range(7))
@pytest.mark.parametrize("passed_on", [True, False])
def test_an_exception_inside_goes_to_trouble_and_from_there_perhaps_to_the_app(
    chosen: cores.Core, way: int, passed_on: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Recorder(chosen)
    recorder.names.thread()
    recorder.trace()
    method, act = ways_to_fail(recorder)[way]

    def interrupted(*_: object) -> int:
        raise KeyboardInterrupt

    if method == "next_future":
        monkeypatch.setattr(recorder.names, "next_future", interrupted)
        recorder.callbacks = chosen.make_callbacks(
            recorder.buffer, recorder.names, recorder.hot, recorder.handlers, recorder.trouble
        )
    else:
        monkeypatch.setattr(recorder.names, method, interrupted)
    recorder.raises = passed_on
    if passed_on:
        with pytest.raises(KeyboardInterrupt):
            act()
    else:
        act()
    ((error, code),) = recorder.troubles
    assert isinstance(error, KeyboardInterrupt)
    assert code is (CODE if way < 2 else initialise.__code__)
    assert not any(isinstance(line, bytes) for line in recorder.trace())


@BOTH
def test_what_tells_may_raise_and_the_event_stays(chosen: cores.Core) -> None:
    recorder = Recorder(chosen)

    def interrupted() -> None:
        raise KeyboardInterrupt

    recorder.buffer.tell = interrupted
    recorder.raises = True
    with pytest.raises(KeyboardInterrupt):
        recorder.callbacks.on_call(CODE, 0, recorder.hot.set_result, Future())
    assert len(recorder.troubles) == 1
    assert [line for line in recorder.trace() if isinstance(line, bytes)] == [b"[3,1,1]"]


@BOTH
def test_nothing_of_the_app_is_kept_alive(chosen: cores.Core) -> None:
    recorder = Recorder(chosen)

    def run() -> list[weakref.ref[Any]]:
        executor, future, argument = Executor(1), Future[Any](), Thing()
        executor.recorders, executor.made = (recorder,), future
        executor.submit(argument)
        hot = recorder.hot
        for callee in hot.set_running, hot.get_result, hot.set_result, hot.set_exception:
            recorder.callbacks.on_call(CODE, 0, callee, future)
        return [weakref.ref(thing) for thing in (executor, future, argument)]

    gc.disable()
    try:
        assert [ref() for ref in run()] == [None] * 3
    finally:
        gc.enable()


@BOTH
def test_a_recording_that_is_over_leaves_nothing_behind(chosen: cores.Core) -> None:
    def run() -> list[weakref.ref[Any]]:
        recorder = Recorder(chosen)
        recorder.handlers.calls[id(CODE)] = lambda *_: recorder  # a cycle, as probes make them
        recorder.buffer.tell = partial(recorder.hold, recorder)
        recorder.callbacks.on_call(CODE, 0, recorder.hot.set_running, Future())
        return [weakref.ref(recorder), weakref.ref(recorder.names)]

    refs = run()
    gc.collect()
    assert [ref() for ref in refs] == [None, None]


@BOTH
def test_nothing_is_lost_in_memory_however_many_recordings_there_are(chosen: cores.Core) -> None:
    def record_something() -> None:
        recorder = Recorder(chosen)
        executor, futures = Executor(1), [Future[Any]() for _ in range(100)]
        executor.recorders = (recorder,)
        for executor.made in futures:
            executor.submit(len)
            for callee in recorder.hot.set_running, recorder.hot.get_result, plain:
                recorder.callbacks.on_call(CODE, 0, callee, executor.made)
            recorder.names.futures.pop(id(executor.made), None)
        recorder.trace()

    blocks = []
    for _ in range(6):
        for _ in range(10):
            record_something()
        gc.collect()
        blocks.append(sys.getallocatedblocks())
    assert max(blocks[2:]) - min(blocks[2:]) < 100, blocks  # lost each time: thousands


@BOTH
def test_a_callback_with_the_wrong_arguments_is_refused(chosen: cores.Core) -> None:
    callbacks = Recorder(chosen).callbacks
    every: list[Callable[..., object]] = [
        callbacks.on_call,
        callbacks.on_start,
        callbacks.on_return,
        callbacks.on_native_return,
        callbacks.on_native_raise,
        callbacks.emit,
    ]
    for callback in every:
        with pytest.raises(TypeError):
            callback()


def test_the_core_in_c_knows_the_numbers_of_the_schema() -> None:
    source = (ROOT / "tprecord" / "_core.c").read_text(encoding="utf-8")
    (hot,) = re.findall(r"enum \{ (SUBMIT = .*) \};", source)
    for name, number in re.findall(r"(\w+) = (\d+)", hot):
        assert getattr(schema, name) == int(number)
    assert re.findall(r"#define TICK_NS (\d+)", source) == [str(schema.TICK_NS)]


@pytest.mark.skipif(C is PYTHON, reason="the core in C was not built: no compiler")
def test_where_frames_are_not_read_in_place_the_core_in_c_is_the_same(tmp_path: Path) -> None:
    """From 3.14 on, until somebody has checked how its frames are read: by objects."""
    here = memory.build(tmp_path / "here", "-DTPRECORD_FRAME_OBJECTS", "-Wno-error")
    which = "same_calls or a_pool_makes_a_future or frames_up or to_trouble or kept_alive or lost"

    def run(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, *words],
            capture_output=True,
            text=True,
            env={**environment(), "PYTHONPATH": str(here)},
            cwd=here,
            timeout=PATIENCE_S,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert str(here) in run("-c", "import tprecord._core as core; print(core.__file__)")
    tests = run("-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_cores.py", "-k", which)
    assert " passed" in tests


# ------------------------------------------------------------------------------------- the choice


def version(*path: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run ``python -m tprecord --version``."""
    clean = {**environment(), **variables}
    if path:
        clean["PYTHONPATH"] = str(path[0])
    if "TPRECORD_CORE" not in variables:
        clean.pop("TPRECORD_CORE", None)
    return subprocess.run(
        [sys.executable, "-m", "tprecord", "--version"],
        capture_output=True,
        text=True,
        env=clean,
        cwd=path[0] if path else None,
        timeout=PATIENCE_S,
        check=False,
    )


def without_c(tmp_path: Path) -> Path:
    """Return a directory with the recorder, as it is where there was no compiler."""
    ignored = shutil.ignore_patterns("_core.*", "__pycache__")
    shutil.copytree(ROOT / "tprecord", tmp_path / "tprecord", ignore=ignored)
    # else that of an editable installation is found
    (tmp_path / "tprecord" / "_core.py").write_text("raise ImportError")
    return tmp_path


def test_the_version_tells_which_core_records() -> None:
    best = "C" if C is not PYTHON else "Python (the core in C was not built)"
    assert version().stdout == f"tprecord {VERSION}, core in {best}\n"
    asked = version(TPRECORD_CORE="python").stdout
    assert asked == f"tprecord {VERSION}, core in Python (TPRECORD_CORE=python)\n"


def test_without_the_core_in_c_the_one_in_python_records(tmp_path: Path) -> None:
    done = version(without_c(tmp_path))
    assert done.stdout == f"tprecord {VERSION}, core in Python (the core in C was not built)\n"


def test_a_core_that_was_asked_for_and_is_not_there_ends_it_in_one_line(tmp_path: Path) -> None:
    done = version(without_c(tmp_path), TPRECORD_CORE="c")
    said = "python -m tprecord: TPRECORD_CORE=c, but the core in C was not built\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", said)
    done = version(TPRECORD_CORE="rust")
    said = "python -m tprecord: TPRECORD_CORE is python or c, not 'rust'\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", said)


def test_a_program_is_not_started_with_a_core_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("print('started')")
    done = subprocess.run(
        [sys.executable, "-m", "tprecord", "app.py"],
        capture_output=True,
        text=True,
        env=environment(TPRECORD_CORE="rust"),
        cwd=tmp_path,
        timeout=PATIENCE_S,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert [path.name for path in tmp_path.iterdir()] == ["app.py"]
