"""The number of workers that a starved pool is said to have needed, judged by :mod:`tests.oracle`.

A report says two things of it: with one worker more in one of the pools this deadlock is none; and,
if the queued tasks of the same functions wait like the blocked ones, so many are enough for what
was there.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

from tests.oracle.continuations import Explorer, blocked, optimist
from tests.oracle.programs import Await, Job, Program, Submit
from tests.oracle.random_programs import TASTES, random_program
from tests.oracle.states import IDLE, Actor, State, begin, steps
from tests.oracle.traces import snapshot_of
from tpanalyze.cores import root_causes
from tpanalyze.describe import Words
from tpanalyze.horn import greatest_closed_subset
from tpanalyze.kinds import kind_of
from tpanalyze.kinds.case import Case
from tpanalyze.kinds.pool_starvation import enough_workers
from tpanalyze.model import Function, PoolId, Snapshot
from tpanalyze.waitgraph import build


def starvations(snapshot: Snapshot) -> Iterator[Case]:
    """Yield the only core of the snapshot, if it starves a pool."""
    graph = build(snapshot)
    cores = root_causes(graph).cores
    if len(cores) == 1:
        case = Case.of(graph, Words.of(snapshot), cores[0])
        if kind_of(case).slug == "pool-starvation":
            yield case


def with_workers(program: Program, state: State, pool: int, more: int) -> tuple[Program, State]:
    """Return the program with a larger pool, and the state with so many more idle workers."""
    sizes = tuple(size + more * (n == pool) for n, size in enumerate(program.sizes))
    idle = (Actor(IDLE, pool=pool),) * more
    return replace(program, sizes=sizes), state._replace(actors=(*state.actors, *idle))


def last_state(program: Program, rng: random.Random) -> State:
    state = begin(program)
    while following := [step.to for step in steps(program, state)]:
        state = rng.choice(following)
    return state


def ring(pools: int, size: int) -> Program:
    """Return a program of full pools, each task of which waits for one in the next pool."""
    outer = pools * size
    first_inner = 1 + outer
    jobs = [(Submit(first_inner + n), Await((first_inner + n,), 1)) for n in range(outer)]
    outers = tuple(range(1, first_inner))
    home = tuple(n // size for n in range(outer))
    asked = tuple((pool + 1) % pools for pool in home)
    return Program(
        ((*map(Submit, outers), Await(outers, outer)), *jobs, *((),) * (outer + pools + 1)),
        1,
        (-1, *home, *asked, *range(pools), -1),
        (size,) * pools,
        promises=0,
    )


def some_program(rng: random.Random, number: int) -> Program:
    if number % 4 == 0:
        return ring(rng.randint(2, 3), rng.randint(1, 2))
    return random_program(rng, TASTES[number % 2])  # fork-join, any


def test_one_more_worker_in_any_one_of_the_pools_ends_this_very_deadlock() -> None:
    looked_at, of_several = 0, 0
    for number in range(2_400):
        rng = random.Random(f"enough/{number}")
        program = some_program(rng, number)
        state = last_state(program, rng)
        for case in starvations(snapshot_of(program, state)):
            for pool in case.pools:
                if len(pool.workers) < (pool.max_workers or 0):
                    continue
                larger, helped = with_workers(program, state, pool.id - 1, 1)
                # one of them may have a reason of its own besides, as waiting for itself
                ends = optimist(larger, helped).ends
                assert {thread.id - 1 for thread in case.threads} & ends, (number, pool)
                rules = build(snapshot_of(larger, helped), one_by_one=True).rules
                assert not greatest_closed_subset(case.core, rules)
                assert enough_workers(case, pool)[0] == len(pool.workers) + 1
                looked_at += 1
                of_several += len(case.pools) > 1
    assert looked_at > 200
    assert of_several > 50


# -- tasks that all do the same --------------------------------------------------------------------


def nested(outer: int, inner: int, workers: int) -> Program:
    """Return a program of `outer` tasks, each of which waits for `inner` more in the same pool."""
    tasks = outer * (1 + inner)
    first_inner = 1 + outer
    jobs: list[Job] = []
    for number in range(outer):
        own = tuple(range(first_inner + number * inner, first_inner + (number + 1) * inner))
        jobs.append((*map(Submit, own), Await(own, inner)))
    outers = tuple(range(1, first_inner))
    main: Job = (*map(Submit, outers), Await(outers, outer))
    home = (-1, *(0,) * tasks, 0, -1)
    return Program((main, *jobs, *((),) * (outer * inner), (), ()), 1, home, (workers,), promises=0)


def with_functions(snapshot: Snapshot, outer: int) -> Snapshot:
    tasks = {
        number: replace(task, function=Function("outer" if number <= 1 + outer else "inner"))
        for number, task in snapshot.tasks.items()
    }
    return replace(snapshot, tasks=tasks)


def test_as_many_workers_as_are_said_to_be_enough_end_all_that_was_there() -> None:
    looked_at = with_more_queued = 0
    for outer, inner, workers in ((2, 1, 1), (3, 1, 1), (2, 2, 2), (3, 1, 2)):
        program = nested(outer, inner, workers)
        explorer = Explorer(program, 200_000)
        explorer.future(begin(program))
        explorers: dict[int, Explorer] = {}
        for state in list(explorer.known):
            # a deadlock of everything: main has submitted all it wants to
            if list(steps(program, state)) or 0 not in blocked(state):
                continue
            snapshot = with_functions(snapshot_of(program, state), outer)
            pool = snapshot.pools[PoolId(1)]
            for case in starvations(snapshot) if len(pool.workers) == workers else ():
                least, all_ = enough_workers(case, pool)
                with_more_queued += all_ > least
                larger, helped = with_workers(program, state, 0, all_ - workers)
                after = explorers.setdefault(all_, Explorer(larger, 200_000))
                after.future(helped)
                looked_at += 1
        for after in explorers.values():
            for reached in after.known:
                assert list(steps(after.program, reached)) or not blocked(reached), reached
    assert looked_at > 20
    assert with_more_queued > 5
