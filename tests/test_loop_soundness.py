"""Event loops against a reference semantics of their own: small, and explored exhaustively.

A program has a pool, a thread beside it, and a thread that may run an event loop.  Each job of the
pool and each thread is a list of operations, and so is each coroutine.  In every state that any
schedule can reach, the engine sees what a trace would tell; what it calls stuck must be stuck in
every continuation.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import pytest

from tests.test_soundness import NEVER_IN_PROGRAMS
from tpanalyze.horn import Rule
from tpanalyze.model import (
    FutureWait,
    Pool,
    PoolId,
    PoolRole,
    Snapshot,
    Task,
    TaskId,
    TaskOrigin,
    TaskState,
    Thread,
    ThreadId,
    ThreadState,
)
from tpanalyze.rules import RULES, RuleSource, anybody, futures, pools, threads
from tpanalyze.waitgraph import build

POOL, LOOP = PoolId(1), PoolId(2)
RUNNER, BESIDE, FIRST_WORKER = 0, 1, 2
"""Numbers of actors: the thread that may run the loop, another thread, and the pool's workers."""
COROUTINES = 100
"""Futures from here on are those of coroutines; below are the pool's jobs."""
PROGRAMS, LIMIT = 1_500, 3_000

Workers = tuple[tuple[int, int] | None, ...]
Operation = tuple[str, int]
"""``submit`` a job, ``hand`` a coroutine to the loop, wait for the ``result`` of either; ``await``
a job, after submitting it; ``run`` the loop until a coroutine is done; ``close`` it"""


class Program(NamedTuple):
    """What there is to run."""

    role: PoolRole
    tokens: int
    threads: tuple[tuple[Operation, ...], ...]
    jobs: tuple[tuple[Operation, ...], ...]
    coroutines: tuple[tuple[Operation, ...], ...]


class State(NamedTuple):
    """Where everything stands; a place is the index of the next operation."""

    threads: tuple[int, ...]
    """place of each of the two threads"""
    workers: Workers
    """job and place in it of each worker"""
    queue: tuple[int, ...]
    submitted: frozenset[int]
    handed: frozenset[int]
    places: tuple[int, ...]
    """of each coroutine"""
    inside: int
    """the coroutine that the loop runs now; -1: none"""
    done: frozenset[int]
    """jobs that are done and coroutines whose promise is set"""
    closed: bool


def begin(program: Program) -> State:
    idle = (None,) * program.tokens
    nothing: frozenset[int] = frozenset()
    places = (0,) * len(program.coroutines)
    return State((0, 0), idle, (), nothing, nothing, places, -1, nothing, closed=False)


def steps(program: Program, state: State) -> Iterator[State]:
    """Yield every state that one step of one thread leads to."""
    for number, place in enumerate(state.threads):
        operations = program.threads[number]
        if place < len(operations):
            after = tuple(p + (n == number) for n, p in enumerate(state.threads))
            if operations[place][0] == "run":
                yield from turns(program, state)
                if state.inside < 0 and COROUTINES + operations[place][1] in state.done:
                    yield state._replace(threads=after)
            else:
                yield from act(state._replace(threads=after), operations[place], state)
    for worker, busy in enumerate(state.workers):
        if busy is None:
            if state.queue:
                taken = put(state.workers, worker, (state.queue[0], 0))
                yield state._replace(workers=taken, queue=state.queue[1:])
        elif busy[1] == len(program.jobs[busy[0]]):
            idle = put(state.workers, worker, None)
            yield state._replace(workers=idle, done=state.done | {busy[0]})
        else:
            operation = program.jobs[busy[0]][busy[1]]
            on = put(state.workers, worker, (busy[0], busy[1] + 1))
            yield from act(state._replace(workers=on), operation, state)


def put(workers: Workers, at: int, what: tuple[int, int] | None) -> Workers:
    return tuple(what if n == at else busy for n, busy in enumerate(workers))


def act(after: State, operation: Operation, before: State) -> Iterator[State]:
    """Yield the state after an operation of a thread, if it does not block."""
    what, number = operation
    if what == "submit":
        if number not in before.submitted:
            after = after._replace(
                queue=(*after.queue, number), submitted=after.submitted | {number}
            )
        yield after
    elif what == "hand":
        # to a closed loop it would raise: then the promise does not get to anybody
        yield after if before.closed else after._replace(handed=after.handed | {number})
    elif what == "close":
        yield after._replace(closed=True)
    elif number in before.done or not exists(before, number):
        yield after


def exists(state: State, future: int) -> bool:
    if future >= COROUTINES:
        return future - COROUTINES in state.handed
    return future in state.submitted


