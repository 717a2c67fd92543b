"""What programs of tasks, pools and waits can do: a reference semantics, explored exhaustively.

It is small and knows nothing of the engine it judges.  A *program* is a set of jobs, each a list
of operations; a *state* is where everything stands; :func:`steps` gives every state that one step
of one thread can lead to.  From that follows, for a state, which blocked waits some continuation
ends and which queued tasks some continuation starts (:class:`Explorer`).

The engine sees of a state only what a trace would tell (:func:`snapshot_of`), not what the jobs
will do next.  So it must agree in two ways (THEORY.md 6.1):

* *sound*: what it calls stuck is stuck in every continuation, whatever the rest of each job is;
* *complete*: what it does not call stuck gets on in the *optimist's* continuation, in which every
  job that runs does all it can for the others.

Programs make no assumption the engine makes: the workers of a pool are started or not as the idle
count happens to say, timeouts fire at any time, futures are cancelled, pools are closed under
others' feet.

Longer run: ``python -m tests.oracle --programs 20000``.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from tpanalyze.atoms import ANYBODY, resolves
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
from tpanalyze.waitgraph import WaitGraph, build

# ------------------------------------------------------------------------------ programs


@dataclass(frozen=True, slots=True)
class Submit:
    """Put the job into the queue of its pool; raises if the pool is closed."""

    job: int


@dataclass(frozen=True, slots=True)
class Await:
    """Wait until `need` of the futures that exist by then are done."""

    futures: tuple[int, ...]
    need: int
    timed: bool = False
    hears_cancel: bool = True
    """``result()`` does; ``wait()`` hears of a cancelled task only when a worker has taken it"""
    first_exception: bool = False


@dataclass(frozen=True, slots=True)
class Settle:
    """Set the promise's result or exception; tell those who wait, if it was cancelled."""

    promise: int
    fails: bool = False


@dataclass(frozen=True, slots=True)
class Cancel:
    """Cancel the future, if it has not begun."""

    future: int


@dataclass(frozen=True, slots=True)
class Close:
    """Shut the pools down without waiting."""

    pools: tuple[int, ...]
    cancel_futures: bool = False


@dataclass(frozen=True, slots=True)
class Drain:
    """Wait until no worker of the pools lives, oneself excepted."""

    pools: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Join:
    """Wait until the threads have ended, oneself excepted; `exits`: at interpreter exit."""

    threads: tuple[int, ...]
    timed: bool = False
    exits: bool = False


@dataclass(frozen=True, slots=True)
class Block:
    """Wait for the event to be set, or for the barrier to open."""

    thing: int
    timed: bool = False


@dataclass(frozen=True, slots=True)
class Signal:
    """Set the event; break the barrier."""

    thing: int


@dataclass(frozen=True, slots=True)
class Take:
    """Wait until one has the lock; `scoped`: in a ``with`` block."""

    lock: int
    timed: bool = False
    scoped: bool = False


@dataclass(frozen=True, slots=True)
class Release:
    """Release the lock, once or, if it is `whole`, as often as it was taken."""

    lock: int
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Fail:
    """Raise: the job ends here, and its future fails."""


Waiting = Await | Drain | Join | Block | Take
Operation = Submit | Settle | Cancel | Close | Fail | Signal | Release | Waiting
Job = tuple[Operation, ...]


@dataclass(frozen=True, slots=True)
class Program:
    """Jobs, and the resources they share.  Futures: one per job, then the promises.

    The last jobs are spare, for :func:`optimist`: one to submit to each pool, and what a new
    worker runs before it takes a task, its initializer.
    """

    jobs: tuple[Job, ...]
    threads: int
    """the first so many jobs are threads of their own, the first of them main; the rest tasks"""
    home: tuple[int, ...]
    """of each job: the pool it is submitted to; -1: none"""
    sizes: tuple[int, ...]
    """of the pools"""
    promises: int
    hidden: int | None = None
    """a thread that the trace does not know"""
    unseen: frozenset[int] = frozenset()
    """promises made before the recording began"""
    sizes_unknown: frozenset[int] = frozenset()
    """pools of whose size the trace knows nothing"""
    things: tuple[int, ...] = ()
    """what threads block on: the parties of a barrier; 0: an event"""
    reentrant: tuple[bool, ...] = ()
    """of each lock: it is an RLock"""

    @property
    def futures(self) -> range:
        return range(len(self.jobs) + self.promises)

    @property
    def spare(self) -> range:
        return range(self.initializer - len(self.sizes), self.initializer)

    @property
    def initializer(self) -> int:
        return len(self.jobs) - 1

    @property
    def tasks(self) -> range:
        return range(self.threads, self.spare.start)

    @property
    def promised(self) -> range:
        return range(len(self.jobs), len(self.jobs) + self.promises)

    def is_promise(self, future: int) -> bool:
        return future >= len(self.jobs)


