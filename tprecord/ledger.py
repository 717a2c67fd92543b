"""What of a trace's past still matters, so that a new segment can begin without it.

The ledger reads what is written, and keeps the rows that made what is open now: the submits of
tasks that are queued or run, the begin of each wait in progress, the entries of workers that live.
A checkpoint is these rows, in their order and with their own moments, so whoever replays it comes
to the state that the whole past leads to.  Its size is that of what is open, its cost a fraction of
a microsecond per event, paid only by who asked for segments.

What cannot be kept without end is kept for a while, and then forgotten in the way that cannot make
a false alarm: see `LIMIT`.
"""

from __future__ import annotations

from tprecord import schema
from tprecord.schema import EVENTS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    Row = tuple[int, ...]
    """An event with its moment in ticks since the header's: ``(kind, ticks, thread, ...)``."""

WAKERS = 16
"""How many of those who wake others on an object are remembered."""

LIMIT = 20_000
"""How many tasks that were cancelled unheard are remembered; those before them count as done."""

POOL = -1
"""Stands for the definition of a pool, among rows: no event's number."""

OF_POOLS = (schema.CLOSE, schema.BREAK, schema.RUN, schema.RESIZE)

NO_USE = (POOL, schema.CLOSE, schema.BREAK, schema.RESIZE, schema.GONE, schema.UNLAUNCH)
"""Rows that go when what they are about is forgotten."""

OF_TURNS = (schema.OBTAIN, schema.FREE)
"""Rows that are kept for as long as their lock is, and do not keep it."""

REFERS_TO = {
    "pool": "pool",
    "object": "object",
    "other": "thread",
    "owner": "thread",
    "runner": "thread",
}
"""What the fields of an event refer to; functions and sites are in every checkpoint."""

REFERENCES = {
    spec.number: [
        (3 + index, REFERS_TO[field.name])
        for index, field in enumerate(spec.fields)
        if field.name in REFERS_TO
    ]
    for spec in EVENTS
}


class Wait:
    """A wait for futures in progress."""

    __slots__ = ("kept", "ranges")

    def __init__(self, ranges: list[int]) -> None:
        self.ranges = ranges
        self.kept: list[int] = []
        """those that are done, but whose rows it needs"""

    def names(self, task: int) -> bool:
        """Return whether it waits for the task."""
        ranges = self.ranges
        return any(
            first <= task <= last for first, last in zip(ranges[::2], ranges[1::2], strict=True)
        )


class Thread:
    """A thread that has not ended."""

    __slots__ = ("entry", "launches", "life", "parked", "spawns", "stack", "wait")

    def __init__(self) -> None:
        self.spawns = self.launches = 0
        """the pool that it spawns a worker for, and launches the thread of"""
        self.life: list[float] = []
        """its launch and begin, for as long as it lives"""
        self.entry: list[float] = []
        """how it came to its pool: a spawn, and its entry"""
        self.parked = 0
        """what its next event makes void"""
        self.wait: Wait | None = None
        self.stack: list[int] = []
        """the tasks it has begun and not returned from"""


class Object:
    """Something threads block on."""

    __slots__ = ("kept", "owner", "row", "signals", "turn", "waiting", "wakers")

    def __init__(self) -> None:
        self.turn = self.owner = 0
        """of a lock: the last turn that was told of, twice its number and one more if it is over;
        and whose it is"""
        self.kept = self.row = 0
        """of a lock: the last turn that a row other than a wait tells of, and that row"""
        self.waiting = 0
        """how many threads block on it"""
        self.signals = 0
        """how many of these may have been woken"""
        self.wakers: dict[int, None] = {}
        """who has woken others on it; of a lock: has released it for its owner"""

    def turns(self, turn: int, owner: int) -> None:
        """A row tells whose turn it is; void if a later one was told of."""
        if turn > self.turn:
            self.turn, self.owner = turn, owner


