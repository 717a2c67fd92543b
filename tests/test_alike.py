"""One task stands in for all that are alike: nothing that is said of a snapshot changes by that."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given

from tests import snapshots
from tests.random_run import CHOICES, RandomRun
from tests.snapshots import HEADER, QUALITY, Builder
from tests.test_soundness import some_snapshots
from tests.tracegen import TraceGen
from tpanalyze import waitgraph
from tpanalyze.findings import Node, NodeKind, Report
from tpanalyze.model import (
    Pool,
    PoolId,
    PoolRole,
    Snapshot,
    Task,
    TaskId,
    TaskOrigin,
    TaskState,
)
from tpanalyze.render.text import render_text
from tpanalyze.verdict import analyse, at_hand
from tpanalyze.waitgraph import Step, WaitGraph, build, why

LATER_NS = 60_000_000_000
"""long enough for what stands still to be told of"""


def crowded(snapshot: Snapshot) -> Snapshot:
    """Return it with more tasks that nobody waits for, at both ends of every queue."""
    tasks, pools = dict(snapshot.tasks), dict(snapshot.pools)
    fresh = max(tasks, default=0)
    for pool in snapshot.pools.values():
        more = [TaskId(fresh + n) for n in range(1, 5)]
        fresh += len(more)
        for number in more:
            tasks[number] = Task(
                number, TaskState.QUEUED, TaskOrigin.POOL, pool.id, submitted_ns=snapshot.time_ns
            )
        pools[pool.id] = replace(pool, queue=(*more[:2], *pool.queue, *more[2:]))
    return replace(snapshot, tasks=tasks, pools=pools, time_ns=snapshot.time_ns + LATER_NS)


def all_said(snapshot: Snapshot) -> tuple[Report, dict[TaskId, tuple[Step, ...]], WaitGraph]:
    graph = build(snapshot)
    reasons = {task: why(graph, Node(NodeKind.TASK, task)) for task in snapshot.tasks}
    return analyse(snapshot, HEADER, QUALITY, "trace"), reasons, graph


def check_that_nothing_changes(
    moments: Iterable[Snapshot], monkeypatch: pytest.MonkeyPatch
) -> tuple[int, int]:
    """Return of how many tasks, and stuck ones, it was seen that another stands in for them."""
    left_out = stuck = 0
    for moment in moments:
        snapshot = crowded(moment)
        report, reasons, graph = all_said(snapshot)
        with monkeypatch.context() as patch:
            patch.setattr(waitgraph, "one_of_each", lambda every: (every, {}))
            plain_report, plain_reasons, plain = all_said(snapshot)
        assert report == plain_report == at_hand(report)
        assert reasons == plain_reasons
        assert (graph.stuck_threads, graph.stuck_tasks) == (plain.stuck_threads, plain.stuck_tasks)
        left_out += len(snapshot.tasks) - len(graph.few.tasks)
        stuck += len(graph.stuck_tasks) - len(graph.stuck_few)
    return left_out, stuck


def test_what_is_said_of_a_run_does_not_change(monkeypatch: pytest.MonkeyPatch) -> None:
    left_out, stuck = check_that_nothing_changes(some_snapshots(range(90)), monkeypatch)
    assert left_out > 1_000
    assert stuck > 200


@given(CHOICES)
def test_what_is_said_of_any_run_does_not_change(choices: list[int]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        check_that_nothing_changes([RandomRun(choices).snapshot()], patch)


@pytest.mark.parametrize(
    "moment",
    [
        snapshots.starved_pool(2),
        snapshots.self_drain(),
        snapshots.abandoned_promise(),
        snapshots.busy(),
    ],
)
def test_what_is_said_of_a_deadlock_does_not_change(
    moment: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_that_nothing_changes([moment], monkeypatch)


def test_of_those_that_are_alike_one_is_looked_at() -> None:
    b = Builder()
    pool, other = b.pool(1), b.pool(1)
    b.run(pool, "long")
    awaited, *_ = [b.submit(pool, "short") for _ in range(1_000)]
    b.wait(b.main, awaited)
    elsewhere = b.submit(other, "short")
    few = build(b.snapshot()).few
    assert [len(each.queue) for each in few.pools.values()] == [2, 1]
    assert {awaited, elsewhere} <= few.tasks.keys()
    assert len(few.tasks) == 1 + 2 + 1


def test_on_each_task_of_another_process_it_leans_whether_anybody_moves() -> None:
    queue = tuple(map(TaskId, range(1, 6)))
    pool = Pool(PoolId(1), "Pool", "p", 2, queue=queue, role=PoolRole.PROCESSES)
    tasks = {n: Task(n, TaskState.QUEUED, TaskOrigin.POOL, pool.id) for n in queue}
    assert build(Snapshot(0, {}, tasks, {pool.id: pool})).few.tasks == tasks


# -- what it costs ---------------------------------------------------------------------------------

MANY = 20_000


@pytest.mark.parametrize("stuck", [False, True])
def test_a_queue_of_many_tasks_costs_a_verdict_few_bytes_for_each(*, stuck: bool) -> None:
    trace = TraceGen()
    main, pool = trace.thread(main=True), trace.pool(1)
    worker, task = trace.worker(pool), trace.submit(main, pool)
    trace.start(worker, task)
    queue = [trace.submit(main, pool) for _ in range(MANY)]
    if stuck:
        trace.wait(worker, queue[:1])
        trace.wait(main, queue[-1:])
    replay = trace.replay()
    tracemalloc.start()
    try:
        report = analyse(replay.snapshot(), HEADER, QUALITY, "trace")
        told = render_text(report)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert [len(finding.victims) for finding in report.findings] == [MANY] * stuck  # and main
    assert f"{MANY} queued" in told
    assert peak / MANY < 64