# --------------------------------------------------------------------------------- states

RUNNING, BLOCKED, RETURNING, IDLE, STARTING, ENDED = range(6)
ABSENT, QUEUED, BEGUN, PENDING, DONE, FAILED, CANCELLED, NOTIFIED = range(8)


class Actor(NamedTuple):
    """A thread: what it is doing, in which job, before which operation."""

    doing: int
    job: int = -1
    at: int = 0
    pool: int = -1
    awaits: tuple[int, ...] = ()
    """the futures its wait is for: those that existed when it began; of a barrier: how many came
    before"""

    def goes_on(self) -> Actor:
        """Return the actor before its next operation."""
        return Actor(RUNNING, self.job, self.at + 1, self.pool)


class PoolNow(NamedTuple):
    """A pool."""

    queue: tuple[int, ...] = ()
    closed: bool = False


class ThingNow(NamedTuple):
    """An event or a barrier."""

    came: int = 0
    """how many have come to the barrier"""
    is_open: bool = False
    """the event is set, the barrier is broken"""


class LockNow(NamedTuple):
    """A lock."""

    owner: int = -1
    """the actor that has it; -1: none"""
    depth: int = 0
    scoped: bool = False
    shared: bool = False
    """some actor has released it while another one had it"""


class State(NamedTuple):
    """Where everything stands."""

    actors: tuple[Actor, ...]
    futures: tuple[int, ...]
    pools: tuple[PoolNow, ...]
    things: tuple[ThingNow, ...] = ()
    locks: tuple[LockNow, ...] = ()

    def act(self, number: int, actor: Actor) -> State:
        actors = (*self.actors[:number], actor, *self.actors[number + 1 :])
        return State(actors, self.futures, self.pools, self.things, self.locks)

    def settle(self, future: int, status: int) -> State:
        futures = (*self.futures[:future], status, *self.futures[future + 1 :])
        return State(self.actors, futures, self.pools, self.things, self.locks)

    def change(self, pool: int, now: PoolNow) -> State:
        pools = (*self.pools[:pool], now, *self.pools[pool + 1 :])
        return State(self.actors, self.futures, pools, self.things, self.locks)

    def signal(self, thing: int, now: ThingNow) -> State:
        return self._replace(things=(*self.things[:thing], now, *self.things[thing + 1 :]))

    def lock(self, lock: int, now: LockNow) -> State:
        return self._replace(locks=(*self.locks[:lock], now, *self.locks[lock + 1 :]))


class Step(NamedTuple):
    """One step of one actor."""

    actor: int
    ends_wait: bool
    starts: int
    """the task it starts; -1: none"""
    to: State


def begin(program: Program) -> State:
    """Return the state before anything has happened: all threads of their own run."""
    actors = tuple(Actor(RUNNING, job) for job in range(program.threads))
    futures = tuple(PENDING if program.is_promise(f) else ABSENT for f in program.futures)
    things = tuple(ThingNow() for _ in program.things)
    locks = tuple(LockNow() for _ in program.reentrant)
    return State(actors, futures, tuple(PoolNow() for _ in program.sizes), things, locks)


def steps(program: Program, state: State) -> Iterator[Step]:
    """Yield every step that is possible."""
    for number, actor in enumerate(state.actors):
        if actor.doing == RUNNING:
            yield from _run(program, state, number, actor)
        elif actor.doing == BLOCKED:
            operation = program.jobs[actor.job][actor.at]
            assert isinstance(operation, Waiting)
            if may_pass(program, state, operation, number):
                after = _leave(program, state, operation, number)
                yield Step(number, True, -1, after.act(number, actor.goes_on()))
        elif actor.doing in (RETURNING, STARTING):  # done-callbacks are over, or the initializer
            yield Step(number, False, -1, state.act(number, Actor(IDLE, pool=actor.pool)))
        elif actor.doing == IDLE:
            yield from _serve(state, number, actor)


