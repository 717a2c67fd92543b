"""anyio's worker threads, and Starlette and FastAPI on top of them, with the real packages."""

from __future__ import annotations

from pathlib import Path

import pytest

import tpanalyze
from tests.at_rest import hang, until_looked_at
from tests.recorded import ROOT, Trace, hanging, read, record, record_source
from tpanalyze.describe import own_frames
from tpanalyze.findings import Finding, Verdict
from tpanalyze.model import PoolRole

ABSENT = "it is not installed: pip install -e .[libraries]"
pytest.importorskip("anyio", reason=ABSENT)

SAMPLE = ROOT / "traces" / "anyio_limit"
HEAD = """
import anyio, threading
from anyio import CapacityLimiter, from_thread, to_thread
"""


def limiters(trace: Trace) -> dict[int, int | None]:
    """Return the sizes of the limiters, by number."""
    pools = trace.definitions["pool"]
    return {n: row["max_workers"] for n, row in pools.items() if row.get("role") == "limiter"}


def proved(tmp_path: Path, *command: str, cwd: Path | None = None) -> list[Finding]:
    return list(hang(tmp_path, *command, cwd=cwd).findings)


# -- what is recorded ------------------------------------------------------------------------------


def test_a_call_in_a_thread_is_a_task_of_its_limiter(tmp_path: Path) -> None:
    trace = record_source(
        tmp_path,
        HEAD
        + """
def work(fails):
    if fails:
        raise ValueError
async def main():
    await to_thread.run_sync(work, False)
    try:
        await to_thread.run_sync(work, True, limiter=CapacityLimiter(1))
    except ValueError:
        pass
anyio.run(main)
""",
    ).trace
    default, own = limiters(trace)
    assert limiters(trace) == {default: 40, own: 1}
    submits = trace.of("submit")
    assert [(trace.function(e), e["pool"]) for e in submits] == [("work", default), ("work", own)]
    assert [trace.lines(e)[0] for e in submits] == [("main", 9), ("main", 11)]
    (worker,) = {e["thread"] for e in trace.of("start")}
    assert trace.definitions["thread"][worker]["name"] == "AnyIO worker thread"
    life = [e for e in trace.events if e["thread"] == worker]
    names = [e["event"] for e in life if e["event"] != "idle"]
    assert names == [
        "begin",
        *("enter", "start", "finish"),
        *("enter", "start", "fail"),
        *("leave", "gone"),
    ]
    assert [e["pool"] for e in life if e["event"] == "enter"] == [default, own]


def test_its_wait_for_the_next_call_is_that_of_an_idle_worker(tmp_path: Path) -> None:
    trace = record_source(
        tmp_path,
        HEAD
        + """
async def main():
    for _ in range(3):
        await to_thread.run_sync(int)
anyio.run(main)
""",
    ).trace
    assert not trace.of("block", "signal", "wait")
    assert len(trace.of("idle")) >= 3


def test_a_limiter_that_gets_other_tokens_says_so(tmp_path: Path) -> None:
    trace = record_source(
        tmp_path,
        HEAD
        + """
import math
async def main():
    limiter = to_thread.current_default_thread_limiter()
    await to_thread.run_sync(int)
    limiter.total_tokens = 100
    limiter.total_tokens = math.inf
anyio.run(main)
""",
    ).trace
    (limiter,) = limiters(trace)
    assert [(e["pool"], e["max_workers"]) for e in trace.of("resize")] == [
        (limiter, 100),
        (limiter, -1),
    ]


@pytest.mark.parametrize(
    ("call", "function"),
    [
        ("from_thread.run(fetch, 1)", "fetch"),
        ("from_thread.run_sync(plain, 1)", "plain"),
    ],
)
def test_what_a_thread_hands_back_is_owed_by_the_loop(
    tmp_path: Path, call: str, function: str
) -> None:
    trace = record_source(
        tmp_path,
        HEAD
        + f"""
async def fetch(x):
    return x
def plain(x):
    return x
def work():
    return {call}
async def main():
    await to_thread.run_sync(work)
anyio.run(main)
""",
    ).trace
    (deliver,) = trace.of("deliver")
    assert trace.function(deliver) == function
    (promise,) = [e for e in trace.of("promise") if e["task"] == deliver["task"]]
    assert trace.lines(promise)[0] == ("work", 10)


def test_a_portal_s_futures_are_owed_by_its_loop(tmp_path: Path) -> None:
    trace = record_source(
        tmp_path,
        HEAD
        + """
from anyio.from_thread import start_blocking_portal
async def fetch(x):
    return x
def main():
    with start_blocking_portal() as portal:
        assert portal.call(fetch, 1) == 1
        assert portal.start_task_soon(fetch, 2).result() == 2
main()
""",
    ).trace
    owed = [trace.function(e) for e in trace.of("deliver")]
    assert owed.count("fetch") == 2
    done = {e["task"] for e in trace.of("finish")}
    assert {e["task"] for e in trace.of("deliver")} <= done


