"""Pools of ``multiprocessing``, and process pools from the parent's side: recorded and judged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests import at_rest
from tests.recorded import Trace, hanging, record_source
from tests.test_ledger import essence, segment
from tests.tracegen import TraceGen, replay_of
from tpanalyze import analyze
from tpanalyze.atoms import moves
from tpanalyze.findings import Report, Verdict
from tpanalyze.model import PoolId, Snapshot, TaskId, TaskState, ThreadId
from tpanalyze.rules import RULES, anybody, futures, pools
from tpanalyze.waitgraph import build
from tprecord import schema

HEAD = """\
from concurrent.futures import *
from multiprocessing import TimeoutError, get_context
from multiprocessing.pool import ThreadPool
from threading import Barrier, Event
import os
def page(number=0):
    return number
"""

FORKED = """
theirs, ours = os.pipe()
fork = get_context("fork")
def wait_for_pipe():
    return os.read(theirs, 1)
"""


def hang(tmp_path: Path, source: str, verdict: Verdict = Verdict.DEADLOCK) -> Report:
    """Record a program until its trace gives the verdict, and return what is said of it then."""
    (tmp_path / "app.py").write_text(HEAD + source)
    return at_rest.hang(tmp_path, "app.py", found=lambda report: report.verdict is verdict)


def harmless(tmp_path: Path, source: str) -> Trace:
    """Record a program that ends, and of which nothing is said."""
    run = record_source(tmp_path, HEAD + source)
    report = analyze(run.trace_path)
    assert (report.verdict, report.findings) == (Verdict.NONE, ())
    assert report.quality.complete, report.quality.remarks
    return run.trace


def waits(report: Report) -> list[tuple[str, str, int]]:
    """Return who waits in what and where, of the one finding's core."""
    (finding,) = report.findings
    threads, tasks = report.snapshot.threads, report.snapshot.tasks
    found = []
    for party in finding.core:
        if party.thread is not None and party.wait is not None and party.wait.site is not None:
            task = None if party.task is None else tasks[party.task].function
            name = threads[party.thread].name.partition("(")[2].rstrip(")") or "main"
            own = [f for f in party.wait.site.frames if not f.function.stdlib]
            found.append((task.name if task else name, party.wait.operation, own[0].line - LINES))
    return sorted(found)


LINES = HEAD.count("\n")


def by(trace: Trace, thread: int) -> str:
    """Return what a thread of multiprocessing does, by its name."""
    return str(trace.definitions["thread"][thread]["name"].partition("(")[2].rstrip(")"))


# -- what is recorded ------------------------------------------------------------------------------


def test_a_task_goes_from_its_submitter_to_a_worker_and_to_the_thread_for_results(
    tmp_path: Path,
) -> None:
    trace = harmless(tmp_path, "with ThreadPool(1) as pool: pool.apply(page)\n")
    (submit,) = trace.of("submit")
    life = trace.of("submit", "start", "pass", "finish")
    assert [event["event"] for event in life] == ["submit", "start", "pass", "finish"]
    assert [by(trace, e["thread"]) for e in life] == ["", "worker", "worker", "_handle_results"]
    assert (trace.function(submit), trace.lines(submit)) == ("page", [("<module>", 1 + LINES)])
    crew = trace.definitions["pool"][submit["pool"]]
    assert (crew["kind"], crew["role"], crew["max_workers"]) == ("ThreadPool", "crew", 1)
    handler = trace.definitions["pool"][crew["results"]]
    assert (handler["role"], handler["name"], handler["serves"]) == ("handler", "results", 1)


def test_a_map_is_a_task_per_chunk_and_waits_for_all_of_them(tmp_path: Path) -> None:
    source = "with ThreadPool(2) as pool: assert pool.map(page, range(5), 2) == [0, 1, 2, 3, 4]\n"
    trace = harmless(tmp_path, source)
    tasks = [event["task"] for event in trace.of("submit")]
    assert len(tasks) == 3
    assert {trace.function(event) for event in trace.of("submit")} == {"page"}
    assert sorted(event["task"] for event in trace.of("finish")) == tasks
    for wait in trace.of("wait"):
        assert schema.OPERATIONS[wait["operation"]] == "Pool.map"
        assert (wait["need"], wait["rest"]) == (3, [tasks[0], tasks[-1]])


