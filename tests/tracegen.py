"""Traces for tests: valid by default, broken where a test asks for it.

>>> trace = TraceGen()
>>> main = trace.thread("MainThread", main=True)
>>> task = trace.submit(main, trace.pool(max_workers=1))
>>> trace.wait(main, [task], site=trace.site("app.py:12 in main"))
>>> trace.lines[-1]
b'[6,1,1,1,1,-1,1,1,1]'
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence

import orjson

from tpanalyze.intervals import Sink
from tpanalyze.reader import Trace, open_trace
from tpanalyze.replay import Replay
from tprecord import schema

HEADER: Mapping[str, object] = {
    "tprecord": schema.FORMAT_VERSION,
    "recorder": "0.0.0",
    "python": "3.13.0",
    "implementation": "cpython",
    "free_threaded": False,
    "platform": "linux-x86_64",
    "cpus": 2,
    "pid": 4242,
    "program": "app.py",
    "started": "2026-01-01T12:00:00.000000Z",
    "clock": "perf_counter",
    "tick_ns": 1000,
}

OPERATIONS = {name: number for number, name in schema.OPERATIONS.items()}


KINDS = ("thread", "pool", "function", "site", "set", "object", "note")


class TraceGen:
    """A trace in the making; every method appends a line.

    Events take one tick, unless `dt` says more.  Methods that define something return its number.
    """

    def __init__(self, **header: object) -> None:
        self.lines: list[bytes] = [orjson.dumps({**HEADER, **header})]
        self.next_task = 1
        self._numbers = dict.fromkeys(KINDS, 0)
        self._functions: dict[str, int] = {}
        self._sites: dict[str, int] = {}

    # ------------------------------------------------------------------ what comes out

    def data(self) -> bytes:
        """The bytes of the file."""
        return b"\n".join([*self.lines, b""])

    def trace(self) -> Trace:
        """The trace, open."""
        return open_trace(io.BytesIO(self.data()), "trace.jsonl")

    def replay(self, *, at_ns: int | None = None, sink: Sink | None = None) -> Replay:
        """The replay of all of it."""
        return replay_of(self.data(), at_ns=at_ns, sink=sink)

    # ------------------------------------------------------------------ any line

    def raw(self, line: bytes) -> None:
        """Append any bytes as a line."""
        self.lines.append(line)

    def define(self, kind: str, /, **fields: object) -> int:
        """Define the next thing of a kind."""
        number = self._numbers[kind] = self._numbers[kind] + 1
        self.raw(orjson.dumps({kind: number, **fields}))
        return number

    def event(self, kind: int, thread: int, *fields: int, dt: int = 1) -> None:
        """Append any event."""
        self.raw(orjson.dumps([kind, dt, thread, *fields]))

    # ------------------------------------------------------------------ definitions

    def thread(self, name: str | None = None, *, main: bool = False, daemon: bool = False) -> int:
        """Define a thread."""
        number = self._numbers["thread"] + 1
        fields: dict[str, object] = {"name": name or f"Thread-{number}", "native_id": 9000 + number}
        fields |= {"main": True} if main else {}
        fields |= {"daemon": True} if daemon else {}
        return self.define("thread", **fields)

    def pool(self, max_workers: int | None = 1, *, name: str | None = None, unseen: int = 0) -> int:
        """Define a pool."""
        number = self._numbers["pool"] + 1
        fields: dict[str, object] = {"kind": "ThreadPoolExecutor", "name": name or f"pool-{number}"}
        fields |= {"max_workers": max_workers}
        fields |= {"unseen": unseen} if unseen else {}
        return self.define("pool", **fields)

    def function(self, name: str, file: str | None = "app.py", **fields: object) -> int:
        """Define a function, once per name."""
        if name not in self._functions:
            fields |= {} if file is None else {"file": file}
            self._functions[name] = self.define("function", name=name, **fields)
        return self._functions[name]

    def site(self, *frames: str) -> int:
        """Define a site, once per stack, by frames like ``app.py:12 in main``, innermost first."""
        key = "\n".join(frames)
        if key not in self._sites:
            flat: list[int] = []
            for frame in frames:
                place, _, function = frame.partition(" in ")
                file, _, line = place.rpartition(":")
                flat += [self.function(function, file), int(line)]
            self._sites[key] = self.define("site", frames=flat)
        return self._sites[key]

    def set(self, tasks: Iterable[int]) -> int:
        """Define a set of futures."""
        return self.define("set", tasks=ranges(tasks))

    def future(self) -> int:
        """Define a future that was made before the recorder could see it."""
        task = self._task()
        self.raw(orjson.dumps({"future": task, "origin": "unseen"}))
        return task

    def object(self, kind: str) -> int:
        """Define something that threads block on."""
        return self.define("object", kind=kind)

    def note(self, text: str, dropped: int | None = None) -> None:
        """Add a word of the recorder."""
        self.define("note", text=text, **({} if dropped is None else {"dropped": dropped}))

    def end(self, reason: str = "exit") -> None:
        """End in good order."""
        self.raw(orjson.dumps({"end": 1, "reason": reason}))

    # ------------------------------------------------------------------ tasks

    def _task(self) -> int:
        self.next_task += 1
        return self.next_task - 1

    def submit(
        self, thread: int, pool: int, *, function: int = 0, site: int = 0, dt: int = 1
    ) -> int:
        """A task enters a queue."""
        task = self._task()
        self.event(schema.SUBMIT, thread, task, pool, function, site, dt=dt)
        return task

    def promise(self, thread: int, *, site: int = 0, dt: int = 1) -> int:
        """A future is made by hand."""
        task = self._task()
        self.event(schema.PROMISE, thread, task, site, dt=dt)
        return task

    def start(self, thread: int, task: int, *, dt: int = 1) -> None:
        """A thread begins a task."""
        self.event(schema.START, thread, task, dt=dt)

    def finish(self, thread: int, task: int, *, dt: int = 1) -> None:
        """A result is set."""
        self.event(schema.FINISH, thread, task, dt=dt)

    def fail(self, thread: int, task: int, *, dt: int = 1) -> None:
        """An exception is set."""
        self.event(schema.FAIL, thread, task, dt=dt)

    def cancel(self, thread: int, task: int, *, dt: int = 1) -> None:
        """A future is cancelled."""
        self.event(schema.CANCEL, thread, task, dt=dt)

    def withdraw(self, thread: int, task: int, *, dt: int = 1) -> None:
        """A task is taken out of its queue for good."""
        self.event(schema.WITHDRAW, thread, task, dt=dt)

    def read(self, thread: int, task: int, *, site: int = 0, dt: int = 1) -> None:
        """A result is delivered."""
        self.event(schema.READ, thread, task, site, dt=dt)

    # ------------------------------------------------------------------ waits

    def wait(
        self,
        thread: int,
        tasks: Sequence[int],
        *,
        need: int | None = None,
        timeout: int = -1,
        operation: str = "Future.result",
        site: int = 0,
        dt: int = 1,
    ) -> None:
        """A thread blocks until `need` of the futures, by default all, are done."""
        needed = len(tasks) if need is None else need
        number = OPERATIONS[operation]
        fields = (number, needed, timeout, site, *ranges(tasks))
        self.event(schema.WAIT, thread, *fields, dt=dt)

    def wait_for_set(
        self, thread: int, number: int, need: int, *, timeout: int = -1, site: int = 0, dt: int = 1
    ) -> None:
        """A thread blocks in one step of as_completed."""
        operation = OPERATIONS["as_completed"]
        self.event(schema.WAIT, thread, operation, need, timeout, site, -number, dt=dt)

    def drain(
        self,
        thread: int,
        pool: int,
        *,
        operation: str = "Executor.shutdown",
        site: int = 0,
        dt: int = 1,
    ) -> None:
        """A thread blocks until the pool's workers have ended."""
        self.event(schema.DRAIN, thread, OPERATIONS[operation], pool, site, dt=dt)

    def join(self, thread: int, other: int, *, timeout: int = -1, site: int = 0) -> None:
        """A thread blocks until another has ended."""
        self.event(schema.JOIN, thread, OPERATIONS["Thread.join"], other, timeout, site)

    def block(
        self, thread: int, operation: str, thing: int, *, timeout: int = -1, site: int = 0
    ) -> None:
        """A thread blocks until somebody does something with an object."""
        self.event(schema.BLOCK, thread, OPERATIONS[operation], thing, timeout, site)

    def signal(self, thread: int, thing: int) -> None:
        """A thread is about to wake one that blocks on the object."""
        self.event(schema.SIGNAL, thread, thing)

    def wake(self, thread: int, *, raised: bool = False, dt: int = 1) -> None:
        """A wait is over."""
        self.event(schema.WAKE, thread, int(raised), dt=dt)

    # ------------------------------------------------------------------ threads

    def launch(self, thread: int, other: int) -> None:
        """A thread is about to start another."""
        self.event(schema.LAUNCH, thread, other)

    def begin(self, thread: int, native_id: int) -> None:
        """A launched thread begins."""
        self.event(schema.BEGIN, thread, native_id)

    def gone(self, thread: int) -> None:
        """A thread has ended."""
        self.event(schema.GONE, thread)

    # ------------------------------------------------------------------ what the recorder sees

    def beat(self, *, dt: int = 1) -> None:
        """Nothing has happened for a while."""
        self.event(schema.BEAT, 0, dt=dt)

    def stack(self, other: int, site: int) -> None:
        """A thread is found to stand somewhere."""
        self.event(schema.STACK, 0, other, site)

    def census(self, *, dt: int = 1) -> None:
        """Every thread has a definition."""
        self.event(schema.CENSUS, 0, dt=dt)

    # ------------------------------------------------------------------ workers

    def spawn(self, thread: int, pool: int, *, dt: int = 1) -> None:
        """A thread is about to start a worker."""
        self.event(schema.SPAWN, thread, pool, dt=dt)

    def enter(self, thread: int, pool: int, *, dt: int = 1) -> None:
        """A thread begins as a worker."""
        self.event(schema.ENTER, thread, pool, dt=dt)

    def worker(self, pool: int, name: str | None = None) -> int:
        """Define a thread and let it enter the pool."""
        thread = self.thread(name)
        self.enter(thread, pool)
        return thread

    def idle(self, thread: int, *, dt: int = 1) -> None:
        """A worker waits for the next task."""
        self.event(schema.IDLE, thread, dt=dt)

    def leave(self, thread: int, *, dt: int = 1) -> None:
        """A worker ends."""
        self.event(schema.LEAVE, thread, dt=dt)

    def close(self, thread: int, pool: int, *, dt: int = 1) -> None:
        """A pool takes no more tasks."""
        self.event(schema.CLOSE, thread, pool, dt=dt)


def ranges(tasks: Iterable[int]) -> list[int]:
    """Return ``first, last, first, last, ...`` of numbers.

    >>> ranges([5, 1, 2, 3])
    [1, 3, 5, 5]
    """
    flat: list[int] = []
    for task in sorted(tasks):
        if flat and flat[-1] == task - 1:
            flat[-1] = task
        else:
            flat += [task, task]
    return flat


def replay_of(data: bytes, *, at_ns: int | None = None, sink: Sink | None = None) -> Replay:
    """Return the replay of the bytes of a trace, fed with what the reader yields of them."""
    with open_trace(io.BytesIO(data), "trace.jsonl") as trace:
        replay = Replay(trace.header.tick_ns, trace.remarks, at_ns=at_ns, sink=sink)
        for batch in trace:
            replay.feed(batch.rows, batch.first_line)
            if replay.passed:
                break
    return replay