def test_a_call_that_is_cancelled_in_the_line_is_taken_out_of_it(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        HEAD
        + """
go = threading.Event()
async def main():
    limiter = CapacityLimiter(1)
    async with anyio.create_task_group() as group:
        async def cancel():
            while not limiter.statistics().tasks_waiting: await anyio.sleep(0.01)
            scope.cancel()
        group.start_soon(lambda: to_thread.run_sync(go.wait, limiter=limiter))
        while not limiter.borrowed_tokens: await anyio.sleep(0.01)
        group.start_soon(cancel)
        with anyio.CancelScope() as scope:
            await to_thread.run_sync(int, limiter=limiter)
        await to_thread.run_sync(threading.Event().wait)
anyio.run(main)
"""
    )
    with hanging(tmp_path, "app.py") as (process, path):
        until_looked_at(process, path)
        trace = read(path)
        snapshot = tpanalyze.analyze(path).snapshot
    (cancelled,) = [e["task"] for e in trace.of("submit") if trace.function(e) == "int"]
    assert [e["task"] for e in trace.of("cancel")] == [cancelled]
    assert [e["task"] for e in trace.of("withdraw")] == [cancelled]
    assert not any(pool.queue for pool in snapshot.pools.values())


# -- what is proved --------------------------------------------------------------------------------


def test_forty_nested_calls_are_proved_to_hang(tmp_path: Path) -> None:
    (finding,) = proved(tmp_path, "program.py", cwd=SAMPLE)
    assert finding.kind == "pool-starvation"
    assert finding.summary.startswith("All 40 tokens of limiter ")
    blocked = [party for party in finding.core if party.wait is not None]
    assert len(blocked) == 40
    assert {own_frames(party.wait.site)[0].function.name for party in blocked if party.wait} == {
        "request"
    }
    assert {advice.slug for advice in finding.advice} >= {"own-limiter", "stay-in-the-thread"}
    assert "total_tokens = 41" in next(a.text for a in finding.advice if a.slug == "more-workers")


@pytest.mark.parametrize("twin", ["thirty-nine", "timeout", "rearranged", "own-limiter"])
def test_its_harmless_twin_ends_and_is_given_none(tmp_path: Path, twin: str) -> None:
    run = record(tmp_path, "program.py", twin, cwd=SAMPLE)
    assert run.status == 0, run.stderr
    assert tpanalyze.analyze(run.trace_path).verdict is Verdict.NONE


NESTED = (
    HEAD
    + """
all_begun = threading.Barrier(2)
async def find(x):
    {find}
def work(x):
    all_begun.wait()
    return from_thread.run(find, x)
async def main():
    to_thread.current_default_thread_limiter().total_tokens = 2
    async with anyio.create_task_group() as group:
        for x in range(2):
            group.start_soon(to_thread.run_sync, work, x)
anyio.run(main)
"""
)


def test_a_timeout_in_the_coroutine_can_end_it(tmp_path: Path) -> None:
    source = NESTED.format(
        find="with anyio.move_on_after(1000): return await to_thread.run_sync(int)"
    )
    (tmp_path / "app.py").write_text(source)
    with hanging(tmp_path, "app.py") as (process, path):
        until_looked_at(process, path)
        assert not read(path).of("await")
        assert tpanalyze.analyze(path).verdict is not Verdict.DEADLOCK


def test_threads_nested_in_threads_are_one_knot(tmp_path: Path) -> None:
    """Each has a token and wants the next one's call to return: a chain, and no token is left."""
    (tmp_path / "app.py").write_text(
        HEAD
        + """
def work(depth):
    return from_thread.run(to_thread.run_sync, work, depth + 1)
async def main():
    to_thread.current_default_thread_limiter().total_tokens = 3
    await to_thread.run_sync(work, 1)
anyio.run(main)
"""
    )
    (finding,) = proved(tmp_path, "app.py")
    assert finding.kind == "pool-starvation"
    report_threads = {party.thread for party in (*finding.core, *finding.victims) if party.thread}
    assert len(report_threads) == 3


def test_a_loop_thread_that_blocks_starves_its_own_portal(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        HEAD
        + """
from concurrent.futures import ThreadPoolExecutor
async def fetch():
    return 1
def work(token):
    return from_thread.run(fetch, **token)
async def main():
    def call():
        return from_thread.run(fetch)
    done = threading.Event()
    future = pool.submit(lambda: portal.call(fetch))
    future.result()
from anyio.from_thread import start_blocking_portal
pool = ThreadPoolExecutor(1)
with start_blocking_portal() as portal:
    portal.call(main)
"""
    )
    (finding,) = proved(tmp_path, "app.py")
    assert finding.kind == "blocked-loop"
    blocked = [p.wait for p in finding.core if p.wait is not None]
    assert {own_frames(wait.site)[0].function.name for wait in blocked} >= {"main"}


