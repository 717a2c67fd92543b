"""Event loops of asyncio: what is recorded of them, and what the analyser proves from it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import tpanalyze
from tests.at_rest import hang, until_looked_at
from tests.recorded import ROOT, Trace, environment, hanging, read, record, record_source, until
from tpanalyze.describe import own_frames
from tpanalyze.findings import Finding, Verdict
from tpanalyze.model import FutureWait, Site

TRACES = ROOT / "traces"
HEAD = "import asyncio, threading\nfrom concurrent.futures import Future, ThreadPoolExecutor\n"


def loops(trace: Trace) -> list[int]:
    pools = trace.definitions.get("pool", {})
    return [number for number, row in pools.items() if row.get("role") == "loop"]


def proved(tmp_path: Path, *command: str, cwd: Path | None = None) -> list[Finding]:
    """Run a program that hangs, and return what is found of it while it does."""
    return list(hang(tmp_path, *command, cwd=cwd).findings)


def proved_source(tmp_path: Path, source: str) -> list[Finding]:
    (tmp_path / "app.py").write_text(source)
    return proved(tmp_path, "app.py")


def function_at(site: Site | None) -> str:
    return own_frames(site)[0].function.name


def who_waits_where(finding: Finding) -> list[tuple[str, str]]:
    """Return (operation, function it waits in) of each blocked thread of the core."""
    return [
        (party.wait.operation, function_at(party.wait.site))
        for party in finding.core
        if party.wait is not None
    ]


# -- what is recorded ------------------------------------------------------------------------------


def test_a_loop_that_owes_nothing_leaves_no_trace(tmp_path: Path) -> None:
    trace = record_source(
        tmp_path, HEAD + "async def main():\n    await asyncio.sleep(0.01)\nasyncio.run(main())\n"
    ).trace
    assert not loops(trace)
    assert not trace.of("run", "halt", "deliver", "close")


def test_a_promise_of_run_coroutine_threadsafe_is_owed_by_its_loop(tmp_path: Path) -> None:
    trace = record_source(
        tmp_path,
        HEAD
        + """
async def fetch():
    return 1
def work(loop):
    return asyncio.run_coroutine_threadsafe(fetch(), loop).result()
async def main():
    await asyncio.to_thread(work, asyncio.get_running_loop())
asyncio.run(main())
""",
    ).trace
    (loop,) = loops(trace)
    assert trace.definitions["pool"][loop]["max_workers"] == 1
    (promise,) = trace.of("promise")
    (deliver,) = trace.of("deliver")
    (main,) = [n for n, row in trace.definitions["thread"].items() if row.get("main")]
    assert (deliver["task"], deliver["pool"]) == (promise["task"], loop)
    assert trace.function(deliver) == "fetch"
    assert trace.lines(promise) == [("work", 7)]
    assert trace.of("run")[0] | {"dt": 0} == trace.of("run")[0] | {
        "pool": loop,
        "runner": main,
        "dt": 0,
    }
    # it is set in the loop's thread, and the loop is closed in the end
    (finish,) = [e for e in trace.of("finish") if e["task"] == promise["task"]]
    assert finish["thread"] == main
    assert [e["pool"] for e in trace.of("close") if e["pool"] == loop] == [loop]
    events = [e for e in trace.of("run", "halt") if e["pool"] == loop]
    assert events[-1]["event"] == "halt"


def test_the_function_that_to_thread_runs_and_its_place_are_the_app_s(tmp_path: Path) -> None:
    trace = record_source(
        tmp_path,
        HEAD
        + """
def work():
    pass
async def main():
    await asyncio.to_thread(work)
    await asyncio.get_running_loop().run_in_executor(None, work)
asyncio.run(main())
""",
    ).trace
    assert [trace.function(e) for e in trace.of("submit")] == ["work", "work"]
    assert [trace.lines(e) for e in trace.of("submit")] == [[("main", 7)], [("main", 8)]]


def test_copying_a_result_into_the_loop_is_no_wait(tmp_path: Path) -> None:
    trace = record_source(
        tmp_path,
        HEAD
        + """
