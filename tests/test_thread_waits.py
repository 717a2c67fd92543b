"""Waits for threads and on objects, stalled and starving: from the program to the report."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

import tpanalyze
from tests.at_rest import report_at_rest
from tests.recorded import ROOT, hanging, read, record, until
from tests.snapshots import HEADER, QUALITY, Builder, site
from tools.samples import expected
from tpanalyze.findings import Finding, Party, Report, Verdict
from tpanalyze.model import (
    Object,
    ObjectId,
    ObjectWait,
    Site,
    Snapshot,
    ThreadId,
    ThreadState,
    ThreadWait,
)
from tpanalyze.verdict import analyse

TRACES = ROOT / "traces"


@dataclass(frozen=True)
class Sample:
    """A sample: its verdict and kind, and who waits in what on which line."""

    name: str
    kind: str
    core: tuple[tuple[str, str, str], ...]
    """task's function or thread's name, operation, text of the line"""
    victims: tuple[tuple[str, str, str], ...]
    twins: tuple[str, ...]
    says: str
    """a part of the summary"""


SAMPLES = (
    Sample(
        "barrier_too_wide",
        "barrier-too-wide",
        (
            ("MainThread", "Executor.shutdown", "with ThreadPoolExecutor"),
            ("step", "Barrier.wait", "together.wait("),
            ("step", "Barrier.wait", "together.wait("),
        ),
        (("step", "", "pool.submit(step"),),
        ("enough-workers", "timeout", "rearranged"),
        "Barrier 1 opens when three threads have come, but pool steps may have only two workers",
    ),
    Sample(
        "exit_hang_queue",
        "exit-hang",
        (
            ("MainThread", "interpreter exit", ""),
            ("logger", "Queue.get", "lines.get("),
        ),
        (),
        ("sentinel", "daemon", "timeout"),
        "thread logger waits for an item in Queue 1",
    ),
    Sample(
        "thread_join_cycle",
        "thread-join-cycle",
        (
            ("reader", "Thread.join", "writer.join(limit)"),
            ("writer", "Thread.join", "reader.join(limit)"),
        ),
        (),
        ("timeout", "rearranged"),
        "Thread reader waits for thread writer to end and thread writer waits for thread reader",
    ),
    Sample(
        "abandoned_promise",
        "abandoned-promise",
        (("MainThread", "Future.result", "request(page).result("),),
        (),
        ("finally", "timeout", "rearranged"),
        "which nobody can set any more",
    ),
    Sample(
        "stalled_socket",
        "stalled",
        (("fetch", "", "client.recv(100)"),),
        (("MainThread", "Future.result", "answer.result()"),),
        ("timeout", "answered"),
        "Task 1 (fetch) has stood at program.py:",
    ),
    Sample(
        "starving_queue",
        "starving",
        (("answer_click", "", "clicks.submit(answer_click)"),),
        (("MainThread", "Future.result", "clicks.submit(answer_click)"),),
        ("second-pool", "short"),
        "its only worker is busy with report",
    ),
)
NAMES = [sample.name for sample in SAMPLES]


def all_there(path: Path, verdict: Verdict, sample: Sample) -> bool:
    if not path.exists() or not path.stat().st_size:
        return False
    report = tpanalyze.analyze(path)
    victims = [len(finding.victims) for finding in report.findings]
    return report.verdict is verdict and victims == [len(sample.victims)]


def own_line(place: Site | None, name: str) -> str:
    """Return the source line a site stands for; empty if it is none of the program's own."""
    own = [f for f in place.frames if not f.function.stdlib] if place is not None else []
    if not own:
        return ""
    assert own[0].function.file == "program.py"
    return (TRACES / name / "program.py").read_text().splitlines()[own[0].line - 1]


def told(report: Report, parties: Iterable[Party], name: str) -> list[tuple[str, str, str]]:
    """Return of each party who it is, the operation it is in, and the line it stands at."""
    found = []
    for party in parties:
        task = None if party.task is None else report.snapshot.tasks[party.task]
        thread = None if party.thread is None else report.snapshot.threads[party.thread]
        who = task.function.name if task and task.function else ""
        who = who or (thread.name if thread else "")
        place = party.wait.site if party.wait else None
        if party.wait is None:
            place = thread.stack if thread else task.submit_site if task else None
        found.append((who, party.wait.operation if party.wait else "", own_line(place, name)))
    return found


def assert_are(
    found: list[tuple[str, str, str]], expected_: tuple[tuple[str, str, str], ...]
) -> None:
    assert [each[:2] for each in sorted(found)] == [each[:2] for each in sorted(expected_)]
    for (_, _, line), (_, _, part) in zip(sorted(found), sorted(expected_), strict=True):
        assert part in line


