"""Where everything stands in a program, and every state that one step of one thread leads to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from tests.oracle.programs import (
    Await,
    Block,
    Cancel,
    Close,
    Drain,
    Fail,
    Join,
    Operation,
    Program,
    Release,
    Settle,
    Signal,
    Submit,
    Take,
    Waiting,
)

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
