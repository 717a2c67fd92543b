"""The engine judged: what it says of each state of random programs, and what they really do."""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from tests.oracle.continuations import (
    Explorer,
    Future,
    blocked,
    optimist,
    queued,
    with_other_future,
    without_cancelling,
)
from tests.oracle.programs import Program
from tests.oracle.random_programs import ANYTHING, TASTES, Maker, random_program
from tests.oracle.states import State, begin
from tests.oracle.traces import snapshot_of
from tpanalyze import alike
from tpanalyze.atoms import ANYBODY, resolves
from tpanalyze.model import (
    Snapshot,
    TaskId,
)
from tpanalyze.waitgraph import WaitGraph, build


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
    maker = Maker(rng, ANYTHING, program.tasks, pools, program.promised, threads, things, locks)
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
    alike.MANY = 0  # one task stands in for all that are alike, however few these are
    begun = time.monotonic()
    tally = run_some(range(options.programs), options.seed, limit=options.limit)
    sys.stdout.write(f"{tally}: no disagreement ({time.monotonic() - begun:.0f} s)\n")
    return 0
