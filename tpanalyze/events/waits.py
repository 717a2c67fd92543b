"""Waits: for futures, for the workers of pools, for threads, on objects, for locks; who ends them.

Of a lock each event says which turn of having it it is about; the latest turn holds.
"""

from __future__ import annotations

from typing import Final

from tpanalyze.events.scene import Handler, Scene
from tpanalyze.intervals import busy
from tpanalyze.state import EXECUTOR, WAITING, ThreadRecord
from tprecord import schema

_NO_TIMEOUT: Final = -1
_WAKERS: Final = 16
"""So many of those who wake others on an object are remembered."""

# How many integers name the futures of a `wait`, in its two short forms.
_ONE_RANGE: Final = 2
_ONE_SET: Final = 1


class WaitEvents:
    """Where threads begin to wait.  That they wait no longer, the loop sees from any event."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._emit = scene.emit
        self._state = scene.state
        self._created = scene.state.created
        self._sets_that_exist: set[int] = set()
        self.handlers: Final[dict[int, Handler]] = {
            schema.WAIT: self._wait,
            schema.DRAIN: self._drain,
            schema.JOIN: self._join,
            schema.BLOCK: self._block,
            schema.SIGNAL: self._signal,
            schema.CONTEND: self._contend,
            schema.OBTAIN: self._obtain,
            schema.FREE: self._free,
            schema.WAKE: self._wake,
        }

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
        if not 0 < need <= count or timeout < _NO_TIMEOUT:
            text = f"thread {thread.number} waits for {need} of {count} futures; it cannot"
            self._scene.loss("impossible-wait", text)
        else:
            self._park(row, thread, ticks, awaited=awaited)

    def _count(self, awaited: tuple[int, ...]) -> int:
        """Return how many futures these ranges are; 0, with a remark, if not all exist."""
        created = self._created
        for first, last in zip(awaited[::2], awaited[1::2], strict=True):
            if not created.covers(first, last):
                text = f"tasks {first} to {last} are waited for, but do not all exist"
                self._scene.loss("unknown-task", text)
                return 0
        return sum(awaited[1::2]) - sum(awaited[::2]) + len(awaited) // 2

    def _set(self, number: int) -> tuple[int, tuple[int, ...]]:
        """Return the size and the ranges of a set; 0 and none, with a remark, if there is none."""
        size, awaited = self._state.sets.get(number, (0, ()))
        if not size:
            self._scene.loss("unknown-set", f"set {number} is waited for, but is not defined")
        elif number not in self._sets_that_exist:
            size = self._count(awaited)
            if size:
                self._sets_that_exist.add(number)
        return size, awaited

    def _drain(self, row: list[int], thread: ThreadRecord, ticks: int) -> None:
        _, _, _, _, number, _ = row
        if number:
            drained: tuple[int, ...] = (self._scene.pool(number).number,)
        else:
            pools = [p for p in self._state.pools.values() if p.role == EXECUTOR]
            drained = tuple(p.number for p in pools if p.workers or p.starting or p.unseen)
        self._park(row, thread, ticks, drained=drained)

    def _join(self, row: list[int], thread: ThreadRecord, ticks: int) -> None:
        _, _, _, _, other, timeout, _ = row
        self._scene.thread(other)
        if timeout < _NO_TIMEOUT:
            raise ValueError(timeout)
        self._park(row, thread, ticks)

    def _block(self, row: list[int], thread: ThreadRecord, ticks: int) -> None:
        _, _, _, _, thing, timeout, _ = row
        blocks_on = self._scene.thing(thing)
        if timeout < _NO_TIMEOUT:
            raise ValueError(timeout)
        if thread.number:
            blocks_on.waiting += 1
        self._park(row, thread, ticks)

    def _signal(self, row: list[int], thread: ThreadRecord, _ticks: int) -> None:
        _, _, _, number = row
        thing = self._scene.thing(number)
        if thing.waiting:
            thing.signals += 1
        if thread.number and len(thing.wakers) < _WAKERS:
            thing.wakers[thread.number] = None

    def _contend(self, row: list[int], thread: ThreadRecord, ticks: int) -> None:
        _, _, _, _, number, timeout, _, owner, since, turn, scoped = row
        lock = self._scene.thing(number)
        if timeout < _NO_TIMEOUT:
            raise ValueError(timeout)
        if owner:
            self._scene.thread(owner)
        lock.turns(2 * turn + (not owner), owner, since, scoped)
        self._park(row, thread, ticks)

    def _obtain(self, row: list[int], thread: ThreadRecord, _ticks: int) -> None:
        _, _, _, number, since, turn, scoped = row
        self._scene.thing(number).turns(2 * turn, thread.number, since, scoped)

    def _free(self, row: list[int], thread: ThreadRecord, _ticks: int) -> None:
        _, _, _, number, turn = row
        lock = self._scene.thing(number)
        foreign = lock.turn == 2 * turn and thread.number not in (0, lock.owner)
        if foreign and len(lock.wakers) < _WAKERS:
            lock.wakers[thread.number] = None
        lock.turns(2 * turn + 1, 0, 0, 0)

    def _park(
        self,
        row: list[int],
        thread: ThreadRecord,
        ticks: int,
        *,
        awaited: tuple[int, ...] = (),
        drained: tuple[int, ...] = (),
    ) -> None:
        """The thread is in the wait that the event begins."""
        if thread.number:
            if self._emit is not None and thread.task:
                self._emit(busy(thread, ticks))
            thread.state = WAITING
            thread.since = ticks
            thread.wait = row
            thread.awaited = awaited
            thread.drained = drained

    def _wake(self, row: list[int], thread: ThreadRecord, ticks: int) -> None:
        _, _, _, raised = row
        if thread.main:
            self._state.torn = (self._state.torn or ticks) if raised else 0
