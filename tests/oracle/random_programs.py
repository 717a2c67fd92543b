"""Random programs, each after a taste."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final

from tests.oracle.programs import (
    Await,
    Block,
    Cancel,
    Close,
    Drain,
    Fail,
    Job,
    Join,
    Operation,
    Program,
    Release,
    Settle,
    Signal,
    Submit,
    Take,
)


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


ANYTHING: Final = Taste("anything", weights=(4, 8, 4, 1, 0, 0, 1, 2, 1, 2, 2))
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
    maker = Maker(rng, taste, tasks_, len(sizes), promised, threads, len(things), locks)
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
class Maker:
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
