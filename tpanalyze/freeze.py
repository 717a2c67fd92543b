"""The values of one instant, made of the replay's state.  Cost: in the size of what still lives."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain, islice
from operator import lt
from typing import Final, NamedTuple, cast

from tpanalyze.compact import Ascending, Line, Made
from tpanalyze.model import (
    DrainWait,
    Function,
    FutureWait,
    LockWait,
    Object,
    ObjectId,
    ObjectWait,
    Pool,
    PoolId,
    PoolRole,
    Site,
    Snapshot,
    Task,
    TaskId,
    TaskOrigin,
    TaskState,
    Thread,
    ThreadId,
    ThreadState,
    ThreadWait,
    Wait,
)
from tpanalyze.state import (
    CANCELLED,
    ENDED,
    FAILED,
    FINISHED,
    IDLE,
    NO_POOL,
    NOTIFIED,
    OUTCOME_MASK,
    RUNNING,
    UNSEEN,
    WAITING,
    Occupation,
    State,
    ThreadRecord,
    birth_call,
    birth_parent,
    birth_ticks,
    in_ns,
)
from tprecord import schema

_THREAD_STATES: Final = {
    RUNNING: ThreadState.RUNNING,
    WAITING: ThreadState.WAITING,
    IDLE: ThreadState.IDLE,
    ENDED: ThreadState.ENDED,
}
REENTRANT: Final = "RLock.acquire"
_ROLES: Final = {str(role): role for role in PoolRole}
_WITHOUT_WORK: Final[dict[str, tuple[int, ...]]] = {
    PoolRole.LOOP: (ENDED,),
    PoolRole.LIMITER: (ENDED, IDLE),
}
"""States of threads that run no loop, whatever the trace has missed, or that have no token."""
_OUTCOMES: Final = {
    FINISHED: TaskState.FINISHED,
    FAILED: TaskState.FAILED,
    CANCELLED: TaskState.CANCELLED,
    NOTIFIED: TaskState.CANCELLED,
}


_FORGOTTEN: Final = OUTCOME_MASK
"""Stands for the birth of a task that was done before anybody waited for it: no outcome is this."""


def freeze(state: State, time_ns: int) -> Snapshot:
    """Return all that holds in `state`, as of `time_ns`.

    A done task that only a wait names, and that was forgotten before that wait began, is there
    with its number and nothing else.
    """
    line = tuple(map(TaskId, state.queued))
    return Snapshot(
        time_ns,
        threads=_threads(state),
        tasks=_Tasks(state).all(line),
        pools=_pools(state, line),
        all_threads_known=state.census,
        looked_ns=state.ns(state.looked) if state.looked else None,
    )


def _threads(state: State) -> dict[ThreadId, Thread]:
    waits = _Waits(state)
    threads: dict[ThreadId, Thread] = {}
    for thread in state.threads.values():
        if not thread.number:
            continue
        wait = waits.of(thread)
        thread_state = _THREAD_STATES[thread.state]
        # what has done something after the last look may stand elsewhere by now
        still = thread_state in (ThreadState.RUNNING, ThreadState.WAITING)
        seen = still and thread.stack and state.looked >= max(thread.since, thread.looked)
        number = ThreadId(thread.number)
        threads[number] = Thread(
            number,
            thread.name,
            thread_state,
            pool=PoolId(thread.pool) if thread.pool else None,
            tasks=tuple(TaskId(occupation.task) for occupation in thread.occupations()),
            wait=wait,
            since_ns=state.ns(thread.since),
            main=thread.main,
            daemon=thread.daemon,
            native_id=thread.native_id,
            stack=state.sites.get(thread.stack) if seen else None,
            stack_ns=state.ns(max(thread.looked, state.quiet)) if seen else None,
        )
    return threads


def _numbers(ranges: tuple[int, ...]) -> Sequence[TaskId]:
    """Return the tasks of ``first, last, first, last, ...``, kept as ranges where these ascend."""
    firsts, lasts = ranges[::2], ranges[1::2]
    pairs = zip(firsts, lasts, strict=True)
    if all(map(lt, lasts, islice(firsts, 1, None))):
        return Ascending.of_ranges(pairs)
    return tuple(TaskId(task) for first, last in pairs for task in range(first, last + 1))


class _Waits:
    """Makes the waits of a snapshot."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._futures = {ranges: _numbers(ranges) for ranges in state.awaited_ranges()}

    def of(self, thread: ThreadRecord) -> Wait | None:
        """Return the wait the thread is in, if it is in one."""
        row = thread.wait
        if row is None:
            return None
        state = self._state
        since_ns = state.ns(thread.since)
        operation = schema.OPERATIONS.get(row[3], f"operation {row[3]}")
        if row[0] == schema.DRAIN:
            pools = tuple(map(PoolId, thread.drained))
            return DrainWait(operation, pools, None, state.sites.get(row[5]), since_ns)
        target, timeout, site = row[4], row[5], state.sites.get(row[6])
        timeout_ns = None if timeout < 0 else state.ns(timeout)
        if row[0] == schema.JOIN:
            return ThreadWait(
                operation, self._joined(thread, target), not target, timeout_ns, site, since_ns
            )
        if row[0] == schema.CONTEND:
            return self._contends(row, operation, timeout_ns, site, since_ns)
        if row[0] == schema.BLOCK:
            thing = state.objects[target]
            woken_by = tuple(map(ThreadId, thing.wakers))
            known = Object(ObjectId(target), thing.kind, thing.parties)
            return ObjectWait(
                operation,
                known,
                timeout_ns,
                site,
                since_ns,
                woken_by,
                thing.waiting,
                bool(thing.signals),
            )
        return FutureWait(
            operation, self._futures[thread.awaited], target, timeout_ns, site, since_ns
        )

    def _contends(
        self,
        row: list[int],
        operation: str,
        timeout_ns: int | None,
        site: Site | None,
        since_ns: int,
    ) -> LockWait:
        state, lock = self._state, self._state.objects[row[4]]
        made = state.sites.get(lock.made)
        return LockWait(
            operation,
            Object(ObjectId(lock.number), lock.kind, made=made),
            timeout_ns,
            site,
            since_ns,
            ThreadId(lock.owner) if lock.owner else None,
            state.sites.get(lock.held_site) if lock.owner else None,
            lock.scoped,
            operation == REENTRANT,
            tuple(map(ThreadId, lock.wakers)),
        )

    def _joined(self, thread: ThreadRecord, other: int) -> tuple[ThreadId, ...]:
        """Return the threads that a join waits for; 0: all that live and are no daemons.

        A thread that nobody was seen to launch may be one that ``threading`` does not know, and
        does not wait for: it is left out.
        """
        if other:
            return (ThreadId(other),)
        return tuple(
            ThreadId(t.number)
            for t in self._state.threads.values()
            if t.launched
            and t is not thread
            and t.state != ENDED
            and not (t.daemon or t.main or t.made_up)
        )