@pytest.mark.parametrize("sample", SAMPLES, ids=NAMES)
def test_a_sample_is_named_with_who_waits_for_what_where(sample: Sample, tmp_path: Path) -> None:
    place = TRACES / sample.name
    verdict = expected(place)
    with hanging(tmp_path, "program.py", cwd=place) as (process, path):
        if verdict is Verdict.DEADLOCK:
            report = report_at_rest(process, path)
        else:  # something moves: a busy worker; and who waits for it may be on its way
            until(lambda: all_there(path, verdict, sample), f"the verdict is {verdict}")
            report = tpanalyze.analyze(path)
    (finding,) = report.findings
    assert (finding.verdict, finding.kind) == (verdict, sample.kind)
    assert sample.says in finding.summary
    assert_are(told(report, finding.core, sample.name), sample.core)
    assert_are(told(report, finding.victims, sample.name), sample.victims)


@pytest.mark.parametrize(("name", "twin"), [(s.name, twin) for s in SAMPLES for twin in s.twins])
def test_its_harmless_twin_ends_and_gives_none(name: str, twin: str, tmp_path: Path) -> None:
    run = record(tmp_path, "program.py", twin, cwd=TRACES / name)
    assert run.status == 0, run.stderr
    report = tpanalyze.analyze(run.trace_path)
    assert (report.verdict, report.findings) == (Verdict.NONE, ())
    assert report.quality.ended == "exit"
    assert report.quality.complete


@pytest.mark.parametrize("name", ["stalled_socket", "starving_queue"])
def test_what_is_not_proved_is_never_called_a_deadlock(name: str) -> None:
    text = (TRACES / name / "report.txt").read_text().lower()
    assert "can never" not in text
    for line in text.splitlines():
        assert "deadlock" not in line or "no deadlock" in line or "no proof" in line


PARKED = {
    "a server parks its main thread": """
import threading
from concurrent.futures import ThreadPoolExecutor
from queue import Queue
q = Queue()
def consume():
    while True: q.get()
threading.Thread(target=consume).start()
pool = ThreadPoolExecutor(2)
pool.submit(consume)
threading.Event().wait()
""",
    "main joins a server's thread": """
import threading
from queue import Queue
server = threading.Thread(target=Queue().get)
server.start()
server.join()
""",
}