@pytest.mark.parametrize("method", ["imap", "imap_unordered"])
@pytest.mark.parametrize("size", [1, 2])
def test_an_item_of_an_imap_is_a_task_when_the_iterable_has_given_it(
    tmp_path: Path, method: str, size: int
) -> None:
    source = f"""
first = Event()
def numbers():
    yield 1
    yield 2
    first.wait()
    yield 3
with ThreadPool(2) as pool:
    found = pool.{method}(page, numbers(), {size})
    one = next(found)
    first.set()
    assert sorted([one, *found]) == [1, 2, 3]
"""
    trace = harmless(tmp_path, source)
    submits = trace.of("submit")
    assert len(submits) == (3 if size == 1 else 2)
    assert {by(trace, event["thread"]) for event in submits} == {"_handle_tasks"}
    assert {trace.function(event) for event in submits} == {"page"}
    assert {trace.lines(event)[0] for event in submits} == {("<module>", 9 + LINES)}
    assert {e["task"] for e in submits} == {e["task"] for e in trace.of("finish")}
    feeder = submits[0]["thread"]
    assert "take" in trace.names(thread=feeder) and "idle" in trace.names(thread=feeder)


def test_what_fails_is_recorded_as_such_and_a_callback_is_taken(tmp_path: Path) -> None:
    source = """
def fails(): raise KeyError
done = Event()
with ThreadPool(1) as pool:
    pool.apply_async(fails, error_callback=lambda error: done.set())
    done.wait()
"""
    trace = harmless(tmp_path, source)
    (fail,) = trace.of("fail")
    names = trace.names(thread=fail["thread"])
    assert names[names.index("fail") - 1] == "take" or "signal" in names
    assert by(trace, fail["thread"]) == "_handle_results"


def test_closing_and_joining_a_pool_is_one_wait_for_its_workers(tmp_path: Path) -> None:
    source = """
begun, end = Event(), Event()
def work():
    begun.set()
    end.wait()
pool = ThreadPool(1)
pool.apply_async(work)
begun.wait()
pool.close()
from tests.asleep import when_asleep
when_asleep(end.set)
pool.join()
"""
    trace = harmless(tmp_path, source)
    assert {event["pool"] for event in trace.of("close")} == {1, 2, 3, 4}
    (drain,) = trace.of("drain")
    assert schema.OPERATIONS[drain["operation"]] == "Pool.join"
    assert (drain["pool"], trace.lines(drain)) == (1, [("<module>", 12 + LINES)])
    assert not [e for e in trace.of("join") if schema.OPERATIONS[e["operation"]] == "Thread.join"]


def test_a_process_pool_tells_who_submits_and_who_sets(tmp_path: Path) -> None:
    source = """
if __name__ == "__main__":
    with ProcessPoolExecutor(1) as pool:
        assert list(pool.map(page, [1, 2])) == [1, 2]
"""
    trace = harmless(tmp_path, source)
    submits = trace.of("submit")
    assert [trace.function(event) for event in submits] == ["page", "page"]
    definition = trace.definitions["pool"][submits[0]["pool"]]
    assert (definition["role"], definition["max_workers"]) == ("processes", 1)
    assert [event["thread"] for event in trace.of("start")] == [0, 0]
    (handler,) = {event["thread"] for event in trace.of("finish")}
    assert {e["thread"] for e in trace.of("enter") if e["pool"] == definition["results"]} == {
        handler
    }


def test_the_futures_of_a_broken_process_pool_fail(tmp_path: Path) -> None:
    source = """
if __name__ == "__main__":
    theirs, _ = os.pipe()
    pool = ProcessPoolExecutor(1, get_context("fork"))
    tasks = [pool.submit(os.read, theirs, 1) for _ in range(4)]
    (child,) = pool._processes
    os.kill(child, 9)
    assert all(task.exception() for task in tasks)
"""
    trace = harmless(tmp_path, source)
    assert len(trace.of("break")) == 1
    assert [event["task"] for event in trace.of("fail")] == [1, 2, 3, 4]


