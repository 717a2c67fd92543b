"""From the buffer to the file: who writes, and when.

* A thread that is about to block in a recorded wait, and a worker that is about to go idle, write
  what is buffered first.  So whatever a deadlock is made of is in the file before it closes.
* For the rest there is a ticker: a raw thread that lives only while something is buffered or some
  thread waits.  It is started by the first event after a quiet time and writes after `LAG_S`.
  While nothing happens and threads wait, it adds a beat now and then, so that the trace of a hang
  tells how long it lasted.
  (A process with one thread gets none of ours: `os.fork` would warn about it.  There each
  event is written at once.)

Only one thread writes at a time, and nobody waits for it: whoever finds another at work leaves,
and the one at work looks again before it goes.
"""

from __future__ import annotations

from _functools import partial  # type: ignore[import-not-found]  # functools takes 1 ms
from _operator import call, delitem
from _thread import allocate_lock, get_ident, start_new_thread
from time import perf_counter_ns, sleep

from tprecord.encode import definition_lines
from tprecord.schema import BEAT
from tprecord.sink import SinkError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from tprecord.buffer import AnyBuffer
    from tprecord.look import Look
    from tprecord.segments import Segments
    from tprecord.sink import LateSink, Sink

LAG_S = 0.04
"""Seconds an event may stay in the buffer; 10 ms are left for the writing."""

FULL_OF_DEFINITIONS = 50_000
"""Definitions the buffer holds while the file does not keep up; none can be dropped, so this ends
the trace."""

SLOW_NS = 100_000_000
"""A write that takes longer than this makes the disk a slow one, until a write is quicker."""

PATIENCE_NS = 500_000_000
"""How long the end of the process waits for a pipe whose reader is behind."""

STUCK_S = 5.0
"""How long it waits for a write that another thread is at: a busy machine may stop that thread for
more than a second, and a disk that is stuck is rarer."""

LOOK_NS = 2_000_000_000
"""Nanoseconds between two looks at the coroutines that waiting threads wait for, in a program that
is never silent."""

FIRST_BEAT_S, LAST_BEAT_S = 1.0, 600.0
"""Seconds of silence before the first beat, doubled for each one, and what they grow to."""


