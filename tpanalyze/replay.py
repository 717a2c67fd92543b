"""The replay: the lines of a trace, one after the other, change the state of the run.

Knows no files and no clock.  A line that cannot be true of the state (a task that finishes before
it started, a thread that nobody defined) gets a remark of grade LOSS; what it touches degrades to
"not known", which the verdict takes for "can move".  No line makes the replay fail.

The inner loop is :meth:`Replay.feed`: the analyser owes its speed to what is *not* done there.
What all events have in common is done once, in the loop; each kind has a handler that unpacks the
event, which also tells a wrong length; and exceptions lead out to the slow path.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import length_hint
from typing import Final

from tpanalyze.definitions import Definer
from tpanalyze.events import handlers
from tpanalyze.events.scene import Scene
from tpanalyze.freeze import freeze
from tpanalyze.intervals import Interval, Sink, blocked, still_open
from tpanalyze.model import Quality, QualityGrade, Remark, Snapshot
from tpanalyze.remarks import Remarks
from tpanalyze.rows import Row
from tpanalyze.state import RUNNING, State, ThreadRecord
from tprecord import schema

_SILENT: Final = (schema.BEAT, schema.STACK, schema.CENSUS, schema.AWAIT, schema.RESUME)
"""Events that no thread of the app does."""

_FAULTS: Final = (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError)
"""What a row that is none can raise in the loop or a handler."""

_SHOWN_AT_MOST: Final = 60


class Replay:
    """A run up to a moment, and what is wrong with its trace.

    `at_ns`: the moment to stop at; events of that moment still count.
    """

    def __init__(
        self,
        tick_ns: int,
        remarks: Remarks | None = None,
        *,
        at_ns: int | None = None,
        sink: Sink | None = None,
    ) -> None:
        self.state: Final = State(tick_ns)
        self.passed = False
        """the moment to stop at has been reached: what comes later is left out"""
        self._at_ns = at_ns
        self._remarks = Remarks() if remarks is None else remarks
        self._settle = None if sink is None else sink.settle
        self._emit = None if sink is None else sink.add
        self._events = 0
        self._rest: Iterator[Row] = iter(())
        self._end_line = 1
        self._definer = Definer(self.state, self._remarks)
        self._scene = Scene(self.state, self._remarks, self._line, self._emit)
        self._audible: Final = handlers(self._scene)
        self._handlers: Final = {**self._audible, schema.CENSUS: self._census}
        for kind in _SILENT:
            self._audible.pop(kind, None)

    # ------------------------------------------------------------------ what the world sees

    def feed(self, rows: Sequence[Row], first_line: int = 1) -> None:
        """Take the next lines in; `first_line` is the number of the first of them."""
        if self._at_ns is not None:
            rows = self._up_to(rows, self._at_ns)
        self._rest = rest = iter(rows)
        self._end_line = first_line + len(rows)
        state = self.state
        threads, by_kind = state.threads, self._handlers
        resume, define = self._resume, self._definer.define
        ticks = state.ticks
        definitions = 0
        row: Row = []
        while True:
            try:
                for row in rest:
                    if isinstance(row, dict):
                        definitions += 1
                        define(row, self._line())
                        if "checkpoint" in row:
                            ticks = self._begin_again()
                        continue
                    ticks += row[1]
                    thread = threads[row[2]]
                    if thread.state:
                        resume(thread, ticks)
                    by_kind[row[0]](row, thread, ticks)
                break
            except _FAULTS:
                self._recover(row, ticks)
        state.ticks = ticks
        self._events += len(rows) - definitions
        if len(state.done) > state.done_limit:
            state.forget()
        if self._settle is not None:
            self._settle()

    def snapshot(self) -> Snapshot:
        """Return all that holds now."""
        return freeze(self.state, self.now_ns)

    def quality(self) -> Quality:
        """Return what is known so far about the completeness of the trace."""
        remarks = self._remarks.all() + self._torn()
        return Quality(self._events, self.state.ended, self.state.dropped, remarks)

    def _torn(self) -> tuple[Remark, ...]:
        """Say how to ask about what held before a Ctrl-C: it may have ended the hang itself."""
        state = self.state
        if not state.torn:
            return ()
        when, before = (state.ns(ticks) / 1e9 for ticks in (state.torn, state.torn - 1))
        text = (
            f"an exception, as of a Ctrl-C, ended a wait of the main thread at {when:.3f} s; "
            f"--at {before:.6f} tells how things stood before"
        )
        return (Remark(QualityGrade.NOTICE, "interrupted", text),)

    @property
    def now_ns(self) -> int:
        """The moment the state is about: of the last event, or the one to stop at."""
        if self.passed and self._at_ns is not None:
            return self._at_ns
        return self.state.ns(self.state.ticks)

    def open_intervals(self) -> Iterator[Interval]:
        """Yield the intervals that have not ended, as if they ended now."""
        now = self.state.ticks
        if self.passed and self._at_ns is not None:
            now = self._at_ns // self.state.tick_ns
        yield from still_open(self.state, now)

    # ------------------------------------------------------------------ around the events

    def _up_to(self, rows: Sequence[Row], at_ns: int) -> Sequence[Row]:
        """Return the rows up to the first event after the moment, and note if there is one."""
        if self.passed:
            return ()
        ticks, last = self.state.ticks, at_ns // self.state.tick_ns
        for index, row in enumerate(rows):
            if isinstance(row, dict) and "checkpoint" in row:
                made = row.get("ticks")
                if type(made) is int and made > last:
                    self.passed = True
                    if not self._events:
                        text = f"the trace begins {made * self.state.tick_ns / 1e9:.1f} s later"
                        self._remarks.loss("before-begin", f"{text}: nothing is known of then")
                    return rows[:index]
                ticks = 0
            elif isinstance(row, list) and len(row) > 1:
                ticks += row[1]
                if ticks > last:
                    self.passed = True
                    return rows[:index]
        return rows

    def _line(self) -> int:
        """Return the number of the line that is being taken in."""
        return self._end_line - length_hint(self._rest) - 1

    def _resume(self, thread: ThreadRecord, ticks: int) -> None:
        """The thread waited, was idle or had ended; now it does something, so it runs."""
        if thread.wait is not None:
            if self._emit is not None:
                self._emit(blocked(thread, thread.wait, ticks))
            if thread.wait[0] == schema.BLOCK:
                self._unblock(thread.wait)
            thread.wait = None
            thread.awaited = thread.drained = ()
        thread.state = RUNNING
        thread.since = ticks

    def _unblock(self, wait: list[int]) -> None:
        """A thread blocks no more on the object of this wait.

        One whose time may just have been up is not counted as woken: then it seems of those that
        still block as if one of them may have been.
        """
        thing, timeout = self.state.objects[wait[4]], wait[5]
        thing.waiting -= 1
        if not thing.waiting:
            thing.signals = 0
        elif thing.signals and timeout < 0:
            thing.signals -= 1

    def _begin_again(self) -> int:
        """A checkpoint has emptied the state; return the moment its first event counts from."""
        self._handlers.update(self._audible)
        return 0

    def _census(self, row: list[int], _thread: ThreadRecord, ticks: int) -> None:
        """All threads are known, until one of them does something: it may start another.

        The first event that is not silent ends that; until then each finds `_after_census` in the
        place of its handler, so that at all other times nothing need be asked.
        """
        _, _, _ = row
        state = self.state
        if not state.census:
            state.quiet = ticks
        state.census = True
        state.looked = ticks
        self._handlers.update(dict.fromkeys(self._audible, self._after_census))

    def _after_census(self, row: list[int], thread: ThreadRecord, ticks: int) -> None:
        self.state.census = False
        self._handlers.update(self._audible)
        self._handlers[row[0]](row, thread, ticks)

    # ------------------------------------------------------------------ when an event is none

    def _recover(self, row: Row, ticks: int) -> None:
        """Do what can be done with an event that the loop stumbled over."""
        self.state.census = False
        loss = self._scene.loss
        if not isinstance(row, list) or not all(type(item) is int for item in row):
            loss("bad-event", f"found {_shown(row)}, expected an array of integers")
        elif len(row) < len(("kind", "dt", "thread")):
            loss("bad-event", f"found {_shown(row)}, expected [kind, dt, thread, ...]")
        elif row[0] not in self._handlers:
            loss("unknown-event", f"event kind {row[0]} is none this version knows; skipped")
        elif row[2] < 0:
            loss("bad-event", f"found thread {row[2]}, expected a number from 0 on")
        elif row[2] in self.state.threads:
            loss("bad-event", f"found {_shown(row)}, expected {_form(row[0])}")
        else:
            try:
                self._handlers[row[0]](row, self._scene.thread(row[2]), ticks)
            except _FAULTS:
                loss("bad-event", f"found {_shown(row)}, expected {_form(row[0])}")


def _shown(row: object) -> str:
    """Return a row as the trace has it, cut if it is long."""
    shown = ascii(row).replace(" ", "")
    return shown if len(shown) <= _SHOWN_AT_MOST else shown[: _SHOWN_AT_MOST - 1] + "…"


def _form(kind: int) -> str:
    """Return what an event of this kind looks like."""
    spec = next(spec for spec in schema.EVENTS if spec.number == kind)
    fields = ", ".join(["dt", "thread", *(field.name for field in spec.fields)])
    return f"{spec.name} [{kind}, {fields}{', ...' if spec.rest else ''}]"
