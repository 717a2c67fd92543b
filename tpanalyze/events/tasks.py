"""Tasks and promises: from submit to result."""

from __future__ import annotations

from typing import Final

from tpanalyze.events.scene import Handler, Scene
from tpanalyze.intervals import busy, queued
from tpanalyze.state import (
    CANCELLED,
    FAILED,
    FINISHED,
    LAST_TASK,
    NO_POOL,
    NOTIFIED,
    OUTCOME_MASK,
    PARENT_UNIT,
    PASSED,
    PROCESSES,
    TICKS_SHIFT,
    Call,
    Occupation,
    ThreadRecord,
    birth,
    birth_call,
    birth_parent,
    birth_ticks,
)
from tprecord import schema


class TaskEvents:
    """What happens to tasks and promises."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._emit = scene.emit
        self._state = state = scene.state
        self._created, self._queued, self._done = state.created, state.queued, state.done
        self._cancelled, self._calls = state.cancelled, state.call_births
        self.handlers: Final[dict[int, Handler]] = {
            schema.SUBMIT: self._submit,
            schema.PROMISE: self._promise,
            schema.ADOPT: self._adopt,
            schema.START: self._start,
            schema.TAKE: self._take,
            schema.PASS: self._pass,
            schema.FINISH: self._finish,
            schema.FAIL: self._fail,
            schema.CANCEL: self._cancel,
            schema.WITHDRAW: self._withdraw,
            schema.READ: self._read,
        }

    # ------------------------------------------------------------------ how they come to be

    def _submit(self, row: list[int], thread: ThreadRecord, ticks: int) -> None:
        _, _, submitter, task, pool, function, site = row
        call = self._calls.get((submitter, pool, function, site))
        if call is None:
            call = self._new_call(submitter, pool, function, site)
        created = self._created
        if task == created.next <= LAST_TASK:
            created.next = task + 1
        elif self._state.promises.pop(task, None) is not None:
            self._state.delivered.pop(task, None)  # it was promised, and now is there
            self._state.suspended.pop(task, None)
        elif not self._create(task):
            return
        self._queued[task] = (  # to call `birth` would be dear here
            ticks << TICKS_SHIFT | thread.task * PARENT_UNIT | call
            if ticks >= 0
            else birth(ticks, thread.task) | call
        )

    def _promise(self, row: list[int], thread: ThreadRecord, ticks: int) -> None:
        _, _, maker, task, site = row
        call = self._calls.get((maker, NO_POOL, 0, site))
        if call is None:
            call = self._new_call(maker, NO_POOL, 0, site)
        if self._create(task):
            self._state.promises[task] = birth(ticks, thread.task) | call

    def _adopt(self, row: list[int], _thread: ThreadRecord, _ticks: int) -> None:
        _, _, _, task, function = row
        made = self._state.promises.get(task)
        if made is None:
            self._scene.know_task(task)
        else:
            self._state.promises[task] = self._as_call(made, NO_POOL, function)

    def _as_call(self, made: int, pool: int, function: int) -> int:
        """Return the birth of a promise that turned out to be that of a call."""
        of = self._state.calls[birth_call(made)]
        call = self._calls.get((of.submitter, pool, function, of.site))
        if call is None:
            call = self._new_call(of.submitter, pool, function, of.site)
        return birth(birth_ticks(made), birth_parent(made)) | call

    def _new_call(self, submitter: int, pool: int, function: int, site: int) -> int:
        """Return the birth of a call that is made for the first time."""
        state, scene = self._state, self._scene
        if pool not in (0, NO_POOL):
            scene.pool(pool)
        if function and function not in state.functions:
            scene.loss("unknown-function", f"function {function} is called, but is not defined")
        if site and site not in state.sites:
            scene.loss("unknown-site", f"site {site} is named, but is not defined")
        made = self._calls[submitter, pool, function, site] = birth(0, 0, len(state.calls))
        state.calls.append(Call(submitter, pool, function, site))
        return made

    def _create(self, task: int) -> bool:
        """Note that the number is taken; return False if it cannot be."""
        if not 0 < task <= LAST_TASK:
            text = f"found task {task}, expected a number from 1 to {LAST_TASK}"
            self._scene.loss("bad-event", text)
            return False
        if not self._created.add(task):
            text = f"task {task} is made, but there is one of that number"
            self._scene.loss("made-again", text)
            return False
        return True

    # ------------------------------------------------------------------ how they start

    def _start(self, row: list[int], thread: ThreadRecord, ticks: int) -> None:
        _, _, _, task = row
        made = self._queued.pop(task, None)
        emit = self._emit
        if emit is not None:
            if made is not None:
                emit(queued(task, made, ticks))
            if thread.task:
                emit(busy(thread, ticks))
        if made is None:
            made = self._not_queued(task, thread)
        if not thread.pool and made is not None:
            made = self._start_by_no_worker(task, made, thread, ticks)
        if made is None or made & OUTCOME_MASK or (self._cancelled and task in self._cancelled):
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
            self._cancelled.pop(task, None)
            self._done[task] = made & ~OUTCOME_MASK | NOTIFIED
        if thread.task and thread.outcome:
            self._scene.return_from(thread)
        thread.since = ticks

    def _not_queued(self, task: int, thread: ThreadRecord) -> int | None:
        """Return the birth of a task that starts without having been in a queue, if it may.

        It may if it is a promise: an executor with a ``submit`` of its own has made it, and put it
        into the queue unseen.  From now on it is a task of the worker's pool.
        """
        state = self._state
        self._scene.know_task(task)
        for home in (state.unknown, state.withdrawn):
            made = home.pop(task, None)
            if made is not None:
                return made
        made = state.promises.pop(task, None)
        if made is not None:
            function = state.calls[birth_call(made)].function
            return self._as_call(made, thread.pool or NO_POOL, function)
        done = self._done.get(task, 0)
        if done & OUTCOME_MASK == CANCELLED:
            return done
        text = f"task {task} starts, but it has started or ended before"
        self._scene.loss("start-again", text)
        return None

    def _take(self, row: list[int], thread: ThreadRecord, ticks: int) -> None:
        _, _, _ = row
        if thread.task:
            self._scene.return_from_all(thread, ticks)
        thread.since = ticks

    def _pass(self, row: list[int], thread: ThreadRecord, ticks: int) -> None:
        """The worker is done with the task; its result is there when another thread has set it."""
        _, _, _, task = row
        if task != thread.task or not task:
            made = self._state.adrift.pop(task, None)
            if made is not None:  # who has begun it is not known, or does not matter any more
                self._state.passed[task] = made
            return
        begun = thread.innermost()
        if not thread.outcome:
            thread.outcome = PASSED
        self._scene.return_from_all(thread, ticks)
        if begun.outcome == 0:
            self._state.passed[task] = begun

    def _start_by_no_worker(
        self, task: int, made: int, thread: ThreadRecord, ticks: int
    ) -> int | None:
        """A thread that has not been seen to enter a pool starts a task of one.

        Return the task's birth, or None if it is not known which thread has the task now.
        """
        state = self._state
        if not thread.number:
            if task in self._cancelled:
                return made
            state.adrift[task] = Occupation(task, made, ticks, 0, 0)
            return None
        pool = state.pools.get(state.calls[birth_call(made)].pool)
        if pool is not None and pool.unseen > 0:
            pool.unseen -= 1
            self._scene.enter(thread, pool, ticks)
        return made

    # ------------------------------------------------------------------ how they end

    def _finish(self, row: list[int], thread: ThreadRecord, ticks: int) -> None:
        _, _, _, task = row
        if task == thread.task != 0 and not thread.outcome:
            thread.outcome = FINISHED
            thread.finished = ticks
            self._done[task] = thread.birth | FINISHED
        else:
            self._resolve(task, FINISHED, thread, ticks)

    def _fail(self, row: list[int], thread: ThreadRecord, ticks: int) -> None:
        _, _, _, task = row
        if task == thread.task != 0 and not thread.outcome:
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
            if task in self._state.promises:
                return  # an executor with a `submit` of its own has put it there
            self._scene.know_task(task)
            text = f"task {task} leaves its queue, but it is not in one"
            self._scene.loss("withdraw-unqueued", text)
            return
        if self._emit is not None:
            self._emit(queued(task, made, ticks))
        if self._cancelled.pop(task, None) is None:
            self._state.withdrawn[task] = made
        else:
            self._done[task] = made | CANCELLED

    def _resolve(self, task: int, outcome: int, thread: ThreadRecord, ticks: int) -> None:
        """Make a future done, wherever it stands; the thread is the one that does it."""
        state = self._state
        self._scene.know_task(task)
        for home in (state.promises, state.withdrawn, state.unknown):
            made = home.pop(task, None)
            if made is not None:
                self._done[task] = made | outcome
                if state.delivered.pop(task, None) is not None:
                    state.suspended.pop(task, None)
                return
        for begun in (state.adrift, state.passed):
            if task in begun:
                ended = NOTIFIED if outcome == CANCELLED else outcome
                self._done[task] = begun.pop(task).birth | ended
                return
        if task in self._queued:
            self._resolve_queued(task, outcome, ticks)
            return
        if task not in self._done:
            for runner in (thread, *state.threads.values()):
                if self._resolve_running(task, outcome, runner, ticks):
                    return
        if outcome != CANCELLED:  # to cancel twice is no error; ``set_result`` raises
            text = f"the result of task {task} is set, but it is done already"
            self._scene.notice("done-again", text)

    def _resolve_queued(self, task: int, outcome: int, ticks: int) -> None:
        """A task is done that no worker was seen to start, as when its pool breaks.

        Or when it has run in another process.
        """
        made = self._queued.pop(task)
        if self._cancelled.pop(task, None) is not None:
            outcome = CANCELLED  # to set it raises an error
        if self._emit is not None:
            self._emit(queued(task, made, ticks))
        pool = self._state.pools.get(self._state.calls[birth_call(made)].pool)
        if pool is None or not (pool.broken or pool.role == PROCESSES):
            text = f"task {task} finishes, but it never started"
            self._scene.loss("finish-before-start", text)
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
            self._emit(busy(runner, ticks))
        while runner.task != task:
            self._scene.return_from(runner)
            runner.since = ticks
        runner.outcome = NOTIFIED if outcome == CANCELLED else outcome
        runner.finished = ticks
        self._done[task] = runner.birth | runner.outcome
        return True

    def _read(self, row: list[int], _thread: ThreadRecord, _ticks: int) -> None:
        _, _, _, task, _ = row
        created = self._created
        if not created.first <= task < created.next:
            self._scene.know_task(task)
