"""Locks, from the program to the report: who has one that others want, and what is proved of it."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

import tpanalyze
from tests.at_rest import hang
from tests.recorded import PATIENCE_S, ROOT, record
from tests.snapshots import HEADER, QUALITY, Builder, site
from tests.tracegen import TraceGen
from tpanalyze.explain import explain
from tpanalyze.findings import Finding, Node, NodeKind, Relation, Verdict
from tpanalyze.model import (
    LockWait,
    Object,
    ObjectId,
    ObjectWait,
    Site,
    Snapshot,
    ThreadId,
    ThreadState,
)
from tpanalyze.render.dot import render_dot
from tpanalyze.render.json_report import render_json
from tpanalyze.render.text import render_text
from tpanalyze.verdict import analyse
from tprecord import schema

TRACES = ROOT / "traces"


def own_line(place: Site | None, name: str) -> str:
    """Return the source line of the innermost frame of a site that is the program's own."""
    assert place is not None
    own = next(frame for frame in place.frames if not frame.function.stdlib)
    return (TRACES / name / "program.py").read_text().splitlines()[own.line - 1].strip()


@pytest.mark.parametrize(
    ("name", "kind", "core", "victims"),
    [
        (
            "lock_and_future",
            "lock-future",
            {
                ("requests_0", "Future.result", "return loading.result()"),
                ("loaders_0", "Lock.acquire", "if cache_lock.acquire(timeout=limit):"),
            },
            ["MainThread"],
        ),
        (
            "lock_order",
            "lock-cycle",
            {
                ("rent", "Lock.acquire", "if second.lock.acquire(timeout=limit):"),
                ("refund", "Lock.acquire", "if second.lock.acquire(timeout=limit):"),
            },
            [],
        ),
    ],
)
def test_a_sample_is_proved_with_who_has_the_lock_and_who_wants_it_where(
    name: str, kind: str, core: set[tuple[str, str, str]], victims: list[str], tmp_path: Path
) -> None:
    report = hang(tmp_path, "--locks", "program.py", cwd=TRACES / name)
    (finding,) = report.findings
    threads = report.snapshot.threads
    assert finding.kind == kind
    told = set()
    for party in finding.core:
        assert party.thread is not None
        assert party.wait is not None
        line = own_line(party.wait.site, name)
        told.add((threads[party.thread].name, party.wait.operation, line))
        if isinstance(party.wait, LockWait):
            assert party.wait.owner in {other.thread for other in finding.core} - {party.thread}
            held = own_line(party.wait.held_site, name)
            assert held in {"with cache_lock:", "with first.lock:"}
            assert "Lock()" in own_line(party.wait.object.made, name)
    assert told == core
    assert [threads[party.thread].name for party in finding.victims if party.thread] == victims
    held_by = [e for p in finding.core for e in p.edges if e.source.kind is NodeKind.OBJECT]
    assert [edge.relation for edge in held_by] == [Relation.HELD_BY] * len(held_by) != []


@pytest.mark.parametrize("name", ["lock_and_future", "lock_order"])
@pytest.mark.parametrize("twin", ["timeout", "rearranged"])
def test_its_harmless_twin_ends_and_gives_none(name: str, twin: str, tmp_path: Path) -> None:
    command = ("program.py", twin)
    run = record(tmp_path, *command, cwd=TRACES / name, options=("-q", "--locks"))
    assert run.status == 0, run.stderr
    report = tpanalyze.analyze(run.trace_path)
    assert (report.verdict, report.findings) == (Verdict.NONE, ())
    assert report.quality.complete


# -- the verdict on snapshots ----------------------------------------------------------------------


def contend(
    b: Builder, thread: ThreadId, lock: int, owner: ThreadId | None, **fields: object
) -> None:
    """Let the thread wait for a lock, by default one that its owner took by ``with``."""
    wait = LockWait(
        "Lock.acquire",
        Object(ObjectId(lock), "Lock", made=site("main", 3)),
        None,
        site("want", 7),
        b.now_ns,
        owner,
        site("hold", 8),
        scoped=True,
    )
    wait = replace(wait, **fields)  # type: ignore[arg-type]
    known = b.threads[thread]
    b.threads[thread] = replace(known, state=ThreadState.WAITING, wait=wait, since_ns=b.now_ns)


def findings(snapshot: Snapshot) -> tuple[Finding, ...]:
    return analyse(snapshot, HEADER, QUALITY, "trace.jsonl").findings


