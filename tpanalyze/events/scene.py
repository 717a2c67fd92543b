"""What the handlers of all events share: the state, its inhabitants by number, and the remarks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tpanalyze.definitions import NO_NAME
from tpanalyze.intervals import Emit, busy, worker
from tpanalyze.remarks import Remarks
from tpanalyze.state import (
    LAST_TASK,
    UNSEEN,
    ObjectRecord,
    PoolRecord,
    State,
    ThreadRecord,
    birth,
)

type Handler = Callable[[list[int], ThreadRecord, int], None]
"""Takes an event, the thread that did it, and the moment in ticks."""


class Scene:
    """The state of the run, and the steps that events of several subjects have in common."""

    def __init__(
        self, state: State, remarks: Remarks, line: Callable[[], int], emit: Emit | None
    ) -> None:
        self.state: Final = state
        self.emit: Final = emit
        """takes the intervals that end; None: nobody wants them"""
        self._remarks = remarks
        self._line = line

    # ------------------------------------------------------------------ remarks

    def loss(self, slug: str, text: str) -> None:
        """Remark that the present line cannot be believed."""
        self._remarks.loss(slug, text, self._line())

    def notice(self, slug: str, text: str) -> None:
        """Remark that the present line is odd."""
        self._remarks.notice(slug, text, self._line())

    # ------------------------------------------------------------------ things by number

    # Each of these makes one up, with a remark, if the trace has not defined it; of a negative
    # number it makes nothing and raises ValueError.

    def thread(self, number: int) -> ThreadRecord:
        """Return a thread."""
        thread = self.state.threads.get(number)
        if thread is None:
            if number < 0:
                raise ValueError(number)
            self.loss("unknown-thread", f"thread {number} is named, but is not defined")
            thread = ThreadRecord(number, f"thread {number}", made_up=True)
            self.state.threads[number] = thread
        return thread

    def pool(self, number: int) -> PoolRecord:
        """Return a pool."""
        pool = self.state.pools.get(number)
        if pool is None:
            if number < 1:
                raise ValueError(number)
            self.loss("unknown-pool", f"pool {number} is named, but is not defined")
            closed = self.state.all_closed
            pool = PoolRecord(number, NO_NAME, f"pool {number}", None, closed=closed)
            self.state.pools[number] = pool
        return pool

    def thing(self, number: int) -> ObjectRecord:
        """Return something that threads block on."""
        thing = self.state.objects.get(number)
        if thing is None:
            if number < 1:
                raise ValueError(number)
            self.loss("unknown-object", f"object {number} is named, but is not defined")
            thing = self.state.objects[number] = ObjectRecord(number, NO_NAME)
        return thing

    def know_task(self, task: int) -> None:
        """See to it that there is a task or promise of this number."""
        if task in self.state.created:
            return
        self.loss("unknown-task", f"task {task} is named, but was never submitted or made")
        if 0 < task <= LAST_TASK:
            self.state.created.add(task)
            self.state.unknown[task] = birth(0, 0, UNSEEN)

    # ------------------------------------------------------------------ steps of a thread

    def enter(self, thread: ThreadRecord, pool: PoolRecord, ticks: int) -> None:
        """The thread is a worker of the pool from now on."""
        pool.workers[thread.number] = None
        thread.pool = pool.number
        thread.entered = ticks

    def leave(self, thread: ThreadRecord, ticks: int) -> None:
        """The thread has done with its tasks and its pool, if it had any."""
        if thread.task:
            self.return_from_all(thread, ticks)
        if thread.pool:
            if self.emit is not None:
                self.emit(worker(thread, ticks))
            self.state.pools[thread.pool].workers.pop(thread.number, None)
            thread.pool = 0

    def return_from_all(self, thread: ThreadRecord, ticks: int) -> None:
        """The thread has returned from all its tasks; it must have one."""
        if self.emit is not None:
            self.emit(busy(thread, ticks))
        while thread.task:
            self.return_from(thread)
        thread.since = ticks

    def return_from(self, thread: ThreadRecord) -> None:
        """The thread has returned from its innermost task; it must have one."""
        if not thread.outcome:
            text = f"thread {thread.number} returned from task {thread.task}, which never finished"
            self.loss("never-finished", text)
            self.state.unknown[thread.task] = thread.birth
        if thread.outer:
            thread.occupy(thread.outer.pop())
        else:
            thread.task = 0