class Ledger:
    """The rows that matter, by their number in the trace; made-up ones stand before another's."""

    def __init__(self) -> None:
        self.ticks = 0
        self.whole = True
        """nothing that matters is missing"""
        self._number = 0
        self._rows: dict[float, Row] = {}
        self._definitions: dict[str, dict[int, bytes]] = {}
        self._sets: dict[int, list[int]] = {}
        self._threads: dict[int, Thread] = {}
        self._tasks: dict[int, list[float]] = {}
        """rows of each task that is not done, or still needed"""
        self._needed: dict[int, int] = {}
        """how many waits need a task that is done"""
        self._pool_at: dict[int, int] = {}
        """where each pool was defined: a drain of all pools is of those before it"""
        self._unseen: dict[int, int] = {}
        """how many workers of each pool nobody saw enter it"""
        self._resolved: set[int] = set()
        """of `_tasks`: those that are done"""
        self._cancelled: set[int] = set()
        self._queued: set[int] = set()
        self._waits: dict[int, Wait] = {}
        self._spawned: dict[int, list[float]] = {}
        self._latest: dict[tuple[int, int], int] = {}
        """rows of which only the last of its kind, about its thing, matters"""
        self._objects: dict[int, Object] = {}
        self._gone: dict[int, int] = {}
        self._unheard: dict[int, None] = {}
        self._census: list[int] = []
        """the moments of the first census and of the last since which nothing has happened"""
        self._highest = 0
        self._skipped: set[int] = set()
        self._before: dict[str, set[int]] = {}
        self._handlers: dict[int, Callable[[Row, Thread], None]] = {
            schema.SUBMIT: self._submit,
            schema.PROMISE: self._promise,
            schema.START: self._start,
            schema.FINISH: self._resolve,
            schema.FAIL: self._resolve,
            schema.CANCEL: self._cancel,
            schema.WITHDRAW: self._withdraw,
            schema.READ: _nothing,
            schema.WAKE: _nothing,
            schema.SIGNAL: self._signal,
            schema.RUN: self._last_about_its_thing,
            schema.HALT: self._halt,
            schema.RESIZE: self._last_about_its_thing,
            schema.DELIVER: self._adopt,
            schema.WAIT: self._wait,
            schema.DRAIN: self._park,
            schema.JOIN: self._park,
            schema.BLOCK: self._block,
            schema.CONTEND: self._contend,
            schema.OBTAIN: self._obtain,
            schema.FREE: self._free,
            schema.IDLE: self._idle,
            schema.SPAWN: self._spawn,
            schema.ENTER: self._enter,
            schema.LEAVE: self._leave,
            schema.CLOSE: self._last_about_its_thing,
            schema.BREAK: self._last_about_its_thing,
            schema.TAKE: self._take,
            schema.PASS: self._pass,
            schema.ADOPT: self._adopt,
            schema.LAUNCH: self._launch,
            schema.UNLAUNCH: self._unlaunch,
            schema.BEGIN: self._begin,
            schema.GONE: self._go,
        }
        self._silent: dict[int, Callable[[Row], None]] = {
            schema.BEAT: lambda _: None,
            schema.STACK: self._keep_latest,
            schema.CENSUS: self._take_census,
            schema.AWAIT: self._await,
        }

    # ------------------------------------------------------------------ what is written

    def read(self, lines: list[Any], sources: list[bytes]) -> None:
        """Take in rows and definitions as they were written; `sources` are their lines."""
        for line, source in zip(lines, sources, strict=True):
            self._number += 1
            if isinstance(line, list):
                self.ticks += line[1]
                self._event((line[0], self.ticks, *line[2:]))
            else:
                self._define(line, source)

    def _define(self, line: dict[str, Any], source: bytes) -> None:
        kind = next(iter(line))
        number = line[kind]
        if kind in ("tprecord", "end", "checkpoint"):
            return
        if kind == "note":
            if line.get("dropped"):
                self.whole = False
            return
        if kind == "future":
            self._create(number)
            self._tasks[number] = []
        elif kind == "set":
            self._sets[number] = line["tasks"]
        elif kind == "pool":
            self._unseen[number] = line.get("unseen", 0)
            self._pool_at[number] = self._number
            self._rows[self._number] = POOL, self.ticks, 0, number
        self._definitions.setdefault(kind, {})[number] = source

    def _event(self, row: Row) -> None:
        silent = self._silent.get(row[0])
        if silent is not None:
            silent(row)
            return
        thread = self._threads.get(row[2])
        if thread is None:
            thread = self._threads[row[2]] = Thread()
        self._census = []
        if thread.parked:
            parked = self._rows.pop(thread.parked, None)
            thread.parked = 0
            if parked is not None and parked[0] == schema.BLOCK:
                self._unblock(parked)
            if thread.wait is not None:
                self._end_wait(row[2], thread.wait)
                thread.wait = None
        handler = self._handlers.get(row[0])
        if handler is not None:
            handler(row, thread)
        elif row[0] == schema.RESUME:
            pass
        elif len(self._rows) < 10 * LIMIT:
            self._rows[self._number] = row  # a kind without a rule: kept for ever
        else:
            self.whole = False

    def _keep(self, row: Row) -> int:
        self._rows[self._number] = row
        return self._number

    def _drop(self, numbers: list[float]) -> None:
        for number in numbers:
            self._rows.pop(number, None)

    # ------------------------------------------------------------------ tasks

    def _create(self, task: int) -> None:
        if task > self._highest:
            self._skipped.update(range(self._highest + 1, task))
            self._highest = task
        else:
            self._skipped.discard(task)

    def _submit(self, row: Row, _thread: Thread) -> None:
        self._create(row[3])
        # It may have been promised before, and waited for since.
        self._tasks[row[3]] = [*self._tasks.get(row[3], ()), self._keep(row)]
        self._queued.add(row[3])

    def _promise(self, row: Row, _thread: Thread) -> None:
        self._create(row[3])
        self._tasks[row[3]] = [self._keep(row)]

    def _start(self, row: Row, thread: Thread) -> None:
        task = row[3]
        if thread.stack and thread.stack[-1] in self._resolved:
            self._return(thread)
        self._queued.discard(task)
        rows = self._tasks.get(task)
        if rows is None:
            return
        if rows and not thread.entry and not thread.stack:
            self._enter_unseen(row, rows[0], thread)
        rows.append(self._keep(row))
        if task in self._cancelled:
            self._cancelled.discard(task)
            self._settle(task)
        elif row[2]:  # else who has it is not known: another process, say
            thread.stack.append(task)

    def _enter_unseen(self, row: Row, made: float, thread: Thread) -> None:
        """A worker that was there before the recorder is known by what it starts: it enters now."""
        submit = self._rows.get(made, ())
        pool = submit[4] if submit and submit[0] == schema.SUBMIT else 0
        if self._unseen.get(pool, 0) > 0:
            self._unseen[pool] -= 1
            thread.entry = [self._number - 0.2, self._number - 0.1]
            self._rows[thread.entry[0]] = schema.SPAWN, row[1], 0, pool
            self._rows[thread.entry[1]] = schema.ENTER, row[1], row[2], pool

    def _take(self, _row: Row, thread: Thread) -> None:
        while thread.stack:
            self._return(thread)

    def _pass(self, row: Row, thread: Thread) -> None:
        """The worker has done with the task, and another thread is to set its result."""
        task = row[3]
        if task not in thread.stack:
            return
        while thread.stack.pop() != task:
            pass
        rows = self._tasks.get(task)
        if rows is not None and task not in self._resolved:
            rows.append(self._keep((row[0], row[1], 0, task)))
            self._forget_who_began(task)
        else:
            self._settle(task)

    def _forget_who_began(self, task: int) -> None:
        for number in self._tasks.get(task, ()):
            row = self._rows[number]
            if row[0] == schema.START:
                self._rows[number] = schema.START, row[1], 0, task

    def _adopt(self, row: Row, _thread: Thread) -> None:
        rows = self._tasks.get(row[3])
        if rows is not None:
            rows.append(self._keep(row))

    def _resolve(self, row: Row, thread: Thread) -> None:
        """The task is done; what of it matters is whether somebody is in it, or waits for it."""
        task = row[3]
        rows = self._tasks.get(task)
        if rows is None or task in self._resolved:
            return
        rows.append(self._keep(row))
        self._queued.discard(task)
        for runner in (thread, *self._threads.values()):
            if task in runner.stack:
                while runner.stack[-1] != task:
                    self._settle(runner.stack.pop())
                self._resolved.add(task)
                return
        self._settle(task)

    def _return(self, thread: Thread) -> None:
        self._settle(thread.stack.pop())

    def _settle(self, task: int) -> None:
        """Nobody is in the task any more: it is kept only for waits that name it."""
        for wait in self._waits.values():
            if wait.names(task):
                wait.kept.append(task)
                self._needed[task] = self._needed.get(task, 0) + 1
        if task in self._needed or task in self._unheard:
            self._forget_who_began(task)  # for that it is in no pool
        self._resolved.add(task)
        self._forget_if_unneeded(task)

    def _need_no_more(self, task: int) -> None:
        self._needed[task] -= 1
        if not self._needed[task]:
            del self._needed[task]
            self._forget_if_unneeded(task)

    def _forget_if_unneeded(self, task: int) -> None:
        if task in self._needed or task in self._unheard or task not in self._resolved:
            return
        self._drop(self._tasks.pop(task, []))
        self._resolved.discard(task)
        self._definitions.get("future", {}).pop(task, None)

    def _cancel(self, row: Row, thread: Thread) -> None:
        if row[3] in self._queued:
            self._tasks[row[3]].append(self._keep(row))
            self._cancelled.add(row[3])
        else:
            self._remember_unheard(row[3])
            self._resolve(row, thread)

    def _withdraw(self, row: Row, _thread: Thread) -> None:
        task = row[3]
        rows = self._tasks.get(task)
        if rows is None or task not in self._queued:
            return
        rows.append(self._keep(row))
        self._queued.discard(task)
        if task in self._cancelled:
            self._cancelled.discard(task)
            self._remember_unheard(task)
            self._settle(task)

    def _remember_unheard(self, task: int) -> None:
        """Nobody was told that the task is cancelled: who waits for it later may never be."""
        if task in self._tasks and task not in self._resolved:
            self._unheard[task] = None
            if len(self._unheard) > LIMIT:
                oldest = next(iter(self._unheard))
                del self._unheard[oldest]
                self._forget_if_unneeded(oldest)

    # ------------------------------------------------------------------ waits

    def _park(self, row: Row, thread: Thread) -> None:
        if row[2]:
            thread.parked = self._keep(row)

    def _wait(self, row: Row, thread: Thread) -> None:
        named = list(row[7:])
        if len(named) == 1:
            named = self._sets.get(-named[0], [])
        thread.wait = self._waits[row[2]] = Wait(named)
        self._park(row, thread)

    def _end_wait(self, number: int, wait: Wait) -> None:
        self._waits.pop(number, None)
        for task in wait.kept:
            self._need_no_more(task)

    def _block(self, row: Row, thread: Thread) -> None:
        if row[2]:
            self._objects.setdefault(row[4], Object()).waiting += 1
        self._park(row, thread)

    def _unblock(self, row: Row) -> None:
        """As :mod:`tpanalyze.replay` counts who may have been woken."""
        thing = self._objects[row[4]]
        thing.waiting -= 1
        if not thing.waiting:
            thing.signals = 0
        elif thing.signals and row[5] < 0:
            thing.signals -= 1

    def _signal(self, row: Row, _thread: Thread) -> None:
        thing = self._objects.setdefault(row[3], Object())
        if thing.waiting:
            thing.signals += 1
        if row[2] and len(thing.wakers) < WAKERS:
            thing.wakers[row[2]] = None

    def _contend(self, row: Row, thread: Thread) -> None:
        lock = self._objects.setdefault(row[4], Object())
        lock.turns(2 * row[9] + (not row[7]), row[7])
        self._park(row, thread)

    def _obtain(self, row: Row, _thread: Thread) -> None:
        lock = self._objects.setdefault(row[3], Object())
        lock.turns(2 * row[5], row[2])
        self._keep_turn(lock, 2 * row[5], row)

    def _free(self, row: Row, _thread: Thread) -> None:
        lock = self._objects.setdefault(row[3], Object())
        if lock.turn == 2 * row[4] and row[2] != lock.owner and len(lock.wakers) < WAKERS:
            lock.wakers[row[2]] = None
        lock.turns(2 * row[4] + 1, 0)
        self._keep_turn(lock, 2 * row[4] + 1, row)

    def _keep_turn(self, lock: Object, turn: int, row: Row) -> None:
        if turn > lock.kept:
            self._rows.pop(lock.row, None)
            lock.kept, lock.row = turn, self._keep(row)

    def _idle(self, row: Row, thread: Thread) -> None:
        while thread.stack:
            self._return(thread)
        self._park(row, thread)

    # ------------------------------------------------------------------ pools and threads

    def _spawn(self, row: Row, thread: Thread) -> None:
        thread.spawns = row[3]
        self._spawned.setdefault(row[3], []).append(self._keep(row))

    def _enter(self, row: Row, thread: Thread) -> None:
        self._leave_pool(thread)
        spawned = self._spawned.get(row[3])
        thread.entry = [*([spawned.pop(0)] if spawned else []), self._keep(row)]

    def _leave(self, row: Row, thread: Thread) -> None:
        self._leave_pool(thread)
        self._park(row, thread)

    def _leave_pool(self, thread: Thread) -> None:
        while thread.stack:
            self._return(thread)
        self._drop(thread.entry)
        thread.entry = []

    def _halt(self, row: Row, _thread: Thread) -> None:
        self._rows.pop(self._latest.pop((schema.RUN, row[3]), 0), None)

    def _await(self, row: Row) -> None:
        rows = self._tasks.get(row[3])
        if rows is not None and row[3] not in self._resolved:
            self._drop([number for number in rows if self._rows[number][0] == schema.AWAIT])
            rows[:] = [number for number in rows if number in self._rows]
            rows.append(self._keep(row))

    def _launch(self, row: Row, thread: Thread) -> None:
        thread.launches, thread.spawns = thread.spawns, 0
        other = self._threads.setdefault(row[3], Thread())
        other.life.append(self._keep(row))

    def _unlaunch(self, row: Row, thread: Thread) -> None:
        stillborn = self._threads.pop(row[3], None)
        if stillborn is not None:
            self._drop(stillborn.life)
        spawned = self._spawned.get(thread.launches)
        if spawned:
            self._drop([spawned.pop()])
        thread.launches = 0
        self._gone[row[3]] = self._keep(row)

    def _begin(self, row: Row, thread: Thread) -> None:
        thread.life.append(self._keep(row))

    def _go(self, row: Row, thread: Thread) -> None:
        self._leave(row, thread)
        self._drop(thread.life)
        self._rows.pop(self._latest.pop((schema.STACK, row[2]), 0), None)
        self._threads.pop(row[2], None)
        self._gone[row[2]] = self._number

    def _last_about_its_thing(self, row: Row, _thread: Thread) -> None:
        self._keep_latest(row)

    def _keep_latest(self, row: Row) -> None:
        key = row[0], row[3]
        self._rows.pop(self._latest.get(key, 0), None)
        self._latest[key] = self._keep(row)

    def _take_census(self, row: Row) -> None:
        self._census = [*self._census[:1], row[1]]

    # ------------------------------------------------------------------ a new segment

    def checkpoint(self, segment: int, living: dict[str, set[int]]) -> bytes:
        """Return the lines that stand for all that was read until now.

        `living`: the numbers of what the recorder may still name, by the kind of definition; the
        rest is forgotten at the second checkpoint that finds it dead.
        """
        self._forget_the_dead(living)
        rows = sorted(self._rows.items())
        done = b",".join(b"%d,%d" % pair for pair in self._done())
        lines = [
            b'{"checkpoint":%d,"ticks":%d,"tasks":[%b]%b}'
            % (segment, self.ticks, done, b"" if self.whole else b',"partial":true')
        ]
        for kind in ("function", "site", "thread", "object", "future", "set"):
            lines += self._definitions.get(kind, {}).values()
        for number, thing in self._objects.items():
            lines += [_line(schema.SIGNAL, 0, [waker, number]) for waker in thing.wakers]
        before = 0
        for _, (event, ticks, *rest) in rows:
            if event == POOL:
                lines.append(self._pool(rest[1]))
            else:
                lines.append(_line(event, ticks - before, rest))
                before = ticks
        for number, thing in self._objects.items():
            for _ in range(min(thing.signals, LIMIT)):
                lines.append(_line(schema.SIGNAL, 0, [0, number]))
        for moment in self._census:
            lines.append(_line(schema.CENSUS, moment - before, [0]))
            before = moment
        lines.append(_line(schema.RESUME, self.ticks - before, [0]))
        self.whole = True
        return b"\n".join(lines) + b"\n"

    def _pool(self, number: int) -> bytes:
        """Return a pool's definition, with the workers that nobody has seen enter it until now."""
        source = self._definitions["pool"][number]
        start, field, _ = source.rpartition(b'"unseen":')
        if not field:
            return source
        return b"%b%b%d}" % (start, field, self._unseen.get(number, 0))

    def _done(self) -> Iterator[tuple[int, int]]:
        """Yield the ranges of numbers that were given away and that no row makes."""
        first = 1
        for other in sorted(self._skipped | self._tasks.keys()):
            if first < other:
                yield first, other - 1
            first = other + 1
        if first <= self._highest:
            yield first, self._highest

    def _forget_the_dead(self, living: dict[str, set[int]]) -> None:
        used: dict[str, set[int]] = {kind: set() for kind in ("thread", "pool", "object", "set")}
        for row in self._rows.values():
            if row[0] in NO_USE:
                continue
            used["thread"].add(row[2])
            if row[0] in OF_TURNS:
                continue
            for index, kind in REFERENCES.get(row[0], ()):
                used[kind].add(row[index])
            if row[0] == schema.WAIT and row[7] < 0:
                used["set"].add(-row[7])
        for kind, numbers in used.items():
            defined = self._definitions.get(kind, {})
            dead = defined.keys() - numbers - living[kind]
            for number in dead & self._before.get(kind, set()):
                del defined[number]
                if kind == "set":
                    self._sets.pop(number, None)
                elif kind == "thread":
                    self._rows.pop(self._gone.pop(number, 0), None)
                    for thing in self._objects.values():
                        thing.wakers.pop(number, None)
                elif kind == "object":
                    forgotten = self._objects.pop(number, None)
                    if forgotten is not None:
                        self._rows.pop(forgotten.row, None)
                elif kind == "pool":
                    self._rows.pop(self._pool_at.pop(number), None)
                    self._unseen.pop(number, None)
                    for latest in OF_POOLS:
                        self._rows.pop(self._latest.pop((latest, number), 0), None)
            self._before[kind] = dead


def _nothing(_row: Row, _thread: Thread) -> None:
    """It changes nothing that outlasts it."""


def _line(kind: int, dt: int, rest: list[int]) -> bytes:
    return b"[%d,%d,%b]" % (kind, dt, b",".join(b"%d" % number for number in rest))
