"""Who can still move, who never will, and why: one situation after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest
from hypothesis import given

from tests import snapshots
from tests.random_run import CHOICES, RandomRun
from tests.snapshots import Builder, site
from tpanalyze.atoms import ANYBODY, Atom, AtomKind, frees, moves, resolves
from tpanalyze.cores import root_causes
from tpanalyze.edges import Edges, wait_label
from tpanalyze.explain import explain
from tpanalyze.findings import Edge, Node, NodeKind, Relation
from tpanalyze.graphs import components, reachable
from tpanalyze.horn import Rule, greatest_closed_subset, least_fixpoint
from tpanalyze.model import (
    FutureWait,
    PoolId,
    Snapshot,
    TaskId,
    TaskState,
    Thread,
    ThreadId,
    ThreadState,
)
from tpanalyze.rules import RULES, threads
from tpanalyze.waitgraph import build, why


def stuck(builder: Builder) -> tuple[int, ...]:
    """Return the numbers of the threads that never move."""
    return build(builder.snapshot()).stuck_threads


def one_blocked_worker(size: int | None = 1) -> tuple[Builder, PoolId, ThreadId]:
    """Return a pool whose one worker waits for a task in its queue; main works on."""
    b = Builder()
    pool = b.pool(size)
    _, worker = b.run(pool, "outer")
    b.wait(worker, b.submit(pool, "inner", by=worker))
    return b, pool, worker


# -- threads ---------------------------------------------------------------------------------------


def test_a_thread_that_runs_can_move() -> None:
    assert stuck(Builder()) == ()


def test_a_wait_for_a_task_that_runs_can_end() -> None:
    b = Builder()
    task, _ = b.run(b.pool(1), "work")
    b.wait(b.main, task)
    assert stuck(b) == ()


def test_a_wait_with_a_timeout_is_never_called_a_deadlock() -> None:
    b = Builder()
    b.wait(b.main, b.promise(), timeout_ns=3_600_000_000_000)
    assert stuck(b) == ()


def test_a_kind_of_wait_that_no_rule_speaks_of_may_end() -> None:
    @dataclass(frozen=True)
    class NewWait:
        operation: str = "Barrier.wait"
        timed: bool = False
        site: None = None
        since_ns: int = 0

    thread = Thread(ThreadId(1), "MainThread", ThreadState.WAITING, main=True)
    object.__setattr__(thread, "wait", NewWait())
    snapshot = Snapshot(0, {thread.id: thread})
    assert build(snapshot).stuck_threads == ()
    rest = tuple(rule for rule in RULES if rule is not threads.a_wait_without_a_rule_may_end)
    assert build(snapshot, sources=rest).stuck_threads == (thread.id,)


# -- futures ---------------------------------------------------------------------------------------


def test_a_task_that_waits_for_itself_never_moves() -> None:
    b = Builder()
    task, worker = b.run(b.pool(4), "narcissus")
    b.wait(worker, task)
    assert stuck(b) == (worker,)


def test_a_task_around_the_one_that_waits_is_held_up_too() -> None:
    b = Builder()
    pool = b.pool(4)
    outer, worker = b.run(pool, "outer")
    b.start(worker, b.submit(pool, "run by hand"))
    b.wait(worker, outer)
    assert stuck(b) == (worker,)


def test_a_promise_may_be_set_as_long_as_any_thread_moves() -> None:
    b = Builder()
    other = b.thread("setter")
    b.wait(b.main, b.promise())
    assert stuck(b) == ()
    b.end(other)
    assert stuck(b) == (b.main,)


def test_an_idle_worker_sets_no_promise() -> None:
    b = Builder()
    b.worker(b.pool(1))
    b.wait(b.main, b.promise())
    assert stuck(b) == (b.main,)


def test_a_queued_task_that_can_start_may_set_a_promise() -> None:
    b = Builder()
    pool = b.pool(1)
    b.worker(pool)
    b.submit(pool, "setter")
    b.wait(b.main, b.promise())
    assert stuck(b) == ()


def test_a_cancelled_task_in_the_queue_sets_no_promise() -> None:
    b = Builder()
    pool = b.pool(1)
    b.worker(pool)
    b.cancel(b.submit(pool, "setter"))
    b.wait(b.main, b.promise())
    assert stuck(b) == (b.main,)


def test_a_worker_about_to_come_may_set_a_promise_in_its_initializer() -> None:
    for unseen in (False, True):
        b = Builder()
        b.pool(1, starting=not unseen, unseen=unseen)
        b.wait(b.main, b.promise())
        assert stuck(b) == ()


def test_a_thread_the_trace_does_not_know_may_set_a_promise() -> None:
    b = Builder(all_threads_known=False)
    b.wait(b.main, b.promise())
    assert stuck(b) == ()


def test_nothing_is_said_of_a_future_made_before_the_recording() -> None:
    b = Builder()
    b.wait(b.main, b.unseen_future())
    assert stuck(b) == ()


def test_nothing_is_said_of_a_future_the_snapshot_does_not_have() -> None:
    b = Builder()
    b.wait(b.main, TaskId(99))
    assert stuck(b) == ()


def test_nothing_is_said_of_a_task_run_by_a_thread_that_is_not_known() -> None:
    b = Builder()
    task, worker = b.run(b.pool(1), "work")
    b.tasks[task] = replace(b.tasks[task], worker=None)
    b.wait(b.main, task)
    b.wait(worker, task)
    assert stuck(b) == ()


def test_done_callbacks_may_do_anything_until_the_worker_has_returned() -> None:
    b = Builder()
    task, _ = b.run(b.pool(1), "work")
    b.done(task)
    b.wait(b.main, b.promise())
    assert stuck(b) == ()


def test_a_future_that_is_done_lets_its_wait_end_whatever_its_worker_does() -> None:
    b = Builder()
    task, worker = b.run(b.pool(1), "work")
    b.done(task)
    b.wait(worker, b.promise())
    b.wait(b.main, task)
    assert stuck(b) == ()


# -- so many of so many ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("need", "ends"), [(1, True), (2, True), (3, False)], ids=["any", "two of three", "all"]
)
def test_a_wait_ends_if_enough_of_its_futures_can_be_done(need: int, *, ends: bool) -> None:
    b = Builder()
    pool = b.pool(9)
    done, _ = b.run(pool, "done")
    b.done(done)
    runs, _ = b.run(pool, "runs")
    dead, worker = b.run(pool, "dead")
    b.wait(worker, dead)
    b.wait(b.main, done, runs, dead, operation="as_completed", need=need)
    assert (b.main not in stuck(b)) is ends


def test_a_future_named_twice_counts_once() -> None:
    b = Builder()
    task, worker = b.run(b.pool(1), "work")
    b.wait(worker, task, task, operation="wait(ALL_COMPLETED)", need=1)
    assert stuck(b) == (worker,)


def test_a_wait_for_the_first_exception_ends_if_any_future_may_still_fail() -> None:
    b = Builder()
    pool = b.pool(9)
    runs, _ = b.run(pool, "runs")
    dead, worker = b.run(pool, "dead")
    b.wait(worker, dead)
    b.wait(b.main, runs, dead, operation="wait(FIRST_EXCEPTION)")
    assert stuck(b) == (worker,)
    b.done(runs)
    assert stuck(b) == (b.main, worker)
    b.done(runs, TaskState.FAILED)
    assert stuck(b) == (worker,)


# -- cancelled tasks -------------------------------------------------------------------------------


def test_result_hears_of_a_cancelled_task_at_once() -> None:
    b, pool, _ = one_blocked_worker()
    task = b.submit(pool, "cancelled")
    b.cancel(task)
    b.wait(b.main, task)
    assert b.main not in stuck(b)


def test_wait_hears_of_a_cancelled_task_only_when_a_worker_takes_it() -> None:
    b, pool, worker = one_blocked_worker()
    task = b.submit(pool, "cancelled")
    b.cancel(task)
    b.wait(b.main, task, operation="wait(ALL_COMPLETED)")
    assert stuck(b) == (b.main, worker)
    b.cancel(task, notified=True)
    assert stuck(b) == (worker,)


def test_wait_never_hears_of_a_cancelled_task_that_was_taken_out_of_the_queue() -> None:
    b = Builder()
    pool = b.pool(1)
    b.worker(pool)
    task = b.submit(pool, "cancelled")
    b.cancel(task)
    b.wait(b.main, task, operation="wait(ALL_COMPLETED)")
    assert stuck(b) == ()
    b.pools[pool] = replace(b.pools[pool], queue=())
    assert stuck(b) == (b.main,)


def test_wait_may_hear_of_a_cancelled_promise_from_any_thread() -> None:
    b = Builder()
    other = b.thread("teller")
    promise = b.promise()
    b.cancel(promise)
    b.wait(b.main, promise, operation="wait(ALL_COMPLETED)")
    assert stuck(b) == ()
    b.end(other)
    assert stuck(b) == (b.main,)


def test_nothing_is_said_of_a_queued_task_that_is_in_no_queue() -> None:
    b, pool, worker = one_blocked_worker()
    b.pools[pool] = replace(b.pools[pool], queue=())
    assert worker not in stuck(b)


# -- pools -----------------------------------------------------------------------------------------


def test_a_worker_that_waits_for_its_own_queue_never_moves() -> None:
    b, _, worker = one_blocked_worker()
    assert stuck(b) == (worker,)


def test_one_worker_that_moves_is_enough_for_the_queue() -> None:
    b, pool, _ = one_blocked_worker(2)
    b.run(pool, "busy")
    assert stuck(b) == ()


def test_an_idle_worker_takes_what_is_queued() -> None:
    b, pool, _ = one_blocked_worker(2)
    b.worker(pool)
    assert stuck(b) == ()


def test_capacity_is_the_workers_that_live_unless_somebody_can_submit() -> None:
    b, _, worker = one_blocked_worker(8)
    assert stuck(b) == ()
    b.end(b.main)
    assert stuck(b) == (worker,)


def test_a_pool_that_is_shut_down_does_not_grow() -> None:
    b, pool, worker = one_blocked_worker(8)
    b.close(pool)
    assert stuck(b) == (worker,)


def test_a_worker_that_died_is_never_replaced() -> None:
    b = Builder()
    pool = b.pool(1)
    _, worker = b.run(pool, "died")
    b.leave(worker)
    b.wait(b.main, b.submit(pool, "next"))
    assert stuck(b) == (b.main,)
    b.thread("submitter")
    assert stuck(b) == (b.main,)


def test_nothing_is_said_of_a_pool_of_unknown_size() -> None:
    b, _, _ = one_blocked_worker(None)
    b.end(b.main)
    assert stuck(b) == ()


def test_a_worker_not_seen_yet_may_take_what_is_queued() -> None:
    for starting, unseen in ((1, 0), (0, 1)):
        b, pool, _ = one_blocked_worker(2)
        b.pools[pool] = replace(b.pools[pool], starting=starting, unseen=unseen)
        assert stuck(b) == ()


def test_tasks_in_a_pool_without_workers_that_is_shut_down_never_start() -> None:
    b = Builder()
    pool = b.pool(1)
    task = b.submit(pool, "late")
    b.close(pool)
    b.wait(b.main, task)
    assert stuck(b) == (b.main,)


def test_two_pools_starve_each_other() -> None:
    b = Builder()
    one, two = b.pool(1), b.pool(1)
    _, left = b.run(one, "left")
    _, right = b.run(two, "right")
    b.wait(left, b.submit(two, "for left"))
    b.wait(right, b.submit(one, "for right"))
    assert stuck(b) == (left, right)


# -- drains ----------------------------------------------------------------------------------------


def test_a_drain_ends_if_every_worker_can() -> None:
    b = Builder()
    pool = b.pool(3)
    b.run(pool, "work")
    b.worker(pool)
    b.drain(b.main, pool)
    assert stuck(b) == ()


def test_a_drain_waits_for_every_worker() -> None:
    b = Builder()
    pool = b.pool(3)
    b.run(pool, "work")
    task, worker = b.run(pool, "dead")
    b.wait(worker, task)
    b.drain(b.main, pool)
    assert stuck(b) == (b.main, worker)


def test_a_worker_that_shuts_its_own_pool_down_waits_for_the_others_only() -> None:
    b = Builder()
    pool = b.pool(2)
    boss, one = b.run(pool, "boss")
    b.drain(one, pool)
    assert stuck(b) == ()
    _, two = b.run(pool, "helper")
    b.wait(two, boss)
    assert stuck(b) == (one, two)


def test_two_workers_that_shut_their_pool_down_wait_for_each_other() -> None:
    b = Builder()
    pool = b.pool(2)
    _, one = b.run(pool, "one")
    _, two = b.run(pool, "two")
    b.drain(one, pool)
    b.drain(two, pool)
    assert stuck(b) == (one, two)


def test_idle_workers_of_an_open_pool_end_only_if_somebody_shuts_it_down() -> None:
    b = Builder()
    pool = b.pool(2)
    b.worker(pool)
    b.drain(b.main, pool, close=False)
    assert stuck(b) == (b.main,)
    b.thread("owner")
    assert stuck(b) == ()


# -- partial deadlocks, cores and ways -------------------------------------------------------------


def test_part_of_a_program_can_be_dead_while_the_rest_works_on() -> None:
    b, _, worker = one_blocked_worker()
    graph = build(b.snapshot())
    assert graph.stuck_threads == (worker,)
    assert not graph.is_stuck(ANYBODY)


def test_tasks_nobody_needs_are_stuck_in_the_queue_of_a_dead_pool() -> None:
    b, pool, _ = one_blocked_worker()
    behind = b.submit(pool, "behind")
    assert build(b.snapshot()).stuck_tasks == (behind - 1, behind)


def threads_of(core: frozenset[Atom]) -> list[int]:
    return sorted(atom.id for atom in core if atom.kind is AtomKind.MOVES)


def test_independent_deadlocks_have_a_core_each() -> None:
    b = Builder()
    pool = b.pool(9)
    first, one = b.run(pool, "narcissus")
    b.wait(one, first)
    second, two = b.run(pool, "echo")
    # it waits for the other deadlock too, but would be dead without it
    b.wait(two, first, second, operation="wait(ALL_COMPLETED)", need=2)
    b.wait(b.main, second)
    roots = root_causes(build(b.snapshot()))
    assert [threads_of(core) for core in roots.cores] == [[one], [two]]
    assert roots.core_of[moves(b.main)] == 1


def test_the_way_of_a_victim_leads_into_the_core() -> None:
    b, pool, worker = one_blocked_worker()
    behind = b.submit(pool, "behind")
    b.wait(b.main, behind)
    roots = root_causes(build(b.snapshot()))
    way = roots.path(moves(b.main))
    assert (way[0], way[-1]) == (moves(b.main), frees(pool))
    assert resolves(behind) in way
    assert threads_of(roots.cores[0]) == [worker]


def test_a_core_is_found_in_a_chain_longer_than_the_stack() -> None:
    b = Builder()
    pool = b.pool(5_000)
    previous, worker = b.run(pool, "first")
    b.wait(worker, previous)
    for _ in range(3_000):
        task, follower = b.run(pool, "next")
        b.wait(follower, previous)
        previous = task
    graph = build(b.snapshot())
    assert len(graph.stuck_threads) == 3_001
    assert [threads_of(core) for core in root_causes(graph).cores] == [[worker]]


# -- the pieces ------------------------------------------------------------------------------------


def a(number: int) -> Atom:
    return Atom(AtomKind.MOVES, number)


def test_what_follows_stands_after_what_it_follows_from() -> None:
    rules = [
        Rule(a(3), 2, (a(1), a(2)), "both"),
        Rule(a(1), 0, (), "fact"),
        Rule(a(2), 1, (a(9), a(1)), "any"),
        Rule(a(4), 1, (a(9),), "never"),
    ]
    assert list(least_fixpoint(rules)) == [a(1), a(2), a(3)]


def test_a_closed_set_loses_whoever_is_not_held_up_within() -> None:
    rules = {
        a(1): (Rule(a(1), 1, (a(2),), ""),),
        a(2): (Rule(a(2), 1, (a(1),), ""),),
        a(3): (Rule(a(3), 1, (a(1), a(4)), ""),),  # any of two: needs both in the set
    }
    assert greatest_closed_subset([a(1), a(2), a(3)], rules) == {a(1), a(2)}
    assert greatest_closed_subset([a(1)], rules) == set()


def test_components_come_with_the_sinks_first() -> None:
    graph = {1: [2], 2: [3], 3: [2, 4], 4: []}
    assert [sorted(c) for c in components(graph, graph.__getitem__)] == [[4], [2, 3], [1]]
    assert reachable([3], graph.__getitem__) == [3, 2, 4]


# -- edges -----------------------------------------------------------------------------------------


def edge(found: Sequence[Edge], source: Node, relation: Relation) -> Edge:
    (one,) = (e for e in found if e.source == source and e.relation is relation)
    return one


def test_an_edge_to_a_queued_task_has_three_sites() -> None:
    snapshot = snapshots.starved_pool()
    worker = Node(NodeKind.THREAD, 2)
    found = edge(Edges(snapshot), worker, Relation.WAITS_FOR)
    assert found.target == Node(NodeKind.TASK, 2)
    assert found.label == "result()"
    assert found.wait_site == site("outer", 13)
    assert found.submit_site == site("outer", 12)
    assert found.occupied_by == (2,)


def test_a_queued_task_needs_its_pool_and_the_pool_is_held_by_its_workers() -> None:
    found = Edges(snapshots.starved_pool(2))
    pool = Node(NodeKind.POOL, 1)
    queued = [e for e in found if e.relation is Relation.NEEDS_WORKER]
    assert [(e.source.id, e.target, e.label) for e in queued] == [
        (3, pool, "queued 1st"),
        (4, pool, "queued 2nd"),
    ]
    held = [e.target.id for e in found if e.source == pool]
    assert held == [2, 3]


@given(CHOICES)
def test_the_edges_of_a_node_are_those_of_the_whole_graph_that_leave_it(choices: list[int]) -> None:
    snapshot = RandomRun(choices).snapshot()
    found = Edges(snapshot)
    nodes = dict.fromkeys(node for edge in found for node in (edge.source, edge.target))
    for node in nodes:
        assert Edges(snapshot).leaving(node) == tuple(e for e in found if e.source == node)


def test_a_pool_whose_queue_is_empty_has_no_edges() -> None:
    assert not any(e.source.kind is NodeKind.POOL for e in Edges(snapshots.circular_wait()))


def test_a_drain_has_an_edge_to_each_worker_but_itself() -> None:
    found = Edges(snapshots.self_drain())
    drains = [(e.source.id, e.target.id) for e in found if e.relation is Relation.DRAINS]
    assert drains == [(2, 3)]


@pytest.mark.parametrize(
    ("operation", "count", "need", "label"),
    [
        ("Future.result", 1, 1, "result()"),
        ("Executor.map", 1, 1, "next result of map()"),
        ("wait(ALL_COMPLETED)", 3, 3, "all of 3"),
        ("wait(FIRST_COMPLETED)", 3, 1, "any of 3"),
        ("as_completed", 5, 2, "2 of 5"),
        ("wait(FIRST_EXCEPTION)", 4, 1, "first failure of 4"),
    ],
)
def test_a_label_says_how_many_of_how_many(
    operation: str, count: int, need: int, label: str
) -> None:
    futures = tuple(TaskId(n) for n in range(1, count + 1))
    assert wait_label(FutureWait(operation, futures, need, None, None, 0)) == label


# -- why -------------------------------------------------------------------------------------------


def test_the_reasons_of_what_can_move_end_in_facts() -> None:
    assert explain(snapshots.busy(), Node(NodeKind.TASK, 2)) == (
        "Task 2 (work) can finish: a worker can take it.",
        (
            "Pool ThreadPoolExecutor-0 can get a free worker: one of its workers can get on with "
            "its task."
        ),
        "Worker ThreadPoolExecutor-0_0 can move: it runs, as far as the trace knows.",
    )


def test_the_reasons_of_what_never_moves_close_upon_themselves() -> None:
    graph = build(snapshots.starved_pool())
    steps = why(graph, Node(NodeKind.THREAD, 1))
    told = {step.atom for step in steps}
    assert steps[0].atom == moves(ThreadId(1))
    assert all(not step.possible for step in steps)
    assert all(atom in told for step in steps for atom in step.of)


def test_a_chain_that_comes_back_says_where_to() -> None:
    told = explain(snapshots.starved_pool(), Node(NodeKind.THREAD, 2))
    assert told[-1].endswith("And so we are back at worker ThreadPoolExecutor-0_0, where we began.")
    assert not [sentence for sentence in told[:-1] if "back" in sentence]
    from_main = explain(snapshots.starved_pool(), Node(NodeKind.THREAD, 1))
    assert from_main[-1].endswith("And so we are back at worker ThreadPoolExecutor-0_0.")


def test_the_reasons_name_what_each_thread_waits_for() -> None:
    first, *_ = explain(snapshots.starved_pool(), Node(NodeKind.THREAD, 2))
    assert first == (
        "Worker ThreadPoolExecutor-0_0, which waits in Future.result at app.py:13 in outer for "
        "task 2 (inner), can never move: there is no way that enough futures it waits for can "
        "become done."
    )


def test_the_reasons_say_when_nobody_is_left() -> None:
    told = explain(snapshots.abandoned_promise(), Node(NodeKind.TASK, 1))
    assert told[0].startswith("Promise 1 can never be set")
    assert "No thread of the program can ever move again." in told
