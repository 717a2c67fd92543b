"""What the continuations of a state do: all of them, and the one in which each job does its all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from tests.oracle.programs import (
    Cancel,
    Close,
    Fail,
    Job,
    Operation,
    Program,
    Release,
    Settle,
    Signal,
    Submit,
)
from tests.oracle.states import (
    BLOCKED,
    CANCELLED,
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
    steps,
)


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
