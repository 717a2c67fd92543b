"""One task stands in for all that are alike: nothing that is said of a snapshot changes by that."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given, strategies as st

from tests import snapshots
from tests.random_run import CHOICES, RandomRun
from tests.snapshots import HEADER, QUALITY, Builder
from tests.test_soundness import some_snapshots
from tests.tracegen import TraceGen
from tpanalyze import alike, waitgraph
from tpanalyze.alike import Few
from tpanalyze.findings import Node, NodeKind, Report
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
    ThreadState,
)
from tpanalyze.render.json_report import render_json
from tpanalyze.render.text import render_text
from tpanalyze.verdict import analyse, at_hand
from tpanalyze.waitgraph import Step, WaitGraph, build, why


@pytest.fixture(autouse=True)
def few_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alike, "MANY", 0)


ROUNDS = 150
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


OPERATIONS = (
    "Future.result",
    "wait(ALL_COMPLETED)",
    "wait(FIRST_COMPLETED)",
    "wait(FIRST_EXCEPTION)",
    "as_completed",
)


def awaited(snapshot: Snapshot, rng: random.Random) -> Snapshot:
    """Return it with more tasks of every kind, and with waits for some of all of them."""
    tasks, pools, threads = dict(snapshot.tasks), dict(snapshot.pools), dict(snapshot.threads)
    if rng.random() < 0.5:
        away = PoolId(max(pools, default=0) + 1)
        handler = rng.choice([None, *pools])
        pools[away] = Pool(away, "Pool", "p", 2, role=PoolRole.PROCESSES, results=handler)
    homes: list[tuple[TaskState, TaskOrigin, PoolId | None]] = [
        (TaskState.PENDING, TaskOrigin.PROMISE, None),
        (TaskState.FINISHED, TaskOrigin.POOL, None),
        (TaskState.FAILED, TaskOrigin.PROMISE, None),
        *((TaskState.QUEUED, TaskOrigin.POOL, pool) for pool in pools),
        *((TaskState.CANCELLED, TaskOrigin.POOL, pool) for pool in pools),
        *(
            (TaskState.RUNNING, TaskOrigin.POOL, pool.id)
            for pool in pools.values()
            if pool.role is PoolRole.PROCESSES
        ),
    ]
    first = number = max(tasks, default=TaskId(0))
    for _ in range(rng.choice([2, 10, 40])):
        state, origin, home = rng.choice(homes)
        for _ in range(rng.randint(1, 4)):
            number = TaskId(number + 1)
            tasks[number] = Task(number, state, origin, home, submitted_ns=snapshot.time_ns)
            if home is not None and state in (TaskState.QUEUED, TaskState.CANCELLED):
                queue = pools[home].queue
                queue = (number, *queue) if rng.random() < 0.1 else (*queue, number)
                pools[home] = replace(pools[home], queue=queue)
    for thread in threads.values():
        if thread.state not in (ThreadState.RUNNING, ThreadState.WAITING):
            continue
        if not isinstance(thread.wait, FutureWait | None) or rng.random() < 0.3:
            continue
        named = set(thread.wait.futures) if thread.wait and rng.random() < 0.7 else set()
        for _ in range(rng.randint(1, 3)):
            one, other = sorted(rng.choices(range(first + 1, number + 3), k=2))
            named.update(map(TaskId, range(one, other + 1)))  # a few of them nobody knows
        need = rng.choice([1, len(named), rng.randint(1, len(named))])
        futures = sorted(named) if rng.random() < 0.95 else sorted(named, key=str)
        wait = FutureWait(rng.choice(OPERATIONS), tuple(futures), need, None, None, 0)
        threads[thread.id] = replace(thread, state=ThreadState.WAITING, wait=wait)
    return replace(
        snapshot,
        tasks=tasks,
        pools=pools,
        threads=threads,
        all_threads_known=rng.random() < 0.7,
        time_ns=snapshot.time_ns + rng.choice([0, LATER_NS]),
    )


def all_said(snapshot: Snapshot) -> tuple[Report, dict[TaskId, tuple[Step, ...]], WaitGraph]:
    graph = build(snapshot)
    each = build(snapshot, one_by_one=True)
    reasons = {task: why(each, Node(NodeKind.TASK, task)) for task in snapshot.tasks}
    return analyse(snapshot, HEADER, QUALITY, "trace"), reasons, graph


def check_that_nothing_changes(
    moments: Iterable[Snapshot], monkeypatch: pytest.MonkeyPatch
) -> tuple[int, int]:
    """Return of how many tasks, and stuck ones, it was seen that another stands in for them."""
    left_out = stuck = 0
    for snapshot in moments:
        report, reasons, graph = all_said(snapshot)
        with monkeypatch.context() as patch:
            patch.setattr(waitgraph, "one_of_each", lambda every, **_: Few(every, {}))
            plain_report, plain_reasons, plain = all_said(snapshot)
        assert report == plain_report == at_hand(report)
        assert render_json(report) == render_json(plain_report)
        assert render_text(report) == render_text(plain_report)
        assert reasons == plain_reasons
        assert (graph.stuck_threads, graph.stuck_tasks) == (plain.stuck_threads, plain.stuck_tasks)
        left_out += len(snapshot.tasks) - len(graph.few.tasks)
        stuck += len(graph.stuck_tasks) - len(graph.stuck_few)
    return left_out, stuck


def test_what_is_said_of_a_run_does_not_change(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = map(crowded, some_snapshots(range(90)))
    left_out, stuck = check_that_nothing_changes(moments, monkeypatch)
    assert left_out > 1_000
    assert stuck > 200


def test_what_is_said_of_waits_for_many_tasks_does_not_change(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = random.Random(5)
    moments = (awaited(snapshot, rng) for snapshot in some_snapshots(range(ROUNDS)))
    left_out, stuck = check_that_nothing_changes(moments, monkeypatch)
    assert left_out > 10 * ROUNDS
    assert stuck > 2 * ROUNDS


@given(CHOICES, st.integers(0, 1 << 32))
def test_what_is_said_of_any_run_does_not_change(choices: list[int], seed: int) -> None:
    snapshot = RandomRun(choices).snapshot()
    with pytest.MonkeyPatch.context() as patch:
        check_that_nothing_changes([crowded(snapshot)], patch)
        check_that_nothing_changes([awaited(snapshot, random.Random(seed))], patch)


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
    rng = random.Random(1)
    moments = (awaited(moment, rng) for _ in range(40))
    check_that_nothing_changes((moment, crowded(moment), *moments), monkeypatch)


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
    snapshot = Snapshot(0, {}, tasks, {pool.id: pool})
    assert build(snapshot, one_by_one=True).few.tasks == tasks
    assert build(snapshot).few.times == {1: 5}


# -- what it costs ---------------------------------------------------------------------------------

MANY = 20_000


def one_busy_worker() -> tuple[TraceGen, int, int, int]:
    """Return the beginning of a trace, its main thread, its pool, and the only worker of that."""
    trace = TraceGen()
    main, pool = trace.thread(main=True), trace.pool(1)
    worker, task = trace.worker(pool), trace.submit(main, pool)
    trace.start(worker, task)
    return trace, main, pool, worker


def bytes_each(trace: TraceGen) -> tuple[float, Report, str]:
    """Return how many bytes a verdict takes for each of `MANY` tasks at its peak; and the verdict.

    Those of the replay are not counted.
    """
    replay = trace.replay()
    tracemalloc.start()
    try:
        report = analyse(replay.snapshot(), HEADER, QUALITY, "trace")
        told = render_text(report)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return peak / MANY, report, told


FEW_BYTES = 32
"""The replay takes 115 more."""


@pytest.mark.parametrize("stuck", [False, True])
def test_a_queue_of_many_tasks_costs_a_verdict_few_bytes_for_each(*, stuck: bool) -> None:
    trace, main, pool, worker = one_busy_worker()
    queue = [trace.submit(main, pool) for _ in range(MANY)]
    if stuck:
        trace.wait(worker, queue[:1])
        trace.wait(main, queue[-1:])
    each, report, told = bytes_each(trace)
    assert [len(finding.victims) for finding in report.findings] == [MANY] * stuck  # and main
    assert f"{MANY} queued" in told
    assert each < FEW_BYTES


@pytest.mark.parametrize("operation", ["wait(ALL_COMPLETED)", "as_completed", *OPERATIONS[2:4]])
@pytest.mark.parametrize("stuck", [False, True])
def test_a_wait_for_many_tasks_costs_a_verdict_few_bytes_for_each(
    operation: str, *, stuck: bool
) -> None:
    trace, main, pool, worker = one_busy_worker()
    queue = [trace.submit(main, pool) for _ in range(MANY)]
    if stuck:
        trace.wait(worker, queue[:1])
    need = {"wait(ALL_COMPLETED)": MANY, "as_completed": MANY // 3}.get(operation, 1)
    trace.wait(main, queue, need=need, operation=operation)
    each, report, told = bytes_each(trace)
    assert [len(finding.victims) for finding in report.findings] == [MANY] * stuck
    assert f"and {MANY - 3} more" in told
    assert each < FEW_BYTES


def test_many_waits_for_many_tasks_cost_a_verdict_few_bytes_for_each() -> None:
    trace, main, pool, worker = one_busy_worker()
    queue = [trace.submit(main, pool) for _ in range(MANY)]
    trace.wait(worker, queue[:1])
    for number in range(20):
        thread = trace.thread()
        trace.wait(thread, queue[number * 10 : MANY - number * 1_000], need=1 + number)
    trace.wait(main, queue[1::2], operation="wait(ALL_COMPLETED)")
    each, report, _ = bytes_each(trace)
    assert [len(finding.victims) for finding in report.findings] == [MANY + 20]
    assert each < 3 * FEW_BYTES  # every other one is named by main too: as many ranges


def test_a_long_wait_for_many_tasks_of_a_slow_pool_costs_few_bytes_for_each() -> None:
    trace, main, pool, _ = one_busy_worker()
    queue = [trace.submit(main, pool) for _ in range(MANY)]
    trace.wait(main, queue, operation="wait(ALL_COMPLETED)")
    trace.beat(dt=LATER_NS)
    each, report, told = bytes_each(trace)
    assert [finding.kind for finding in report.findings] == ["starving"]
    assert f"and {MANY - 3} more" in told
    assert each < FEW_BYTES


@pytest.mark.parametrize("waits", [False, True])
def test_many_promises_cost_a_verdict_few_bytes_for_each(*, waits: bool) -> None:
    trace, main, _, worker = one_busy_worker()
    promises = [trace.promise(main) for _ in range(MANY)]
    if waits:
        trace.wait(worker, promises[:1])
        trace.wait(main, promises, operation="wait(ALL_COMPLETED)")
        trace.census()
    each, report, _ = bytes_each(trace)
    assert [finding.kind for finding in report.findings] == ["abandoned-promise"] * waits
    assert each < FEW_BYTES


@pytest.mark.parametrize("waits", [False, True])
def test_many_tasks_of_other_processes_cost_a_verdict_few_bytes_for_each(*, waits: bool) -> None:
    trace, main, _, _ = one_busy_worker()
    pool = trace.define("pool", kind="Pool", name="away", max_workers=2, role="processes")
    away = [trace.submit(main, pool) for _ in range(MANY)]
    if waits:
        trace.wait(main, away, operation="wait(ALL_COMPLETED)")
    each, report, told = bytes_each(trace)
    assert report.findings == ()
    assert f"{MANY} tasks sent there and not back" in told
    assert each < FEW_BYTES


def test_many_done_tasks_that_a_wait_names_cost_a_verdict_few_bytes_for_each() -> None:
    trace, main, pool, worker = one_busy_worker()
    queue = [trace.submit(main, pool) for _ in range(MANY)]
    for task in queue[::2]:
        trace.start(worker, task)
        trace.finish(worker, task)
    trace.wait(main, queue, operation="wait(ALL_COMPLETED)")
    each, report, _ = bytes_each(trace)
    assert report.findings == ()
    assert each < 3 * FEW_BYTES
