"""A segment that begins with a checkpoint says the same as the whole trace."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
from hypothesis import assume, given, strategies as st

import tpanalyze
from tests.random_run import CHOICES, RandomRun
from tests.recorded import ROOT
from tests.tracegen import TraceGen, replay_of
from tpanalyze.model import FutureWait, Snapshot, Task, TaskOrigin, TaskState, ThreadState
from tpanalyze.reader import open_trace
from tpanalyze.verdict import analyse
from tprecord import schema
from tprecord.ledger import REFERS_TO, Ledger

EVERYTHING = {kind: set(range(1000)) for kind in ("thread", "pool", "object", "set")}


def segment(lines: list[bytes], at: int) -> bytes:
    """Return the trace that begins with a checkpoint in the place of the lines before `at`."""
    ledger = Ledger()
    ledger.read([orjson.loads(line) for line in lines[:at]], lines[:at])
    return b"\n".join([lines[0], ledger.checkpoint(2, EVERYTHING).strip(), *lines[at:]]) + b"\n"


def essence(snapshot: Snapshot) -> Snapshot:
    """Return what may matter to a verdict: nothing of what is over, nor since when threads run."""
    threads = {
        number: replace(
            thread,
            since_ns=0 if thread.state is ThreadState.RUNNING else thread.since_ns,
            tasks=tuple(task for task in thread.tasks if not snapshot.tasks[task].done),
        )
        for number, thread in snapshot.threads.items()
        if thread.state is not ThreadState.ENDED
    }
    waited_for = {
        future
        for thread in threads.values()
        if isinstance(thread.wait, FutureWait)
        for future in thread.wait.futures
    }
    tasks = {
        number: _essence(task)
        for number, task in snapshot.tasks.items()
        if not task.done or number in waited_for
    }
    looked_ns = snapshot.looked_ns if snapshot.all_threads_known else None
    return replace(snapshot, threads=threads, tasks=tasks, looked_ns=looked_ns)


def _essence(task: Task) -> Task:
    if not task.done:
        return replace(task, submitted_in=None)
    unheard = task.state is TaskState.CANCELLED and not task.notified
    state = TaskState.CANCELLED if unheard else TaskState.FINISHED
    return Task(task.id, state, TaskOrigin.POOL)


def lines_of(choices: list[int]) -> list[bytes]:
    """Return a run's trace; of one in which only workers run tasks."""
    run = RandomRun(choices)
    for moment in run.moments:
        assume(all(t.pool or not t.tasks for t in moment.threads.values()))
    return run.trace.lines


@given(CHOICES, st.floats(0, 1))
def test_whatever_the_run_and_the_cut_the_state_is_the_same(
    choices: list[int], share: float
) -> None:
    lines = lines_of(choices)
    at = 1 + round(share * (len(lines) - 1))
    whole, part = replay_of(b"\n".join(lines) + b"\n"), replay_of(segment(lines, at))
    assert essence(part.snapshot()) == essence(whole.snapshot())
    new = set(part.quality().remarks) - set(whole.quality().remarks)
    assert not [remark for remark in new if remark.grade == "loss"], new


@given(CHOICES, st.lists(st.floats(0, 1), min_size=2, max_size=4))
def test_the_last_of_many_checkpoints_stands_for_all_before_it(
    choices: list[int], shares: list[float]
) -> None:
    lines = lines_of(choices)
    whole = replay_of(b"\n".join(lines) + b"\n")
    ledger, at, checkpoint = Ledger(), 0, b""
    for number, share in enumerate(sorted(shares), 2):
        cut = 1 + round(share * (len(lines) - 1))
        ledger.read([orjson.loads(line) for line in lines[at:cut]], lines[at:cut])
        at, checkpoint = cut, ledger.checkpoint(number, EVERYTHING)
    part = replay_of(b"\n".join([lines[0], checkpoint.strip(), *lines[at:]]) + b"\n")
    assert essence(part.snapshot()) == essence(whole.snapshot())


@given(CHOICES, st.floats(0, 1))
def test_the_verdict_on_the_last_segment_is_that_on_the_whole(
    choices: list[int], share: float
) -> None:
    lines = lines_of(choices)
    at = 1 + round(share * (len(lines) - 1))
    reports = []
    for data in (b"\n".join(lines) + b"\n", segment(lines, at)):
        with open_trace(io.BytesIO(data), "trace") as trace:
            replay = replay_of(data)
            reports.append(analyse(replay.snapshot(), trace.header, replay.quality(), "trace"))
    whole, part = reports
    assert part.verdict == whole.verdict
    for ours, theirs in zip(part.findings, whole.findings, strict=True):
        assert (ours.kind, ours.core, ours.signature) == (
            theirs.kind,
            theirs.core,
            theirs.signature,
        )
        assert ours.certain_since_ns == theirs.certain_since_ns