def test_a_pool_of_multiprocessing_has_tasks_and_results_but_no_workers_here(
    tmp_path: Path,
) -> None:
    source = """
if __name__ == "__main__":
    pool = get_context("spawn").Pool(1)
    assert pool.map(page, [1, 2]) == [1, 2]
    pool.close()
    pool.join()
"""
    trace = harmless(tmp_path, source)
    assert trace.definitions["pool"][1]["role"] == "processes"
    assert len(trace.of("submit")) == len(trace.of("finish")) > 0
    assert not trace.of("start")


def lasting(snapshot: Snapshot) -> Snapshot:
    """Return what a checkpoint keeps: not where threads stood that have done something since."""
    found = essence(snapshot)
    threads = {n: replace(t, stack=None, stack_ns=None) for n, t in found.threads.items()}
    return replace(found, threads=threads)


def test_a_checkpoint_in_the_midst_of_a_pool_s_life_leads_to_the_same_state(tmp_path: Path) -> None:
    source = """
if __name__ == "__main__":
    with ThreadPool(2) as pool:
        pool.map_async(page, range(4), 1, callback=len)
        found = pool.imap(page, iter(range(3)))
        assert sum(found) == 3
        assert sum(pool.imap_unordered(page, range(3))) == 3
    with ProcessPoolExecutor(1, get_context("fork")) as other:
        assert list(other.map(page, range(3))) == [0, 1, 2]
"""
    record_source(tmp_path, HEAD + source)
    lines = (tmp_path / "trace.jsonl").read_bytes().splitlines()
    for at in range(1, len(lines), 3):
        for end in (at, at + 1, at + 7):
            whole = replay_of(b"\n".join(lines[:end]) + b"\n")
            part = replay_of(segment(lines[:end], at))
            assert lasting(part.snapshot()) == lasting(whole.snapshot()), (at, end)
            assert not [r for r in part.quality().remarks if r.grade == "loss"], (at, end)


# -- what hangs ------------------------------------------------------------------------------------


def test_a_task_that_maps_on_its_own_pool_starves_it(tmp_path: Path) -> None:
    source = """
def book(): return pool.map(page, [1, 2])
pool = ThreadPool(1)
pool.apply(book)
"""
    report = hang(tmp_path, source)
    assert report.findings[0].kind == "pool-starvation"
    assert waits(report) == [("book", "Pool.map", 2)]
    assert "The only worker of pool ThreadPool-1" in report.findings[0].summary


def test_an_imap_in_its_own_pool_starves_it(tmp_path: Path) -> None:
    source = """
def book(): return list(pool.imap(page, [1, 2]))
pool = ThreadPool(1)
pool.apply(book)
"""
    report = hang(tmp_path, source)
    assert report.findings[0].kind == "pool-starvation"
    assert waits(report) == [("book", "IMapIterator.next", 2)]


def test_a_thread_pool_and_an_executor_starve_each_other(tmp_path: Path) -> None:
    source = """
both = Barrier(2)
def ask_executor():
    both.wait()
    return executor.submit(page).result()
def ask_pool():
    both.wait()
    return pool.apply(page)
pool, executor = ThreadPool(1), ThreadPoolExecutor(1)
first, second = pool.apply_async(ask_executor), executor.submit(ask_pool)
first.get()
"""
    report = hang(tmp_path, source)
    assert report.findings[0].kind == "pool-starvation"
    assert waits(report) == [("ask_executor", "Future.result", 5), ("ask_pool", "Pool.apply", 8)]