def _serve(state: State, number: int, actor: Actor) -> Iterator[Step]:
    """An idle worker takes the head of the queue, or leaves its closed pool."""
    pool = state.pools[actor.pool]
    if pool.queue:
        task, rest = pool.queue[0], PoolNow(pool.queue[1:], pool.closed)
        taken = state.change(actor.pool, rest)
        if state.futures[task] == CANCELLED:
            yield Step(number, False, -1, taken.settle(task, NOTIFIED))
        else:
            on = Actor(RUNNING, task, 0, actor.pool)
            yield Step(number, False, task, taken.settle(task, BEGUN).act(number, on))
    elif pool.closed:
        yield Step(number, False, -1, state.act(number, actor._replace(doing=ENDED)))


def _run(program: Program, state: State, number: int, actor: Actor) -> Iterator[Step]:
    job = program.jobs[actor.job]
    if actor.at == len(job) or isinstance(job[actor.at], Fail):
        yield Step(number, False, -1, _finish(state, number, actor, failed=actor.at < len(job)))
        return
    operation = job[actor.at]
    on = state.act(number, actor.goes_on())
    if isinstance(operation, Take):
        halted = state.act(number, actor._replace(doing=BLOCKED))
        free = may_pass(program, halted, operation, number, at_once=True)
        yield Step(number, False, -1, _leave(program, on, operation, number) if free else halted)
    elif isinstance(operation, Release):
        yield Step(number, False, -1, _release(program, on, operation, number))
    elif isinstance(operation, Waiting):
        awaits: tuple[int, ...] = ()
        if isinstance(operation, Await):
            awaits = tuple(f for f in operation.futures if state.futures[f] != ABSENT)
        elif isinstance(operation, Block) and program.things[operation.thing]:
            thing = state.things[operation.thing]
            awaits = (thing.came,)
            state = state.signal(operation.thing, thing._replace(came=thing.came + 1))
        halted = state.act(number, Actor(BLOCKED, actor.job, actor.at, actor.pool, awaits))
        waits = not may_pass(program, halted, operation, number, at_once=True)
        yield Step(number, False, -1, halted if waits else state.act(number, actor.goes_on()))
    elif isinstance(operation, Submit):
        if state.pools[program.home[operation.job]].closed:
            yield Step(number, False, -1, _finish(state, number, actor, failed=True))
        elif state.futures[operation.job] == ABSENT:
            for after in _submit(program, on, operation.job):
                yield Step(number, False, -1, after)
        else:
            yield Step(number, False, -1, on)
    else:
        yield Step(number, False, -1, _at_once(on, operation))


def _finish(state: State, number: int, actor: Actor, *, failed: bool) -> State:
    """The job's future is set; a worker has still to return from it."""
    if state.futures[actor.job] not in (DONE, FAILED):
        state = state.settle(actor.job, FAILED if failed else DONE)
    return state.act(number, actor._replace(doing=ENDED if actor.pool < 0 else RETURNING))


def _submit(program: Program, state: State, job: int) -> Iterator[State]:
    """A pool that is not full may start a worker or not; the first one it must."""
    home = program.home[job]
    pool = state.pools[home]
    after = state.settle(job, QUEUED).change(home, pool._replace(queue=(*pool.queue, job)))
    living = len(workers(state, home))
    if living < program.sizes[home]:
        yield after._replace(actors=(*after.actors, Actor(STARTING, pool=home)))
    if living:
        yield after


def _at_once(state: State, operation: Operation) -> State:
    """Return the state after an operation that never blocks."""
    if isinstance(operation, Settle):
        now = state.futures[operation.promise]
        if now == PENDING:
            return state.settle(operation.promise, FAILED if operation.fails else DONE)
        return state.settle(operation.promise, NOTIFIED) if now == CANCELLED else state
    if isinstance(operation, Cancel):
        waiting = state.futures[operation.future] in (QUEUED, PENDING)
        return state.settle(operation.future, CANCELLED) if waiting else state
    if isinstance(operation, Signal):
        return state.signal(operation.thing, state.things[operation.thing]._replace(is_open=True))
    assert isinstance(operation, Close)
    for number in operation.pools:
        pool = state.pools[number]
        if operation.cancel_futures:
            for task in pool.queue:
                state = state.settle(task, CANCELLED)
            pool = pool._replace(queue=())
        state = state.change(number, pool._replace(closed=True))
    return state