def deadlock() -> TraceGen:
    trace = TraceGen()
    main = trace.thread("MainThread", main=True)
    pool = trace.pool(max_workers=1)
    task = trace.submit(main, pool)
    trace.wait(main, [task], site=trace.site("app.py:12 in main"))
    worker = trace.thread("worker")
    trace.event(schema.ENTER, worker, pool)
    trace.event(schema.START, worker, task)
    inner = trace.submit(worker, pool)
    trace.wait(worker, [inner], site=trace.site("app.py:5 in work"))
    return trace


def report_on(data: bytes) -> str:
    replay = replay_of(data)
    with open_trace(io.BytesIO(data), "trace") as trace:
        return str(analyse(replay.snapshot(), trace.header, replay.quality(), "trace").verdict)


def test_what_is_dead_stays_dead_in_the_next_segment() -> None:
    lines = deadlock().lines
    assert report_on(b"\n".join(lines) + b"\n") == "deadlock"
    assert report_on(segment(lines, len(lines))) == "deadlock"


def test_where_events_were_dropped_nothing_is_called_dead() -> None:
    trace = deadlock()
    trace.note("the file did not keep up", dropped=1)
    assert report_on(trace.data()) != "deadlock"
    assert report_on(segment(trace.lines, len(trace.lines))) != "deadlock"
    assert report_on(segment(trace.lines[:-1], len(trace.lines) - 1)) == "deadlock"


def test_what_is_done_and_gone_leaves_no_line() -> None:
    trace = TraceGen()
    main = trace.thread("MainThread", main=True)
    pool = trace.pool(max_workers=1)
    worker = trace.thread("worker")
    trace.event(schema.SPAWN, main, pool)
    trace.event(schema.ENTER, worker, pool)
    short = len(segment(trace.lines, len(trace.lines)))
    for _ in range(1000):
        task = trace.submit(main, pool)
        trace.event(schema.START, worker, task)
        trace.event(schema.FINISH, worker, task)
        trace.wait(main, [task])
        trace.event(schema.IDLE, worker)
        trace.event(schema.WAKE, main, 0)
    assert len(segment(trace.lines, len(trace.lines))) < short + 60


def test_what_the_recorder_may_not_name_any_more_is_forgotten_a_checkpoint_later() -> None:
    trace = TraceGen()
    main = trace.thread("MainThread", main=True)
    for _ in range(100):
        trace.pool(max_workers=1)
    trace.submit(main, 100)
    nothing: dict[str, set[int]] = {kind: set() for kind in EVERYTHING}
    ledger = Ledger()
    ledger.read([orjson.loads(line) for line in trace.lines], trace.lines)
    assert ledger.checkpoint(2, nothing).count(b'{"pool"') == 100
    assert ledger.checkpoint(3, nothing).count(b'{"pool"') == 1


def test_threads_that_have_ended_are_forgotten_a_checkpoint_later() -> None:
    trace = TraceGen()
    main = trace.thread("MainThread", main=True)
    for _ in range(100):
        thread = trace.thread("short-lived")
        trace.event(schema.LAUNCH, main, thread)
        trace.event(schema.GONE, thread)
    ledger = Ledger()
    ledger.read([orjson.loads(line) for line in trace.lines], trace.lines)
    living = {"thread": {main}, "pool": set(), "object": set(), "set": set()}
    assert ledger.checkpoint(2, living).count(b"short-lived") == 100
    assert b"short-lived" not in ledger.checkpoint(3, living)
    assert not ledger._rows


def test_every_kind_of_event_has_a_rule() -> None:
    """A new kind of event needs a rule for how long it matters; without one it is kept for ever."""
    ledger = Ledger()
    ruled = ledger._handlers.keys() | ledger._silent.keys() | {schema.RESUME}
    assert {spec.number for spec in schema.EVENTS} - ruled == set()


def test_every_reference_of_an_event_is_known() -> None:
    fields = {field.name for spec in schema.EVENTS for field in spec.fields}
    plain = {"task", "need", "timeout", "raised", "operation", "native_id", "max_workers"}
    of_locks = {"since", "turn", "scoped"}
    assert fields - plain - of_locks - {"function", "site"} == REFERS_TO.keys() & fields


SAMPLES = sorted((ROOT / "traces").rglob("*.jsonl"))


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: str(path.relative_to(ROOT / "traces")))
def test_of_every_sample_the_last_segment_says_what_the_whole_says(path: Path) -> None:
    lines = path.read_bytes().splitlines()
    whole = tpanalyze.analyze(io.BytesIO(path.read_bytes()))
    for tenth in range(1, 11):
        data = segment(lines, 1 + (len(lines) - 1) * tenth // 10)
        part = tpanalyze.analyze(io.BytesIO(data))
        assert part.verdict == whole.verdict, tenth
        for ours, theirs in zip(part.findings, whole.findings, strict=True):
            assert (ours.kind, ours.core) == (theirs.kind, theirs.core)
            assert ours.signature == theirs.signature
        new = set(part.quality.remarks) - set(whole.quality.remarks)
        assert not [remark for remark in new if remark.grade == "loss"], new
