"""The replay of pools that are not used in the plainest way."""

from __future__ import annotations

from tests.tracegen import TraceGen
from tpanalyze.model import PoolId, TaskId, TaskOrigin, TaskState, ThreadId, ThreadState
from tpanalyze.replay import Replay
from tprecord import schema


class Pools(TraceGen):
    """A trace with a main thread, a pool of two, and one worker of it."""

    def __init__(self) -> None:
        super().__init__()
        self.main = self.thread("MainThread", main=True)
        self.hand = self.thread("pool_0")
        self.p = self.pool(2)
        self.event(schema.SPAWN, self.main, self.p)
        self.event(schema.ENTER, self.hand, self.p)

    def hand_made(self) -> int:
        """A promise."""
        task, self.next_task = self.next_task, self.next_task + 1
        self.event(schema.PROMISE, self.main, task, self.site("app.py:3 in submit"))
        return task


def losses(replay: Replay) -> list[str]:
    return [remark.slug for remark in replay.quality().remarks]


def test_a_promise_that_a_worker_starts_is_a_running_task_of_its_pool() -> None:
    trace = Pools()
    task = trace.hand_made()
    trace.event(schema.ADOPT, trace.main, task, trace.function("work"))
    trace.event(schema.START, trace.hand, task)
    replay = trace.replay()
    found = replay.snapshot().tasks[TaskId(task)]
    assert (found.state, found.origin) == (TaskState.RUNNING, TaskOrigin.POOL)
    assert (found.pool, found.worker) == (PoolId(trace.p), ThreadId(trace.hand))
    assert found.function is not None and found.function.name == "work"
    assert found.submit_site is not None and found.submit_site.frames[0].line == 3
    assert not losses(replay)


def test_an_adopted_promise_stays_one_until_it_starts() -> None:
    trace = Pools()
    task = trace.hand_made()
    trace.event(schema.ADOPT, trace.main, task, trace.function("work"))
    found = trace.replay().snapshot().tasks[TaskId(task)]
    assert (found.state, found.origin) == (TaskState.PENDING, TaskOrigin.PROMISE)
    assert found.function is not None and found.function.name == "work"


def test_a_cancelled_promise_that_a_worker_takes_is_told_to_those_who_wait() -> None:
    trace = Pools()
    task = trace.hand_made()
    trace.event(schema.CANCEL, trace.main, task)
    trace.event(schema.START, trace.hand, task)
    trace.wait(trace.main, [task])
    replay = trace.replay()
    found = replay.snapshot().tasks[TaskId(task)]
    assert (found.state, found.notified) == (TaskState.CANCELLED, True)
    assert not losses(replay)


def test_a_withdrawn_promise_is_still_one() -> None:
    trace = Pools()
    task = trace.hand_made()
    trace.event(schema.WITHDRAW, trace.main, task)
    replay = trace.replay()
    assert replay.snapshot().tasks[TaskId(task)].state is TaskState.PENDING
    assert not losses(replay)


def test_a_worker_that_takes_something_unseen_runs_and_has_no_task() -> None:
    trace = Pools()
    task = trace.submit(trace.main, trace.p)
    trace.event(schema.START, trace.hand, task)
    trace.event(schema.FINISH, trace.hand, task)
    trace.event(schema.IDLE, trace.hand)
    trace.event(schema.TAKE, trace.hand)
    thread = trace.replay().snapshot().threads[ThreadId(trace.hand)]
    assert (thread.state, thread.tasks) == (ThreadState.RUNNING, ())


def test_the_tasks_of_a_broken_pool_fail_without_having_started() -> None:
    trace = Pools()
    first, second = trace.submit(trace.main, trace.p), trace.submit(trace.main, trace.p)
    trace.event(schema.CANCEL, trace.main, second)
    trace.event(schema.BREAK, trace.hand, trace.p)
    trace.event(schema.FAIL, trace.hand, first)
    trace.event(schema.FAIL, trace.hand, second)
    trace.wait(trace.main, [first, second])
    replay = trace.replay()
    snapshot = replay.snapshot()
    assert snapshot.pools[PoolId(trace.p)].broken
    assert not snapshot.pools[PoolId(trace.p)].queue
    assert snapshot.tasks[TaskId(first)].state is TaskState.FAILED
    assert snapshot.tasks[TaskId(second)].state is TaskState.CANCELLED
    assert not losses(replay)


def test_a_task_that_fails_unstarted_in_a_sound_pool_is_a_loss() -> None:
    trace = Pools()
    task = trace.submit(trace.main, trace.p)
    trace.event(schema.FAIL, trace.hand, task)
    assert losses(trace.replay()) == ["finish-before-start"]


def test_a_worker_that_could_not_be_started_is_not_about_to_come() -> None:
    trace = Pools()
    stillborn = trace.thread("pool_1")
    trace.event(schema.SPAWN, trace.main, trace.p)
    trace.event(schema.LAUNCH, trace.main, stillborn)
    assert trace.replay().snapshot().pools[PoolId(trace.p)].starting == 1
    trace.event(schema.UNLAUNCH, trace.main, stillborn)
    replay = trace.replay()
    snapshot = replay.snapshot()
    assert snapshot.pools[PoolId(trace.p)].starting == 0
    assert snapshot.threads[ThreadId(stillborn)].state is ThreadState.ENDED
    assert not losses(replay)


def test_a_thread_of_no_pool_that_could_not_be_started_takes_no_worker_away() -> None:
    trace = Pools()
    about_to_come, stillborn = trace.thread("pool_1"), trace.thread("Thread-1")
    trace.event(schema.SPAWN, trace.main, trace.p)
    trace.event(schema.LAUNCH, trace.main, about_to_come)
    trace.event(schema.LAUNCH, trace.main, stillborn)
    trace.event(schema.UNLAUNCH, trace.main, stillborn)
    assert trace.replay().snapshot().pools[PoolId(trace.p)].starting == 1
