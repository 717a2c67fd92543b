"""The replay: the lines of a trace, one after the other, change the state of the run.

Knows no files and no clock.  A line that cannot be true of the state (a task that finishes before
it started, a thread that nobody defined) gets a remark of grade LOSS; what it touches degrades to
"not known", which the verdict takes for "can move".  No line makes the replay fail.

The inner loop is :meth:`Replay.feed`: the analyser owes its speed to what is *not* done there.
What all events have in common is done once, in the loop; each kind has a handler that unpacks the
event, which also tells a wrong length; and exceptions lead out to the slow path.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from operator import length_hint
from typing import Final, Protocol

from tpanalyze.definitions import NO_NAME, Definer
from tpanalyze.freeze import freeze
from tpanalyze.model import Quality, Snapshot
from tpanalyze.remarks import Remarks
from tpanalyze.rows import Row
from tpanalyze.state import (
    CALL_UNIT,
    CANCELLED,
    ENDED,
    FAILED,
    FINISHED,
    IDLE,
    LAST_TASK,
    NO_POOL,
    NOTIFIED,
    PARENT_UNIT,
    RUNNING,
    TICKS_SHIFT,
    UNSEEN,
    WAITING,
    Call,
    Occupation,
    PoolRecord,
    State,
    ThreadRecord,
    birth,
    birth_call,
    birth_ticks,
)
from tprecord import schema

type Interval = tuple[int, int, int, int, int, int, int, int]
"""A period: kind, thread, pool, task, call, begin and end in ticks, site.  0: none or not known."""

# The kinds of intervals.
QUEUED: Final = 1
"""a task in its queue"""
BUSY: Final = 2
"""a thread runs a task and is in no recorded wait"""
BLOCKED: Final = 3
"""a thread is in a recorded wait, in a task or in none"""
WORKER: Final = 4
"""a thread is a worker of the pool"""


class Sink(Protocol):
    """Takes the intervals of a replay, each when it ends."""

    @property
    def add(self) -> Callable[[Interval], object]:
        """What takes one interval; asked for once."""

    def settle(self) -> None:
        """Called now and then, between events."""


_FAULTS: Final = (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError)
"""What a row that is none can raise in the loop or a handler."""

NO_TIMEOUT: Final = -1

# How many integers name the futures of a `wait`, in its two short forms.
_ONE_RANGE: Final = 2
_ONE_SET: Final = 1

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
        self._remarks = Remarks() if remarks is None else remarks
        self._at_ns = at_ns
        self._settle = None if sink is None else sink.settle
        self._emit = None if sink is None else sink.add
        self.state: Final = State(tick_ns)
        self.passed = False
        """the moment to stop at has been reached: what comes later is left out"""
        self._events = 0
        self._definer = Definer(self.state, self._remarks)
        self._rest: Iterator[Row] = iter(())
        self._end_line = 1
        state = self.state
        self._threads, self._pools, self._created = state.threads, state.pools, state.created
        self._queued, self._done, self._cancelled = state.queued, state.done, state.cancelled
        self._calls, self._call_numbers = state.calls, state.call_numbers
        self._handlers: Final[dict[int, Callable[[list[int], ThreadRecord, int], None]]] = {
            schema.SUBMIT: self._submit,
            schema.START: self._start,
            schema.FINISH: self._finish,
            schema.FAIL: self._fail,
            schema.READ: self._read,
            schema.WAIT: self._wait,
            schema.WAKE: self._wake,
            schema.IDLE: self._idle,
            schema.CANCEL: self._cancel,
            schema.SPAWN: self._spawn,
            schema.ENTER: self._enter,
            schema.LEAVE: self._leave,
            schema.CLOSE: self._close,
            schema.DRAIN: self._drain,
            schema.PROMISE: self._promise,
            schema.WITHDRAW: self._withdraw,
        }

    # ------------------------------------------------------------------ what the world sees

    def feed(self, rows: Sequence[Row], first_line: int = 1) -> None:
        """Take the next lines in; `first_line` is the number of the first of them."""
        if self._at_ns is not None:
            rows = self._up_to(rows, self._at_ns)
        self._rest = rest = iter(rows)
        self._end_line = first_line + len(rows)
        state = self.state
        threads, handlers = self._threads, self._handlers
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
                        continue
                    ticks += row[1]
                    thread = threads[row[2]]
                    if thread.state:
                        resume(thread, ticks)
                    handlers[row[0]](row, thread, ticks)
                break
            except _FAULTS:
                self._recover(row, ticks)
        state.ticks = ticks
        self._events += len(rows) - definitions
        if len(self._done) > state.done_limit:
            state.forget()
        if self._settle is not None:
            self._settle()

    def snapshot(self) -> Snapshot:
        """Return all that holds now."""
        return freeze(self.state, self.now_ns)

    def quality(self) -> Quality:
        """Return what is known so far about the completeness of the trace."""
        return Quality(self._events, self.state.ended, self.state.dropped, self._remarks.all())

    @property
    def now_ns(self) -> int:
        """The moment the state is about: of the last event, or the one to stop at."""
        if self.passed and self._at_ns is not None:
            return self._at_ns
        return self.state.ns(self.state.ticks)

    def open_intervals(self) -> Iterator[Interval]:
        """Yield the intervals that have not ended, as if they ended now."""
        state = self.state
        now = state.ticks
        if self.passed and self._at_ns is not None:
            now = self._at_ns // state.tick_ns
        for task, made in state.queued.items():
            yield (QUEUED, 0, 0, task, birth_call(made), birth_ticks(made), now, 0)
        for thread in state.threads.values():
            if not thread.number:
                continue
            if thread.wait is not None:
                yield self._blocked(thread, thread.wait, now)
            elif thread.task:
                yield self._busy(thread, now)
            if thread.pool:
                yield (WORKER, thread.number, thread.pool, 0, 0, thread.entered, now, 0)

    # ------------------------------------------------------------------ around the events

    def _up_to(self, rows: Sequence[Row], at_ns: int) -> Sequence[Row]:
        """Return the rows up to the first event after the moment, and note if there is one."""
        if self.passed:
            return ()
        ticks, last = self.state.ticks, at_ns // self.state.tick_ns
        for index, row in enumerate(rows):
            if isinstance(row, list) and len(row) > 1:
                ticks += row[1]
                if ticks > last:
                    self.passed = True
                    return rows[:index]
        return rows

    def _line(self) -> int:
        """Return the number of the line that is being taken in."""
        return self._end_line - length_hint(self._rest) - 1

    def _loss(self, slug: str, text: str) -> None:
        self._remarks.loss(slug, text, self._line())

    def _recover(self, row: Row, ticks: int) -> None:
        """Do what can be done with an event that the loop stumbled over."""
        if not isinstance(row, list) or not all(type(item) is int for item in row):
            self._loss("bad-event", f"found {_shown(row)}, expected an array of integers")
        elif len(row) < len(("kind", "dt", "thread")):
            self._loss("bad-event", f"found {_shown(row)}, expected [kind, dt, thread, ...]")
        elif row[0] not in self._handlers:
            self._loss("unknown-event", f"event kind {row[0]} is none this version knows; skipped")
        elif row[2] < 0:
            self._loss("bad-event", f"found thread {row[2]}, expected a number from 0 on")
        elif row[2] not in self._threads:
            self._loss("unknown-thread", f"thread {row[2]} does something, but is not defined")
            number = row[2]
            self._threads[number] = ThreadRecord(number, f"thread {number}", made_up=True)
            try:
                self._handlers[row[0]](row, self._threads[number], ticks)
            except _FAULTS:
                self._loss("bad-event", f"found {_shown(row)}, expected {_form(row[0])}")
        else:
            self._loss("bad-event", f"found {_shown(row)}, expected {_form(row[0])}")

    def _resume(self, thread: ThreadRecord, ticks: int) -> None:
        """The thread waited, was idle or had ended; now it does something, so it runs."""
        if thread.wait is not None:
            if self._emit is not None:
                self._emit(self._blocked(thread, thread.wait, ticks))
            thread.wait = None
            thread.awaited = thread.drained = ()
        thread.state = RUNNING
        thread.since = ticks

    def _busy(self, thread: ThreadRecord, ticks: int) -> Interval:
        call, begin = birth_call(thread.birth), thread.since
        return (BUSY, thread.number, thread.pool, thread.task, call, begin, ticks, 0)

    def _blocked(self, thread: ThreadRecord, wait: list[int], ticks: int) -> Interval:
        call = birth_call(thread.birth) if thread.task else UNSEEN
        site = wait[6] if wait[0] == schema.WAIT else wait[5]
        begin = thread.since
        return (BLOCKED, thread.number, thread.pool, thread.task, call, begin, ticks, site)

    # ------------------------------------------------------------------ the life of a task

    def _submit(self, row: list[int], thread: ThreadRecord, ticks: int) -> None:
        _, _, submitter, task, pool, function, site = row
        call = self._call_numbers.get((submitter, pool, function, site))
        if call is None:
            call = self._new_call(submitter, pool, function, site)
        created = self._created
        if task == created.next <= LAST_TASK:
            created.next = task + 1
        elif not self._create(task):
            return
        self._queued[task] = ticks << TICKS_SHIFT | thread.task * PARENT_UNIT | call * CALL_UNIT

    def _promise(self, row: list[int], thread: ThreadRecord, ticks: int) -> None:
        _, _, maker, task, site = row
        call = self._call_numbers.get((maker, NO_POOL, 0, site))
        if call is None:
            call = self._new_call(maker, NO_POOL, 0, site)
        if self._create(task):
            self.state.promises[task] = birth(ticks, thread.task, call)

    def _new_call(self, submitter: int, pool: int, function: int, site: int) -> int:
        """Return a number for a call that is made for the first time."""
        if pool not in (0, NO_POOL):
            self._pool(pool)
        if function and function not in self.state.functions:
            self._loss("unknown-function", f"function {function} is called, but is not defined")
        if site and site not in self.state.sites:
            self._loss("unknown-site", f"site {site} is named, but is not defined")
        number = len(self._calls)
        self._calls.append(Call(submitter, pool, function, site))
        self._call_numbers[submitter, pool, function, site] = number
        return number

    def _create(self, task: int) -> bool:
        """Note that the number is taken; return False if it cannot be."""
        if not 0 < task <= LAST_TASK:
            self._loss("bad-event", f"found task {task}, expected a number from 1 to {LAST_TASK}")
            return False
        if not self._created.add(task):
            self._loss("made-again", f"task {task} is made, but there is one of that number")
            return False
        return True

    def _start(self, row: list[int], thread: ThreadRecord, ticks: int) -> None:
        _, _, _, task = row
        made = self._queued.pop(task, None)
        emit = self._emit
        if emit is not None:
            if made is not None:
                emit((QUEUED, 0, 0, task, birth_call(made), birth_ticks(made), ticks, 0))
            if thread.task:
                emit(self._busy(thread, ticks))
        if made is None:
            made = self._not_queued(task)
        if not thread.pool and made is not None:
            made = self._start_by_no_worker(task, made, thread, ticks)
        if made is None or (self._cancelled and task in self._cancelled):
            self._start_nothing(task, made, thread, ticks)
            return
        if thread.task and not thread.outcome:
            thread.outer.append(thread.innermost())
        thread.task = task
        thread.birth = made
        thread.started = thread.since = ticks
        thread.outcome = 0

    def _start_nothing(self, task: int, made: int | None, thread: ThreadRecord, ticks: int) -> None:
        """The thread has taken a cancelled task, or one that it cannot run, from the queue."""
        if made is not None:
            del self._cancelled[task]
            self._done[task] = made | NOTIFIED
        if thread.task and thread.outcome:
            self._return(thread)
        thread.since = ticks

    def _not_queued(self, task: int) -> int | None:
        """Return the birth of a task that starts without having been in a queue, if it may."""
        state = self.state
        self._known(task)
        made = state.unknown.pop(task, None)
        if made is None:
            made = state.withdrawn.pop(task, None)
        if made is None:
            why = "it is a promise" if task in state.promises else "it has started or ended before"
            self._loss("start-again", f"task {task} starts, but {why}")
        return made

    def _start_by_no_worker(
        self, task: int, made: int, thread: ThreadRecord, ticks: int
    ) -> int | None:
        """A thread that has not been seen to enter a pool starts a task of one."""
        if not thread.number:
            if task not in self._cancelled:
                self.state.adrift[task] = Occupation(task, made, ticks, 0, 0)
                return None
            return made
        pool = self._pools.get(self._calls[birth_call(made)].pool)
        if pool is not None and pool.unseen > 0:
            pool.unseen -= 1
            self._join_pool(thread, pool, ticks)
        return made

    def _finish(self, row: list[int], thread: ThreadRecord, ticks: int) -> None:
        _, _, _, task = row
        if task == thread.task and not thread.outcome:
            thread.outcome = FINISHED
            thread.finished = ticks
            self._done[task] = thread.birth | FINISHED
        else:
            self._resolve(task, FINISHED, thread, ticks)

    def _fail(self, row: list[int], thread: ThreadRecord, ticks: int) -> None:
        _, _, _, task = row
        if task == thread.task and not thread.outcome:
            thread.outcome = FAILED
            thread.finished = ticks
            self._done[task] = thread.birth | FAILED
        else:
            self._resolve(task, FAILED, thread, ticks)

    def _cancel(self, row: list[int], thread: ThreadRecord, ticks: int) -> None:
        _, _, _, task = row
        if task in self._queued:
            self._cancelled.setdefault(task, ticks)
        else:
            self._resolve(task, CANCELLED, thread, ticks)

    def _withdraw(self, row: list[int], _thread: ThreadRecord, ticks: int) -> None:
        _, _, _, task = row
        made = self._queued.pop(task, None)
        if made is None:
            self._known(task)
            self._loss("withdraw-unqueued", f"task {task} leaves its queue, but it is not in one")
            return
        if self._emit is not None:
            self._emit((QUEUED, 0, 0, task, birth_call(made), birth_ticks(made), ticks, 0))
        if self._cancelled.pop(task, None) is None:
            self.state.withdrawn[task] = made
        else:
            self._done[task] = made | CANCELLED

    def _resolve(self, task: int, outcome: int, thread: ThreadRecord, ticks: int) -> None:
        """Make a future done, wherever it stands; the thread is the one that does it."""
        state = self.state
        self._known(task)
        for home in (state.promises, state.withdrawn, state.unknown):
            made = home.pop(task, None)
            if made is not None:
                self._done[task] = made | outcome
                return
        if task in state.adrift:
            ended = NOTIFIED if outcome == CANCELLED else outcome
            self._done[task] = state.adrift.pop(task).birth | ended
            return
        if task in self._queued:
            self._resolve_queued(task, outcome, ticks)
            return
        if task not in self._done:
            for runner in (thread, *self._threads.values()):
                if self._resolve_running(task, outcome, runner, ticks):
                    return
        if outcome != CANCELLED:  # to cancel twice is no error; ``set_result`` raises
            text = f"the result of task {task} is set, but it is done already"
            self._remarks.notice("done-again", text, self._line())

    def _resolve_queued(self, task: int, outcome: int, ticks: int) -> None:
        """A task is done that no worker was seen to start."""
        made = self._queued.pop(task)
        self._cancelled.pop(task, None)
        if self._emit is not None:
            self._emit((QUEUED, 0, 0, task, birth_call(made), birth_ticks(made), ticks, 0))
        self._loss("finish-before-start", f"task {task} finishes, but it never started")
        self._done[task] = made | outcome

    def _resolve_running(self, task: int, outcome: int, runner: ThreadRecord, ticks: int) -> bool:
        """Make the task done if the thread is in it; return whether it is.

        One around the innermost task is done only when the thread has returned from those in it.
        A task can be cancelled here: its worker has begun to take it, but the other thread was
        first at the future's lock, so the worker will find it cancelled.
        """
        if runner.task != task and all(outer.task != task for outer in runner.outer):
            return False
        if runner.task != task and self._emit is not None:
            self._emit(self._busy(runner, ticks))
        while runner.task != task:
            self._return(runner)
            runner.since = ticks
        runner.outcome = NOTIFIED if outcome == CANCELLED else outcome
        runner.finished = ticks
        self._done[task] = runner.birth | runner.outcome
        return True

    def _read(self, row: list[int], _thread: ThreadRecord, _ticks: int) -> None:
        _, _, _, task, _ = row
        created = self._created
        if not created.first <= task < created.next:
            self._known(task)

    def _known(self, task: int) -> None:
        """Make a future that nothing is known of, if the trace has not made the task."""
        if task not in self._created:
            self._loss("unknown-task", f"task {task} is named, but was never submitted or made")
            if 0 < task <= LAST_TASK:
                self._created.add(task)
                self.state.unknown[task] = birth(0, 0, UNSEEN)

    # ------------------------------------------------------------------ the life of a thread

    def _wait(self, row: list[int], thread: ThreadRecord, ticks: int) -> None:
        _, _, _, _, need, timeout, _, *named = row
        awaited: tuple[int, ...]
        if len(named) == _ONE_RANGE:
            first, last = awaited = named[0], named[1]
            created = self._created
            if created.first <= first <= last < created.next:
                count = last - first + 1
            else:
                count = self._count(awaited)
        elif len(named) == _ONE_SET:
            count, awaited = self._set(-named[0])
        else:
            awaited = tuple(named)
            count = self._count(awaited)
        if not count:
            return
        if not 0 < need <= count or timeout < NO_TIMEOUT:
            text = f"thread {thread.number} waits for {need} of {count} futures; it cannot"
            self._loss("impossible-wait", text)
        elif thread.number:
            if self._emit is not None and thread.task:
                self._emit(self._busy(thread, ticks))
            thread.state = WAITING
            thread.since = ticks
            thread.wait = row
            thread.awaited = awaited

    def _count(self, awaited: tuple[int, ...]) -> int:
        """Return how many futures these ranges are; 0, with a remark, if not all exist."""
        created = self._created
        for first, last in zip(awaited[::2], awaited[1::2], strict=True):
            if not created.covers(first, last):
                text = f"tasks {first} to {last} are waited for, but do not all exist"
                self._loss("unknown-task", text)
                return 0
        return sum(awaited[1::2]) - sum(awaited[::2]) + len(awaited) // 2

    def _set(self, number: int) -> tuple[int, tuple[int, ...]]:
        """Return the size and the ranges of a set; 0 and none, with a remark, if there is none."""
        known = self.state.sets.get(number)
        if known is None:
            self._loss("unknown-set", f"set {number} is waited for, but is not defined")
            return 0, ()
        return known

    def _drain(self, row: list[int], thread: ThreadRecord, ticks: int) -> None:
        _, _, _, _, number, _ = row
        if number:
            drained: tuple[int, ...] = (self._pool(number).number,)
        else:
            pools = self._pools.values()
            drained = tuple(p.number for p in pools if p.workers or p.starting or p.unseen)
        if thread.number:
            if self._emit is not None and thread.task:
                self._emit(self._busy(thread, ticks))
            thread.state = WAITING
            thread.since = ticks
            thread.wait = row
            thread.drained = drained

    def _wake(self, row: list[int], _thread: ThreadRecord, _ticks: int) -> None:
        _, _, _, _ = row  # the loop has woken it: any event does

    def _idle(self, row: list[int], thread: ThreadRecord, ticks: int) -> None:
        _, _, _ = row
        if thread.task:
            self._return_from_all(thread, ticks)
        if thread.pool:
            thread.state = IDLE
        thread.since = ticks

    def _return_from_all(self, thread: ThreadRecord, ticks: int) -> None:
        """The thread has returned from its tasks; this costs the innermost one most."""
        if self._emit is not None:
            self._emit(self._busy(thread, ticks))
        while thread.task:
            self._return(thread)
        thread.since = ticks

    def _return(self, thread: ThreadRecord) -> None:
        """The thread has returned from its innermost task."""
        if not thread.outcome:
            text = f"thread {thread.number} returned from task {thread.task}, which never finished"
            self._loss("never-finished", text)
            self.state.unknown[thread.task] = thread.birth
        if thread.outer:
            thread.occupy(thread.outer.pop())
        else:
            thread.task = 0

    # ------------------------------------------------------------------ the life of a pool

    def _pool(self, number: int) -> PoolRecord:
        """Return a pool; one that nothing is known of, with a remark, if it is not defined."""
        pool = self._pools.get(number)
        if pool is None:
            if number < 1:
                raise ValueError(number)
            self._loss("unknown-pool", f"pool {number} is named, but is not defined")
            closed = self.state.all_closed
            pool = PoolRecord(number, NO_NAME, f"pool {number}", None, closed=closed)
            self._pools[number] = pool
        return pool

    def _spawn(self, row: list[int], _thread: ThreadRecord, _ticks: int) -> None:
        _, _, _, number = row
        self._pool(number).starting += 1

    def _enter(self, row: list[int], thread: ThreadRecord, ticks: int) -> None:
        _, _, _, number = row
        pool = self._pool(number)
        pool.starting = max(pool.starting - 1, 0)
        if not thread.number:
            pool.unseen += 1
            return
        self._quit(thread, ticks)
        self._join_pool(thread, pool, ticks)
        thread.since = ticks

    def _join_pool(self, thread: ThreadRecord, pool: PoolRecord, ticks: int) -> None:
        pool.workers[thread.number] = None
        thread.pool = pool.number
        thread.entered = ticks

    def _leave(self, row: list[int], thread: ThreadRecord, ticks: int) -> None:
        _, _, _ = row
        if thread.number:
            self._quit(thread, ticks)
            thread.state = ENDED
            thread.since = ticks

    def _quit(self, thread: ThreadRecord, ticks: int) -> None:
        """The thread has done with its tasks and its pool, if it had any."""
        if thread.task:
            self._return_from_all(thread, ticks)
        if thread.pool:
            if self._emit is not None:
                self._emit((WORKER, thread.number, thread.pool, 0, 0, thread.entered, ticks, 0))
            self._pools[thread.pool].workers.pop(thread.number, None)
            thread.pool = 0

    def _close(self, row: list[int], _thread: ThreadRecord, _ticks: int) -> None:
        _, _, _, number = row
        if number:
            self._pool(number).closed = True
        else:
            self.state.all_closed = True
            for pool in self._pools.values():
                pool.closed = True


def _shown(row: object) -> str:
    """Return a row as the trace has it, cut if it is long."""
    shown = ascii(row).replace(" ", "")
    return shown if len(shown) <= _SHOWN_AT_MOST else shown[: _SHOWN_AT_MOST - 1] + "…"


def _form(kind: int) -> str:
    """Return what an event of this kind looks like."""
    spec = next(spec for spec in schema.EVENTS if spec.number == kind)
    fields = ", ".join(["dt", "thread", *(field.name for field in spec.fields)])
    return f"{spec.name} [{kind}, {fields}{', ...' if spec.rest else ''}]"