def _pools(state: State, line: tuple[TaskId, ...]) -> dict[PoolId, Pool]:
    """Return the pools; `line` are the tasks in the queues of all of them."""
    queues = _queues(state, line)
    return {
        PoolId(pool.number): Pool(
            PoolId(pool.number),
            pool.kind,
            pool.name,
            pool.max_workers,
            workers=tuple(
                ThreadId(worker)
                for worker in pool.workers
                if state.threads[worker].state not in _WITHOUT_WORK.get(pool.role, ())
            ),
            starting=pool.starting,
            unseen=pool.unseen,
            lost=pool.lost,
            queue=queues.get(pool.number, ()),
            closed=pool.closed,
            broken=pool.broken,
            role=_ROLES.get(pool.role, PoolRole.EXECUTOR),
            serves=PoolId(pool.serves) if pool.serves in state.pools else None,
            results=PoolId(pool.results) if pool.results in state.pools else None,
        )
        for pool in state.pools.values()
    }


def _queues(state: State, line: tuple[TaskId, ...]) -> dict[int, tuple[TaskId, ...]]:
    """Return the queue of each pool that has one; if only one has, it is the line itself."""
    pools = {call: state.calls[call].pool for call in set(map(birth_call, state.queued.values()))}
    if len(set(pools.values())) == 1:
        return dict.fromkeys(pools.values(), line)
    queues: dict[int, list[TaskId]] = {pool: [] for pool in pools.values()}
    for task, made in zip(line, state.queued.values(), strict=True):
        queues[pools[birth_call(made)]].append(task)
    return {pool: tuple(queue) for pool, queue in queues.items()}


class _Beginning(NamedTuple):
    """What the tasks of one call have in common, in the words of the model."""

    origin: TaskOrigin
    pool: PoolId | None
    function: Function | None
    site: Site | None
    submitter: ThreadId | None