async def main():
    with ThreadPoolExecutor(1) as pool:
        await asyncio.wrap_future(pool.submit(int))
asyncio.run(main())
""",
    ).trace
    assert not trace.of("wait")


def test_a_coroutine_that_raises_leaves_the_loop_halted(tmp_path: Path) -> None:
    trace = record_source(
        tmp_path,
        HEAD
        + """
async def fetch():
    return 1
async def main():
    loop = asyncio.get_running_loop()
    await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(fetch(), loop))
    raise SystemExit
try:
    asyncio.run(main())
except SystemExit:
    pass
""",
    ).trace
    (loop,) = loops(trace)
    assert [e for e in trace.of("run", "halt") if e["pool"] == loop][-1]["event"] == "halt"


def test_each_loop_of_each_thread_is_a_pool_of_its_own(tmp_path: Path) -> None:
    trace = record_source(
        tmp_path,
        HEAD
        + """
async def fetch():
    return 1
async def main():
    loop = asyncio.get_running_loop()
    await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(fetch(), loop))
with ThreadPoolExecutor(2) as pool:
    for _ in range(2):
        pool.submit(asyncio.run, main()).result()
asyncio.run(main())
""",
    ).trace
    assert len(loops(trace)) == 3
    assert len({e["pool"] for e in trace.of("deliver")}) == 3


def test_a_loop_of_uvloop_is_left_alone(tmp_path: Path) -> None:
    pytest.importorskip("uvloop", reason="uvloop is not installed: dependency group `libraries`")
    run = record_source(
        tmp_path,
        HEAD
        + """
import uvloop
async def fetch():
    return 1
def work(loop):
    return asyncio.run_coroutine_threadsafe(fetch(), loop).result()
async def main():
    return await asyncio.to_thread(work, asyncio.get_running_loop())
print(uvloop.run(main()))
""",
    )
    assert run.stdout == "1\n"
    assert not loops(run.trace)
    assert not run.trace.of("deliver", "run")
    assert len(run.trace.of("promise")) == 1


# -- what is proved --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sample", "kind", "core"),
    [
        ("loop_blocked_by_result", "blocked-loop", [("Future.result", "summary")]),
        (
            "loop_and_pool",
            "blocked-loop",
            [("Future.result", "shop"), ("Future.result", "order")],
        ),
        ("default_executor", "pool-starvation", [("Future.result", "render")] * 3),
    ],
)
def test_a_sample_is_named_with_who_waits_where(
    tmp_path: Path, sample: str, kind: str, core: list[tuple[str, str]]
) -> None:
    (finding,) = proved(tmp_path, "program.py", cwd=TRACES / sample)
    assert finding.kind == kind
    assert finding.verdict is Verdict.DEADLOCK
    assert who_waits_where(finding) == core


@pytest.mark.parametrize(
    ("sample", "twin"),
    [
        ("loop_blocked_by_result", "timeout"),
        ("loop_blocked_by_result", "awaited"),
        ("loop_and_pool", "timeout"),
        ("loop_and_pool", "awaited"),
        ("default_executor", "enough-workers"),
        ("default_executor", "timeout"),
        ("default_executor", "rearranged"),
    ],
)
def test_its_harmless_twin_ends_and_is_given_none(tmp_path: Path, sample: str, twin: str) -> None:
    run = record(tmp_path, "program.py", twin, cwd=TRACES / sample)
    assert run.status == 0, run.stderr
    assert tpanalyze.analyze(run.trace_path).verdict is Verdict.NONE


def test_the_report_says_what_awaits_what_and_that_nobody_may_cancel(tmp_path: Path) -> None:
    (finding,) = proved(tmp_path, "program.py", cwd=TRACES / "default_executor")
    because, conditions = " ".join(finding.because), " ".join(finding.conditions)
    assert because.count("set by its event loop when its coroutine ends") == 3
    assert "nobody cancels the coroutines that await" in conditions.lower()
    assert {advice.slug for advice in finding.advice} >= {"second-pool", "stay-in-the-thread"}


def test_a_callback_of_the_loop_that_should_set_a_future_never_runs(tmp_path: Path) -> None:
    """A future set by ``call_soon_threadsafe``: any thread might set it, but none is left."""
    (finding,) = proved_source(
        tmp_path,
        HEAD
        + """
