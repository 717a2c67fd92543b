"""What a trace would tell of a state: the snapshot that the engine sees."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from tests.oracle.programs import Await, Block, Drain, Join, Program, Take
from tests.oracle.states import (
    ABSENT,
    BEGUN,
    BLOCKED,
    CANCELLED,
    DONE,
    ENDED,
    FAILED,
    IDLE,
    NOTIFIED,
    PENDING,
    QUEUED,
    RETURNING,
    RUNNING,
    STARTING,
    Actor,
    State,
    is_opened,
    workers,
)
from tpanalyze.model import (
    DrainWait,
    FutureWait,
    LockWait,
    Object,
    ObjectId,
    ObjectWait,
    Pool,
    PoolId,
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

_STATES: Final = {
    QUEUED: TaskState.QUEUED,
    BEGUN: TaskState.RUNNING,
    PENDING: TaskState.PENDING,
    DONE: TaskState.FINISHED,
    FAILED: TaskState.FAILED,
    CANCELLED: TaskState.CANCELLED,
    NOTIFIED: TaskState.CANCELLED,
}
_DOING: Final = {
    RUNNING: ThreadState.RUNNING,
    BLOCKED: ThreadState.WAITING,
    RETURNING: ThreadState.RUNNING,
    IDLE: ThreadState.IDLE,
    ENDED: ThreadState.ENDED,
}


def snapshot_of(program: Program, state: State, since: Since | None = None) -> Snapshot:
    """Return what a trace would tell of the state; numbers are one higher than here."""
    when = since or Since()
    threads = {
        ThreadId(number + 1): _thread(program, state, number, actor, when)
        for number, actor in enumerate(state.actors)
        if actor.doing != STARTING and number != program.hidden
    }
    tasks = {
        TaskId(future + 1): _task(program, state, future, when)
        for future, status in enumerate(state.futures)
        if status != ABSENT and future >= program.threads
    }
    pools = {PoolId(p + 1): _pool(program, state, p) for p in range(len(program.sizes))}
    return Snapshot(when.now_ns, threads, tasks, pools, program.hidden is None)


@dataclass(slots=True)
class Since:
    """Since when things have been as they are, along one run; by default since ever."""

    now_ns: int = 0
    actors: dict[int, int] = field(default_factory=dict)
    futures: dict[int, int] = field(default_factory=dict)
    done: dict[int, int] = field(default_factory=dict)

    def step(self, before: State, after: State) -> None:
        """Let one nanosecond pass, and note what has changed."""
        self.now_ns += 1
        for number, actor in enumerate(after.actors):
            if number >= len(before.actors) or actor != before.actors[number]:
                self.actors[number] = self.now_ns
        for future, status in enumerate(after.futures):
            if status != before.futures[future] == ABSENT:
                self.futures[future] = self.now_ns
            if status != before.futures[future] and status in (DONE, FAILED, CANCELLED):
                self.done[future] = self.now_ns


def _thread(program: Program, state: State, number: int, actor: Actor, when: Since) -> Thread:
    since_ns = when.actors.get(number, 0)
    wait: Wait | None = None
    if actor.doing == BLOCKED:
        operation = program.jobs[actor.job][actor.at]
        if isinstance(operation, Drain):
            pools = tuple(PoolId(pool + 1) for pool in operation.pools)
            wait = DrainWait("Executor.shutdown", pools, None, None, since_ns)
        elif isinstance(operation, Join):
            wait = _thread_wait(program, operation, number, since_ns)
        elif isinstance(operation, Block):
            wait = _object_wait(program, state, operation, actor, since_ns)
        elif isinstance(operation, Take):
            wait = _lock_wait(program, state, operation, since_ns)
        else:
            assert isinstance(operation, Await)
            wait = _future_wait(operation, actor.awaits, since_ns)
    return Thread(
        ThreadId(number + 1),
        f"thread {number}",
        _DOING[actor.doing],
        None if actor.pool < 0 else PoolId(actor.pool + 1),
        (TaskId(actor.job + 1),) if actor.job >= program.threads else (),
        wait,
        since_ns,
        main=number == 0,
    )


def _thread_wait(program: Program, operation: Join, number: int, since_ns: int) -> ThreadWait:
    name = "interpreter exit" if operation.exits else "Thread.join"
    threads = [t for t in operation.threads if t != number]
    if operation.exits:
        threads = [t for t in threads if t != program.hidden]
    joined = tuple(ThreadId(t + 1) for t in threads)
    timeout_ns = 1 if operation.timed else None
    return ThreadWait(name, joined, operation.exits, timeout_ns, None, since_ns)


def _object_wait(
    program: Program, state: State, operation: Block, actor: Actor, since_ns: int
) -> ObjectWait:
    parties = program.things[operation.thing]
    kind = "Barrier" if parties else "Event"
    thing = Object(ObjectId(operation.thing + 1), kind, parties or None)
    timeout_ns = 1 if operation.timed else None
    before = next(iter(actor.awaits), 0)
    woken = is_opened(program, state, operation, before)
    name = f"{kind}.wait"
    return ObjectWait(name, thing, timeout_ns, None, since_ns, signalled=woken)


def _lock_wait(program: Program, state: State, operation: Take, since_ns: int) -> LockWait:
    kind = "RLock" if program.reentrant[operation.lock] else "Lock"
    now = state.locks[operation.lock]
    return LockWait(
        f"{kind}.acquire",
        Object(ObjectId(len(program.things) + operation.lock + 1), kind),
        1 if operation.timed else None,
        None,
        since_ns,
        ThreadId(now.owner + 1) if now.owner >= 0 else None,
        scoped=now.scoped,
        reentrant=program.reentrant[operation.lock],
        released_by=(ThreadId(1),) if now.shared else (),
    )


def _future_wait(operation: Await, awaits: tuple[int, ...], since_ns: int) -> FutureWait:
    if operation.first_exception:
        name, need = "wait(FIRST_EXCEPTION)", 1
    else:
        name = "Future.result" if operation.hears_cancel else "as_completed"
        need = min(operation.need, len(awaits))
    futures = tuple(TaskId(future + 1) for future in awaits)
    return FutureWait(name, futures, need, 1 if operation.timed else None, None, since_ns)


def _task(program: Program, state: State, future: int, when: Since) -> Task:
    status = state.futures[future]
    notified = status == NOTIFIED
    if program.is_promise(future):
        origin = TaskOrigin.UNSEEN if future in program.unseen else TaskOrigin.PROMISE
        done_ns = when.done.get(future)
        return Task(
            TaskId(future + 1), _STATES[status], origin, finished_ns=done_ns, notified=notified
        )
    worker = next((n for n, actor in enumerate(state.actors) if actor.job == future), None)
    return Task(
        TaskId(future + 1),
        _STATES[status],
        TaskOrigin.POOL,
        PoolId(program.home[future] + 1),
        worker=None if worker is None else ThreadId(worker + 1),
        submitted_ns=when.futures.get(future, 0),
        finished_ns=when.done.get(future),
        notified=notified,
    )


def _pool(program: Program, state: State, number: int) -> Pool:
    living = workers(state, number)
    starting = sum(state.actors[worker].doing == STARTING for worker in living)
    return Pool(
        PoolId(number + 1),
        "ThreadPoolExecutor",
        f"pool {number}",
        None if number in program.sizes_unknown else program.sizes[number],
        tuple(ThreadId(w + 1) for w in living if state.actors[w].doing != STARTING),
        starting,
        queue=tuple(TaskId(task + 1) for task in state.pools[number].queue),
        closed=state.pools[number].closed,
    )