def workers(state: State, pool: int) -> list[int]:
    """Return the pool's workers that live, those about to come included."""
    return [n for n, a in enumerate(state.actors) if a.pool == pool and a.doing != ENDED]


def is_opened(program: Program, state: State, operation: Block, came_before: int) -> bool:
    """Return whether the event is set, or the barrier full or broken."""
    thing, parties = state.things[operation.thing], program.things[operation.thing]
    full = bool(parties) and thing.came // parties > came_before // parties
    return thing.is_open or full


def is_kept(program: Program, state: State, lock: int) -> bool:
    """Return whether only its owner releases the lock.

    A plain one anybody may, but where a ``with`` block has it nobody does: the end of that block
    would then raise.  Of an RLock it takes the owner; but an owner that has ended leaves its ident
    to the next thread, and an idle one may be given a task.
    """
    now = state.locks[lock]
    active = now.owner >= 0 and state.actors[now.owner].doing in (RUNNING, BLOCKED, RETURNING)
    return active and (program.reentrant[lock] or (now.scoped and not now.shared))


def _release(program: Program, state: State, operation: Release, number: int) -> State:
    now = state.locks[operation.lock]
    if now.owner == number:
        depth = 0 if operation.whole else now.depth - 1
        return state.lock(operation.lock, now._replace(depth=depth, owner=number if depth else -1))
    if now.owner < 0 or is_kept(program, state, operation.lock):
        return state
    return state.lock(operation.lock, LockNow(shared=True))


def _leave(program: Program, state: State, operation: Waiting, number: int) -> State:
    """Return the state after a wait: who leaves a barrier that is not full breaks it.

    And who waited for a lock has it, if that is why the wait is over.
    """
    actor = state.actors[number]
    if isinstance(operation, Take):
        now = state.locks[operation.lock]
        if now.owner not in (-1, number) or (
            now.owner == number and not program.reentrant[operation.lock]
        ):
            return state  # the time is up
        scoped = now.scoped if now.depth else operation.scoped
        return state.lock(operation.lock, LockNow(number, now.depth + 1, scoped, now.shared))
    if isinstance(operation, Block) and program.things[operation.thing]:
        thing = state.things[operation.thing]
        if not is_opened(program, state, operation, actor.awaits[0]):
            return state.signal(operation.thing, thing._replace(is_open=True))
    return state


def may_pass(
    program: Program, state: State, operation: Waiting, number: int, *, at_once: bool = False
) -> bool:
    """Return whether the wait can be over; `at_once`: before it has blocked, so no timeout yet.

    A signal may call the first actor, which is main, away from where programs park it.
    """
    if isinstance(operation, Drain):
        living = {worker for pool in operation.pools for worker in workers(state, pool)}
        return not living - {number}
    if operation.timed and not at_once:
        return True
    if isinstance(operation, Take):
        owner = state.locks[operation.lock].owner
        return owner < 0 or (owner == number and program.reentrant[operation.lock])
    if isinstance(operation, Join):
        if number == 0 and not operation.exits and not at_once:
            return True
        return all(state.actors[t].doing == ENDED for t in operation.threads if t != number)
    if isinstance(operation, Block):
        if number == 0 and not at_once:
            return True
        before = next(iter(state.actors[number].awaits), 0)
        return is_opened(program, state, operation, before)
    now = [state.futures[f] for f in state.actors[number].awaits]
    over = {DONE, FAILED, NOTIFIED} | ({CANCELLED} if operation.hears_cancel else set())
    count = sum(status in over for status in now)
    if operation.first_exception:
        return FAILED in now or count == len(now)
    return count >= min(operation.need, len(now))


# ------------------------------------------------------------------------- continuations


class Future(NamedTuple):
    """What some continuation of a state does."""

    ends: frozenset[int]
    """actors whose present wait it ends"""
    starts: frozenset[int]
    """queued tasks it starts"""


