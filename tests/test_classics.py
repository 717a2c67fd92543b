"""The four classics, from the hanging program to the report: who waits for what, where, and why."""

from __future__ import annotations

import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

import tpanalyze
from tests.at_rest import hang, report_at_rest
from tests.recorded import PATIENCE_S, ROOT, hanging, read, record
from tpanalyze.findings import Finding, Party, Relation, Report, Verdict
from tpanalyze.model import DrainWait, FutureWait, Site

TRACES = ROOT / "traces"


@dataclass(frozen=True)
class Stuck:
    """What a test says of a party: its function, its operation, text of the line it waits at."""

    function: str
    operation: str
    line: str
    awaits: tuple[str, ...] = ()


@dataclass(frozen=True)
class Classic:
    """A sample and what its report must say."""

    name: str
    kind: str
    core: tuple[Stuck, ...]
    main: Stuck
    pools: dict[str, tuple[int, int, int]]
    """name -> (max_workers, live workers, queued tasks)"""
    twins: tuple[str, ...]
    queued: tuple[tuple[str, str], ...] = ()
    """function and submit line of the tasks of the core that no worker can start"""


CLASSICS = (
    Classic(
        "pool_starvation",
        "pool-starvation",
        (Stuck("load_book", "Future.result", "page.result(", ("load_page",)),),
        Stuck("", "Future.result", "book.result()", ("load_book",)),
        {"ThreadPoolExecutor-0": (1, 1, 1)},
        ("enough-workers", "timeout", "rearranged"),
        (("load_page", "pool.submit(load_page"),),
    ),
    Classic(
        "pool_starvation_with",
        "pool-starvation",
        tuple(
            Stuck("report", "wait(ALL_COMPLETED)", "wait(figures", ("figure", "figure"))
            for _ in range(3)
        ),
        Stuck("", "Executor.shutdown", "ThreadPoolExecutor("),
        {"reports": (3, 3, 6)},
        ("enough-workers", "timeout", "rearranged"),
        tuple(("figure", "pool.submit(figure") for _ in range(3)),
    ),
    Classic(
        "circular_wait",
        "circular-wait",
        (
            Stuck("price", "Future.result", '["discount"].result(', ("discount",)),
            Stuck("discount", "Future.result", '["price"].result(timeout)', ("price",)),
        ),
        Stuck("", "Future.result", 'print(futures["price"].result())', ("price",)),
        {"ThreadPoolExecutor-0": (4, 2, 0)},
        ("timeout", "rearranged"),
    ),
    Classic(
        "circular_wait_with",
        "circular-wait",
        (
            Stuck("parse", "Future.exception", '["resolve"].exception(', ("resolve",)),
            Stuck("resolve", "as_completed", "as_completed(", ("parse",)),
        ),
        Stuck("", "Executor.shutdown", "ThreadPoolExecutor("),
        {"parsers": (2, 1, 0), "resolvers": (2, 1, 0)},
        ("timeout", "rearranged"),
    ),
    Classic(
        "self_wait",
        "self-wait",
        (Stuck("status", "Future.result", '["status"].result(timeout', ("status",)),),
        Stuck("", "Future.result", 'print(handle["status"].result())', ("status",)),
        {"ThreadPoolExecutor-0": (4, 1, 0)},
        ("timeout", "rearranged"),
    ),
    Classic(
        "self_wait_with",
        "self-wait",
        (
            Stuck(
                "save_summary",
                "wait(ALL_COMPLETED)",
                "wait(others",
                ("save", "save", "save", "save_summary"),
            ),
        ),
        Stuck("", "Executor.shutdown", "with ThreadPoolExecutor"),
        {"savers": (4, -1, 0)},
        ("timeout", "rearranged"),
    ),
    Classic(
        "exit_hang",
        "pool-starvation",
        tuple(Stuck("send", "Future.result", "receipt.result(", ("deliver",)) for _ in range(2)),
        Stuck("", "interpreter exit", ""),
        {"mail": (2, 2, 2)},
        ("enough-workers", "timeout", "rearranged"),
        (("deliver", "pool.submit(deliver"), ("deliver", "pool.submit(deliver")),
    ),
)
NAMES = [classic.name for classic in CLASSICS]


def hang_and_analyse(name: str, tmp_path: Path) -> Report:
    return hang(tmp_path, "program.py", cwd=TRACES / name)


def number_of_waits(path: Path) -> int:
    return len(read(path).of("wait", "drain"))


def place(site: Site | None, name: str) -> str:
    """Return the source line a site stands for, by its innermost frame of the program's own."""
    assert site is not None
    own = [frame for frame in site.frames if not frame.function.stdlib]
    if not own:
        return ""
    assert own[0].function.file == "program.py"
    lines = (TRACES / name / "program.py").read_text().splitlines()
    return lines[own[0].line - 1]


def function_of(report: Report, task_id: int | None) -> str:
    tasks = {int(number): task for number, task in report.snapshot.tasks.items()}
    if task_id is None:
        return ""
    function = tasks[task_id].function
    assert function is not None
    return function.name


def described(report: Report, party: Party, name: str) -> Stuck:
    """Return what the report says of a blocked thread."""
    wait = party.wait
    assert wait is not None
    awaits: tuple[str, ...] = ()
    if isinstance(wait, FutureWait):
        awaits = tuple(function_of(report, task) for task in wait.futures)
    return Stuck(function_of(report, party.task), wait.operation, place(wait.site, name), awaits)


