"""The timeline: intervals, the load of pools, and their DataFrames."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from itertools import pairwise
from typing import Any

import pandas as pd
import pytest
from hypothesis import given

from tests.random_rows import ROWS, trace_of
from tests.random_run import CHOICES, TICK_NS, RandomRun
from tests.tracegen import TraceGen
from tpanalyze.frames import intervals, pool_load, tasks
from tpanalyze.model import Pool, PoolId, Snapshot, TaskId, Thread, ThreadId, ThreadState
from tpanalyze.timeline import Collector, IntervalState, Load, Period, Timeline

RUNNING, WAITING, QUEUED = IntervalState.RUNNING, IntervalState.WAITING, IntervalState.QUEUED


def timeline_of(trace: TraceGen, at_ns: int | None = None) -> Timeline:
    collector = Collector()
    return collector.timeline(trace.replay(at_ns=at_ns, sink=collector))


@pytest.fixture
def trace() -> TraceGen:
    """A run of two workers: task 1 waits for task 2, which runs at the end; main waits for both."""
    trace = TraceGen()
    main = trace.thread("MainThread", main=True)
    pool = trace.pool(2, name="pool")
    trace.function("outer", line=3)
    in_main, in_outer = trace.site("app.py:11 in main"), trace.site("app.py:7 in outer")
    first = trace.submit(main, pool, function=trace.function("outer"), site=in_main, dt=10)
    trace.wait(main, [first], site=in_main)  # at 11 us
    one, two = trace.thread("pool_0"), trace.thread("pool_1")
    trace.enter(one, pool)
    trace.enter(two, pool)
    trace.start(one, first)  # at 14
    second = trace.submit(one, pool, function=trace.function("inner"), site=in_outer, dt=6)
    trace.wait(one, [second], site=in_outer)  # at 21
    trace.start(two, second, dt=9)  # at 30
    trace.promise(main, dt=20)  # at 50; main's wake is lost
    return trace


# ---------------------------------------------------------------------- intervals


def test_intervals_say_who_did_what_where_from_when_to_when(trace: TraceGen) -> None:
    places = [
        (
            period.state,
            period.thread,
            period.task,
            period.function.name if period.function else None,
            period.start_ns // TICK_NS,
            period.end_ns // TICK_NS,
            period.site.frames[0].line if period.site else None,
            period.open,
        )
        for period in timeline_of(trace).periods()
    ]
    assert places == [
        (QUEUED, None, 1, "outer", 10, 14, 11, False),
        (RUNNING, 2, 1, "outer", 14, 21, 11, False),
        (QUEUED, None, 2, "inner", 20, 30, 7, False),
        (WAITING, 1, None, None, 11, 50, 11, False),
        (WAITING, 2, 1, "outer", 21, 50, 7, True),
        (RUNNING, 3, 2, "inner", 30, 50, 7, True),
    ]


def test_at_a_moment_what_goes_on_is_open_until_then(trace: TraceGen) -> None:
    timeline = timeline_of(trace, at_ns=18_500)
    assert [(p.state, p.start_ns, p.end_ns) for p in timeline.periods() if p.open] == [
        (WAITING, 11_000, 18_000),
        (RUNNING, 14_000, 18_000),
    ]


def test_an_interval_never_ends_before_it_begins(trace: TraceGen) -> None:
    task = trace.submit(1, 1, dt=10)
    trace.start(3, task, dt=-5)
    timeline = timeline_of(trace)
    (queued,) = [p for p in timeline.periods() if p.task == task and p.state is QUEUED]
    assert queued.start_ns == queued.end_ns == 60_000
    frame = intervals(timeline)
    assert (frame["end_ns"] >= frame["start_ns"]).all()


def threads_at(snapshot: Snapshot) -> dict[ThreadId, tuple[TaskId | None, IntervalState]]:
    """Return for each thread that is in an interval the task and the state."""
    return {
        thread.id: (thread.task, WAITING if thread.wait else RUNNING)
        for thread in snapshot.threads.values()
        if thread.wait or thread.tasks
    }


def merged(periods: list[Period]) -> list[tuple[int, int, str, int, int]]:
    """Return what lasted, by thread, task and state; what follows without a gap is one."""
    whole: list[tuple[int, int, str, int, int]] = []
    keyed = [(p.thread or 0, p.task or 0, str(p.state), p.start_ns, p.end_ns) for p in periods]
    for thread, task, state, start, end in sorted(keyed):
        if start == end:
            continue
        if whole and whole[-1][:3] == (thread, task, state) and whole[-1][4] == start:
            whole.append((thread, task, state, whole.pop()[3], end))
        else:
            whole.append((thread, task, state, start, end))
    return whole


@given(CHOICES)
def test_the_intervals_of_threads_are_what_held_at_each_moment(choices: list[int]) -> None:
    run = RandomRun(choices)
    expected = [
        Period(
            state,
            thread,
            None,
            task,
            None,
            before.time_ns,
            after.time_ns,
            None,
            open=False,
        )
        for before, after in pairwise(run.moments)
        for thread, (task, state) in threads_at(before).items()
    ]
    of_threads = [p for p in timeline_of(run.trace).periods() if p.thread is not None]
    assert merged(of_threads) == merged(expected)


@given(CHOICES)
def test_every_task_is_queued_once_from_its_submit_to_its_start(choices: list[int]) -> None:
    run = RandomRun(choices)
    queued = [p for p in timeline_of(run.trace).periods() if p.state is QUEUED]
    submitted = {task.id: task for task in run.tasks.values() if task.pool}
    assert {p.task: p.start_ns for p in queued} == {
        task.id: task.submitted_ns for task in submitted.values()
    }
    assert len(queued) == len(submitted)
    for period in queued:
        assert period.task is not None
        started = submitted[period.task].started_ns
        assert started is None or period.end_ns == started
        still = any(period.task in pool.queue for pool in run.pools.values())
        assert period.open == still


# ---------------------------------------------------------------------- load


def load_at(snapshot: Snapshot, pool: Pool) -> tuple[int, int, int, int]:
    def home(thread: Thread) -> PoolId | None:
        if thread.pool is None and thread.task is not None:
            return snapshot.tasks[thread.task].pool
        return thread.pool

    ours = [thread for thread in snapshot.threads.values() if home(thread) == pool.id]
    waiting = sum(thread.state is ThreadState.WAITING for thread in ours)
    running = sum(t.state is ThreadState.RUNNING and bool(t.tasks) for t in ours)
    return len(pool.queue), running, waiting, len(pool.workers)


@given(CHOICES)
def test_the_load_of_a_pool_is_what_held_at_each_moment(choices: list[int]) -> None:
    run = RandomRun(choices)
    loads = timeline_of(run.trace).pool_load()
    for snapshot in run.moments:
        for pool in snapshot.pools.values():
            past = [load for load in loads[pool.id] if load.time_ns <= snapshot.time_ns]
            found = past[-1] if past else Load(0, 0, 0, 0, 0)
            assert found[1:] == load_at(snapshot, pool)
    for steps in loads.values():
        assert all(before[1:] != after[1:] for before, after in pairwise(steps))


def test_the_load_is_one_row_per_change(trace: TraceGen) -> None:
    frame = pool_load(timeline_of(trace))
    assert frame.to_dict("split")["data"] == [
        [1, 10_000, 1, 0, 0, 0],
        [1, 12_000, 1, 0, 0, 1],
        [1, 13_000, 1, 0, 0, 2],
        [1, 14_000, 0, 1, 0, 2],
        [1, 20_000, 1, 1, 0, 2],
        [1, 21_000, 1, 0, 1, 2],
        [1, 30_000, 0, 1, 1, 2],
    ]
    assert list(frame.columns) == ["pool", "time_ns", "queued", "running", "waiting", "workers"]
    assert set(map(str, frame.dtypes)) == {"int64"}


# ---------------------------------------------------------------------- pandas


def test_the_frame_has_the_intervals_by_their_begin_with_names(trace: TraceGen) -> None:
    frame = intervals(timeline_of(trace))
    assert list(frame["start_ns"]) == sorted(frame["start_ns"])
    row = frame[(frame["state"] == "waiting") & (frame["task"] == 1)].iloc[0]
    assert row.to_dict() == {
        "thread": 2,
        "thread_name": "pool_0",
        "pool": 1,
        "pool_name": "pool",
        "task": 1,
        "function": "outer",
        "state": "waiting",
        "start_ns": 21_000,
        "end_ns": 50_000,
        "site": "app.py:7 in outer",
        "open": True,
    }


def test_what_is_not_known_or_does_not_apply_is_na(trace: TraceGen) -> None:
    frame = intervals(timeline_of(trace))
    assert frame[frame["state"] == "queued"]["thread"].isna().all()
    of_main = frame[frame["thread"] == 1]
    assert of_main[["pool", "pool_name", "task", "function"]].isna().all(axis=None)


def test_the_columns_have_types_that_suit_them() -> None:
    expected = {
        "thread": "Int64",
        "thread_name": "category",
        "pool": "Int64",
        "pool_name": "category",
        "task": "Int64",
        "function": "category",
        "state": "category",
        "start_ns": "int64",
        "end_ns": "int64",
        "site": "category",
        "open": "bool",
    }
    empty = intervals(timeline_of(TraceGen()))
    assert {name: str(dtype) for name, dtype in empty.dtypes.items()} == expected
    assert list(empty["state"].cat.categories) == ["queued", "running", "waiting"]
    assert len(empty) == len(pool_load(timeline_of(TraceGen()))) == 0


def test_threads_of_one_name_stay_apart_by_number() -> None:
    trace = TraceGen()
    for _ in range(2):
        thread = trace.thread("same")
        trace.wait(thread, [trace.promise(thread)])
    frame = intervals(timeline_of(trace))
    assert list(frame["thread"]) == [1, 2]
    assert list(frame["thread_name"]) == ["same", "same"]


@given(CHOICES)
def test_the_frame_says_what_the_periods_say(choices: list[int]) -> None:
    timeline = timeline_of(RandomRun(choices).trace)
    frame = intervals(timeline)
    columns = ["thread", "pool", "task", "state", "start_ns", "end_ns", "open"]
    plain = frame[columns].astype(object)
    rows = Counter(map(tuple, plain.where(plain.notna(), None).to_numpy().tolist()))
    assert rows == Counter(
        (p.thread, p.pool, p.task, p.state, p.start_ns, p.end_ns, p.open)
        for p in timeline.periods()
    )


def test_times_that_no_clock_has_stay_within_64_bits() -> None:
    trace = TraceGen(tick_ns=10**9)
    main = trace.thread(main=True)
    pool = trace.pool()
    for _ in range(10_000):
        trace.start(main, trace.submit(main, pool, dt=10**15 - 1))
    timeline = timeline_of(trace)
    frame = intervals(timeline)
    assert (frame["end_ns"] >= frame["start_ns"]).all()
    assert all(0 <= p.start_ns <= p.end_ns < 1 << 63 for p in timeline.periods())
    assert isinstance(pool_load(timeline), pd.DataFrame)


@given(ROWS)
def test_lines_of_anything_leave_a_timeline_in_order(rows: list[Any]) -> None:
    timeline = timeline_of(trace_of(rows))
    periods = list(timeline.periods())
    frame = intervals(timeline)
    assert len(frame) == len(periods)
    assert (frame["end_ns"] >= frame["start_ns"]).all()
    for loads in timeline.pool_load().values():
        assert all(min(load[1:]) >= 0 for load in loads)


def test_a_timeline_costs_no_import_of_pandas() -> None:
    code = "import sys, tpanalyze.timeline; print('pandas' in sys.modules, 'numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False False\n"


def test_a_join_and_a_block_are_waits_with_their_sites() -> None:
    trace = TraceGen()
    main, other = trace.thread(main=True), trace.thread()
    trace.join(main, other, site=trace.site("app.py:4 in main"))
    trace.block(other, "Queue.get", trace.object("Queue"), site=trace.site("app.py:9 in reader"))
    frame = intervals(timeline_of(trace))
    assert list(frame["state"]) == ["waiting", "waiting"]
    assert list(frame["site"]) == ["app.py:4 in main", "app.py:9 in reader"]


def test_a_task_in_another_process_is_elsewhere_until_its_result_is_there() -> None:
    trace = TraceGen()
    main = trace.thread("MainThread", main=True)
    pool = trace.define("pool", kind="ProcessPoolExecutor", name="", role="processes")
    done, away = (trace.submit(main, pool) for _ in range(2))
    for task in (done, away):
        trace.start(0, task)
    trace.finish(main, done)
    told = tasks(timeline_of(trace))
    assert list(told["state"]) == ["ended", "elsewhere"]
    assert told["worker"].isna().all() and told["started_ns"].isna().all()