@dataclass(slots=True)
class Explorer:
    """All continuations of the states of one program, each state looked at once."""

    program: Program
    limit: int = 20_000
    known: dict[State, Future] = field(default_factory=dict)

    def future(self, state: State) -> Future:
        """Return what some continuation of the state does.  Every step is progress: no cycles.

        Raises OverflowError if the program has too many states to look at all.
        """
        todo = [state]
        while todo:
            current = todo[-1]
            if current in self.known:
                todo.pop()
                continue
            following = list(steps(self.program, current))
            missing = [step.to for step in following if step.to not in self.known]
            if missing:
                todo.extend(missing)
                if len(self.known) + len(todo) > self.limit:
                    raise OverflowError
                continue
            ends: set[int] = set()
            starts: set[int] = set()
            for step in following:
                later = self.known[step.to]
                ends |= later.ends - {step.actor}
                starts |= later.starts
                if step.ends_wait:
                    ends.add(step.actor)
                starts.add(step.starts)
            self.known[current] = Future(
                frozenset(ends.intersection(blocked(current))),
                frozenset(starts.intersection(queued(current))),
            )
            todo.pop()
        return self.known[state]


def without_cancelling(program: Program) -> Program:
    """Return the program with nobody cancelling anything: what the engine takes for granted."""

    def tame(operation: Operation) -> Operation:
        if isinstance(operation, Cancel):
            return Close(())
        if isinstance(operation, Close):
            return replace(operation, cancel_futures=False)
        return operation

    jobs = tuple(tuple(tame(operation) for operation in job) for job in program.jobs)
    return replace(program, jobs=jobs)


def with_other_future(program: Program, state: State, job: Callable[[int], Job]) -> Program:
    """Return a program that agrees with all that has happened, and goes on in another way.

    What each thread has done and what it is blocked in stay; `job` gives what comes after.
    """
    begun = {actor.job: actor for actor in state.actors if actor.doing in (RUNNING, BLOCKED)}
    jobs = []
    for number, own in enumerate(program.jobs):
        actor = begun.get(number)
        kept = () if actor is None else own[: actor.at + (actor.doing == BLOCKED)]
        jobs.append((*kept, *job(number)))
    return replace(program, jobs=tuple(jobs))


def optimist(program: Program, state: State) -> Future:
    """Return what happens if from now on every job does all it can for the others.

    It settles every promise (failing, which ends every kind of wait), submits a task of its own
    to every pool, so that the pool grows if it may, closes all pools, and fails.  None of this
    keeps another thread from anything, so one run in any order is enough.  What the trace does not
    know is as good as it may be.
    """
    pools = range(len(program.sizes))
    help_all: Job = (
        *(Release(lock, whole=True) for lock in range(len(program.reentrant))),
        *(Signal(thing) for thing in range(len(program.things))),
        *(Settle(f, fails=True) for f in program.promised),
        *(Submit(program.spare[p]) for p in pools if not state.pools[p].closed),
        Close(tuple(pools)),
        Fail(),
    )
    if program.hidden is not None:
        state = state.act(program.hidden, Actor(RUNNING, program.hidden))
    for number, actor in enumerate(state.actors):
        if actor.doing == RETURNING:  # done-callbacks run, and may do anything
            state = state.act(number, actor._replace(doing=RUNNING, at=0))
        elif actor.doing == STARTING:
            now = actor._replace(doing=RUNNING, job=program.initializer)
            state = state.act(number, now)
    for future in program.unseen:
        if state.futures[future] == PENDING:
            state = state.settle(future, FAILED)
        elif state.futures[future] == CANCELLED:
            state = state.settle(future, NOTIFIED)
    helpful = with_other_future(program, state, lambda _: help_all)
    found = []
    for chosen in _subsets(sorted(program.sizes_unknown)):
        more = tuple(Actor(IDLE, pool=pool) for pool in chosen)
        found.append(_one_run(helpful, state._replace(actors=(*state.actors, *more))))
    return Future(
        frozenset().union(*(future.ends for future in found)) & frozenset(blocked(state)),
        frozenset().union(*(future.starts for future in found)) & frozenset(queued(state)),
    )


def _subsets(items: Sequence[int]) -> list[tuple[int, ...]]:
    found: list[tuple[int, ...]] = [()]
    for item in items:
        found += [(*chosen, item) for chosen in found]
    return found


