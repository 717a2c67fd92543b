"""From the buffer to the file: who writes, and when.

* A thread that is about to block in a recorded wait, and a worker that is about to go idle, write
  what is buffered first.  So whatever a deadlock is made of is in the file before it closes.
* For the rest there is a ticker: a raw thread that lives only while something is buffered.  It is
  started by the first event after a quiet time, writes after `LAG_S`, and ends when nothing came.
  (A process without workers gets no thread of ours: `os.fork` would warn about it.  There each
  event is written at once.)

Only one thread writes at a time, and nobody waits for it: whoever finds another at work leaves,
and the one at work looks again before it goes.
"""

from __future__ import annotations

from _thread import allocate_lock, start_new_thread

from tprecord.encode import definition_lines, event_lines
from tprecord.schema import TICK_NS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from tprecord.buffer import Buffer
    from tprecord.core import Signal
    from tprecord.sink import Sink

LAG_S = 0.04
"""Seconds an event may stay in the buffer; 10 ms are left for the writing."""

FULL = 200_000
"""Events the buffer holds while the file does not keep up; further ones are dropped."""


class Writer:
    """Moves what is buffered into the sink, until it is stopped or the sink fails."""

    def __init__(
        self,
        buffer: Buffer,
        sink: Sink,
        signal: Signal,
        *,
        origin_ns: int,
        complain: Callable[[str], None],
    ) -> None:
        self._buffer, self._sink, self._signal = buffer, sink, signal
        self._origin_ns = origin_ns
        self._last_ticks = origin_ns // TICK_NS
        self._complain = complain
        self._writing = allocate_lock()
        self._ticking = False
        self._nap = allocate_lock()
        self._nap.acquire()
        self._workers = 0
        self._failed = False
        self.dropped = 0
        self._dropped_before = 0
        self.events = 0
        signal.tell = self.arm
        signal.raised = True

    def workers(self, change: int) -> None:
        """Some workers more, or fewer, live now.  Without any the ticker ends at once."""
        self._workers += change
        if self._workers <= 0:
            self.flush()
            if self._ticking and self._nap.locked():
                self._nap.release()

    def arm(self) -> None:
        """Something was appended: see that it will be written.  Called by the signal."""
        rows = self._buffer.rows
        if len(rows) >= FULL:
            rows.pop()
            self.dropped += 1
            return
        if self._writing.locked():
            return  # stays raised: if that writer never comes back, the buffer's size is watched
        if self._workers <= 0:
            self.flush()
            return
        self._signal.raised = False
        if not self._ticking:
            self._ticking = True
            try:
                start_new_thread(self._tick, ())
            except RuntimeError:  # no more threads, or the interpreter is on its way out
                self._ticking = False
                self._signal.raised = True
                self.flush()

    def _tick(self) -> None:
        while True:
            self._nap.acquire(True, LAG_S)
            self._signal.raised = True
            quiet = not self._buffer
            self.flush()
            if quiet:
                self._ticking = False
                if not self._buffer:
                    return
                self._ticking = True  # an event came in between, and saw us ticking

    def flush(self) -> None:
        """Write what is buffered now, unless another thread is about to."""
        while self._buffer and self._writing.acquire(False):
            try:
                self._write()
            finally:
                self._writing.release()

    def _write(self) -> None:
        if self.dropped != self._dropped_before:
            lost = self.dropped - self._dropped_before
            self._dropped_before = self.dropped
            self._buffer.definitions.append(
                {"note": "the file did not keep up: events were dropped", "dropped": lost}
            )
        buffer = self._buffer
        definitions, rows = buffer.take()
        if self._failed:
            self.dropped += len(rows)
            return
        try:
            data = definition_lines(definitions)
            if rows:
                lines, self._last_ticks = event_lines(rows, self._last_ticks)
                data += lines
        except BaseException:  # the app's Ctrl-C: nothing is lost by it
            buffer.definitions[:0] = definitions
            buffer.rows[:0] = rows
            raise
        self.events += len(rows)
        try:
            self._sink.write(data)
        except OSError as error:
            self._failed = True
            self._complain(f"the trace ends here: {error}")

    def close(self, reason: str) -> None:
        """Write the rest and the last line, and close the file."""
        if self._writing.acquire(True, 1.0):  # a daemon thread may have been ended holding it
            try:
                self._write()
                self._buffer.definitions.append({"end": reason})
                self._write()
            finally:
                self._writing.release()
        self._sink.close()
        if self._nap.locked():
            self._nap.release()
