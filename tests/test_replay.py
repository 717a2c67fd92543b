"""The replay: what holds after the lines of a trace."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from io import BytesIO
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, strategies as st

import tpanalyze
from tests.random_rows import ROWS, trace_of
from tests.random_run import CHOICES, RandomRun
from tests.tracegen import TraceGen, replay_of
from tpanalyze.errors import TraceError
from tpanalyze.findings import Verdict
from tpanalyze.model import (
    DrainWait,
    FutureWait,
    Object,
    ObjectId,
    ObjectWait,
    PoolId,
    QualityGrade,
    Snapshot,
    Task,
    TaskId,
    TaskOrigin,
    TaskState,
    ThreadId,
    ThreadState,
    ThreadWait,
)
from tpanalyze.replay import Replay
from tpanalyze.state import (
    _DONE_AT_LEAST,
    FAILED,
    FINISHED,
    LAST_TASK,
    NOTIFIED,
    OUTCOME_MASK,
    birth,
    birth_call,
    birth_parent,
    birth_ticks,
)
from tprecord import schema

TICK_NS = 1000


def task_of(snapshot: Snapshot, task: int) -> Task:
    return snapshot.tasks[TaskId(task)]


def slugs(replay: Replay) -> list[str]:
    return [remark.slug for remark in replay.quality().remarks]


# ---------------------------------------------------------------------- any valid run


@given(CHOICES)
def test_a_valid_trace_gives_the_state_that_the_run_was_in(choices: list[int]) -> None:
    run = RandomRun(choices)
    replay = run.trace.replay()
    assert replay.snapshot() == run.snapshot()
    assert replay.quality().remarks == ()


@given(CHOICES, st.data())
def test_a_trace_cut_at_any_byte_gives_the_state_of_its_whole_lines(
    choices: list[int], data: st.DataObject
) -> None:
    run = RandomRun(choices)
    whole = run.trace.data()
    header = len(run.trace.lines[0])
    cut = data.draw(st.integers(header, len(whole)))
    # an array that has its last bracket is whole, with or without the end of its line
    lines = [line for line in whole[: cut + 1].split(b"\n")[:-1] if line]
    prefix = b"".join(line + b"\n" for line in lines)
    replay, expected = replay_of(whole[:cut]), replay_of(prefix)
    assert replay.snapshot() == expected.snapshot()
    torn = whole[:cut] not in (prefix, prefix[:-1])
    assert slugs(replay) == (["torn-end"] if torn else [])
    assert replay.quality().complete


@given(CHOICES, st.data())
def test_at_a_moment_holds_what_held_after_the_last_event_up_to_it(
    choices: list[int], data: st.DataObject
) -> None:
    run = RandomRun(choices)
    if not run.moments:
        return
    index = data.draw(st.integers(0, len(run.moments) - 1))
    expected = run.moments[index]
    replay = run.trace.replay(at_ns=expected.time_ns)
    snapshot = replay.snapshot()
    assert snapshot.time_ns == expected.time_ns
    # what is defined after it, and before the next event, is there already
    assert expected.pools.items() <= snapshot.pools.items()
    assert expected.threads.items() <= snapshot.threads.items()
    assert expected.tasks.items() <= snapshot.tasks.items()
    assert replay.passed == (index + 1 < len(run.moments))


@given(CHOICES)
def test_lines_fed_one_by_one_give_the_same_as_all_at_once(choices: list[int]) -> None:
    trace = RandomRun(choices).trace
    replay = Replay(1000)
    for number, line in enumerate(trace.lines[1:], 2):
        replay.feed([json.loads(line)], number)
    assert replay.snapshot() == trace.replay().snapshot()


# ---------------------------------------------------------------------- any broken trace


def check_that_it_holds_together(snapshot: Snapshot) -> None:
    """Assert what is true of every snapshot, whatever the trace was."""
    for thread in snapshot.threads.values():
        assert (thread.wait is not None) == (thread.state is ThreadState.WAITING)
        assert set(thread.tasks) <= snapshot.tasks.keys()
        if thread.pool is not None:
            assert thread.id in snapshot.pools[thread.pool].workers
        if thread.state is ThreadState.IDLE:
            assert thread.pool is not None
            assert not thread.tasks
        if isinstance(thread.wait, FutureWait):
            assert set(thread.wait.futures) <= snapshot.tasks.keys()
            assert 0 < thread.wait.need <= len(thread.wait.futures)
        if isinstance(thread.wait, DrainWait):
            assert set(thread.wait.pools) <= snapshot.pools.keys()
    for pool in snapshot.pools.values():
        assert min(pool.starting, pool.unseen) >= 0
        assert all(snapshot.threads[worker].pool == pool.id for worker in pool.workers)
        for number in pool.queue:
            task = snapshot.tasks[number]
            assert task.pool == pool.id
            assert task.state in (TaskState.QUEUED, TaskState.CANCELLED)
    for task in snapshot.tasks.values():
        if task.state is TaskState.RUNNING and task.worker is not None:
            assert task.id in snapshot.threads[task.worker].tasks


@given(CHOICES, st.data())
def test_lines_lost_or_doubled_or_swapped_leave_a_state_that_holds_together(
    choices: list[int], data: st.DataObject
) -> None:
    lines = RandomRun(choices).trace.lines
    order = data.draw(st.lists(st.integers(1, len(lines)), max_size=len(lines)))
    damaged = [lines[0], *(line for at in order for line in lines[at : at + 3])]
    check_that_it_holds_together(replay_of(b"\n".join(damaged)).snapshot())


@given(ROWS)
def test_lines_of_anything_leave_a_state_that_holds_together(rows: list[Any]) -> None:
    replay = trace_of(rows).replay()
    check_that_it_holds_together(replay.snapshot())
    assert all(len(remark.text) < 300 for remark in replay.quality().remarks)


@given(CHOICES, st.lists(st.tuples(st.integers(0, 1 << 16), st.binary(max_size=3))), st.data())
def test_bytes_broken_anywhere_give_a_state_or_a_trace_error(
    choices: list[int], wounds: list[tuple[int, bytes]], data_: st.DataObject
) -> None:
    data = bytearray(RandomRun(choices[:20]).trace.data())
    for where, what in wounds:
        at = where % (len(data) + 1)
        data[at : at + data_.draw(st.sampled_from((0, len(what))))] = what
    try:
        replay = replay_of(bytes(data))
    except TraceError:
        return
    check_that_it_holds_together(replay.snapshot())


# ---------------------------------------------------------------------- tasks and their threads


@pytest.fixture
def trace() -> TraceGen:
    return TraceGen()


def test_the_queue_has_the_tasks_in_the_order_of_their_lines(trace: TraceGen) -> None:
    main, other = trace.thread(main=True), trace.thread()
    pool = trace.pool()
    trace.next_task = 2
    later = trace.submit(other, pool)
    trace.next_task = 1
    earlier = trace.submit(main, pool)
    snapshot = trace.replay().snapshot()
    assert snapshot.pools[PoolId(1)].queue == (later, earlier) == (2, 1)
    assert task_of(snapshot, earlier).submitted_by == main


def test_a_task_knows_the_task_that_submitted_it_and_both_places(trace: TraceGen) -> None:
    main, pool = trace.thread(main=True), trace.pool()
    outer = trace.submit(
        main,
        pool,
        function=trace.function("outer", line=6),
        site=trace.site("app.py:11 in main"),
    )
    worker = trace.worker(pool)
    trace.start(worker, outer)
    inner = trace.submit(worker, pool, site=trace.site("app.py:7 in outer", "app.py:11 in main"))
    task = task_of(trace.replay().snapshot(), inner)
    assert (task.submitted_in, task.submitted_by, task.function) == (outer, worker, None)
    assert task.submit_site is not None
    assert [(f.function.name, f.line) for f in task.submit_site.frames] == [
        ("outer", 7),
        ("main", 11),
    ]


def test_a_worker_stays_in_its_task_after_the_result_is_set_until_it_is_idle(
    trace: TraceGen,
) -> None:
    main, pool = trace.thread(main=True), trace.pool()
    task = trace.submit(main, pool)
    worker = trace.worker(pool)
    trace.start(worker, task)
    trace.finish(worker, task)
    snapshot = trace.replay().snapshot()
    assert snapshot.threads[ThreadId(worker)].tasks == (task,)
    assert task_of(snapshot, task).state is TaskState.FINISHED
    assert task_of(snapshot, task).finished_ns == 4000
    trace.idle(worker)
    snapshot = trace.replay().snapshot()
    assert snapshot.threads[ThreadId(worker)].state is ThreadState.IDLE
    assert snapshot.tasks == {}


def test_a_task_started_inside_an_unfinished_one_is_nested(trace: TraceGen) -> None:
    main, pool = trace.thread(main=True), trace.pool()
    outer, inner, third = (trace.submit(main, pool) for _ in range(3))
    worker = trace.worker(pool)
    trace.start(worker, outer)
    trace.start(worker, inner)
    assert trace.replay().snapshot().threads[ThreadId(worker)].tasks == (outer, inner)
    trace.finish(worker, inner)
    trace.start(worker, third)
    assert trace.replay().snapshot().threads[ThreadId(worker)].tasks == (outer, third)
    trace.finish(worker, third)
    trace.finish(worker, outer)
    replay = trace.replay()
    assert replay.snapshot().threads[ThreadId(worker)].tasks == (outer,)
    assert replay.quality().complete


def test_a_cancelled_task_stays_in_the_queue_until_a_worker_takes_it(trace: TraceGen) -> None:
    main, pool = trace.thread(main=True), trace.pool()
    task = trace.submit(main, pool)
    worker = trace.worker(pool)
    trace.cancel(main, task)
    trace.wait(main, [task], operation="wait(ALL_COMPLETED)")
    snapshot = trace.replay().snapshot()
    assert snapshot.pools[PoolId(1)].queue == (task,)
    assert task_of(snapshot, task).state is TaskState.CANCELLED
    assert not task_of(snapshot, task).notified
    assert task_of(snapshot, task).finished_ns == 3000
    trace.start(worker, task)
    snapshot = trace.replay().snapshot()
    assert snapshot.pools[PoolId(1)].queue == ()
    assert task_of(snapshot, task).notified
    assert snapshot.threads[ThreadId(worker)].tasks == ()


def test_a_worker_that_takes_a_cancelled_task_has_returned_from_the_one_before(
    trace: TraceGen,
) -> None:
    main, pool = trace.thread(main=True), trace.pool()
    done, cancelled = trace.submit(main, pool), trace.submit(main, pool)
    worker = trace.worker(pool)
    trace.start(worker, done)
    trace.finish(worker, done)
    trace.cancel(main, cancelled)
    trace.start(worker, cancelled)
    assert trace.replay().snapshot().threads[ThreadId(worker)].tasks == ()


def test_a_task_that_is_cancelled_while_its_worker_takes_it_never_runs(trace: TraceGen) -> None:
    main, pool = trace.thread(main=True), trace.pool()
    task = trace.submit(main, pool)
    worker = trace.worker(pool)
    trace.start(worker, task)
    trace.cancel(main, task)
    snapshot = trace.replay().snapshot()
    assert task_of(snapshot, task).state is TaskState.CANCELLED
    assert task_of(snapshot, task).notified
    trace.idle(worker)
    assert trace.replay().quality().complete


@pytest.mark.parametrize("first", ["withdraw", "cancel"])
def test_a_task_withdrawn_and_cancelled_is_in_no_queue_and_nobody_was_told(
    trace: TraceGen, first: str
) -> None:
    main, pool = trace.thread(main=True), trace.pool()
    task = trace.submit(main, pool)
    steps = [trace.withdraw, trace.cancel]
    for step in steps if first == "withdraw" else reversed(steps):
        step(main, task)
    trace.wait(main, [task], operation="wait(ALL_COMPLETED)")
    replay = trace.replay()
    assert replay.snapshot().pools[PoolId(1)].queue == ()
    assert task_of(replay.snapshot(), task).state is TaskState.CANCELLED
    assert not task_of(replay.snapshot(), task).notified
    assert replay.quality().complete


def test_a_promise_is_pending_until_any_thread_sets_it(trace: TraceGen) -> None:
    main, other = trace.thread(main=True), trace.thread()
    promise = trace.promise(main, site=trace.site("app.py:3 in main"))
    task = task_of(trace.replay().snapshot(), promise)
    assert (task.state, task.origin, task.pool) == (TaskState.PENDING, TaskOrigin.PROMISE, None)
    trace.wait(main, [promise])
    trace.fail(other, promise)
    assert task_of(trace.replay().snapshot(), promise).state is TaskState.FAILED


def test_a_future_made_before_the_recording_is_unseen_and_may_still_start(trace: TraceGen) -> None:
    future = trace.future()
    assert task_of(trace.replay().snapshot(), future).origin is TaskOrigin.UNSEEN
    worker = trace.thread()
    trace.start(worker, future)
    replay = trace.replay()
    assert task_of(replay.snapshot(), future).worker == worker
    assert replay.quality().complete


def test_a_result_set_twice_is_a_race_of_the_app_and_no_loss(trace: TraceGen) -> None:
    main = trace.thread(main=True)
    promise = trace.promise(main)
    trace.finish(main, promise)
    trace.finish(main, promise)
    replay = trace.replay()
    assert slugs(replay) == ["done-again"]
    assert replay.quality().complete


@pytest.mark.parametrize("awaited", [0, _DONE_AT_LEAST + 1])
def test_done_tasks_are_forgotten_unless_a_wait_names_them(trace: TraceGen, awaited: int) -> None:
    main, pool = trace.thread(main=True), trace.pool()
    worker = trace.worker(pool)
    named = trace.submit(main, pool)
    others = [trace.submit(main, pool) for _ in range(1 + awaited)]
    trace.wait(main, [named, *others], operation="wait(FIRST_EXCEPTION)")
    trace.start(worker, named)
    trace.fail(worker, named)
    for _ in range(_DONE_AT_LEAST + 1):
        task = trace.submit(worker, pool)
        trace.start(worker, task)
        trace.finish(worker, task)
    trace.idle(worker)
    replay = trace.replay()
    assert len(replay.state.done) < _DONE_AT_LEAST
    assert task_of(replay.snapshot(), named).state is TaskState.FAILED
    assert replay.snapshot().tasks.keys() == {named, *others}


def test_a_task_done_and_forgotten_is_finished_for_a_later_wait(trace: TraceGen) -> None:
    main, pool = trace.thread(main=True), trace.pool()
    old = trace.promise(main)
    trace.finish(main, old)
    replay = Replay(1000)
    replay.feed([json.loads(line) for line in trace.lines[1:]])
    replay.state.forget()
    replay.feed([[6, 1, main, 4, 1, -1, 0, old, old]])
    assert task_of(replay.snapshot(), old).state is TaskState.FINISHED
    assert pool in replay.snapshot().pools


# ---------------------------------------------------------------------- waits and drains


def test_a_wait_says_for_what_how_long_where_and_since_when(trace: TraceGen) -> None:
    main, pool = trace.thread(main=True), trace.pool()
    tasks = [trace.submit(main, pool) for _ in range(3)]
    site = trace.site("app.py:31 in main")
    trace.wait(
        main, [tasks[0], tasks[2]], need=1, timeout=5, operation="wait(FIRST_COMPLETED)", site=site
    )
    wait = trace.replay().snapshot().threads[ThreadId(main)].wait
    assert isinstance(wait, FutureWait)
    assert (wait.operation, wait.futures, wait.need) == ("wait(FIRST_COMPLETED)", (1, 3), 1)
    assert (wait.timeout_ns, wait.since_ns) == (5000, 4000)
    assert wait.site is not None
    assert wait.site.frames[0].line == 31


def test_two_steps_of_one_as_completed_name_the_same_set(trace: TraceGen) -> None:
    main, pool = trace.thread(main=True), trace.pool()
    tasks = [trace.submit(main, pool) for _ in range(3)]
    futures = trace.set(tasks)
    for need in (1, 2):
        trace.wait_for_set(main, futures, need)
        wait = trace.replay().snapshot().threads[ThreadId(main)].wait
        assert isinstance(wait, FutureWait)
        assert (wait.operation, wait.futures, wait.need) == ("as_completed", (1, 2, 3), need)
        trace.wake(main)
    assert trace.replay().snapshot().threads[ThreadId(main)].state is ThreadState.RUNNING


def test_a_thread_that_does_anything_waits_no_longer_even_if_its_wake_is_lost(
    trace: TraceGen,
) -> None:
    main, pool = trace.thread(main=True), trace.pool()
    task = trace.submit(main, pool)
    trace.wait(main, [task])
    trace.read(main, task)
    thread = trace.replay().snapshot().threads[ThreadId(main)]
    assert (thread.state, thread.wait, thread.since_ns) == (ThreadState.RUNNING, None, 3000)


def test_a_drain_of_pool_0_is_for_all_pools_that_have_workers_then(trace: TraceGen) -> None:
    main = trace.thread(main=True)
    empty, busy, starting = trace.pool(), trace.pool(), trace.pool()
    trace.worker(busy)
    trace.spawn(main, starting)
    trace.close(main, 0)
    trace.drain(main, 0, operation="interpreter exit")
    late = trace.pool()
    trace.worker(late)
    snapshot = trace.replay().snapshot()
    wait = snapshot.threads[ThreadId(main)].wait
    assert isinstance(wait, DrainWait)
    assert (wait.operation, wait.pools) == ("interpreter exit", (busy, starting))
    assert [pool.closed for pool in snapshot.pools.values()] == [True] * 4
    assert empty not in wait.pools


def test_a_set_may_be_defined_before_the_tasks_in_it_are_submitted(trace: TraceGen) -> None:
    main, pool = trace.thread(main=True), trace.pool()
    futures = trace.set([1, 2])
    tasks = [trace.submit(main, pool) for _ in range(2)]
    trace.wait_for_set(main, futures, 1)
    replay = trace.replay()
    wait = replay.snapshot().threads[ThreadId(main)].wait
    assert isinstance(wait, FutureWait)
    assert list(wait.futures) == tasks
    assert replay.quality().complete


def test_a_join_names_the_thread_it_waits_for_and_its_timeout(trace: TraceGen) -> None:
    main, other = trace.thread(main=True), trace.thread()
    trace.join(other, main, timeout=30)
    trace.join(main, other)
    threads = trace.replay().snapshot().threads
    wait = threads[ThreadId(main)].wait
    assert isinstance(wait, ThreadWait)
    assert (wait.operation, wait.threads, wait.every, wait.timed) == (
        "Thread.join",
        (other,),
        False,
        False,
    )
    timed = threads[ThreadId(other)].wait
    assert timed is not None
    assert timed.timeout_ns == 30 * TICK_NS


def test_interpreter_exit_waits_for_launched_threads_that_live_and_are_no_daemons(
    trace: TraceGen,
) -> None:
    main, plain, ended = trace.thread(main=True), trace.thread(), trace.thread()
    daemon, foreign = trace.thread(daemon=True), trace.thread("made by no Thread")
    for number in (plain, ended, daemon):
        trace.launch(main, number)
        trace.begin(number, 70 + number)
    trace.gone(ended)
    trace.event(schema.IDLE, foreign)
    trace.event(schema.JOIN, main, schema.OPERATION["interpreter exit"], 0, -1, 0)
    wait = trace.replay().snapshot().threads[ThreadId(main)].wait
    assert isinstance(wait, ThreadWait)
    assert (wait.threads, wait.every) == ((plain,), True)


def test_a_block_names_the_object_who_has_woken_others_there_and_how_many_wait(
    trace: TraceGen,
) -> None:
    main, one, two = trace.thread(main=True), trace.thread(), trace.thread()
    event = trace.object("Event")
    trace.block(one, "Event.wait", event)
    trace.signal(main, event)
    trace.wake(one)
    trace.block(one, "Event.wait", event)
    trace.block(two, "Event.wait", event)
    replay = trace.replay()
    wait = replay.snapshot().threads[ThreadId(one)].wait
    assert isinstance(wait, ObjectWait)
    assert wait.object == Object(ObjectId(event), "Event")
    assert (wait.woken_by, wait.waiting, wait.signalled) == ((main,), 2, False)
    assert replay.quality().complete


def test_whoever_may_have_been_woken_counts_as_woken_until_one_goes_on(trace: TraceGen) -> None:
    main, one, two = trace.thread(main=True), trace.thread(), trace.thread()
    event = trace.object("Condition")

    def signalled() -> list[bool]:
        waits = [thread.wait for thread in trace.replay().snapshot().threads.values()]
        return [wait.signalled for wait in waits if isinstance(wait, ObjectWait)]

    trace.block(one, "Condition.wait", event)
    trace.block(two, "Condition.wait", event)
    assert signalled() == [False, False]
    trace.signal(main, event)
    assert signalled() == [True, True]
    trace.wake(one)
    assert signalled() == [False]


def test_a_stack_holds_until_its_thread_does_something(trace: TraceGen) -> None:
    main, worker = trace.thread(main=True), trace.thread()
    site = trace.site("app.py:5 in other")
    trace.stack(worker, site)
    trace.census()
    trace.beat(dt=500)
    trace.census()
    snapshot = trace.replay().snapshot()
    thread = snapshot.threads[ThreadId(worker)]
    assert thread.stack is not None
    assert (thread.stack.frames[0].line, thread.stack_ns) == (5, 2 * TICK_NS)
    assert snapshot.looked_ns == 503 * TICK_NS
    trace.promise(main)
    trace.census()
    again = trace.replay().snapshot()
    assert again.threads[ThreadId(worker)].stack_ns == again.looked_ns
    trace.wait(worker, [1])
    assert trace.replay().snapshot().threads[ThreadId(worker)].stack is None


# ---------------------------------------------------------------------- threads


def test_a_launched_thread_begins_and_ends(trace: TraceGen) -> None:
    main, other = trace.thread(main=True), trace.thread()
    trace.launch(main, other)
    assert trace.replay().snapshot().threads[ThreadId(other)].state is ThreadState.RUNNING
    trace.begin(other, 77)
    assert trace.replay().snapshot().threads[ThreadId(other)].native_id == 77
    trace.gone(other)
    assert trace.replay().snapshot().threads[ThreadId(other)].state is ThreadState.ENDED


def test_after_a_census_all_threads_are_known_until_one_of_them_does_something(
    trace: TraceGen,
) -> None:
    main, other = trace.thread(main=True), trace.thread()
    assert not trace.replay().snapshot().all_threads_known
    trace.census()
    trace.beat()
    trace.stack(other, trace.site("app.py:5 in other"))
    assert trace.replay().snapshot().all_threads_known
    trace.promise(main)
    assert not trace.replay().snapshot().all_threads_known
    trace.census()
    trace.event(99, main)
    assert not trace.replay().snapshot().all_threads_known


def test_a_look_at_a_thread_that_waits_does_not_end_its_wait(trace: TraceGen) -> None:
    main = trace.thread(main=True)
    trace.wait(main, [trace.promise(main)])
    trace.beat(dt=1_000_000)
    trace.stack(main, trace.site("app.py:5 in main"))
    snapshot = trace.replay().snapshot()
    assert snapshot.threads[ThreadId(main)].state is ThreadState.WAITING
    assert snapshot.time_ns == 1_000_003_000


# ---------------------------------------------------------------------- workers


def test_workers_are_counted_from_spawn_over_enter_to_leave(trace: TraceGen) -> None:
    main, pool = trace.thread(main=True), trace.pool(2)
    trace.spawn(main, pool)
    assert trace.replay().snapshot().pools[PoolId(1)].starting == 1
    worker = trace.worker(pool)
    seen = trace.replay().snapshot().pools[PoolId(1)]
    assert (seen.starting, seen.workers) == (0, (worker,))
    trace.leave(worker)
    snapshot = trace.replay().snapshot()
    assert snapshot.pools[PoolId(1)].workers == ()
    assert snapshot.threads[ThreadId(worker)].state is ThreadState.ENDED


def test_a_thread_that_is_no_worker_is_never_idle(trace: TraceGen) -> None:
    main, pool = trace.thread(main=True), trace.pool()
    caller, task = trace.thread(), trace.submit(main, pool)
    trace.start(caller, task)
    trace.finish(caller, task)
    trace.idle(caller)
    thread = trace.replay().snapshot().threads[ThreadId(caller)]
    assert (thread.state, thread.tasks) == (ThreadState.RUNNING, ())


def test_an_unseen_worker_is_known_by_its_first_start(trace: TraceGen) -> None:
    main, pool = trace.thread(main=True), trace.pool(2, unseen=1)
    first, second = trace.submit(main, pool), trace.submit(main, pool)
    worker, caller = trace.thread(), trace.thread()
    trace.start(worker, first)
    trace.start(caller, second)
    snapshot = trace.replay().snapshot()
    assert (snapshot.pools[PoolId(1)].unseen, snapshot.pools[PoolId(1)].workers) == (0, (worker,))
    assert snapshot.threads[ThreadId(caller)].pool is None
    assert snapshot.threads[ThreadId(caller)].tasks == (second,)


def test_a_task_begun_by_an_unknown_thread_runs_on_no_known_one(trace: TraceGen) -> None:
    main, pool = trace.thread(main=True), trace.pool(2)
    task = trace.submit(main, pool)
    trace.start(0, task)
    snapshot = trace.replay().snapshot()
    assert task_of(snapshot, task).state is TaskState.RUNNING
    assert task_of(snapshot, task).worker is None
    assert list(snapshot.threads) == [main]
    trace.finish(0, task)
    replay = trace.replay()
    assert replay.snapshot().tasks == {}
    assert replay.quality().complete


# ---------------------------------------------------------------------- time


def test_time_may_step_back_between_threads(trace: TraceGen) -> None:
    main, pool = trace.thread(main=True), trace.pool()
    trace.submit(main, pool, dt=10)
    trace.submit(main, pool, dt=-3)
    snapshot = trace.replay().snapshot()
    assert [task.submitted_ns for task in snapshot.tasks.values()] == [10_000, 7_000]
    assert snapshot.time_ns == 7_000


def test_times_that_no_clock_has_fit_into_64_bits(trace: TraceGen) -> None:
    main, pool = trace.thread(main=True), trace.pool()
    for _ in range(20_000):
        trace.submit(main, pool, dt=10**15 - 1)
    snapshot = trace.replay().snapshot()
    times = [task.submitted_ns or 0 for task in snapshot.tasks.values()]
    assert all(before <= after < 1 << 63 for before, after in pairwise(times))
    assert snapshot.time_ns < 1 << 63


# ---------------------------------------------------------------------- what cannot be


def submit_to_nowhere(trace: TraceGen) -> None:
    trace.submit(1, 7)


def start_twice(trace: TraceGen) -> None:
    task = trace.submit(1, trace.pool())
    trace.start(1, task)
    trace.start(1, task)


def finish_of_no_task(trace: TraceGen) -> None:
    trace.finish(1, 0)


def wait_of_nobody_for_nothing(trace: TraceGen) -> None:
    trace.wait(0, [trace.promise(1), 99])


def join_of_nobody(trace: TraceGen) -> None:
    trace.join(1, 8)


def finish_without_start(trace: TraceGen) -> None:
    trace.finish(1, trace.submit(1, trace.pool()))


def same_number_twice(trace: TraceGen) -> None:
    task = trace.promise(1)
    trace.event(15, 1, task, 0)


def idle_in_the_middle_of_a_task(trace: TraceGen) -> None:
    pool = trace.pool()
    task = trace.submit(1, pool)
    worker = trace.worker(pool)
    trace.start(worker, task)
    trace.idle(worker)


def wait_for_nobody(trace: TraceGen) -> None:
    trace.wait(1, [1, 2, 3])


def wait_for_one_that_comes_later(trace: TraceGen) -> None:
    trace.wait(1, [trace.promise(1), 2])


def wait_for_none_of_them(trace: TraceGen) -> None:
    trace.wait(1, [trace.promise(1)], need=0)


def event_of_a_negative_thread(trace: TraceGen) -> None:
    trace.event(8, -1)


def wait_for_more_than_there_are(trace: TraceGen) -> None:
    trace.wait(1, [trace.promise(1)], need=2)


def wait_for_a_set_that_is_none(trace: TraceGen) -> None:
    trace.wait_for_set(1, 9, 1)


def withdraw_what_is_not_queued(trace: TraceGen) -> None:
    task = trace.submit(1, trace.pool())
    trace.start(1, task)
    trace.withdraw(1, task)


def thread_without_definition(trace: TraceGen) -> None:
    trace.promise(5)


def call_of_an_undefined_function(trace: TraceGen) -> None:
    trace.submit(1, trace.pool(), function=3)


def call_at_an_undefined_site(trace: TraceGen) -> None:
    trace.submit(1, trace.pool(), site=3)


def event_of_the_future(trace: TraceGen) -> None:
    trace.event(99, 1)


def event_too_short(trace: TraceGen) -> None:
    trace.event(1, 1, 2)


def thread_defined_twice(trace: TraceGen) -> None:
    trace.raw(b'{"thread":1,"name":"again"}')


def dropped_events(trace: TraceGen) -> None:
    trace.note("buffer full", dropped=12)


@pytest.mark.parametrize(
    ("broken", "slug", "says"),
    [
        (submit_to_nowhere, "unknown-pool", "pool 7 is named, but is not defined"),
        (start_twice, "start-again", "task 1 starts, but it has started or ended before"),
        (finish_of_no_task, "unknown-task", "task 0 is named, but was never submitted or made"),
        (wait_of_nobody_for_nothing, "unknown-task", "tasks 99 to 99 are waited for"),
        (join_of_nobody, "unknown-thread", "thread 8 is named, but is not defined"),
        (finish_without_start, "finish-before-start", "task 1 finishes, but it never started"),
        (same_number_twice, "made-again", "task 1 is made, but there is one of that number"),
        (idle_in_the_middle_of_a_task, "never-finished", "thread 2 returned from task 1"),
        (wait_for_nobody, "unknown-task", "tasks 1 to 3 are waited for, but do not all exist"),
        (wait_for_one_that_comes_later, "unknown-task", "tasks 1 to 2 are waited for"),
        (wait_for_none_of_them, "impossible-wait", "thread 1 waits for 0 of 1 futures"),
        (event_of_a_negative_thread, "bad-event", "found thread -1, expected a number from 0"),
        (wait_for_more_than_there_are, "impossible-wait", "thread 1 waits for 2 of 1 futures"),
        (wait_for_a_set_that_is_none, "unknown-set", "set 9 is waited for, but is not defined"),
        (withdraw_what_is_not_queued, "withdraw-unqueued", "task 1 leaves its queue"),
        (thread_without_definition, "unknown-thread", "thread 5 is named, but is not defined"),
        (call_of_an_undefined_function, "unknown-function", "function 3 is called"),
        (call_at_an_undefined_site, "unknown-site", "site 3 is named"),
        (event_of_the_future, "unknown-event", "event kind 99 is none this version knows"),
        (
            event_too_short,
            "bad-event",
            "found [1,1,1,2], expected submit [1, dt, thread, task, pool, function, site]",
        ),
        (thread_defined_twice, "bad-definition", "thread 1: it is defined a second time"),
        (dropped_events, "dropped", "the recorder lost 12 events: buffer full"),
    ],
)
def test_what_cannot_be_true_is_a_loss_with_its_line(
    trace: TraceGen, broken: Callable[[TraceGen], None], slug: str, says: str
) -> None:
    trace.thread("MainThread", main=True)
    broken(trace)
    line = len(trace.lines)
    trace.promise(1)
    replay = trace.replay()
    (remark,) = replay.quality().remarks
    assert (remark.grade, remark.slug, remark.line) == (QualityGrade.LOSS, slug, line)
    assert says in remark.text
    check_that_it_holds_together(replay.snapshot())


def test_what_the_trace_contradicts_can_move(trace: TraceGen) -> None:
    main = trace.thread("MainThread", main=True)
    pool = trace.pool()
    lost = trace.submit(main, pool)
    worker = trace.worker(pool)
    trace.start(worker, lost)
    trace.idle(worker)
    trace.wait(main, [lost, 77])
    snapshot = trace.replay().snapshot()
    assert snapshot.threads[ThreadId(main)].state is ThreadState.RUNNING
    assert task_of(snapshot, lost).origin is TaskOrigin.UNSEEN
    assert task_of(snapshot, lost).state is TaskState.PENDING


def test_quality_counts_events_and_says_how_the_recorder_stopped(trace: TraceGen) -> None:
    main = trace.thread("MainThread", main=True)
    trace.promise(main)
    trace.note("a probe is off")
    trace.note("buffer full", dropped=3)
    trace.note("buffer full", dropped=4)
    assert trace.replay().quality().ended is None
    trace.end("exit")
    quality = trace.replay().quality()
    assert (quality.events, quality.ended, quality.dropped) == (1, "exit", 7)
    assert not quality.complete


def test_a_thousand_contradictions_are_twenty_remarks_and_a_sum(trace: TraceGen) -> None:
    for thread in range(1, 1001):
        trace.event(8, thread)
    remarks = trace.replay().quality().remarks
    assert [remark.line for remark in remarks] == [*range(2, 22), None]
    assert remarks[-1].text == "and 980 more remarks of this grade: 980 unknown-thread"
    assert remarks[-1].grade is QualityGrade.LOSS


def test_what_held_before_a_ctrl_c_can_be_asked_for_with_the_moment_that_a_remark_names() -> None:
    """The main thread was a part of the deadlock, and so the Ctrl-C has ended it."""
    trace = TraceGen()
    main = trace.thread("MainThread", main=True)
    pool = trace.pool(1)
    outer = trace.submit(main, pool)
    worker = trace.thread("worker")
    trace.enter(worker, pool)
    trace.start(worker, outer)
    promise = trace.promise(main)
    trace.wait(worker, [promise])
    trace.wait(main, [outer])
    trace.event(schema.CENSUS, 0, dt=1_000_000)
    trace.wake(main, raised=True, dt=1_500_000)
    trace.drain(main, 0)
    trace.wake(main, raised=True)  # and so did the second, at interpreter exit
    after = tpanalyze.analyze(BytesIO(trace.data()))
    (remark,) = after.quality.remarks
    assert after.verdict is not Verdict.DEADLOCK
    assert remark.slug == "interrupted"
    assert after.quality.complete
    found = re.search(r"--at ([0-9.]+)", remark.text)
    assert found
    before = tpanalyze.analyze(BytesIO(trace.data()), at_ns=round(float(found[1]) * 1e9))
    assert (before.verdict, before.quality.remarks) == (Verdict.DEADLOCK, ())


def test_a_main_thread_that_went_on_after_an_exception_is_not_remarked_upon() -> None:
    trace = TraceGen()
    main = trace.thread("MainThread", main=True)
    for raised in (True, False):
        trace.wait(main, [trace.promise(main)])
        trace.wake(main, raised=raised)
    assert trace.replay().quality().remarks == ()


@given(
    st.integers(-(1 << 94), 1 << 94),
    st.integers(0, LAST_TASK),
    st.integers(0, (1 << 32) - 1),
    st.sampled_from([0, FINISHED, FAILED, NOTIFIED]),
)
def test_a_birth_tells_what_it_was_made_of(ticks: int, parent: int, call: int, end: int) -> None:
    made = birth(ticks, parent, call) | end
    told = birth_ticks(made), birth_parent(made), birth_call(made), made & OUTCOME_MASK
    assert told == (ticks, parent, call, end)