def _one_run(program: Program, state: State) -> Future:
    """Return what happens in the run in which always the first possible step is taken."""
    ends: set[int] = set()
    starts: set[int] = set()
    while step := next(steps(program, state), None):
        state = step.to
        if step.ends_wait:
            ends.add(step.actor)
        starts.add(step.starts)
    return Future(frozenset(ends), frozenset(starts))


def blocked(state: State) -> list[int]:
    """Return the actors that are blocked."""
    return [number for number, actor in enumerate(state.actors) if actor.doing == BLOCKED]


def queued(state: State) -> list[int]:
    """Return the tasks that no worker has taken."""
    return [future for future, status in enumerate(state.futures) if status == QUEUED]


# ------------------------------------------------------------------ what a trace would tell

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


# ------------------------------------------------------------------------ random programs


@dataclass(frozen=True, slots=True)
class Taste:
    """What kind of programs to make."""

    name: str
    threads: tuple[int, int] = (1, 2)
    tasks: tuple[int, int] = (1, 4)
    pools: tuple[int, int] = (1, 2)
    promises: tuple[int, int] = (0, 1)
    length: tuple[int, int] = (1, 2)
    weights: tuple[int, ...] = (6, 8, 2, 0, 0, 0)
    """of submit, await, settle, cancel, close, drain, join, block, signal, take, release"""
    things: tuple[int, int] = (0, 0)
    locks: tuple[int, int] = (0, 0)
    several: float = 0.3
    """how often a wait is for several futures"""
    timed: float = 0.05
    hidden: float = 0.0
    unseen: float = 0.0
    unknown_size: float = 0.0
    deaf: float = 0.3
    """how often a wait hears of cancelled tasks only through a worker"""
    exits: float = 0.5
    """how often main ends by draining all pools"""


TASTES: Final = (
    Taste("fork-join", promises=(0, 0), several=0.2, timed=0.0, length=(1, 3)),
    Taste("any", several=0.8, tasks=(2, 4)),
    Taste("promises", promises=(1, 2), weights=(4, 8, 4, 1, 0, 0)),
    Taste("threads", threads=(2, 3), tasks=(1, 3), promises=(0, 2)),
    Taste("timeouts", timed=0.4),
    Taste("drains", weights=(6, 6, 2, 0, 2, 5), tasks=(2, 3)),
    Taste("cancel", weights=(4, 9, 1, 5, 1, 0), deaf=0.8, tasks=(2, 3), pools=(1, 1), exits=0.2),
    Taste("closing", weights=(6, 7, 2, 2, 5, 0), deaf=0.7, tasks=(2, 3)),
    Taste("unknown", hidden=0.3, unseen=0.4, unknown_size=0.3, promises=(1, 2), tasks=(1, 3)),
    Taste(
        "joins",
        threads=(2, 3),
        tasks=(1, 2),
        weights=(5, 6, 2, 0, 1, 1, 8),
        exits=0.6,
        timed=0.1,
        hidden=0.1,
    ),
    Taste(
        "objects",
        threads=(1, 3),
        tasks=(1, 2),
        things=(1, 2),
        weights=(5, 6, 1, 0, 0, 1, 3, 8, 3),
        timed=0.1,
        hidden=0.1,
    ),
    Taste(
        "locks",
        threads=(1, 3),
        tasks=(1, 2),
        pools=(1, 1),
        locks=(1, 2),
        length=(1, 3),
        weights=(4, 5, 1, 0, 0, 1, 2, 0, 0, 14, 3),
        timed=0.1,
        hidden=0.1,
        exits=0.3,
    ),
    Taste("workers", pools=(1, 1), tasks=(3, 4), promises=(0, 0), weights=(6, 9, 0, 0, 0, 0)),
)


_ANYTHING: Final = Taste("anything", weights=(4, 8, 4, 1, 0, 0, 1, 2, 1, 2, 2))
"""What jobs do next that did something else in the program as it was made."""