# -- on top of it ----------------------------------------------------------------------------------

APP = """
import threading
from anyio import from_thread, to_thread
from starlette.testclient import TestClient
REQUESTS = {requests}
all_begun = threading.Barrier(REQUESTS)
def query(user):
    return user
def get_user(user):
    all_begun.wait()
    return from_thread.run(to_thread.run_sync, query, user)
async def limit():
    to_thread.current_default_thread_limiter().total_tokens = 3
{app}
answers = []
def ask(client, user):
    answers.append(client.get(f"/users/{{user}}").json())
with TestClient(app) as client:
    client.portal.call(limit)
    threads = [threading.Thread(target=ask, args=(client, user)) for user in range(REQUESTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
print(sorted(answers))
"""
STARLETTE = """
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route
def endpoint(request):
    return JSONResponse(get_user(int(request.path_params["user"])))
app = Starlette(routes=[Route("/users/{user}", endpoint)])
"""
FASTAPI = """
from fastapi import FastAPI
app = FastAPI()
@app.get("/users/{user}")
def endpoint(user: int):
    return get_user(user)
"""


@pytest.mark.parametrize(("framework", "app"), [("starlette", STARLETTE), ("fastapi", FASTAPI)])
def test_requests_that_use_up_all_threads_are_proved_to_hang(
    tmp_path: Path, framework: str, app: str
) -> None:
    pytest.importorskip(framework, reason=ABSENT)
    pytest.importorskip("httpx", reason=ABSENT)
    (tmp_path / "app.py").write_text(APP.format(requests=3, app=app))
    report = hang(tmp_path, "app.py")
    finding = report.findings[0]
    assert finding.kind == "pool-starvation"
    (limiter,) = [
        pool
        for pool in report.snapshot.pools.values()
        if pool.id in finding.pools and pool.role is PoolRole.LIMITER
    ]
    assert (limiter.max_workers, len(limiter.workers), len(limiter.queue)) == (3, 3, 3)
    assert "get_user" in " ".join(finding.because)


@pytest.mark.parametrize(("framework", "app"), [("starlette", STARLETTE), ("fastapi", FASTAPI)])
def test_one_request_less_and_all_are_answered(tmp_path: Path, framework: str, app: str) -> None:
    pytest.importorskip(framework, reason=ABSENT)
    pytest.importorskip("httpx", reason=ABSENT)
    run = record_source(tmp_path, APP.format(requests=2, app=app))
    assert run.stdout == "[0, 1]\n"
    assert tpanalyze.analyze(run.trace_path).verdict is Verdict.NONE


def test_a_token_borrowed_without_a_thread_counts_as_free(tmp_path: Path) -> None:
    """Nobody is seen to hold it, so nothing is proved of who waits for it."""
    (tmp_path / "app.py").write_text(
        HEAD
        + """
async def find():
    return await to_thread.run_sync(int)
def work():
    return from_thread.run(find)
async def main():
    limiter = to_thread.current_default_thread_limiter()
    limiter.total_tokens = 2
    async with limiter:
        async with anyio.create_task_group() as group:
            group.start_soon(to_thread.run_sync, work)
anyio.run(main)
"""
    )
    with hanging(tmp_path, "app.py") as (process, path):
        until_looked_at(process, path)
        assert len(read(path).of("await")) == 1
        assert tpanalyze.analyze(path).verdict is not Verdict.DEADLOCK


def test_what_an_app_forbids_its_loop_to_call_the_recorder_does_not_call(tmp_path: Path) -> None:
    """Tests of coroutines do, with blockbuster for one: whatever might block raises."""
    run = record_source(
        tmp_path,
        """
import os, posixpath
from concurrent.futures import ThreadPoolExecutor
import anyio, anyio.to_thread

def refuse(*_, **__):
    raise RuntimeError("blocking call")

async def main():
    for module, name in [
        (posixpath, "abspath"), (posixpath, "islink"), (os, "getcwd"), (os, "stat"),
        (os, "listdir"), (os, "scandir"), (os, "access"), (os, "readlink"),
    ]:
        setattr(module, name, refuse)
    pool = ThreadPoolExecutor(1)
    print(await anyio.to_thread.run_sync(pool.submit(abs, -1).result))

anyio.run(main)
""",
    )
    assert (run.stdout, run.stderr) == ("1\n", "")
    assert not run.trace.notes
    assert len(run.trace.of("submit")) == 2