def test_a_callback_that_waits_for_its_own_pool_blocks_all_results(tmp_path: Path) -> None:
    source = """
def combine(first): return pool.apply_async(page).get()
pool = ThreadPool(4)
pool.apply_async(page, callback=combine).get()
"""
    report = hang(tmp_path, source)
    assert report.findings[0].kind == "blocked-handler"
    assert waits(report) == [("_handle_results", "AsyncResult.get", 2)]
    assert "runs a callback that waits for task 2 (page)" in report.findings[0].summary


def test_who_waits_for_results_after_a_callback_has_ended_their_thread_waits_for_ever(
    tmp_path: Path,
) -> None:
    source = """
def stop(_): raise SystemExit
pool = ThreadPool(1)
pool.apply_async(page, callback=stop).get()
"""
    report = hang(tmp_path, source)
    assert report.findings[0].kind == "blocked-handler"
    assert waits(report) == [("main", "AsyncResult.get", 4)]
    assert report.findings[0].summary.endswith(
        "the thread for the results of pool ThreadPool-1 has ended."
    )


def test_who_waits_for_a_pool_that_was_terminated_waits_for_ever(tmp_path: Path) -> None:
    source = """
begun, end = Event(), Event()
def work():
    begun.set()
    end.wait()
pool = ThreadPool(1)
task = pool.apply_async(work)
begun.wait()
pool.terminate()
end.set()
task.get()
"""
    report = hang(tmp_path, source)
    assert report.findings[0].kind == "blocked-handler"
    assert waits(report) == [("main", "AsyncResult.get", 11)]


def test_an_iterable_that_waits_for_its_own_items_blocks_the_thread_that_asks_it(
    tmp_path: Path,
) -> None:
    source = """
there = Event()
def numbers():
    yield 1
    there.wait()
    yield next(found) + next(found)
pool = ThreadPool(2)
found = pool.imap(page, numbers())
there.set()
Event().wait()
"""
    report = hang(tmp_path, source)
    assert report.findings[0].kind == "blocked-handler"
    assert waits(report) == [("_handle_tasks", "IMapIterator.next", 6)]
    assert "asks an iterable for its next item" in report.findings[0].summary


def test_of_tasks_behind_an_iterable_that_waits_nothing_is_claimed(tmp_path: Path) -> None:
    source = """
def numbers():
    yield pool.apply(page)
pool = ThreadPool(2)
list(pool.imap(page, numbers()))
"""
    report = hang(tmp_path, source, Verdict.STALLED)
    assert ("main", "IMapIterator.next", 5) in waits(report)


def test_a_join_is_stuck_behind_a_worker_that_starves(tmp_path: Path) -> None:
    source = """
def book(): return pool.apply(page)
pool = ThreadPool(1)
pool.apply_async(book)
while len(pool._cache) < 2: pass
pool.close()
pool.join()
"""
    report = hang(tmp_path, source)
    assert report.findings[0].kind == "pool-starvation"
    victims = [p.wait.operation for p in report.findings[0].victims if p.wait is not None]
    assert victims == ["Pool.join"]


def test_a_done_callback_of_a_process_pool_that_waits_for_that_pool_is_a_deadlock(
    tmp_path: Path,
) -> None:
    source = (
        FORKED
        + """
def combine(future): pool.submit(page).result()
pool = ProcessPoolExecutor(1, mp_context=fork)
pool.submit(wait_for_pipe).add_done_callback(combine)
os.write(ours, b"!")  # not before there is a callback
Event().wait()
"""
    )
    report = hang(tmp_path, source)
    (finding,) = report.findings
    assert finding.kind == "blocked-handler"
    assert "process pool ProcessPoolExecutor-" in finding.summary
    (operation,) = [p.wait.operation for p in finding.core if p.wait is not None]
    assert operation == "Future.result"


@pytest.mark.parametrize(
    ("pool", "call", "operation"),
    [
        ("ProcessPoolExecutor(1, fork)", "submit(f).result()", "Future.result"),
        ("fork.Pool(1)", "apply(f)", "Pool.apply"),
    ],
)
def test_who_waits_for_another_process_is_stalled_and_told_where_to_look(
    tmp_path: Path, pool: str, call: str, operation: str
) -> None:
    source = FORKED + f"f = wait_for_pipe\npool = {pool}\npool.{call}\n"
    report = hang(tmp_path, source, Verdict.STALLED)
    (finding,) = report.findings
    assert waits(report)[0][:2] == ("main", operation)
    assert "task 1 (wait_for_pipe), which runs in another process (process pool" in finding.summary
    assert finding.advice[0].slug == "look-at-the-children"
    assert [report.snapshot.pools[p].role.value for p in finding.pools] == ["processes"]