def turns(program: Program, state: State) -> Iterator[State]:
    """Yield what one step of the running loop leads to."""
    if state.inside < 0:
        for number in state.handed:
            if COROUTINES + number in state.done:
                continue
            if state.places[number] > len(program.coroutines[number]):  # a callback of its own
                yield state._replace(done=state.done | {COROUTINES + number})
            elif suspended_for(program, state, number) is None:
                yield state._replace(inside=number)
        return
    number = state.inside
    operations, place = program.coroutines[number], state.places[number]
    places = tuple(p + (n == number) for n, p in enumerate(state.places))
    after = state._replace(places=places)
    if place == len(operations):
        yield after._replace(inside=-1)
    elif operations[place][0] == "await":
        (submitted,) = act(state, ("submit", operations[place][1]), state)
        yield submitted._replace(places=places, inside=-1)
    else:
        yield from act(after, operations[place], state)


def suspended_for(program: Program, state: State, number: int) -> int | None:
    """Return the job that a coroutine awaits and that is not done; None if there is none."""
    place = state.places[number]
    if 0 < place <= len(program.coroutines[number]) and state.inside != number:
        what, job = program.coroutines[number][place - 1]
        if what == "await" and job not in state.done:
            return job
    return None


# -- what a trace would tell -----------------------------------------------------------------------


def awaited(program: Program, state: State, actor: int) -> int | None:
    """Return the future that a thread blocks for; None if it is not blocked."""
    if actor < FIRST_WORKER:
        place = state.threads[actor]
        operations = program.threads[actor]
        if place == len(operations):
            return None
        operation = operations[place]
        if operation[0] == "run":
            number = state.inside
            if number < 0 or state.places[number] == len(program.coroutines[number]):
                return None
            operation = program.coroutines[number][state.places[number]]
    else:
        busy = state.workers[actor - FIRST_WORKER]
        if busy is None or busy[1] == len(program.jobs[busy[0]]):
            return None
        operation = program.jobs[busy[0]][busy[1]]
    what, future = operation
    if what != "result" or future in state.done or not exists(state, future):
        return None
    return future


def snapshot_of(program: Program, state: State) -> Snapshot:
    threads: dict[ThreadId, Thread] = {}
    tasks: dict[TaskId, Task] = {}
    for actor in range(FIRST_WORKER + program.tokens):
        future = awaited(program, state, actor)
        number = ThreadId(actor + 1)
        wait = None
        standing = ThreadState.RUNNING
        if future is not None:
            wait = FutureWait("Future.result", (TaskId(future + 1),), 1, None, None, 0)
            standing = ThreadState.WAITING
        elif actor < FIRST_WORKER:
            if state.threads[actor] == len(program.threads[actor]):
                standing = ThreadState.ENDED
        elif state.workers[actor - FIRST_WORKER] is None:
            standing = ThreadState.IDLE
        pool = None if actor < FIRST_WORKER else POOL
        busy = None if pool is None else state.workers[actor - FIRST_WORKER]
        running = (TaskId(busy[0] + 1),) if busy else ()
        threads[number] = Thread(number, f"t{number}", standing, pool, running, wait)
    workers = [n for n, thread in threads.items() if thread.pool is not None]
    if program.role is PoolRole.LIMITER:
        workers = [n for n in workers if threads[n].state is not ThreadState.IDLE]
    runs = state.threads[RUNNER] < len(program.threads[RUNNER]) and (
        program.threads[RUNNER][state.threads[RUNNER]][0] == "run"
    )
    for job in state.submitted:
        task = TaskId(job + 1)
        worker = next((t.id for t in threads.values() if task in t.tasks), None)
        is_at = TaskState.QUEUED if job in state.queue else TaskState.RUNNING
        is_at = TaskState.FINISHED if job in state.done else is_at
        tasks[task] = Task(task, is_at, TaskOrigin.POOL, POOL, worker=worker)
    for coroutine in state.handed:
        task = TaskId(COROUTINES + coroutine + 1)
        is_set = COROUTINES + coroutine in state.done
        is_at = TaskState.FINISHED if is_set else TaskState.PENDING
        seen = suspended_for(program, state, coroutine)
        awaits = () if seen is None else (TaskId(seen + 1),)
        tasks[task] = Task(task, is_at, TaskOrigin.PROMISE, loop=LOOP, awaits=awaits)
    queue = tuple(TaskId(job + 1) for job in state.queue)
    return Snapshot(
        0,
        threads,
        tasks,
        {
            POOL: Pool(
                POOL,
                "pool",
                "pool",
                program.tokens,
                workers=tuple(workers),
                queue=queue,
                role=program.role,
            ),
            LOOP: Pool(
                LOOP,
                "loop",
                "",
                1,
                workers=(ThreadId(RUNNER + 1),) if runs else (),
                closed=state.closed,
                role=PoolRole.LOOP,
            ),
        },
        all_threads_known=True,
    )