class _Tasks:
    """Makes the tasks of a snapshot."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._beginnings: dict[int, _Beginning] = {}
        self._make = partial(_made, self._beginnings, state.tick_ns)

    def all(self, line: tuple[TaskId, ...]) -> Mapping[TaskId, Task]:
        """Return every task that is not done, and the done ones that are still named.

        Made only when they are asked for: those of `line`, the tasks in the queues; the promises;
        and the done ones that no thread is in any more.
        """
        state = self._state
        tasks = {task.id: task for task in self._open()}
        for thread in state.threads.values():
            for occupation in thread.occupations():
                task = self._begun(occupation, thread.number)
                tasks[task.id] = task
        promise = partial(self._make, task_state=TaskState.PENDING)
        promises, done = state.promises, self._named_and_done(tasks)
        lines = (
            Line(line, tuple(state.queued.values()), self._make),
            Line(tuple(map(TaskId, promises)), tuple(promises.values()), promise),
            Line(
                done,
                [state.done.get(number, _FORGOTTEN) for number in done],
                partial(_made_done, self._make),
            ),
        )
        for births in lines:
            self._know(births.small)
        return Made(lines, tasks)

    def _named_and_done(self, tasks: Mapping[TaskId, Task]) -> Sequence[TaskId]:
        """Return the tasks that a wait names, and that are not open, nor among `tasks`."""
        state = self._state
        waits = [_numbers(ranges) for ranges in state.awaited_ranges()]
        waits += [tuple(map(TaskId, suspended)) for suspended in state.suspended.values()]
        found = array("q")
        for number in chain.from_iterable(waits):
            open_ = number in state.queued or number in state.promises
            if not open_ and number not in tasks:
                found.append(number)
        if len(waits) > 1:
            found = array("q", dict.fromkeys(found))
        return cast("Sequence[TaskId]", found)

    def _open(self) -> Iterator[Task]:
        """Yield the tasks that no known thread is in."""
        state = self._state
        for number, ended in state.cancelled.items():
            made = state.queued[number]
            yield self._make(TaskId(number), self._known(made), TaskState.CANCELLED, finished=ended)
        for number, made in state.withdrawn.items():
            yield self._make(TaskId(number), self._known(made), TaskState.QUEUED)
        for number in state.delivered:
            if number not in state.promises:
                continue  # a worker has begun with it
            made = self._known(state.promises[number])
            yield self._delivered(self._make(TaskId(number), made, TaskState.PENDING))
        for number, made in state.unknown.items():
            yield self._make(
                TaskId(number), self._known(made), TaskState.PENDING, origin=TaskOrigin.UNSEEN
            )
        for occupation in state.adrift.values():
            yield self._begun(occupation, 0)
        for occupation in state.passed.values():
            yield replace(self._begun(occupation, 0), passed=True)

    def _delivered(self, promise: Task) -> Task:
        """Return a promise that an event loop is to set."""
        state = self._state
        loop, function = state.delivered[promise.id]
        return replace(
            promise,
            function=state.functions.get(function),
            loop=PoolId(loop),
            awaits=tuple(map(TaskId, state.suspended.get(promise.id, ()))),
        )

    def _begun(self, occupation: Occupation, worker: int) -> Task:
        """Return a task that a thread is in, its result set or not."""
        outcome = occupation.outcome
        return self._make(
            TaskId(occupation.task),
            self._known(occupation.birth),
            _OUTCOMES[outcome] if outcome else TaskState.RUNNING,
            worker=worker,
            started=occupation.started,
            finished=occupation.finished if outcome else None,
            notified=outcome == NOTIFIED,
        )

    def _known(self, made: int) -> int:
        """Return the birth; what the tasks of its call have in common is known from here on."""
        self._know((made,))
        return made

    def _know(self, births: Iterable[int]) -> None:
        for call in set(map(birth_call, births)) - self._beginnings.keys():
            self._beginnings[call] = _beginning(self._state, call)


def _made_done(make: Callable[..., Task], number: TaskId, made: int) -> Task:
    """Return a done task that no thread is in any more."""
    if made == _FORGOTTEN:
        return Task(number, TaskState.FINISHED, TaskOrigin.POOL)
    outcome = made & OUTCOME_MASK
    return make(number, made, _OUTCOMES[outcome], notified=outcome == NOTIFIED)


def _made(
    beginnings: dict[int, _Beginning],
    tick_ns: int,
    number: TaskId,
    made: int,
    task_state: TaskState = TaskState.QUEUED,
    *,
    origin: TaskOrigin | None = None,
    worker: int = 0,
    started: int | None = None,
    finished: int | None = None,
    notified: bool = False,
) -> Task:
    """Return the task of a birth, whatever has become of the state since."""
    call, parent = birth_call(made), birth_parent(made)
    beginning = beginnings[call]
    return Task(
        number,
        task_state,
        origin or beginning.origin,
        beginning.pool,
        beginning.function,
        beginning.site,
        beginning.submitter,
        TaskId(parent) if parent else None,
        ThreadId(worker) if worker else None,
        None if call == UNSEEN else in_ns(birth_ticks(made), tick_ns),
        None if started is None else in_ns(started, tick_ns),
        None if finished is None else in_ns(finished, tick_ns),
        notified,
    )


def _beginning(state: State, number: int) -> _Beginning:
    """Return what the tasks of a call have in common."""
    call = state.calls[number]
    if number == UNSEEN:
        origin = TaskOrigin.UNSEEN
    else:
        origin = TaskOrigin.PROMISE if call.pool == NO_POOL else TaskOrigin.POOL
    return _Beginning(
        origin,
        PoolId(call.pool) if call.pool > 0 else None,
        state.functions.get(call.function),
        state.sites.get(call.site),
        ThreadId(call.submitter) if call.submitter else None,
    )