def test_what_a_task_does_in_another_interpreter_counts_as_running(tmp_path: Path) -> None:
    """As ``InterpreterPoolExecutor`` does it from 3.14: a pool of threads, each with its own."""
    source = """
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
class InterpreterPoolExecutor(ThreadPoolExecutor): pass
other = interpreters.create()
theirs, ours = os.pipe()
with InterpreterPoolExecutor(1) as pool:
    pool.submit(interpreters.run_string, other, f"import os; os.read({theirs}, 1)").result()
"""
    (tmp_path / "app.py").write_text(HEAD + source)
    with hanging(tmp_path, "app.py") as (process, path):
        at_rest.until_looked_at(process, path)
        report = analyze(path)
    assert report.verdict in (Verdict.NONE, Verdict.STALLED)
    (pool,) = report.snapshot.pools.values()
    assert (pool.kind, pool.max_workers) == ("InterpreterPoolExecutor", 1)
    (wait,) = [t.wait for t in report.snapshot.threads.values() if t.wait is not None]
    assert wait.operation == "Future.result"


@pytest.mark.parametrize(
    "source",
    [
        "r = pool.map_async(Event.wait, [gate])\ntry: r.get(0.1)\nexcept TimeoutError: gate.set()",
        "r = pool.apply_async(gate.wait)\nr.wait(0.1)\ngate.set()\nr.wait()",
        "r = pool.imap(Event.wait, [gate])\ntry: r.next(0.1)\nexcept TimeoutError: gate.set()",
        "assert pool.map(page, []) == []\nassert pool.starmap(max, [(1, 2)]) == [2]",
        "assert list(pool.imap(page, [])) == []",
        "pool.terminate()\npool.join()",
    ],
)
def test_a_pool_used_well_gives_none(tmp_path: Path, source: str) -> None:
    harmless(
        tmp_path, f"gate = Event()\npool = ThreadPool(2)\n{source}\npool.close()\npool.join()\n"
    )


# -- the rules, one by one -------------------------------------------------------------------------


class Crew(TraceGen):
    """A trace with a main thread, and a crew of one worker with a handler for its results."""

    def __init__(self) -> None:
        super().__init__()
        self.main = self.thread("MainThread", main=True)
        self.hand, self.giver = self.thread("worker"), self.thread("_handle_results")
        self.results = self.define(
            "pool", kind="ThreadPool", name="results", max_workers=1, role="handler", serves=2
        )
        self.crew = self.define(
            "pool", kind="ThreadPool", name="", max_workers=1, role="crew", results=self.results
        )
        for thread, pool in ((self.hand, self.crew), (self.giver, self.results)):
            self.event(schema.SPAWN, self.main, pool)
            self.event(schema.ENTER, thread, pool)
            self.event(schema.IDLE, thread)

    def of_others(self) -> int:
        """A pool of processes."""
        return self.define("pool", kind="Pool", name="", max_workers=1, role="processes")

    def seen(self) -> Snapshot:
        """What holds at the end, every thread being known."""
        self.event(schema.CENSUS, 0)
        return self.replay().snapshot()


def is_stuck(snapshot: Snapshot, thread: int, without: Callable[..., object] | None = None) -> bool:
    sources = [source for source in RULES if source is not without]
    return build(snapshot, sources).is_stuck(moves(ThreadId(thread)))