# -- random programs, and the judgement ------------------------------------------------------------


def random_program(number: int) -> Program:
    rng = random.Random(number)
    jobs, coroutines = rng.randint(1, 3), rng.randint(1, 3)

    def of_thread() -> Operation:
        future = rng.choice([*range(jobs), *(COROUTINES + c for c in range(coroutines))])
        return rng.choice(
            [
                ("submit", rng.randrange(jobs)),
                ("hand", rng.randrange(coroutines)),
                ("result", future),
                ("result", future),
            ]
        )

    def of_coroutine() -> Operation:
        return rng.choice(
            [("await", rng.randrange(jobs)), ("await", rng.randrange(jobs)), of_thread()]
        )

    def some(make: Callable[[], Operation], most: int) -> tuple[Operation, ...]:
        return tuple(make() for _ in range(rng.randint(0, most)))

    main = rng.randrange(coroutines)
    runner = (("hand", main), *some(of_thread, 1))
    runner += (("run", main),) if rng.random() < 0.9 else ()
    runner += (("close", 0),) if rng.random() < 0.5 else ()
    return Program(
        rng.choice([PoolRole.EXECUTOR, PoolRole.LIMITER]),
        rng.randint(1, 2),
        ((*runner, *some(of_thread, 1)), some(of_thread, 3)),
        tuple(some(of_thread, 3) for _ in range(jobs)),
        tuple(some(of_coroutine, 3) for _ in range(coroutines)),
    )


class FalseAlarmError(AssertionError):
    """The engine called something stuck that a continuation ends."""


def explore(program: Program) -> dict[State, list[State]] | None:
    """Return every reachable state with those that follow; None if they are too many."""
    graph: dict[State, list[State]] = {}
    agenda = [begin(program)]
    while agenda:
        state = agenda.pop()
        if state in graph:
            continue
        if len(graph) == LIMIT:
            return None
        graph[state] = list(steps(program, state))
        agenda += graph[state]
    return graph


def wait_of(state: State, actor: int) -> object:
    """Return what tells one wait of a thread from its next one."""
    if actor >= FIRST_WORKER:
        return state.workers[actor - FIRST_WORKER]
    if actor == BESIDE:
        return state.threads[actor]
    return state.threads[actor], state.inside, state.places


def judge(program: Program, sources: Iterable[RuleSource] = RULES) -> tuple[int, int]:
    """Return how many waits were judged, and how many of them called stuck.

    Raises FalseAlarmError.
    """
    graph = explore(program)
    if graph is None:
        return 0, 0
    actors = range(FIRST_WORKER + program.tokens)
    before: dict[State, list[State]] = {state: [] for state in graph}
    for state, following in graph.items():
        for after in following:
            before[after].append(state)
    ends: list[set[State]] = []  # for each actor the states from which its wait can end
    for actor in actors:
        found: set[State] = set()
        agenda = [
            state
            for state, following in graph.items()
            if awaited(program, state, actor) is not None
            and any(
                awaited(program, after, actor) is None
                or wait_of(after, actor) != wait_of(state, actor)
                for after in following
            )
        ]
        while agenda:
            state = agenda.pop()
            if state not in found and awaited(program, state, actor) is not None:
                found.add(state)
                wait = wait_of(state, actor)
                agenda += (b for b in before[state] if wait_of(b, actor) == wait)
        ends.append(found)
    judged = stuck = 0
    for state in graph:
        waits = [actor for actor in actors if awaited(program, state, actor) is not None]
        judged += len(waits)
        if not waits:
            continue
        dead = build(snapshot_of(program, state), tuple(sources)).stuck_threads
        for actor in waits:
            if actor + 1 in dead:
                stuck += 1
                if state in ends[actor]:
                    raise FalseAlarmError(program, state, actor)
    return judged, stuck


def test_what_is_called_stuck_no_continuation_ends() -> None:
    judged = stuck = 0
    for number in range(PROGRAMS):
        one, dead = judge(random_program(number))
        judged, stuck = judged + one, stuck + dead
    assert judged - stuck > 10_000
    assert stuck > 10_000


MINE = (
    futures.a_promise_of_a_loop_is_set_when_its_thread_comes_to_it,
    pools.a_token_that_no_task_has_is_free,
    pools.a_loop_that_nobody_runs_may_be_run_by_anybody,
)