def crossed(**fields: object) -> tuple[Builder, ThreadId, ThreadId]:
    """Return two threads, each with a lock that the other wants, while the main thread runs."""
    b = Builder()
    one, two = b.thread("one"), b.thread("two")
    contend(b, one, 2, two, **fields)
    contend(b, two, 1, one, **fields)
    return b, one, two


RLOCK = {"operation": "RLock.acquire", "reentrant": True, "scoped": False}


def test_an_rlock_is_released_by_its_owner_or_never() -> None:
    b, one, two = crossed(**RLOCK)
    (finding,) = findings(b.snapshot())
    assert (finding.verdict, finding.kind) == (Verdict.DEADLOCK, "lock-cycle")
    assert {party.thread for party in finding.core} == {one, two}
    assert finding.conditions == ()


def test_that_nobody_else_releases_a_with_block_s_lock_is_a_condition_that_is_told() -> None:
    b, _, _ = crossed()
    (finding,) = findings(b.snapshot())
    assert finding.kind == "lock-cycle"
    (while_others_move, signals) = finding.conditions
    assert while_others_move == (
        "No thread releases Lock 1 and Lock 2 for the one that has it, whose with block does that."
    )
    assert signals == "No signal handler, finaliser or C code releases Lock 1 and Lock 2."


@pytest.mark.parametrize("doubt", [{"scoped": False}, {"released_by": (ThreadId(1),)}])
def test_a_plain_lock_that_anybody_may_release_is_no_deadlock_while_a_thread_moves(
    doubt: dict[str, object],
) -> None:
    b, one, two = crossed(**doubt)
    (finding,) = findings(b.snapshot())
    assert finding.verdict is Verdict.STALLED
    assert [party.thread for party in finding.core] == [one, two]
    b.end(b.main)
    (finding,) = findings(b.snapshot())
    assert (finding.verdict, finding.kind) == (Verdict.DEADLOCK, "lock-cycle")
    b.all_threads_known = False
    assert [found.verdict for found in findings(b.snapshot())] == [Verdict.STALLED]


@pytest.mark.parametrize("owner", [None, ThreadId(99)])
def test_a_lock_that_nobody_is_known_to_have_may_be_free(owner: ThreadId | None) -> None:
    b = Builder()
    contend(b, b.main, 1, owner)
    assert findings(b.snapshot()) == ()


def test_a_timeout_ends_the_wait_for_a_lock() -> None:
    b, one, _ = crossed(**RLOCK)
    contend(b, one, 2, ThreadId(3), timeout_ns=10**9, **RLOCK)
    assert findings(b.snapshot()) == ()


@pytest.mark.parametrize("scoped", [True, False])
def test_who_wants_the_lock_of_a_thread_that_runs_is_not_stuck(*, scoped: bool) -> None:
    b = Builder()
    contend(b, b.thread("other"), 1, b.main, scoped=scoped)
    assert findings(b.snapshot()) == ()


def test_a_lock_and_a_join_close_a_circle_as_well() -> None:
    b = Builder()
    pool = b.pool(1)
    _, worker = b.run(pool, "work")
    b.drain(b.main, pool)
    contend(b, worker, 1, b.main, **RLOCK)
    (finding,) = findings(b.snapshot())
    assert finding.kind == "lock-future"
    assert "every worker of pool ThreadPoolExecutor-0 to end" in finding.summary
    assert "while it waits" in finding.summary


def test_a_lock_that_only_delays_what_is_dead_for_another_reason_does_not_name_it() -> None:
    b = Builder()
    holder = b.thread("holder")
    event = ObjectWait("Event.wait", Object(ObjectId(9), "Event"), None, site("wait", 5), b.now_ns)
    b.threads[holder] = replace(b.threads[holder], state=ThreadState.WAITING, wait=event)
    task, worker = b.run(b.pool(1), "work")
    contend(b, worker, 1, holder, scoped=False)
    b.wait(b.main, task)
    (finding,) = findings(b.snapshot())
    assert finding.kind == "nobody-signals"


@pytest.mark.parametrize("state", [ThreadState.ENDED, ThreadState.IDLE])
def test_a_lock_whose_owner_does_nothing_more_is_abandoned(state: ThreadState) -> None:
    b = Builder()
    pool = b.pool(1)
    worker = b.worker(pool)
    if state is ThreadState.ENDED:
        b.leave(worker)
    contend(b, b.main, 1, worker, **RLOCK)
    (finding,) = findings(b.snapshot())
    assert finding.kind == "abandoned-lock"
    assert "hold" in finding.summary
    b.thread("runs")  # it may submit a task to the idle worker, or be given the ident of the other
    assert [found.verdict for found in findings(b.snapshot())] == [Verdict.STALLED]


