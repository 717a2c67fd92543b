"""What the recorder writes of pools that are not used in the plainest way."""

from __future__ import annotations

from pathlib import Path

from tests.recorded import Trace, record_source
from tpanalyze import analyze
from tpanalyze.findings import Verdict

HEAD = """\
import sys
from concurrent.futures import *
from concurrent.futures.thread import _WorkItem
from threading import Event, stack_size; from tests.asleep import until_asleep
def work():
    return 1
def item(future, fn):
    if sys.version_info < (3, 14):
        return _WorkItem(future, fn, (), {})
    return _WorkItem(future, (fn, (), {}))
"""


def work_of(trace: Trace, pool: str) -> list[str]:
    """Return the events of the one worker of the pool of this kind, from its first task on."""
    (number,) = [n for n, row in trace.definitions["pool"].items() if row["kind"] == pool]
    (enter,) = [e for e in trace.of("enter") if e["pool"] == number]
    return trace.names(thread=enter["thread"])[2:]


def assert_harmless(trace_path: Path) -> None:
    report = analyze(trace_path)
    assert report.verdict is Verdict.NONE
    assert report.quality.complete, report.quality.remarks


def test_a_promise_that_a_copied_submit_queues_is_adopted_and_starts_as_a_task(
    tmp_path: Path,
) -> None:
    run = record_source(
        tmp_path,
        HEAD
        + """
class Copy(ThreadPoolExecutor):
    def submit(self, fn):
        future = Future()
        self._work_queue.put(item(future, fn))
        self._adjust_thread_count()
        return future
with Copy(1) as pool:
    pool.submit(work).result()
    until_asleep(*pool._threads)
""",
    )
    trace = run.trace
    (promise,), (adopt,) = trace.of("promise"), trace.of("adopt")
    assert trace.lines(promise)[0][0] == "Copy.submit"
    assert (adopt["task"], trace.function(adopt)) == (promise["task"], "work")
    assert [e["task"] for e in trace.of("start", "finish")] == [promise["task"]] * 2
    assert work_of(trace, "Copy") == ["start", "finish", "idle", "leave", "gone"]
    assert_harmless(run.trace_path)


def test_a_worker_that_runs_a_work_item_of_the_app_s_own_takes_it(tmp_path: Path) -> None:
    run = record_source(
        tmp_path,
        HEAD
        + """
class Item:
    def __init__(self, fn): self.future, self.fn = Future(), fn
    def run(self, *_): self.future.set_result(self.fn())
class Own(ThreadPoolExecutor):
    def submit(self, fn):
        new = Item(fn)
        self._work_queue.put(new)
        self._adjust_thread_count()
        return new.future
with ThreadPoolExecutor(1) as plain, Own(1) as pool:
    for each in plain, pool, plain:
        each.submit(work).result()
        until_asleep(*each._threads)
""",
    )
    trace = run.trace
    assert [trace.lines(e)[0][0] for e in trace.of("promise")] == ["Item.__init__"]
    assert work_of(trace, "Own") == ["take", "finish", "idle", "leave", "gone"]
    one_task = ["start", "finish", "idle"]
    assert work_of(trace, "ThreadPoolExecutor") == [*one_task, *one_task, "leave", "gone"]
    assert_harmless(run.trace_path)


def test_a_future_of_a_class_of_the_app_s_own_starts_and_finishes_once(tmp_path: Path) -> None:
    run = record_source(
        tmp_path,
        HEAD
        + """
class Mine(Future):
    def set_running_or_notify_cancel(self): return super().set_running_or_notify_cancel()
    def set_result(self, value): super().set_result(value)
class Copy(ThreadPoolExecutor):
    def submit(self, fn):
        future = Mine()
        self._work_queue.put(item(future, fn))
        self._adjust_thread_count()
        return future
with ThreadPoolExecutor(1) as plain, Copy(1) as pool:
    pool.submit(work).result()
    plain.submit(work).result()
    until_asleep(*pool._threads, *plain._threads)
""",
    )
    for pool in ("Copy", "ThreadPoolExecutor"):
        assert work_of(run.trace, pool) == ["start", "finish", "idle", "leave", "gone"]
    assert_harmless(run.trace_path)


def test_a_task_that_is_the_set_result_of_a_promise_sets_it(tmp_path: Path) -> None:
    run = record_source(
        tmp_path,
        HEAD
        + """
promise = Future()
with ThreadPoolExecutor(1) as pool:
    task = pool.submit(promise.set_result, 1)
    promise.result(), task.result()
""",
    )
    (promise,), (submit,) = run.trace.of("promise"), run.trace.of("submit")
    assert [e["task"] for e in run.trace.of("finish")] == [promise["task"], submit["task"]]
    assert_harmless(run.trace_path)


def test_a_pool_whose_initializer_fails_breaks_and_fails_its_tasks(tmp_path: Path) -> None:
    run = record_source(
        tmp_path,
        HEAD
        + """
import logging
logging.disable()
go = Event()
def prepare():
    go.wait()
    raise ValueError
pool = ThreadPoolExecutor(2, initializer=prepare)
tasks = [pool.submit(work), pool.submit(work)]
go.set()
for task in tasks:
    assert isinstance(task.exception(), BrokenExecutor)
try: pool.submit(work)
except BrokenExecutor: pass
""",
    )
    trace = run.trace
    assert {e["pool"] for e in trace.of("break")} == {1}
    assert [e["task"] for e in trace.of("fail")] == [1, 2]
    assert not trace.of("start", "finish")
    assert_harmless(run.trace_path)


def test_a_thread_that_cannot_be_started_is_no_worker_about_to_come(tmp_path: Path) -> None:
    run = record_source(
        tmp_path,
        HEAD
        + """
pool, go = ThreadPoolExecutor(2), Event()
pool.submit(work).result()
pool.submit(go.wait)
stack_size(1 << 46)
try: pool.submit(work)
except RuntimeError: pass
else: raise AssertionError("it has started")
go.set()
""",
    )
    trace = run.trace
    launched = [e["other"] for e in trace.of("launch")]
    assert [e["other"] for e in trace.of("unlaunch")] == launched[1:]
    assert len(trace.of("spawn")) == 2
    assert len(trace.of("begin")) == 1
    assert_harmless(run.trace_path)


def test_a_worker_that_waits_in_a_queue_of_the_app_s_own_class_is_idle(tmp_path: Path) -> None:
    run = record_source(
        tmp_path,
        HEAD
        + """
from queue import Queue
pool = ThreadPoolExecutor(1)
pool._work_queue = Queue()
pool.submit(work).result()
pool.submit(work).result()
pool.shutdown()
""",
    )
    assert not run.trace.of("block")
    assert work_of(run.trace, "ThreadPoolExecutor").count("idle") >= 2
    assert_harmless(run.trace_path)


def test_a_shutdown_that_would_join_its_own_thread_is_over(tmp_path: Path) -> None:
    run = record_source(
        tmp_path,
        HEAD
        + """
go, pool = Event(), ThreadPoolExecutor(4)
def stop():
    try: pool.shutdown()
    except RuntimeError: pass
    go.set()
others = [pool.submit(go.wait, 0.1) for _ in range(3)]
pool.submit(stop).result()
""",
    )
    trace = run.trace
    (stopper,) = {e["thread"] for e in trace.of("close") if e["pool"]}
    names = trace.names(thread=stopper)
    assert names.count("drain") == names.count("wake")
    assert_harmless(run.trace_path)
