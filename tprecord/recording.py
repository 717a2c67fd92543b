"""One recording of one process: from the header to the last line, through forks."""

from __future__ import annotations

import atexit
import os
import sys
import time

from tprecord import compat, cores, waiting
from tprecord.encode import definition_lines
from tprecord.family import VARIABLE, Family
from tprecord.look import Look
from tprecord.monitor import Monitor
from tprecord.names import Names
from tprecord.probes import (
    anyio_threads,
    executors,
    futures,
    locks,
    loops,
    process_executors,
    processes,
    sync,
    thread_crews,
    threads,
)
from tprecord.schema import FORMAT_VERSION, TICK_NS
from tprecord.sink import LateSink, Sink, SinkError, default_path, path_of_child
from tprecord.version import VERSION
from tprecord.writer import Writer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any, Self

    from tprecord.monitor import Install

    Probes = tuple[tuple[str, Install], ...]

PROBES = (
    *waiting.PROBES,
    *threads.PROBES,
    *sync.PROBES,
    *futures.PROBES,
    *executors.PROBES,
    *process_executors.PROBES,
    *thread_crews.PROBES,
    *processes.PROBES,
    *loops.PROBES,
    *anyio_threads.PROBES,
)
"""What is recorded: modules with an install function each, called when the app imports it; and on
demand, locks."""

DEPTH = 4
"""Frames of the app that a site has, unless the user says otherwise."""


def say(text: str) -> None:
    """Write one line to stderr, if there still is one."""
    try:
        os.write(2, f"tprecord: {text}\n".encode("utf-8", "backslashreplace"))
    except OSError:
        pass