def test_a_helper_thread_that_waits_for_its_own_lock_to_be_woken_is_parked() -> None:
    b = Builder()
    helper = b.thread("helper")
    contend(b, helper, 1, helper, scoped=False)
    b.end(b.main)
    assert findings(b.snapshot()) == ()
    contend(b, helper, 1, helper)
    (finding,) = findings(b.snapshot())
    assert finding.kind == "self-lock"


def test_who_waits_for_a_lock_whose_owner_stands_still_is_stalled() -> None:
    b = Builder()
    owner, other = b.thread("owner"), b.thread("other")
    seen = b.now_ns
    stands = replace(b.threads[owner], stack=site("receive", 9), stack_ns=seen)
    b.threads[owner] = stands
    contend(b, other, 1, owner, **RLOCK)
    snapshot = replace(b.snapshot(after_ns=3 * 10**9), looked_ns=seen + 2 * 10**9)
    (finding,) = findings(snapshot)
    assert finding.verdict is Verdict.STALLED
    assert [party.thread for party in finding.core] == [owner]
    assert [party.thread for party in finding.victims] == [other]


def test_every_report_says_who_has_the_lock_and_where_it_took_it() -> None:
    b, one, two = crossed()
    report = analyse(b.snapshot(), HEADER, QUALITY, "trace.jsonl")
    text = render_text(report)
    assert "Lock 1 (made at app.py:3 in main)" in text
    assert "held by       thread one" in text
    assert "taken at    /app/app.py:8 in hold" in text
    parties = orjson.loads(render_json(report))["findings"][0]["core"]
    objects = [party["object"] for party in parties]
    assert [(o["id"], o["owner"], o["scoped"]) for o in objects] == [(2, two, True), (1, one, True)]
    assert objects[0]["held_site"][1]["line"] == 8
    assert "Lock #1" in render_dot(report)
    chain = explain(b.snapshot(), Node(NodeKind.THREAD, one))
    assert (
        "Lock 2 can never be released: there is no way that the thread that has it can move."
        in (chain)
    )


# -- the replay ------------------------------------------------------------------------------------


def waits_of(trace: TraceGen) -> dict[int, LockWait]:
    threads = trace.replay().snapshot().threads.values()
    return {t.id: t.wait for t in threads if isinstance(t.wait, LockWait)}


def test_the_latest_turn_holds_in_whatever_order_it_is_told_of() -> None:
    trace = TraceGen()
    one, two, three = trace.thread(main=True), trace.thread(), trace.thread()
    made = trace.site("app.py:3 in main")
    lock = trace.define("object", kind="Lock", made=made)
    held = trace.site("app.py:8 in hold")
    trace.event(schema.OBTAIN, one, lock, held, 5, 1)
    trace.event(schema.CONTEND, two, 18, lock, -1, held, three, held, 4, 0)
    wait = waits_of(trace)[two]
    assert (wait.owner, wait.scoped, wait.reentrant) == (one, True, False)
    sites = (wait.object.made, wait.held_site)
    assert [place.frames[0].line for place in sites if place] == [3, 8]
    trace.event(schema.FREE, one, lock, 5)
    trace.event(schema.CONTEND, three, 18, lock, -1, held, one, held, 5, 1)
    assert [wait.owner for wait in waits_of(trace).values()] == [None, None]
    assert trace.replay().quality().complete


def test_who_releases_a_lock_for_another_thread_is_remembered() -> None:
    trace = TraceGen()
    one, two, three = trace.thread(main=True), trace.thread(), trace.thread()
    lock = trace.define("object", kind="Lock")
    trace.event(schema.CONTEND, two, 18, lock, -1, 0, one, 0, 1, 1)
    trace.event(schema.FREE, three, lock, 1)
    (wait,) = waits_of(trace).values()
    assert (wait.owner, wait.released_by) == (None, (three,))


def test_the_story_tells_who_had_the_lock() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tpanalyze", "trace.jsonl", "--story"],
        cwd=TRACES / "lock_order",
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    told = "in transfer, on Lock 3, which thread refund took at program.py:25 in transfer"
    assert f"thread rent begins to wait in Lock.acquire at program.py:28 {told}" in done.stdout


def test_where_one_function_takes_the_locks_in_two_orders_it_is_told_to_sort_them() -> None:
    (finding,) = tpanalyze.analyze(TRACES / "lock_order" / "trace.jsonl").findings
    text = finding.advice[0].text
    assert "one at program.py:25 in transfer and the next at program.py:28 in transfer" in text
    assert "let that code sort them first" in text
