"""What holds after the events of event loops and limiters, and after such as cannot be true."""

from __future__ import annotations

import pytest

from tests.tracegen import TraceGen
from tpanalyze.model import Pool, PoolId, PoolRole, Snapshot, Task, TaskId, TaskState, ThreadId
from tpanalyze.replay import Replay
from tprecord import schema


class Scene:
    """A trace with a main thread that runs an event loop, and another thread."""

    def __init__(self) -> None:
        self.trace = TraceGen()
        self.main = self.trace.thread("MainThread", main=True)
        self.other = self.trace.thread("other")
        self.loop = self.pool("loop", 1)
        self.function = self.trace.function("fetch")

    def pool(self, role: str, size: int | None) -> int:
        fields = {"kind": "X", "name": "", "max_workers": size, "role": role}
        return self.trace.define("pool", **fields)

    def run(self) -> None:
        self.trace.event(schema.RUN, self.main, self.loop, self.main)

    def promise(self) -> int:
        promise = self.trace.promise(self.other)
        self.trace.event(schema.DELIVER, self.other, promise, self.loop, self.function)
        return promise

    def awaits(self, promise: int, *tasks: int) -> None:
        ranges = [number for task in tasks for number in (task, task)]
        self.trace.event(schema.AWAIT, 0, promise, *ranges)


def slugs(replay: Replay) -> list[str]:
    return [remark.slug for remark in replay.quality().remarks]


def pool_of(snapshot: Snapshot, pool: int) -> Pool:
    return snapshot.pools[PoolId(pool)]


def task_of(snapshot: Snapshot, task: int) -> Task:
    return snapshot.tasks[TaskId(task)]


def test_a_loop_s_worker_is_the_thread_that_runs_it_until_it_halts() -> None:
    s = Scene()
    s.run()
    running = pool_of(s.trace.replay().snapshot(), s.loop)
    s.trace.event(schema.HALT, s.main, s.loop)
    halted = pool_of(s.trace.replay().snapshot(), s.loop)
    assert (running.role, running.workers) == (PoolRole.LOOP, (ThreadId(s.main),))
    assert halted.workers == ()


def test_it_may_be_written_down_by_another_thread_while_the_runner_waits() -> None:
    s = Scene()
    s.trace.wait(s.main, [s.trace.promise(s.main)])
    s.trace.event(schema.RUN, s.other, s.loop, s.main)
    snapshot = s.trace.replay().snapshot()
    assert pool_of(snapshot, s.loop).workers == (ThreadId(s.main),)
    assert snapshot.threads[ThreadId(s.main)].wait is not None


def test_a_thread_that_has_ended_runs_no_loop() -> None:
    s = Scene()
    s.trace.event(schema.RUN, s.other, s.loop, s.other)
    s.trace.gone(s.other)
    assert pool_of(s.trace.replay().snapshot(), s.loop).workers == ()


def test_a_promise_that_a_loop_owes_has_its_loop_and_its_coroutine_s_function() -> None:
    s = Scene()
    task = s.promise()
    promise = task_of(s.trace.replay().snapshot(), task)
    assert (promise.loop, promise.awaits, promise.state) == (s.loop, (), TaskState.PENDING)
    assert promise.function is not None
    assert promise.function.name == "fetch"
    s.trace.finish(s.main, task)
    assert TaskId(task) not in s.trace.replay().snapshot().tasks


def test_what_a_coroutine_awaits_is_what_the_last_look_has_seen() -> None:
    s = Scene()
    promise = s.promise()
    tasks = [s.trace.submit(s.main, s.trace.pool(1)) for _ in range(2)]
    s.awaits(promise, *tasks)
    assert task_of(s.trace.replay().snapshot(), promise).awaits == tuple(tasks)
    s.awaits(promise)
    assert task_of(s.trace.replay().snapshot(), promise).awaits == ()


def test_an_awaited_task_that_is_done_is_still_told_of() -> None:
    s = Scene()
    promise, pool = s.promise(), s.trace.pool(1)
    task, worker = s.trace.submit(s.main, pool), s.trace.worker(pool)
    s.awaits(promise, task)
    s.trace.start(worker, task)
    s.trace.finish(worker, task)
    s.trace.idle(worker)
    snapshot = s.trace.replay().snapshot()
    assert task_of(snapshot, promise).awaits == (task,)
    assert task_of(snapshot, task).done


def test_a_look_at_coroutines_leaves_the_list_of_threads_complete() -> None:
    s = Scene()
    promise, task = s.promise(), s.trace.submit(s.main, s.trace.pool(1))
    s.trace.census()
    s.awaits(promise, task)
    assert s.trace.replay().snapshot().all_threads_known


@pytest.mark.parametrize(("size", "after"), [(100, 100), (0, 0), (-1, None)])
def test_a_limiter_may_get_other_tokens(size: int, after: int | None) -> None:
    s = Scene()
    limiter = s.pool("limiter", 40)
    s.trace.event(schema.RESIZE, s.main, limiter, size)
    assert pool_of(s.trace.replay().snapshot(), limiter).max_workers == after


def test_only_threads_with_a_call_have_a_token() -> None:
    s = Scene()
    limiter = s.pool("limiter", 2)
    task = s.trace.submit(s.main, limiter)
    busy, idle = s.trace.worker(limiter), s.trace.worker(limiter)
    s.trace.idle(idle)
    s.trace.start(busy, task)
    assert pool_of(s.trace.replay().snapshot(), limiter).workers == (ThreadId(busy),)


def test_the_end_of_all_executors_is_not_that_of_loops_and_limiters() -> None:
    s = Scene()
    limiter, executor = s.pool("limiter", 2), s.trace.pool(1)
    s.run()
    s.trace.worker(executor)
    s.trace.close(s.main, 0)
    s.trace.drain(s.main, 0)
    later = s.pool("loop", 1)
    snapshot = s.trace.replay().snapshot()
    closed = [n for n, pool in snapshot.pools.items() if pool.closed]
    assert closed == [executor]
    assert later in snapshot.pools
    assert limiter in snapshot.pools
    wait = snapshot.threads[ThreadId(s.main)].wait
    assert getattr(wait, "pools", None) == (executor,)


def test_what_refers_to_nothing_is_remarked_and_claims_nothing() -> None:
    s = Scene()
    promise = s.promise()
    s.awaits(promise, 4711)
    s.trace.event(schema.DELIVER, s.other, 99, s.loop, 88)
    s.trace.event(schema.HALT, s.main, 77)
    replay = s.trace.replay()
    assert sorted(set(slugs(replay))) == ["unknown-function", "unknown-pool", "unknown-task"]
    assert task_of(replay.snapshot(), promise).awaits == ()


def test_a_task_of_a_pool_is_owed_by_no_loop() -> None:
    s = Scene()
    task = s.trace.submit(s.main, s.trace.pool(1))
    s.trace.event(schema.DELIVER, s.other, task, s.loop, 0)
    s.awaits(task, task)
    found = task_of(s.trace.replay().snapshot(), task)
    assert (found.loop, found.awaits) == (None, ())