def assert_is(found: Stuck, expected: Stuck) -> None:
    assert found.function == expected.function
    assert found.operation == expected.operation
    assert expected.line in found.line
    assert found.awaits == expected.awaits


@pytest.mark.parametrize("classic", CLASSICS, ids=NAMES)
def test_a_classic_is_named_with_its_tasks_futures_pool_and_places(
    classic: Classic, tmp_path: Path
) -> None:
    report = hang_and_analyse(classic.name, tmp_path)
    (finding,) = report.findings
    assert (finding.verdict, finding.kind) == (Verdict.DEADLOCK, classic.kind)

    blocked = [party for party in finding.core if party.thread is not None]
    assert len(blocked) == len(classic.core)
    key = [stuck.function for stuck in classic.core]
    blocked.sort(key=lambda party: key.index(function_of(report, party.task)))
    for party, expected in zip(blocked, classic.core, strict=True):
        assert_is(described(report, party, classic.name), expected)

    queued = [party.task for party in finding.core if party.thread is None]
    tasks = report.snapshot.tasks
    assert [
        (function_of(report, task), place(tasks[task].submit_site, classic.name).strip())
        for task in queued
        if task is not None
    ] == [(function, _whole(classic, line)) for function, line in classic.queued]

    pools = {p.name: p for p in report.snapshot.pools.values() if p.id in finding.pools}
    assert pools.keys() == classic.pools.keys()
    for name, (most, live, waiting) in classic.pools.items():
        assert pools[name].max_workers == most
        assert live in (-1, len(pools[name].workers))
        assert len(pools[name].queue) == waiting

    assert_main_is_a_victim(report, finding, classic)


def _whole(classic: Classic, fragment: str) -> str:
    """Return the one line of the program that has `fragment` in it."""
    source = (TRACES / classic.name / "program.py").read_text()
    (line,) = [line for line in source.splitlines() if fragment in line]
    return line.strip()


def assert_main_is_a_victim(report: Report, finding: Finding, classic: Classic) -> None:
    (main,) = [t.id for t in report.snapshot.threads.values() if t.main]
    (victim,) = [party for party in finding.victims if party.thread == main]
    assert_is(described(report, victim, classic.name), classic.main)
    if isinstance(victim.wait, DrainWait):
        assert set(victim.wait.pools) <= set(finding.pools)
        assert all(edge.relation is Relation.DRAINS for edge in victim.edges)


@pytest.mark.parametrize(("name", "twin"), [(c.name, twin) for c in CLASSICS for twin in c.twins])
def test_its_harmless_twin_ends_and_gives_none(name: str, twin: str, tmp_path: Path) -> None:
    run = record(tmp_path, "program.py", twin, cwd=TRACES / name)
    assert run.status == 0, run.stderr
    report = tpanalyze.analyze(run.trace_path)
    assert (report.verdict, report.findings) == (Verdict.NONE, ())
    assert report.quality.ended == "exit"
    assert report.quality.complete


def end_or_wait_again(process: subprocess.Popen[str], sent: signal.Signals, path: Path) -> None:
    """Send a signal until it ends the process, or main waits again: in shutdown, or at its exit.

    CPython does not notice one that comes just before its main thread goes to sleep.
    """
    before = number_of_waits(path)
    for _ in range(5):
        process.send_signal(sent)
        deadline = time.monotonic() + PATIENCE_S / 10
        while time.monotonic() < deadline:
            if process.poll() is not None or number_of_waits(path) > before:
                return
            time.sleep(0.01)
    pytest.fail("it neither ends nor waits again")


@pytest.mark.parametrize("name", ["pool_starvation", "circular_wait_with", "exit_hang"])
@pytest.mark.parametrize("twin", ["timeout"])
def test_a_wait_with_a_timeout_is_no_deadlock_while_it_lasts(
    name: str, twin: str, tmp_path: Path
) -> None:
    run = record(tmp_path, "program.py", twin, cwd=TRACES / name)
    end = tpanalyze.analyze(run.trace_path).snapshot.time_ns
    for step in range(1, 20):
        at_ns = end * step // 20
        assert tpanalyze.analyze(run.trace_path, at_ns=at_ns).verdict is Verdict.NONE


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "ends",
    [
        (signal.SIGKILL,),
        (signal.SIGTERM,),
        (signal.SIGINT,),
        (signal.SIGINT, signal.SIGINT),
        (),
    ],
    ids=["kill -9", "SIGTERM", "SIGINT", "SIGINT twice", "still running"],
)
def test_the_workers_deadlock_is_found_however_the_process_ends(
    name: str, ends: tuple[signal.Signals, ...], tmp_path: Path
) -> None:
    expected = next(classic for classic in CLASSICS if classic.name == name)
    with hanging(tmp_path, "program.py", cwd=TRACES / name) as (process, path):
        report_at_rest(process, path)
        for sent in ends:
            end_or_wait_again(process, sent, path)
        report = tpanalyze.analyze(path)
    (finding,) = report.findings
    assert (finding.verdict, finding.kind) == (Verdict.DEADLOCK, expected.kind)
    functions = sorted(function_of(report, p.task) for p in finding.core if p.thread is not None)
    assert functions == sorted(stuck.function for stuck in expected.core)