class Recording:
    """Records this process into a file, from `start` to `stop` or the process's end.

    And its children, each into a file of its own.  In a forked child the same object goes on with
    everything in it made anew, while what the parent had stays behind, untouched.
    """

    def __init__(
        self,
        path: str | None,
        program: str,
        *,
        depth: int = DEPTH,
        quiet: bool = False,
        floors: tuple[Any, ...] = (),
        children: bool = True,
        max_size: int | None = None,
        gzip: bool = False,
        locks: bool = False,
    ) -> None:
        """Open the trace and write its header.

        Raises OSError if that cannot be done, `tprecord.cores.CoreError` if the environment asks
        for a core that is not there.

        `locks`: also those that the app makes from now on, see `tprecord.probes.locks`.
        `floors` are functions below which there is nothing of the app: see `Names.add_floor`.
        """
        self._floors, self._program, self._children = floors, program, children
        self._depth, self._quiet, self._locks = depth, quiet, locks
        self._core = cores.choose()
        above = Family.of_this_process()
        self._parent = 0 if above is None else above.parent
        suffix = ".gz" if gzip else ""
        sink = Sink(
            path or default_path(program, os.getpid()) + suffix, new=path is None, packed=gzip
        )
        self._root = sink.path
        self._begin(sink)
        header = self._header()
        if max_size is not None:
            if not sink.regular:
                raise SinkError("only a file can have a --max-size")
            from tprecord.segments import Segments

            self._writer.segments = Segments(sink, header, max_size, self._names.living)
            header = {**header, "segment": 1}
        self._buffer.definitions.append(header)
        self._writer.flush()

    @classmethod
    def of_child(cls, family: Family) -> Self:
        """Prepare to record a new Python that a recorded process has started."""
        self = cls.__new__(cls)
        self._floors, self._program, self._children = (), "", True
        self._depth, self._quiet, self._locks = family.depth, True, family.locks
        self._core = cores.choose()
        self._parent, self._root = family.parent, family.path
        self._begin(self._late_sink())
        self._monitor.family = f"{VARIABLE}={family.value}"
        return self

    @property
    def path(self) -> str:
        """The trace's absolute path."""
        return self._sink.path

    _behind: object = None
    """what a forked child has of its parent"""

    def _begin(self, sink: Sink | LateSink, *, forked: bool = False) -> None:
        self._pid, self._sink = os.getpid(), sink
        self._wall, origin_ns = time.time(), time.perf_counter_ns()
        self._buffer = self._core.buffer(origin_ns)
        names = self._names = Names(
            self._buffer,
            depth=self._depth,
            forked=forked,
            table=self._core.table,
            new_counter=self._core.counter,
        )
        self._look = Look(self._buffer, names)
        self._writer = Writer(
            self._buffer,
            sink,
            look=self._look,
            complain=say,  # also if quiet: nothing else tells that there is no trace
        )
        for function in self._floors:
            names.add_floor(function)
        self._monitor = Monitor(self._buffer, names, self._writer, self._complain, self._core)
        self._look.further = self._monitor.looks
        self._monitor.leave = self._leave

    def _late_sink(self) -> LateSink:
        return LateSink(path_of_child(self._root, os.getpid()), self._opened)

    def _opened(self, _path: str) -> bytes:
        """The trace of a child has come to be: from now on its own children are told of it."""
        self._tell_children()
        return definition_lines([self._header()])

    def _tell_children(self) -> None:
        if self._children and self._sink.can_have_siblings:
            family = Family(self._root, self._pid, self._depth, locks=self._locks)
            family.tell()
            self._monitor.family = f"{VARIABLE}={family.value}"

    @property
    def _probes(self) -> Probes:
        return (*PROBES, *locks.PROBES) if self._locks else PROBES

    def start(self) -> None:
        """Begin to record.  Raises `tprecord.monitor.NoToolId`."""
        self._monitor.start(self._probes)
        if not compat.OLDEST <= compat.VERSION <= compat.NEWEST:
            self._monitor.complain(
                f"Python {compat.VERSION[0]}.{compat.VERSION[1]} is newer than this recorder: "
                "what it does not know there is not recorded"
            )
        atexit.register(self._at_exit)
        _active.append(self)
        _hear_of_forks()
        if self._sink.opened:
            self._tell_children()

    def stop(self, reason: str = "stop") -> None:
        """End the recording and close the trace; nothing happens if it has ended already."""
        if self._pid == os.getpid() and self._monitor.stop():
            atexit.unregister(self._at_exit)
            _active.remove(self)
            if reason == "exit" and len(sys._current_frames()) > 1:
                self._look.take(None)
            self._writer.close(reason)
            if reason != "exit" and self._children:
                Family.forget()

    def look_on(self, signal_name: str) -> None:
        """Take a look at all threads whenever this signal comes, then do what was done before.

        Raises ValueError if there is no such signal, or not from the main thread.
        """
        import signal

        number = getattr(signal, "SIG" + signal_name.upper().removeprefix("SIG"), None)
        if not isinstance(number, signal.Signals):
            raise ValueError(f"there is no signal {signal_name!r}")  # noqa: TRY004  # a wrong word
        before = signal.getsignal(number)

        def handler(number: int, frame: FrameType | None) -> None:
            self._look.take(frame)
            self._writer.flush()
            if callable(before):
                before(number, frame)

        signal.signal(number, handler)

    def _at_exit(self) -> None:
        try:
            self.stop("exit")
        except KeyboardInterrupt:
            pass  # the process is ending; atexit would but print where in here it landed

    def _leave(self) -> None:
        """The process is about to end with ``os._exit``."""
        if self._pid == os.getpid():
            self._writer.close("exit")

    def _in_child(self) -> None:
        """Go on in a forked child, with a trace of its own; or leave it alone.

        Nothing of the parent's is used or freed: a lock may be held there by a thread that is not
        here, and to free it would copy pages of memory that parent and child have in common.
        """
        parent, sink = self._monitor, self._sink
        self._behind = self._behind, parent, sink, self._writer, self._buffer, self._look
        sink.abandon()
        if not self._children or not sink.can_have_siblings:
            parent.stop()
            _active.remove(self)
            return
        if sink.opened:
            self._parent = self._pid
        self._begin(self._late_sink(), forked=True)
        self._monitor.family = parent.family
        self._monitor.take_over(parent, self._probes)

    def _complain(self, text: str) -> None:
        if not self._quiet:
            say(text)

    def _header(self) -> dict[str, Any]:
        header = _header(self._program or _program(), self._pid, self._wall)
        if self._parent:
            header["parent"] = self._parent
            process = getattr(sys.modules.get("multiprocessing.process"), "_current_process", None)
            name = getattr(process, "_name", None)
            if isinstance(name, str) and name != "MainProcess":
                header["process"] = name
        return header


_active: list[Recording] = []
"""The recordings of this process that have begun and not ended."""

_hears_of_forks = False


def _hear_of_forks() -> None:
    """Register a hook; once, since none can be taken back."""
    global _hears_of_forks  # noqa: PLW0603  # as the hook itself, one for the whole process
    if not _hears_of_forks:
        _hears_of_forks = True
        os.register_at_fork(after_in_child=_after_fork)


def _after_fork() -> None:
    for recording in tuple(_active):
        recording._in_child()


def _program() -> str:
    """Return what this Python runs; a child of multiprocessing has its parent's arguments."""
    words = getattr(sys, "argv", None) or sys.orig_argv[1:]
    return os.path.basename(str(words[0])) if words and words[0] else "python"


def _header(program: str, pid: int, wall: float) -> dict[str, Any]:
    system = os.uname() if hasattr(os, "uname") else None
    seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(wall))
    affinity = getattr(os, "sched_getaffinity", None)
    return {
        "tprecord": FORMAT_VERSION,
        "recorder": VERSION,
        "python": sys.version.split()[0],
        "implementation": sys.implementation.name,
        "free_threaded": compat.FREE_THREADED,
        "platform": f"{sys.platform}-{system.machine}" if system else sys.platform,
        "cpus": len(affinity(0)) if affinity else os.cpu_count(),
        "pid": pid,
        "program": program,
        "started": f"{seconds}.{int(wall % 1 * 1e6):06d}Z",
        "clock": "perf_counter_ns",
        "tick_ns": TICK_NS,
    }