async def main():
    future = Future()
    asyncio.get_running_loop().call_soon_threadsafe(future.set_result, 1)
    future.result()
def idle():
    pass
with ThreadPoolExecutor(1) as pool:  # a second thread: then the recorder looks at all of them
    pool.submit(idle).result()
    asyncio.run(main())
""",
    )
    assert finding.kind == "abandoned-promise"
    assert who_waits_where(finding) == [("Future.result", "main")]


def test_a_thread_waits_for_a_loop_that_is_closed(tmp_path: Path) -> None:
    (finding,) = proved_source(
        tmp_path,
        HEAD
        + """
loop = asyncio.new_event_loop()
async def fetch():
    return 1
future = asyncio.run_coroutine_threadsafe(fetch(), loop)
loop.close()
future.result()
""",
    )
    assert finding.kind == "blocked-loop"
    assert "is closed" in finding.summary
    assert [advice.slug for advice in finding.advice][:1] == ["end-the-threads-first"]


def test_two_loops_that_block_until_the_other_has_run_a_coroutine(tmp_path: Path) -> None:
    (finding,) = proved_source(
        tmp_path,
        HEAD
        + """
loops, both = {}, threading.Barrier(2)
async def ask():
    return 1
async def main(name, other):
    loops[name] = asyncio.get_running_loop()
    both.wait()
    asyncio.run_coroutine_threadsafe(ask(), loops[other]).result()
threading.Thread(target=lambda: asyncio.run(main("a", "b"))).start()
asyncio.run(main("b", "a"))
""",
    )
    assert finding.kind == "blocked-loop"
    assert who_waits_where(finding) == [("Future.result", "main")] * 2
    assert "each run an event loop" in finding.summary


def test_a_loop_in_a_worker_thread_blocked_by_its_own_coroutine(tmp_path: Path) -> None:
    (finding,) = proved_source(
        tmp_path,
        HEAD
        + """
async def ask():
    return 1
async def main():
    asyncio.run_coroutine_threadsafe(ask(), asyncio.get_running_loop()).result()
def work():
    asyncio.run(main())
with ThreadPoolExecutor(1) as pool:
    pool.submit(work).result()
""",
    )
    assert finding.kind == "blocked-loop"
    assert who_waits_where(finding) == [("Future.result", "main")]
    assert [party.wait.operation for party in finding.victims if party.wait] == ["Future.result"]


# -- what is not -----------------------------------------------------------------------------------


def silent(tmp_path: Path, source: str) -> tuple[Trace, Verdict]:
    """Run a program that waits for long; return its trace and verdict after the recorder's look."""
    (tmp_path / "app.py").write_text(source)
    with hanging(tmp_path, "app.py") as (process, path):
        until_looked_at(process, path)
        assert process.poll() is None
        return read(path), tpanalyze.analyze(path).verdict


FULL = (
    HEAD
    + """
all_begun = threading.Barrier(2)
async def inner():
    {inner}
def outer(loop):
    all_begun.wait()
    return asyncio.run_coroutine_threadsafe(inner(), loop).result()
async def main():
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(2))
    {main}
asyncio.run(main())
"""
)
BOTH = "await asyncio.gather(*(asyncio.to_thread(outer, loop) for _ in range(2)))"


@pytest.mark.parametrize(
    "inner",
    [
        "await asyncio.to_thread(int)",
        "await asyncio.get_running_loop().run_in_executor(None, int)",
        "await asyncio.gather(asyncio.to_thread(int), asyncio.to_thread(int))",
        "await asyncio.create_task(asyncio.to_thread(int))",
        "await asyncio.wait_for(asyncio.to_thread(int), None)",
    ],
)
def test_a_full_executor_is_proved_however_the_coroutine_awaits(tmp_path: Path, inner: str) -> None:
    trace, verdict = silent(tmp_path, FULL.format(inner=inner, main=BOTH))
    assert len({event["task"] for event in trace.of("await") if event["rest"]}) == 2
    assert verdict is Verdict.DEADLOCK