def is_killed(sources: Iterable[RuleSource]) -> bool:
    rules = tuple(sources)
    try:
        for number in range(PROGRAMS):
            judge(random_program(number), rules)
    except FalseAlarmError:
        return True
    return False


@pytest.mark.parametrize("rule", MINE, ids=lambda rule: rule.__name__)
def test_dropping_a_rule_of_loops_makes_a_false_alarm(rule: RuleSource) -> None:
    assert is_killed(source for source in RULES if source is not rule)


def test_a_promise_that_awaits_nothing_known_needs_only_its_loop() -> None:
    """A mutant that asks for a task where none is known is caught."""

    def too_strict(snapshot: Snapshot) -> Iterator[Rule]:
        for rule in MINE[0](snapshot):
            yield rule._replace(need=rule.need + 1)

    assert is_killed(too_strict if source is MINE[0] else source for source in RULES)


# -- what must be found ----------------------------------------------------------------------------


def last_state(program: Program) -> State:
    """Return a state that no step leads out of; there must be just one."""
    graph = explore(program)
    assert graph is not None
    (state,) = (state for state, following in graph.items() if not following)
    return state


def dead_at_the_end(program: Program) -> tuple[int, ...]:
    return tuple(build(snapshot_of(program, last_state(program))).stuck_threads)


ONE = COROUTINES

HANGS: tuple[tuple[Program, tuple[int, ...]], ...] = (
    # a coroutine blocks for another one of its loop
    (
        Program(
            PoolRole.EXECUTOR,
            1,
            ((("hand", 0), ("run", 0)), ()),
            (),
            ((("hand", 1), ("result", ONE + 1)), ()),
        ),
        (1,),
    ),
    # it blocks for a job that hands a coroutine to its loop
    (
        Program(
            PoolRole.EXECUTOR,
            1,
            ((("hand", 0), ("run", 0)), ()),
            ((("hand", 1), ("result", ONE + 1)),),
            ((("submit", 0), ("result", 0)), ()),
        ),
        (1, 3),
    ),
    # the loop is closed
    (
        Program(
            PoolRole.EXECUTOR, 1, ((("hand", 0), ("close", 0), ("result", ONE)), ()), (), ((),)
        ),
        (1,),
    ),
    # nobody runs it
    (
        Program(PoolRole.EXECUTOR, 1, ((("hand", 0), ("result", ONE)), ()), (), ((),)),
        (1,),
    ),
    *(
        # the only worker, or token, waits for a coroutine that awaits a job of the same pool
        (
            Program(
                role,
                1,
                ((("hand", 0), ("run", 0)), ()),
                ((("hand", 1), ("result", ONE + 1)), ()),
                ((("await", 0),), (("await", 1),)),
            ),
            (3,),
        )
        for role in (PoolRole.EXECUTOR, PoolRole.LIMITER)
    ),
)


@pytest.mark.parametrize(("program", "dead"), HANGS)
def test_what_hangs_for_ever_is_called_stuck(program: Program, dead: tuple[int, ...]) -> None:
    assert dead_at_the_end(program) == dead


@pytest.mark.parametrize("rule", [MINE[0], MINE[2]], ids=lambda rule: rule.__name__)
def test_loosening_a_rule_of_loops_misses_a_deadlock(rule: RuleSource) -> None:
    def loose(snapshot: Snapshot) -> Iterator[Rule]:
        for each in rule(snapshot):
            yield each._replace(need=max(0, each.need - 1))

    rules = tuple(loose if source is rule else source for source in RULES)
    missed = [
        program
        for program, dead in HANGS
        if build(snapshot_of(program, last_state(program)), sources=rules).stuck_threads != dead
    ]
    assert missed


def test_each_rule_is_dropped_by_one_of_the_tests() -> None:
    """Those that the programs of :mod:`tests.test_soundness` cannot tell are dropped elsewhere.

    The first in :mod:`tests.test_waitgraph`, the others in :mod:`tests.test_crews`.
    """
    elsewhere = {
        threads.a_wait_without_a_rule_may_end,
        pools.a_process_is_free,
        pools.a_crew_replaces_the_workers_that_have_ended,
        anybody.a_result_that_is_handed_out_is_somebody,
    }
    assert {rule.__name__ for rule in (*MINE, *elsewhere)} == NEVER_IN_PROGRAMS


def test_with_one_token_more_nothing_is() -> None:
    program = Program(
        PoolRole.LIMITER,
        2,
        ((("hand", 0), ("run", 0)), ()),
        ((("hand", 1), ("result", ONE + 1)), ()),
        ((("await", 0),), (("await", 1),)),
    )
    assert dead_at_the_end(program) == ()