def test_a_task_that_is_passed_on_is_done_when_its_handler_sets_it() -> None:
    trace = Crew()
    task = trace.submit(trace.main, trace.crew)
    trace.event(schema.START, trace.hand, task)
    trace.event(schema.PASS, trace.hand, task)
    trace.wait(trace.main, [task])
    snapshot = trace.seen()
    found = snapshot.tasks[TaskId(task)]
    assert (found.state, found.passed, found.worker) == (TaskState.RUNNING, True, None)
    assert not is_stuck(snapshot, trace.main)
    assert is_stuck(snapshot, trace.main, futures.a_running_task_finishes_if_its_thread_moves)
    trace.event(schema.FINISH, trace.giver, task)
    replay = trace.replay()
    assert replay.snapshot().tasks[TaskId(task)].state is TaskState.FINISHED
    assert not replay.quality().remarks


def test_no_task_of_a_crew_is_done_while_its_handler_is_blocked() -> None:
    trace = Crew()
    first, second = (trace.submit(trace.main, trace.crew) for _ in range(2))
    trace.event(schema.START, trace.hand, first)
    trace.event(schema.PASS, trace.hand, first)
    trace.event(schema.IDLE, trace.hand)
    trace.event(schema.TAKE, trace.giver)
    trace.wait(trace.giver, [second])
    trace.wait(trace.main, [first])
    snapshot = trace.seen()
    assert is_stuck(snapshot, trace.giver) and is_stuck(snapshot, trace.main)


def test_a_promise_that_is_submitted_becomes_a_task_of_its_pool() -> None:
    trace = Crew()
    task, trace.next_task = trace.next_task, trace.next_task + 1
    trace.event(schema.PROMISE, trace.main, task, 0)
    trace.event(schema.DELIVER, trace.main, task, trace.results, 0)
    trace.event(schema.SUBMIT, trace.giver, task, trace.crew, 0, 0)
    replay = trace.replay()
    found = replay.snapshot().tasks[TaskId(task)]
    assert (found.state, found.pool, found.loop) == (TaskState.QUEUED, PoolId(trace.crew), None)
    assert not replay.quality().remarks


def test_a_crew_replaces_a_worker_that_has_ended() -> None:
    trace = Crew()
    trace.event(schema.GONE, trace.hand)
    trace.wait(trace.main, [trace.submit(trace.main, trace.crew)])
    snapshot = trace.seen()
    assert not is_stuck(snapshot, trace.main)
    assert is_stuck(snapshot, trace.main, pools.a_crew_replaces_the_workers_that_have_ended)


def test_a_task_for_another_process_may_always_be_done() -> None:
    trace = Crew()
    trace.wait(trace.main, [trace.submit(trace.main, trace.of_others())])
    snapshot = trace.seen()
    assert not is_stuck(snapshot, trace.main)
    assert is_stuck(snapshot, trace.main, pools.a_process_is_free)


@pytest.mark.parametrize("elsewhere", [True, False])
def test_a_result_that_is_yet_to_come_may_bring_a_callback(*, elsewhere: bool) -> None:
    trace = Crew()
    if elsewhere:
        trace.event(schema.START, 0, trace.submit(trace.main, trace.of_others()))
    else:
        task = trace.submit(trace.main, trace.crew)
        trace.event(schema.START, trace.hand, task)
        trace.event(schema.PASS, trace.hand, task)
        trace.event(schema.IDLE, trace.hand)
    promise, trace.next_task = trace.next_task, trace.next_task + 1
    trace.event(schema.PROMISE, trace.main, promise, 0)
    trace.wait(trace.main, [promise])
    snapshot = trace.seen()
    assert not is_stuck(snapshot, trace.main)
    assert is_stuck(snapshot, trace.main, anybody.a_result_that_is_handed_out_is_somebody)


def test_a_crew_ends_only_after_its_results_and_callbacks() -> None:
    trace = Crew()
    second = trace.submit(trace.main, trace.crew)
    trace.event(schema.TAKE, trace.giver)
    trace.wait(trace.giver, [second])
    trace.event(schema.CLOSE, trace.main, trace.crew)
    trace.event(schema.DRAIN, trace.main, schema.OPERATION["Pool.join"], trace.crew, 0)
    assert is_stuck(trace.seen(), trace.main)