@pytest.mark.parametrize(
    ("inner", "main"),
    [
        # a timeout around what awaits, or around all of it
        ("await asyncio.wait_for(asyncio.to_thread(int), 1000)", BOTH),
        (
            "await asyncio.to_thread(int)",
            (
                "await asyncio.wait([asyncio.ensure_future(asyncio.to_thread(outer, loop)) "
                "for _ in range(2)], timeout=1000)"
            ),
        ),
        # it is not known what ends it
        ("await asyncio.Event().wait()", BOTH),
        ("await asyncio.sleep(1000)", BOTH),
        ("await asyncio.shield(asyncio.to_thread(int))", BOTH),
        ("await asyncio.wait([asyncio.ensure_future(asyncio.to_thread(int))])", BOTH),
    ],
)
def test_what_may_still_get_on_is_not_called_a_deadlock(
    tmp_path: Path, inner: str, main: str
) -> None:
    trace, verdict = silent(tmp_path, FULL.format(inner=inner, main=main))
    assert len(trace.of("deliver")) == 2
    assert not trace.of("await")
    assert verdict is not Verdict.DEADLOCK


def test_a_coroutine_that_got_on_after_the_look_is_looked_at_again(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        HEAD
        + """
import sys
go = threading.Event()
async def inner():
    await asyncio.to_thread(go.wait)
    await asyncio.Event().wait()
def outer(loop):
    return asyncio.run_coroutine_threadsafe(inner(), loop).result()
async def main():
    loop = asyncio.get_running_loop()
    waiting = asyncio.ensure_future(asyncio.to_thread(outer, loop))
    await asyncio.to_thread(sys.stdin.readline)
    go.set()
    await waiting
asyncio.run(main())
"""
    )
    path = tmp_path / "trace.jsonl"
    command = ["-m", "tprecord", "-q", "-o", str(path), "app.py"]
    with subprocess.Popen(  # it is told when to go on
        [sys.executable, *command],
        stdin=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env=environment(),
    ) as process:
        try:
            until(
                lambda: any(event["rest"] for event in read(path).of("await")),
                "it is seen to await the thread",
            )
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
            until(
                lambda: not read(path).of("await")[-1]["rest"],
                "it is seen to await something else",
            )
        finally:
            process.kill()
    first, second = read(path).of("await")[-2:]
    assert first["task"] == second["task"]
    assert first["rest"]
    assert not second["rest"]


def test_a_wait_is_of_the_kind_the_loop_s_thread_may_end_until_it_blocks(tmp_path: Path) -> None:
    """While the loop sits in ``select`` its promise may be set at any time."""
    trace, verdict = silent(
        tmp_path,
        HEAD
        + """
async def never():
    await asyncio.Event().wait()
def work(loop):
    asyncio.run_coroutine_threadsafe(never(), loop).result()
async def main():
    await asyncio.to_thread(work, asyncio.get_running_loop())
asyncio.run(main())
""",
    )
    assert verdict is not Verdict.DEADLOCK
    assert len(trace.of("wait")) == 1


def test_a_promise_of_a_loop_can_be_read_by_all_that_analyse(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text((TRACES / "loop_and_pool" / "program.py").read_text())
    report = hang(tmp_path, "app.py")
    (promise,) = [task for task in report.snapshot.tasks.values() if task.loop is not None]
    assert promise.function is not None
    assert promise.function.name == "stock"
    (waiting,) = [
        thread
        for thread in report.snapshot.threads.values()
        if isinstance(thread.wait, FutureWait) and promise.id in thread.wait.futures
    ]
    assert promise.loop is not None
    assert report.snapshot.pools[promise.loop].workers == (report.findings[0].core[0].thread,)
    assert waiting.name == "orders_0"