def random_program(rng: random.Random, taste: Taste) -> Program:
    """Return a program to the taste; task numbers are such that each may be submitted by any."""
    threads = rng.randint(*taste.threads)
    tasks = rng.randint(*taste.tasks)
    sizes = tuple(rng.randint(1, 2) for _ in range(rng.randint(*taste.pools)))
    jobs = threads + tasks
    promises = rng.randint(*taste.promises)
    first_promise = jobs + len(sizes) + 1
    home = (
        *((-1,) * threads),
        *(rng.randrange(len(sizes)) for _ in range(tasks)),
        *range(len(sizes)),
        -1,
    )
    promised = range(first_promise, first_promise + promises)
    things = tuple(rng.choice((0, 2, 3)) for _ in range(rng.randint(*taste.things)))
    locks = rng.randint(*taste.locks) if taste.locks[1] else 0
    reentrant = tuple(rng.random() < 0.4 for _ in range(locks))
    tasks_ = range(threads, jobs)
    maker = _Maker(rng, taste, tasks_, len(sizes), promised, threads, len(things), locks)
    bodies = [maker.job(number) for number in range(jobs)]
    # somebody submits most of the tasks
    for task in range(threads, jobs):
        if rng.random() < 0.8:
            by = rng.randrange(task) if rng.random() < 0.6 else rng.randrange(threads)
            at = rng.randint(0, len(bodies[by]))
            bodies[by] = (*bodies[by][:at], Submit(task), *bodies[by][at:])
    if rng.random() < taste.exits:
        every = tuple(range(len(sizes)))
        bodies[0] = (*bodies[0], Close(every), Drain(every))
        if taste.weights[_JOIN:]:
            bodies[0] = (*bodies[0], Join(tuple(range(1, threads)), exits=True))
    hidden = threads - 1 if threads > 1 and rng.random() < taste.hidden else None
    unseen = frozenset(f for f in maker.promises if rng.random() < taste.unseen)
    unknown = frozenset(p for p in range(len(sizes)) if rng.random() < taste.unknown_size)
    spare = ((),) * (len(sizes) + 1)
    jobs_ = (*bodies, *spare)
    return Program(
        jobs_, threads, home, sizes, promises, hidden, unseen, unknown, things, reentrant
    )


_JOIN: Final = 6
"""Index of a join's weight."""

_TAKE: Final = 9
"""Index of a take's weight."""


@dataclass(slots=True)
class _Maker:
    """Makes jobs of operations."""

    rng: random.Random
    taste: Taste
    tasks: range
    pools: int
    promises: range
    threads: int
    things: int
    locks: int

    def job(self, number: int) -> Job:
        operations = [self.operation() for _ in range(self.rng.randint(*self.taste.length))]
        if number in self.tasks and self.rng.random() < 0.15:
            operations.append(Fail())
        return tuple(operations)

    def operation(self) -> Operation:
        rng, taste = self.rng, self.taste
        (kind,) = rng.choices(range(len(taste.weights)), taste.weights)
        futures = [*self.tasks, *self.promises]
        if kind == 0:
            return Submit(rng.choice(self.tasks))
        if kind == 2 and self.promises:
            return Settle(rng.choice(self.promises), fails=rng.random() < 0.5)
        if kind == 3:
            return Cancel(rng.choice(futures))
        if kind == 4:
            return Close((rng.randrange(self.pools),), cancel_futures=rng.random() < 0.5)
        if kind == 5:
            return Drain(self._some_pools())
        if kind == _JOIN:
            return Join((rng.randrange(self.threads),), timed=rng.random() < taste.timed)
        if kind == _JOIN + 1 and self.things:
            return Block(rng.randrange(self.things), timed=rng.random() < taste.timed)
        if kind == _JOIN + 2 and self.things:
            return Signal(rng.randrange(self.things))
        if kind == _TAKE and self.locks:
            scoped = rng.random() < 0.5
            return Take(rng.randrange(self.locks), rng.random() < taste.timed, scoped)
        if kind == _TAKE + 1 and self.locks:
            return Release(rng.randrange(self.locks))
        return self._await(futures)

    def _some_pools(self) -> tuple[int, ...]:
        chosen = {self.rng.randrange(self.pools) for _ in range(self.rng.randint(1, 2))}
        return tuple(sorted(chosen))

    def _await(self, futures: list[int]) -> Await:
        rng, taste = self.rng, self.taste
        timed = rng.random() < taste.timed
        if rng.random() >= taste.several or len(futures) < 2:
            return Await((rng.choice(futures),), 1, timed, hears_cancel=rng.random() >= taste.deaf)
        some = tuple(sorted(rng.sample(futures, rng.randint(2, min(4, len(futures))))))
        first = rng.random() < 0.25
        return Await(
            some, rng.randint(1, len(some)), timed, hears_cancel=False, first_exception=first
        )


