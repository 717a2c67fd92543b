"""One recording of one process: from the header to the last line, through forks."""

from __future__ import annotations

import atexit
import os
import sys
import time

from tprecord import compat, waiting
from tprecord.buffer import Buffer
from tprecord.core import Signal
from tprecord.look import Look
from tprecord.monitor import Monitor
from tprecord.names import Names
from tprecord.probes import executors, futures, sync, threads
from tprecord.schema import FORMAT_VERSION, TICK_NS
from tprecord.sink import Sink, default_path
from tprecord.version import VERSION
from tprecord.writer import Writer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any

PROBES = (
    *waiting.PROBES,
    *threads.PROBES,
    *sync.PROBES,
    *futures.PROBES,
    *executors.PROBES,
)
"""What is recorded: modules with an install function each, called when the app imports it."""

DEPTH = 4
"""Frames of the app that a site has, unless the user says otherwise."""


def say(text: str) -> None:
    """Write one line to stderr, if there still is one."""
    try:
        os.write(2, f"tprecord: {text}\n".encode("utf-8", "backslashreplace"))
    except OSError:
        pass


class Recording:
    """Records this process into a file, from `start` to `stop` or the process's end."""

    def __init__(
        self,
        path: str | None,
        program: str,
        *,
        depth: int = DEPTH,
        quiet: bool = False,
        floors: tuple[Any, ...] = (),
    ) -> None:
        """Open the trace and write its header.  Raises OSError if that cannot be done.

        `floors` are functions below which there is nothing of the app: see `Names.add_floor`.
        """
        self._floors = floors
        self.program, self.depth, self.quiet = program, depth, quiet
        self._begin(path)

    @property
    def path(self) -> str:
        """The trace's absolute path."""
        return self._sink.path

    def _begin(self, path: str | None) -> None:
        pid = os.getpid()
        self._pid = pid
        self._sink = Sink(path or default_path(self.program, pid), new=path is None)
        wall, origin_ns = time.time(), time.perf_counter_ns()
        buffer, signal = Buffer(), Signal()
        names = Names(buffer, depth=self.depth)
        self._look = Look(buffer, names)
        self._writer = Writer(
            buffer,
            self._sink,
            signal,
            look=self._look,
            origin_ns=origin_ns,
            complain=say,  # also if quiet: nothing else tells that there is no trace
        )
        for function in self._floors:
            names.add_floor(function)
        self._monitor = Monitor(buffer, names, signal, self._writer, self._complain)
        buffer.definitions.append(_header(self.program, pid, wall))
        self._writer.flush()

    def start(self) -> None:
        """Begin to record.  Raises `tprecord.monitor.NoToolId`."""
        self._monitor.start(PROBES)
        if not compat.OLDEST <= compat.VERSION <= compat.NEWEST:
            self._monitor.complain(
                f"Python {compat.VERSION[0]}.{compat.VERSION[1]} is newer than this recorder: "
                "what it does not know there is not recorded"
            )
        atexit.register(self._at_exit)
        os.register_at_fork(after_in_child=self._in_child)

    def stop(self, reason: str = "stop") -> None:
        """End the recording and close the trace; nothing happens if it has ended already."""
        if self._pid == os.getpid() and self._monitor.stop():
            atexit.unregister(self._at_exit)
            if reason == "exit" and len(sys._current_frames()) > 1:
                self._look.take(None)
            self._writer.close(reason)

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
        self.stop("exit")

    def _in_child(self) -> None:
        """Leave the parent's trace alone: a forked child is not recorded."""
        if self._monitor.stop():
            self._sink.abandon()

    def _complain(self, text: str) -> None:
        if not self.quiet:
            say(text)


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
