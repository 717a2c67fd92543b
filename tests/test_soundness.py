"""The engine against the reference semantics of :mod:`tests.oracle`, and mutants of the engine.

A longer run: ``python -m tests.oracle --programs 20000``.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import cache, partial
from itertools import combinations, pairwise

import pytest

from tests.oracle.continuations import blocked
from tests.oracle.judgement import Disagreement, Tally, run_some
from tests.oracle.random_programs import TASTES, random_program
from tests.oracle.states import State, begin, steps
from tests.oracle.traces import Since, snapshot_of
from tpanalyze import alike
from tpanalyze.atoms import ANYBODY, Atom, AtomKind, moves
from tpanalyze.certainty import certain_by, certain_since_ns, has_room
from tpanalyze.cores import root_causes
from tpanalyze.describe import Words
from tpanalyze.findings import Step, StepKind
from tpanalyze.horn import Rule, greatest_closed_subset
from tpanalyze.kinds.case import Case
from tpanalyze.model import FutureWait, LockWait, PoolId, Snapshot, ThreadState
from tpanalyze.rules import RULES, RuleSource, futures, locks, pools
from tpanalyze.waitgraph import WaitGraph, build

SEED = 1
PROGRAMS = 3_000
PARTS = 10
"""in which the programs are judged, for several processors"""
LIMIT = 500
"""states of a program; with more it is left to the longer run"""


@pytest.fixture(autouse=True)
def few_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """One task stands in for all that are alike, however few these are."""
    monkeypatch.setattr(alike, "MANY", 0)


@pytest.mark.parametrize("part", range(PARTS))
def test_a_wait_is_called_stuck_exactly_when_no_continuation_ends_it(part: int) -> None:
    tally = run_some(range(part, PROGRAMS, PARTS), SEED, limit=LIMIT)
    assert tally.programs == PROGRAMS // PARTS
    assert tally.programs - tally.too_large > 2_000 // PARTS
    # the programs are worth looking at: much is stuck, mostly while other threads move
    assert tally.states - tally.stuck > 20_000 // PARTS
    assert tally.stuck > 10_000 // PARTS
    assert 1_000 // PARTS < tally.stuck - tally.partial < tally.stuck
    assert tally.other_futures > 1_000 // PARTS


# -- mutants ---------------------------------------------------------------------------------------

NEVER_IN_PROGRAMS = {
    "a_promise_of_a_loop_is_set_when_its_thread_comes_to_it",
    "a_token_that_no_task_has_is_free",
    "a_process_is_free",
    "a_crew_replaces_the_workers_that_have_ended",
    "a_result_that_is_handed_out_is_somebody",
    "a_loop_that_nobody_runs_may_be_run_by_anybody",
    "a_wait_without_a_rule_may_end",
}
"""Rules for what the oracle's programs cannot do; :mod:`tests.test_waitgraph` has tests
of them, :mod:`tests.test_loop_soundness` of those about loops, :mod:`tests.test_crews` of those
about the pools of ``multiprocessing``."""


def without(dropped: RuleSource) -> tuple[RuleSource, ...]:
    return tuple(source for source in RULES if source is not dropped)


def with_need(changed: RuleSource, need: Callable[[Rule], int]) -> tuple[RuleSource, ...]:
    def mutant(snapshot: Snapshot) -> Iterator[Rule]:
        for rule in changed(snapshot):
            yield rule._replace(need=need(rule))

    return tuple(mutant if source is changed else source for source in RULES)


def is_killed(sources: Iterable[RuleSource], taste: str = "") -> bool:
    """Return whether an engine with these rules is caught; programs to the taste come first."""
    engine = partial(build, sources=tuple(sources))
    numbers = sorted(range(PROGRAMS), key=lambda n: (TASTES[n % len(TASTES)].name != taste, n))
    try:
        run_some(numbers, SEED, engine, LIMIT)
    except Disagreement:
        return True
    return False


@cache
def with_bodies() -> frozenset[RuleSource]:
    """Return the sources that make rules which are no facts, somewhere in some programs."""
    found: set[RuleSource] = set()
    for snapshot in some_snapshots(range(240)):
        left = [source for source in RULES if source not in found]
        found.update(s for s in left if any(rule.need > 0 for rule in s(snapshot)))
    return frozenset(found)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_dropping_any_rule_makes_a_false_alarm(rule: RuleSource) -> None:
    if rule.__name__ not in NEVER_IN_PROGRAMS:
        assert is_killed(without(rule))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_loosening_any_rule_misses_a_deadlock(rule: RuleSource) -> None:
    if rule in with_bodies():
        assert is_killed(with_need(rule, lambda r: max(0, r.need - 1)))


def test_a_pool_that_is_full_does_not_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "may_grow", lambda pool, _begun: not pool.closed)
    assert is_killed(RULES)


def test_a_pool_that_is_closed_does_not_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "may_grow", lambda pool, begun: begun < (pool.max_workers or 9))
    assert is_killed(RULES)


@pytest.mark.parametrize("hears", [True, False])
def test_it_matters_whether_a_wait_hears_of_cancelled_tasks(
    monkeypatch: pytest.MonkeyPatch, *, hears: bool
) -> None:
    monkeypatch.setattr(FutureWait, "counts_cancelled", hears)
    assert is_killed(RULES, "cancel")


def test_it_matters_whether_a_cancelled_task_is_still_in_the_queue(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(futures, "tasks_in_queues", lambda snapshot: frozenset(snapshot.tasks))
    assert is_killed(RULES, "closing")


@pytest.mark.parametrize(
    "kept",
    [
        lambda *_: True,
        lambda *_: False,
        lambda _, wait: wait.reentrant,
        lambda _, wait: wait.reentrant or wait.scoped,
    ],
    ids=["always", "never", "only of an RLock", "whoever has released it, whatever its owner does"],
)
def test_it_matters_who_may_release_a_lock(
    monkeypatch: pytest.MonkeyPatch, kept: Callable[[Snapshot, LockWait], bool]
) -> None:
    monkeypatch.setattr(locks, "is_kept_by_its_owner", kept)
    assert is_killed(RULES, "locks")


# -- cores and moments, along random runs ----------------------------------------------------------


def random_run(number: int) -> Iterator[tuple[Snapshot, State]]:
    """Yield every moment of one random run of one random program."""
    rng = random.Random(f"{SEED}/run/{number}")
    program = random_program(rng, TASTES[number % len(TASTES)])
    state, since = begin(program), Since()
    while True:
        yield snapshot_of(program, state, since), state
        following = list(steps(program, state))
        if not following:
            return
        after = rng.choice(following).to
        since.step(state, after)
        state = after


def some_snapshots(numbers: Iterable[int]) -> Iterator[Snapshot]:
    """Yield the moments of some runs at which a thread is blocked."""
    for number in numbers:
        for snapshot, state in random_run(number):
            if blocked(state):
                yield snapshot


def stuck_graphs(numbers: Iterable[int]) -> Iterator[WaitGraph]:
    for snapshot in some_snapshots(numbers):
        graph = build(snapshot)
        if graph.stuck_threads:
            yield graph


def test_every_stuck_thread_is_in_a_core_or_has_a_path_into_one() -> None:
    looked_at = 0
    for graph in stuck_graphs(range(400)):
        roots = root_causes(graph)
        for thread in graph.stuck_threads:
            way = roots.path(moves(thread))
            assert way[-1] in roots.cores[roots.core_of[moves(thread)]]
            for atom, following in pairwise(way):
                assert following in graph.hindrances(atom)
            looked_at += 1
    assert looked_at > 500


def test_nothing_can_be_left_out_of_a_core() -> None:
    looked_at = 0
    for graph in stuck_graphs(range(600)):
        rules = build(graph.snapshot, one_by_one=True).rules
        for core in root_causes(graph).cores:
            assert greatest_closed_subset(core, rules) == core
            for atom in core:
                rest = greatest_closed_subset(core - {atom}, rules)
                assert not any(a.kind is AtomKind.MOVES for a in rest), (core, atom)
            looked_at += 1
    assert looked_at > 500


def test_cores_share_nothing() -> None:
    for graph in stuck_graphs(range(400)):
        for one, other in combinations(root_causes(graph).cores, 2):
            assert not one & other


def is_not_told_exactly(graph: WaitGraph, core: Iterable[Atom]) -> bool:
    """Return whether the snapshot does not tell when the last thing happened.

    See :func:`tpanalyze.certainty.certain_since_ns`: a worker that left, a pool that was closed, a
    cancelled task that was taken out of the queue.
    """
    snapshot = graph.snapshot
    nobody = ANYBODY in core and any(
        thread.state is ThreadState.ENDED and thread.pool is not None
        for thread in snapshot.threads.values()
    )
    if any(atom.kind is AtomKind.TAKEN for atom in core):
        return True
    pools = (snapshot.pools[PoolId(a.id)] for a in core if a.kind is AtomKind.FREES)
    return nobody or any(has_room(pool) for pool in pools)


def test_a_deadlock_is_certain_from_the_first_moment_at_which_its_core_is_stuck() -> None:
    exact = about = 0
    for number in range(1_000):
        moments = [snapshot for snapshot, _ in random_run(number)]
        stuck_at = [(m.time_ns, frozenset(build(m).stuck_threads)) for m in moments]
        graph = build(moments[-1])
        words = Words.of(graph.snapshot)
        for core in root_causes(graph).cores:
            threads = {atom.id for atom in core if atom.kind is AtomKind.MOVES}
            first = next(at for at, stuck in stuck_at if threads <= stuck)
            certain = certain_since_ns(Case.of(graph, words, core))
            if is_not_told_exactly(graph, core):
                told_early = any(atom.kind is AtomKind.TAKEN for atom in core)
                assert told_early or certain >= first, (number, core)
                about += 1
            else:
                assert certain == first, (number, core)
                exact += 1
    assert exact > 100
    assert about < exact / 2


def has_taken(step: Step, snapshot: Snapshot) -> bool:
    """Return whether what the step tells of is so in the snapshot."""
    if step.kind in (StepKind.SUBMIT, StepKind.CANCEL, StepKind.FINISH):
        assert step.task is not None
        task = snapshot.tasks.get(step.task)
        return task is not None and (step.kind is StepKind.SUBMIT or task.done)
    assert step.thread is not None
    thread = snapshot.threads.get(step.thread)
    if thread is None:
        return False
    rest = {StepKind.IDLE: ThreadState.IDLE, StepKind.END: ThreadState.ENDED}.get(step.kind)
    if rest is not None:
        return thread.state is rest
    return thread.wait is not None and thread.task == step.task


def test_the_step_by_which_it_became_certain_was_taken_at_that_moment() -> None:
    told: Counter[StepKind | None] = Counter()
    for number in range(1_000):
        moments = [snapshot for snapshot, _ in random_run(number)]
        graph = build(moments[-1])
        words = Words.of(graph.snapshot)
        for core in root_causes(graph).cores:
            case = Case.of(graph, words, core)
            certain, step = certain_since_ns(case), certain_by(case)
            told[None if step is None else step.kind] += 1
            if step is None or is_not_told_exactly(graph, core):
                continue
            then = next(at for at, m in enumerate(moments) if m.time_ns == certain)
            assert has_taken(step, moments[then]), (number, step)
            if then:
                assert not has_taken(step, moments[then - 1]), (number, step)
    assert told[StepKind.WAIT] > 100
    assert told[StepKind.END] > 10
    assert told[None] < 0.1 * told.total(), told


def test_what_is_stuck_stays_stuck() -> None:
    for number in range(400):
        before: frozenset[int] = frozenset()
        for snapshot, _ in random_run(number):
            now = frozenset(build(snapshot).stuck_threads)
            assert before <= now
            before = now


def test_a_tally_says_what_was_looked_at() -> None:
    assert str(Tally(2, 1, 30, 4, 3, 1)) == (
        "2 programs (1 too large), 30 states with a blocked thread, 4 of them with a stuck one, "
        "3 of those while others move, 1 other futures"
    )