# ---------------------------------------------------------------------------- the judgement


class Disagreement(Exception):
    """The engine and the semantics say different things of a state."""


@dataclass(slots=True)
class Tally:
    """What has been looked at."""

    programs: int = 0
    too_large: int = 0
    states: int = 0
    stuck: int = 0
    partial: int = 0
    other_futures: int = 0

    def __str__(self) -> str:
        return (
            f"{self.programs} programs ({self.too_large} too large), {self.states} states with a "
            f"blocked thread, {self.stuck} of them with a stuck one, {self.partial} of those while "
            f"others move, {self.other_futures} other futures"
        )


Engine = Callable[[Snapshot], WaitGraph]


def judge(
    program: Program,
    rng: random.Random,
    tally: Tally,
    engine: Engine = build,
    limit: int = 3_000,
) -> None:
    """Compare the engine with the semantics in every reachable state of the program.

    Raises Disagreement.
    """
    tally.programs += 1
    real, calm = Explorer(program, limit), without_cancelling(program)
    tame = real if calm == program else Explorer(calm, limit)
    try:
        real.future(begin(program))
        for state in list(real.known):
            if blocked(state):
                _judge_state(program, state, real, tame, rng, tally, engine)
    except OverflowError:
        tally.too_large += 1


def _judge_state(
    program: Program,
    state: State,
    real: Explorer,
    tame: Explorer,
    rng: random.Random,
    tally: Tally,
    engine: Engine,
) -> None:
    tally.states += 1
    graph = engine(snapshot_of(program, state))
    stuck = frozenset(thread - 1 for thread in graph.stuck_threads)
    stuck_tasks = frozenset(
        task for task in queued(state) if graph.is_stuck(resolves(TaskId(task + 1)))
    )
    said = Future(
        frozenset(blocked(state)) - stuck - {program.hidden}, frozenset(queued(state)) - stuck_tasks
    )
    _same(program, state, said, optimist(program, state))
    nobody_moves = graph.is_stuck(ANYBODY)
    _sound(program, state, said, (real if nobody_moves else tame).future(state))
    if not stuck:
        return
    tally.stuck += 1
    tally.partial += not nobody_moves
    if rng.random() > 0.2:
        return
    pools, things = len(program.sizes), len(program.things)
    locks, threads = len(program.reentrant), program.threads
    maker = _Maker(rng, _ANYTHING, program.tasks, pools, program.promised, threads, things, locks)
    other = without_cancelling(with_other_future(program, state, maker.job))
    with suppress(OverflowError):
        _sound(other, state, said, Explorer(other, 1_000).future(state))
        tally.other_futures += 1


def _same(program: Program, state: State, said: Future, seen: Future) -> None:
    ends = seen.ends - {program.hidden}
    if said.ends != ends or said.starts != seen.starts:
        raise Disagreement(
            f"the engine lets {said} get on, the optimist {Future(ends, seen.starts)}\n"
            f"{program}\n{state}"
        )


def _sound(program: Program, state: State, said: Future, seen: Future) -> None:
    if not (seen.ends - {program.hidden} <= said.ends and seen.starts <= said.starts):
        raise Disagreement(
            f"the engine lets only {said} get on, but a continuation {seen}\n{program}\n{state}"
        )


def run_some(
    numbers: Iterable[int], seed: int, engine: Engine = build, limit: int = 3_000
) -> Tally:
    """Judge the random programs with these numbers, all tastes in turn.  Raises Disagreement."""
    tally = Tally()
    for number in numbers:
        rng = random.Random(f"{seed}/{number}")
        program = random_program(rng, TASTES[number % len(TASTES)])
        judge(program, rng, tally, engine, limit)
    return tally


def main(arguments: Sequence[str] | None = None) -> int:
    """Judge as many programs as asked for, and say what was seen."""
    parser = argparse.ArgumentParser(description="compare the engine with the reference semantics")
    parser.add_argument("--programs", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--limit", type=int, default=10_000, help="states of a program, at most")
    options = parser.parse_args(arguments)
    begun = time.monotonic()
    tally = run_some(range(options.programs), options.seed, limit=options.limit)
    sys.stdout.write(f"{tally}: no disagreement ({time.monotonic() - begun:.0f} s)\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