class Writer:
    """Moves what is buffered into the sink, until it is stopped or the sink fails."""

    def __init__(
        self,
        buffer: AnyBuffer,
        sink: Sink | LateSink,
        *,
        look: Look,
        complain: Callable[[str], None],
    ) -> None:
        self._buffer, self._sink = buffer, sink
        self._complain = complain
        self._writing = allocate_lock()
        self._threads = 0
        self._waiting: set[int] = set()
        self._ticking = allocate_lock()
        """held by the ticker: there is one at a time"""
        self._ticker = 0
        """the ticker's ident"""
        self._napping = False
        self._nap = allocate_lock()
        self._nap.acquire()
        self._failed = self._slow = False
        self._look = look
        self.segments: Segments | None = None
        self._dropped_before = self._unwritten = 0
        self._ended = False
        buffer.tell = self.arm

    # ---------------------------------------------------------------- what the probes tell

    def threads(self, change: int) -> None:
        """Some threads more, or fewer, live now.  Where there is but one there is no ticker."""
        self._threads = max(0, self._threads + change)
        if self._threads <= 0:
            self._look_if_alone()
            self.flush()
            self._end_nap()

    def waits(self, thread: int) -> None:
        """The thread is about to wait, for nobody knows how long: write what is buffered."""
        self._waiting.add(thread)
        if self._threads <= 0:
            self._look_if_alone()
        self.flush()

    def _look_if_alone(self) -> None:
        """Say so if the only thread that is left waits: there is no ticker to take a look."""
        if self._waiting:
            self._look.take(None)

    def waits_no_more(self, thread: int) -> None:
        """The thread's wait is over."""
        self._waiting.discard(thread)
        if self._napping and not self._waiting:
            self._end_nap()

    def arm(self) -> None:
        """Something was appended: see that it will be written.  Called by the buffer."""
        if self._writing.locked():
            return  # to be told again: if that writer never comes back, the buffer's size matters
        if self._threads <= 0:
            self._flush_here()
            return
        self._buffer.tell = None
        if self._ticking.locked():
            self._end_nap()
            return
        try:
            start_new_thread(self._tick, ())
        except RuntimeError:  # no more threads, or the interpreter is on its way out
            self._buffer.tell = self.arm
            self._flush_here()

    # ---------------------------------------------------------------- the ticker

    def _tick(self) -> None:
        # Who comes while there is another leaves: that one looks again before it goes.
        while self._ticking.acquire(False):
            try:
                self._ticker = get_ident()
                self._tick_on()
            except BaseException as error:  # no memory, say: the app goes on, and so may a new one
                self._complain(f"the trace is late: {type(error).__name__}: {error}")
                return
            finally:
                self._ticker = 0
                self._ticking.release()
                self._buffer.tell = self.arm
            if not self._is_behind():
                return

    def _tick_on(self) -> None:
        """Write what comes, until nothing does and nobody waits."""
        beat_s, quiet = FIRST_BEAT_S, False
        look_at_ns = perf_counter_ns() + LOOK_NS
        while True:
            self._nap.acquire(True, LAG_S)
            self._buffer.tell = self.arm
            if self._is_behind():
                beat_s, quiet = FIRST_BEAT_S, False
                if self._waiting and perf_counter_ns() >= look_at_ns:
                    look_at_ns = perf_counter_ns() + LOOK_NS
                    self._look.take_further()
                self._flush_here()
            elif not quiet:
                quiet = True  # once more, for who looked at `tell` before and appends after
            elif self._waiting and self._threads > 0 and not self._failed:
                if self._nap_for(beat_s):
                    self._look.take(None)
                    self._buffer.add(BEAT, 0)
                    self._flush_here()
                    beat_s = min(2 * beat_s, LAST_BEAT_S)
            else:
                if self._threads <= 0:  # who was alone saw this thread come or go, and no more
                    self._look_if_alone()
                    self._flush_here()
                return

    def _nap_for(self, seconds: float) -> bool:
        """Sleep until something happens, or else return true after `seconds`."""
        self._napping = True
        # Whoever appends from here on ends it; what was appended before is seen now.
        silent = not self._buffer and not self._nap.acquire(True, seconds)
        self._napping = False
        return silent and not self._buffer

    def _end_nap(self) -> None:
        if self._napping and self._nap.locked():
            try:
                self._nap.release()
            except RuntimeError:
                pass  # somebody else was quicker

    # ---------------------------------------------------------------- the file

    def flush(self) -> None:
        """Write what is buffered now, unless another thread is about to.

        Of a disk that was slow the last time no thread of the app waits: the ticker writes.
        """
        if self._slow and self._threads > 0 and get_ident() != self._ticker:
            self._buffer.tell = self.arm
            self.arm()
        else:
            self._flush_here()

    def _flush_here(self) -> None:
        going_on = True
        while going_on and self._is_behind():
            got: list[bool] = []
            try:
                # C code calls C code: if a Ctrl-C lands right behind it, it is known who has it.
                got.extend(map(self._writing.acquire, (False,)))
                # Under the lock, who ends the trace has it either before this or after it.
                going_on = True in got and not self._ended and self._write()
            finally:
                if True in got:
                    self._writing.release()

    def _is_behind(self) -> bool:
        # What daemon threads append after the end is no part of the trace any more.
        return not self._ended and (bool(self._buffer) or self._sink.is_behind())

    def _write(self) -> bool:
        """Move all that is buffered to the file; return false if it does not take it now."""
        buffer, sink = self._buffer, self._sink
        if sink.is_behind() and not self._write_tail():
            if len(buffer.definitions) > FULL_OF_DEFINITIONS:
                self._fail(SinkError("nobody has read it for too long"))
            return False
        # The events first: whatever they refer to was defined before them.
        events, remove_events = buffer.lines()
        data, steps = events, [remove_events]
        definitions = buffer.definitions
        if definitions:
            defined = slice(len(definitions))
            steps.append(partial(delitem, definitions, defined))
            if not self._failed:
                data = definition_lines(definitions[defined]) + events
        if self._failed:
            self._unwritten += events.count(b"\n")
        else:
            lost = buffer.dropped - self._dropped_before
            if lost:  # whatever is missing came after these
                text = "the file did not keep up with the program"
                data += definition_lines([{"note": 1, "text": text, "dropped": lost}])
                total = self._dropped_before + lost
                steps.append(partial(setattr, self, "_dropped_before", total))
            steps.append(partial(sink.tail.extend, data))
            if self.segments is not None:
                steps.append(partial(self.segments.unread.append, data))
        # C code calls C code: a Ctrl-C of the app lands before all of the steps, or after.
        list(map(call, steps))
        written = self._failed or self._write_tail()
        if written and self.segments is not None and not self._failed:
            self._keep_segments(self.segments)
        return written

    def _keep_segments(self, segments: Segments) -> None:
        """Begin a new one if it is time; the app's threads do it only where the ticker lags."""
        alone = self._threads <= 0
        if not alone and get_ident() != self._ticker and not segments.is_due(twice=True):
            return
        try:
            if segments.is_due():
                segments.rotate()
            else:
                segments.catch_up(at_once=not alone)
        except OSError as error:
            self._fail(error)

    def _write_tail(self) -> bool:
        began = perf_counter_ns()
        try:
            return self._sink.write()
        except OSError as error:
            self._fail(error)
            return True
        finally:
            self._slow = perf_counter_ns() - began > SLOW_NS

    def _fail(self, error: OSError) -> None:
        self._failed = True
        self._sink.tail.clear()
        self._complain(f"the trace ends here: {error}")

    def close(self, reason: str) -> None:
        """Write the rest and the last line, and close the file; say what is lost."""
        if self._writing.acquire(True, STUCK_S):
            try:
                deadline = perf_counter_ns() + PATIENCE_NS
                drained = self._write_until(deadline)
                self._ended = True
                lost = self._buffer.dropped - self._dropped_before + self._unwritten
                if drained and not self._failed:
                    self._sink.tail.extend(definition_lines([{"end": 1, "reason": reason}]))
                    while not self._write_tail() and perf_counter_ns() < deadline:
                        sleep(LAG_S / 4)
                else:
                    lost += len(self._buffer)
                if lost or self._sink.is_behind():
                    self._complain(f"the trace is not whole: at least {lost} events are missing")
            finally:
                self._writing.release()
        else:  # a write does not come back, or a daemon thread was ended in the middle of one
            self._ended = True
            lost = self._buffer.dropped - self._dropped_before + len(self._buffer)
            self._complain(f"the trace is not whole: at least {lost} events are missing")
        self._sink.close()
        self._threads = 0
        self._end_nap()

    def _write_until(self, deadline_ns: int) -> bool:
        """Write what is buffered, and return true if that was possible by then."""
        while self._is_behind() and not self._write():
            if perf_counter_ns() >= deadline_ns:
                return False
            sleep(LAG_S / 4)
        return True