@pytest.mark.parametrize("source", PARKED.values(), ids=PARKED.keys())
def test_a_program_that_is_parked_until_a_signal_comes_is_none(source: str, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(source)
    with hanging(tmp_path, "app.py") as (_, path):
        until(lambda: len(read(path).of("beat")) >= 2, "it has been silent for three seconds")
        report = tpanalyze.analyze(path)
    assert report.snapshot.all_threads_known
    assert (report.verdict, report.findings) == (Verdict.NONE, ())


# -- the verdict on snapshots ----------------------------------------------------------------------

LATER_NS = 1_000_000_000


def block(b: Builder, thread: ThreadId, operation: str = "Event.wait", **fields: object) -> None:
    """Let the thread block on an object."""
    number = ObjectId(len(b.threads) + 1)
    thing = Object(number, operation.partition(".")[0])
    wait = ObjectWait(operation, thing, None, site("wait", 7), b.now_ns)
    wait = replace(wait, **fields)  # type: ignore[arg-type]
    known = b.threads[thread]
    b.threads[thread] = replace(known, state=ThreadState.WAITING, wait=wait, since_ns=b.now_ns)


def join(b: Builder, thread: ThreadId, *others: ThreadId, every: bool = False) -> None:
    """Let the thread wait for others to end."""
    operation = "interpreter exit" if every else "Thread.join"
    wait = ThreadWait(operation, others, every, None, site("join", 8), b.now_ns)
    known = b.threads[thread]
    b.threads[thread] = replace(known, state=ThreadState.WAITING, wait=wait, since_ns=b.now_ns)


def findings(snapshot: Snapshot) -> tuple[Finding, ...]:
    return analyse(snapshot, HEADER, QUALITY, "trace.jsonl").findings


def test_a_task_that_nobody_is_left_to_signal_is_dead_and_who_did_before_is_named() -> None:
    b = Builder()
    producer = b.thread("producer")
    b.end(producer)
    task, worker = b.run(b.pool(1), "consume")
    block(b, worker, "Queue.get", woken_by=(producer,))
    b.wait(b.main, task)
    (finding,) = findings(b.snapshot())
    assert (finding.verdict, finding.kind) == (Verdict.DEADLOCK, "nobody-signals")
    assert "Before, thread producer (which has ended) did." in finding.summary
    assert {party.thread for party in finding.core} == {worker, b.main}


def test_where_a_thread_may_be_unknown_it_is_stalled_and_no_deadlock() -> None:
    b = Builder(all_threads_known=False)
    task, worker = b.run(b.pool(1), "consume")
    block(b, worker, "Queue.get")
    b.wait(b.main, task)
    (finding,) = findings(b.snapshot())
    assert finding.verdict is Verdict.STALLED
    assert [party.thread for party in finding.core] == [worker]
    assert [party.thread for party in finding.victims] == [b.main]
    assert "there may be threads the trace does not know" in finding.because[-1]


def test_consumers_that_nobody_waits_for_are_no_finding() -> None:
    b = Builder()
    block(b, b.thread("consumer"), "Queue.get")
    b.end(b.main)
    assert findings(b.snapshot()) == ()


def test_a_consumer_that_keeps_the_program_from_its_exit_is_one() -> None:
    b = Builder()
    consumer = b.thread("consumer")
    block(b, consumer, "Queue.get")
    join(b, b.main, consumer, every=True)
    (finding,) = findings(b.snapshot())
    assert finding.kind == "exit-hang"
    assert [advice.slug for advice in finding.advice] == ["sentinel", "daemon", "timeout"]


def test_a_thread_that_was_woken_and_not_seen_since_can_move() -> None:
    b = Builder()
    task, worker = b.run(b.pool(1), "consume")
    block(b, worker, "Queue.get", signalled=True)
    b.wait(b.main, task)
    assert findings(b.snapshot()) == ()


def test_a_join_of_a_thread_that_runs_ends() -> None:
    b = Builder()
    one, two = b.thread("one"), b.thread("two")
    join(b, one, two)
    assert findings(b.snapshot()) == ()


def test_a_join_of_a_thread_that_waits_for_the_joiner_s_task_is_a_cycle() -> None:
    b = Builder()
    other = b.thread("other")
    task, worker = b.run(b.pool(1), "work")
    join(b, worker, other)
    b.wait(other, task)
    (finding,) = findings(b.snapshot())
    assert finding.kind == "thread-join-cycle"
    assert {party.thread for party in finding.core} == {other, worker}


def test_a_short_wait_is_not_yet_stalled() -> None:
    b = Builder(all_threads_known=False)
    task, worker = b.run(b.pool(1), "consume")
    block(b, worker, "Queue.get")
    b.wait(b.main, task)
    assert findings(b.snapshot(after_ns=LATER_NS - 10_000_000)) == ()


def test_a_program_that_has_ended_is_not_stalled() -> None:
    b = Builder(all_threads_known=False)
    b.wait(b.main, b.promise())
    snapshot = b.snapshot()
    assert [found.verdict for found in findings(snapshot)] == [Verdict.STALLED]
    ended = replace(QUALITY, ended="exit")
    assert analyse(snapshot, HEADER, ended, "trace.jsonl").verdict is Verdict.NONE


@pytest.mark.parametrize("apart_ns", [LATER_NS - 1, LATER_NS])
def test_a_task_stands_still_if_two_looks_long_apart_found_it_there(apart_ns: int) -> None:
    b = Builder()
    task, worker = b.run(b.pool(1), "fetch")
    b.wait(b.main, task)
    seen = replace(b.threads[worker], stack=site("fetch", 31), stack_ns=b.now_ns)
    b.threads[worker] = seen
    snapshot = replace(b.snapshot(), looked_ns=b.now_ns + apart_ns)
    found = findings(snapshot)
    assert [finding.verdict for finding in found] == [Verdict.STALLED] * (apart_ns == LATER_NS)
    for finding in found:
        assert "has stood at app.py:31 in fetch" in finding.summary


def test_a_queue_that_moves_does_not_starve() -> None:
    b = Builder()
    pool = b.pool(1)
    b.run(pool, "first")
    b.submit(pool, "second")
    assert [found.verdict for found in findings(b.snapshot())] == [Verdict.STARVING]
    assert findings(b.snapshot(after_ns=LATER_NS - 10_000_000)) == ()


def test_what_waits_behind_a_consumer_in_its_pool_is_stalled_not_starving() -> None:
    b = Builder(all_threads_known=False)
    pool = b.pool(1)
    _, worker = b.run(pool, "consume")
    queued = b.submit(pool, "other")
    block(b, worker, "Queue.get")
    (finding,) = findings(b.snapshot())
    assert finding.verdict is Verdict.STALLED
    assert [party.thread for party in finding.core] == [worker]
    assert [party.task for party in finding.victims] == [queued]


@pytest.mark.parametrize("consumer_ends", [True, False])
def test_a_pool_that_waits_for_a_consumer_that_has_died_is_not_told_to_have_more_workers(
    *, consumer_ends: bool
) -> None:
    """Its tasks queue as well, but a worker more would wait for the consumer like the others.

    If the consumer lives, and waits for a queued task, a worker more would help.
    """
    b = Builder()
    consumer = b.thread("consumer")
    pool = b.pool(1)
    _, worker = b.run(pool, "produce")
    queued = b.submit(pool, "produce")
    if consumer_ends:
        b.end(consumer)
    else:
        b.wait(consumer, queued)
    block(b, worker, "Queue.put", woken_by=(consumer,))
    b.wait(b.main, queued)
    (finding,) = findings(b.snapshot())
    assert finding.kind == ("nobody-signals" if consumer_ends else "pool-starvation")
    assert ("consumer (which has ended)" in finding.summary) == consumer_ends
