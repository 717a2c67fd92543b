"""Processes that a recorded program starts: each writes a trace of its own, or none."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from tests.recorded import PATIENCE_S, ROOT, Trace, environment, hanging, read, until
from tests.test_classics import TRACES
from tests.test_html import Outline
from tpanalyze import analyze
from tpanalyze.cli import run as tpanalyze
from tpanalyze.findings import Verdict
from tprecord.family import VARIABLE, Family

SITE = ROOT / "tests" / "site"


def record(
    tmp_path: Path, source: str, *arguments: str, options: tuple[str, ...] = ()
) -> tuple[Trace, list[Trace]]:
    """Record a program and return its trace and those of its children, in order of their pids."""
    (tmp_path / "app.py").write_text(source)
    command = [sys.executable, "-W", "ignore", "-m", "tprecord", "-q", "-o", "trace.jsonl"]
    done = subprocess.run(
        [*command, *options, "app.py", *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        cwd=tmp_path,
        env=environment(PYTHONPATH=f"{ROOT}:{SITE}"),
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return read(tmp_path / "trace.jsonl"), children_in(tmp_path)


def children_in(folder: Path) -> list[Trace]:
    traces = [read(path) for path in folder.glob("trace.*.trace.jsonl")]
    return sorted(traces, key=lambda trace: int(trace.header["pid"]))


MULTIPROCESSING = """
import multiprocessing, sys
from concurrent.futures import ThreadPoolExecutor
def work(): pass
def child():
    with ThreadPoolExecutor(1) as pool:
        pool.submit(work).result()
def idle(): pass
if __name__ == "__main__":
    multiprocessing.set_start_method(sys.argv[1])
    with ThreadPoolExecutor(1) as pool:
        pool.submit(work).result()
        for target in idle, child:
            process = multiprocessing.Process(target=target, name=target.__name__)
            process.start()
            process.join()
            assert process.exitcode == 0
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_a_child_of_multiprocessing_writes_a_trace_if_it_has_anything_to_write(
    tmp_path: Path, method: str
) -> None:
    parent, (child,) = record(tmp_path, MULTIPROCESSING, method)
    assert child.header["parent"] == parent.header["pid"]
    assert child.header["process"] == "child"
    assert child.header["program"] == "app.py"
    assert [child.function(e) for e in child.of("submit")] == ["work"]
    assert [e["task"] for e in child.of("finish")] == [1]
    assert (parent.end, child.end) == ("exit", "exit")
    assert "parent" not in parent.header
    assert len(parent.of("submit")) == 1


def test_nobody_s_child_is_recorded_if_the_user_does_not_want_it(tmp_path: Path) -> None:
    for method in ("fork", "spawn"):
        _, children = record(tmp_path, MULTIPROCESSING, method, options=("--no-children",))
        assert children == []


CHILD = f"""
import os, sys
from concurrent.futures import ThreadPoolExecutor
ThreadPoolExecutor(1).submit(int).result()
assert not [name for name in os.environ if name == {VARIABLE!r}]
"""


@pytest.mark.parametrize(
    "how", ["", ", env=dict(os.environ)", ", env={'PYTHONPATH': os.environ['PYTHONPATH']}"]
)
def test_a_subprocess_of_the_same_python_writes_a_trace(tmp_path: Path, how: str) -> None:
    source = f"""
import os, subprocess, sys
before = dict(os.environ)
subprocess.run([sys.executable, "-c", {CHILD!r}]{how}, check=True)
assert os.environ == before
assert not [name for name in os.environ if name == {VARIABLE!r}]
from concurrent.futures import ThreadPoolExecutor
ThreadPoolExecutor(1).submit(int).result()
"""
    parent, (child,) = record(tmp_path, source)
    assert child.header["parent"] == parent.header["pid"]
    assert child.header["program"] == "-c"
    assert "process" not in child.header


@pytest.mark.parametrize("command", ["'-E', '-c', code", "'-I', '-c', code", "'-S', '-c', code"])
def test_a_python_that_is_told_to_ignore_its_surroundings_is_not_recorded(
    tmp_path: Path, command: str
) -> None:
    code = "from concurrent.futures import *; ThreadPoolExecutor(1).submit(int).result()"
    source = f"import subprocess, sys; code = {code!r}; subprocess.run([sys.executable, {command}])"
    assert record(tmp_path, source)[1] == []


SUBINTERPRETER = """
import sys
from concurrent.futures import ThreadPoolExecutor
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
taken = "sys.monitoring.get_tool(3) or sys.monitoring.get_tool(4)"
look = f"import sys; assert not ({taken})"
assert eval(taken)
other = interpreters.create()
with ThreadPoolExecutor(1) as pool:
    pool.submit(interpreters.run_string, other, look).result()
"""


def test_a_subinterpreter_of_a_child_is_no_child(tmp_path: Path) -> None:
    (tmp_path / "child.py").write_text(SUBINTERPRETER)
    source = "import subprocess, sys; subprocess.run([sys.executable, 'child.py'], check=True)"
    _, (child,) = record(tmp_path, source)
    assert len(child.of("submit")) == len(child.of("finish")) == 1


CONTENDS = """
import threading
from tests.asleep import until_asleep
lock = threading.Lock()
def want():
    with lock:
        pass
with lock:
    thread = threading.Thread(target=want)
    thread.start()
    until_asleep(thread)
thread.join()
"""


@pytest.mark.parametrize(("options", "seen"), [(("--locks",), 1), ((), 0)])
def test_a_new_python_records_its_locks_if_its_parent_does(
    tmp_path: Path, options: tuple[str, ...], seen: int
) -> None:
    source = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {CONTENDS!r}])"
    _, (child,) = record(tmp_path, source, options=options)
    assert len(child.of("contend")) == seen


def test_a_grandchild_is_linked_to_the_nearest_process_that_has_a_trace(tmp_path: Path) -> None:
    silent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {CHILD!r}])"
    busy = silent + f"; exec({CHILD!r})"
    first_busy = f"exec({CHILD!r}); " + silent
    source = f"""
import subprocess, sys
for code in {silent!r}, {first_busy!r}:
    subprocess.run([sys.executable, "-c", code], check=True)
"""
    assert busy != first_busy
    parent, (of_silent, child, of_busy) = record(tmp_path, source)
    assert of_silent.header["parent"] == parent.header.get("pid", of_silent.header["parent"])
    assert of_busy.header["parent"] == child.header["pid"]


def test_a_child_forked_while_another_thread_writes_leaves_both_traces_whole(
    tmp_path: Path,
) -> None:
    source = """
import os, threading
from concurrent.futures import ThreadPoolExecutor
stop = threading.Event()
def busy():
    while not stop.is_set():
        pool.submit(int).result()  # else the file might not keep up with it
pool = ThreadPoolExecutor(2)
thread = threading.Thread(target=busy)
thread.start()
for _ in range(20):
    if not os.fork():
        ThreadPoolExecutor(1).submit(int).result()
        os._exit(0)
    assert os.wait()[1] == 0
stop.set()
thread.join()
"""
    parent, children = record(tmp_path, source)
    assert len(children) == 20
    for child in children:
        # os._exit: the last 50 ms may be missing, but not what comes before a wait
        assert child.names()[:1] == ["submit"]
        assert {e["task"] for e in child.of("submit", "start", "finish")} == {1}
    submitted = [e["task"] for e in parent.of("submit")]
    assert submitted == list(range(1, len(submitted) + 1))
    for path in tmp_path.glob("trace*.jsonl"):
        assert analyze(path).quality.complete


def test_a_signal_handler_that_forks_in_mid_write_leaves_both_traces_whole(tmp_path: Path) -> None:
    source = """
import os, signal
from concurrent.futures import Future
FORKS = 40
pids, is_child, written = [], False, 0
def handler(*_):
    global is_child
    if len(pids) < FORKS and not is_child:
        pid = os.fork()
        is_child = not pid
        if pid:
            pids.append(pid)
            signal.setitimer(signal.ITIMER_REAL, 0.003 * (len(pids) < FORKS))
signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.003)
while (len(pids) < FORKS or written <= FORKS) and not is_child:
    Future().set_result(1)  # each event is written at once: there is but one thread
    written += 1
if is_child:
    Future().set_exception(ValueError())
    os._exit(0)
for pid in pids:
    assert os.waitpid(pid, 0)[1] == 0
"""
    parent, children = record(tmp_path, source)
    assert len(children) == 40
    assert parent.end == "exit"
    assert len(parent.of("promise")) == len(parent.of("finish")) > 40
    assert not parent.of("fail")
    for child in children:
        assert child.names()[-2:] == ["promise", "fail"]
        assert len(child.names()) <= 4  # what the signal has interrupted may be there as well
    for path in tmp_path.glob("trace*.jsonl"):
        assert path.read_bytes().startswith(b'{"tprecord":')
        assert not read(path).notes


def test_what_is_inherited_by_a_fork_is_said_to_be(tmp_path: Path) -> None:
    source = """
import os, sys, threading
from concurrent.futures import ThreadPoolExecutor
from tests.asleep import until_asleep
go = threading.Event()
pool = ThreadPoolExecutor(2)
running = pool.submit(go.wait)
until_asleep(*pool._threads)
if not os.fork():
    try: running.result(timeout=0.01)
    except TimeoutError: pass
    pool.submit(int).result()
    sys.exit()
assert os.wait()[1] == 0
go.set()
"""
    _, (child,) = record(tmp_path, source)
    assert [row["origin"] for row in child.definitions["future"].values()] == ["inherited"]
    (pool,) = child.definitions["pool"].values()
    assert (pool["lost"], pool.get("unseen")) == (1, None)
    assert len(child.of("spawn")) == 1  # the pool may have two


def test_the_children_of_a_program_that_dies_do_not_outlive_it_because_of_us(
    tmp_path: Path,
) -> None:
    (tmp_path / "app.py").write_text(
        """
import os, signal, threading
from concurrent.futures import ThreadPoolExecutor
pid = os.fork()
if not pid:
    with ThreadPoolExecutor(1) as pool: pool.submit(int).result()
    threading.Event().wait()
print(pid, flush=True)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""
    )
    with hanging(tmp_path, "app.py") as (process, _):
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        traces = partial(tmp_path.glob, "trace.*.trace.jsonl")
        until(lambda: any(read(path).of("block") for path in traces()), "the child waits")
        os.kill(pid, signal.SIGKILL)
        assert process.stdout.readline() == f"{-signal.SIGKILL}\n"
        process.wait(timeout=PATIENCE_S)
    (child,) = children_in(tmp_path)
    assert child.end is None and child.of("finish")


def test_a_pool_whose_workers_a_fork_has_left_behind_is_named(tmp_path: Path) -> None:
    program = TRACES / "fork_and_pool"
    with hanging(tmp_path, "program.py", cwd=program) as (_, path):

        def child_is_stuck() -> bool:
            found = list(tmp_path.glob("trace.*.trace.jsonl"))
            there = bool(found) and found[0].stat().st_size > 0
            return there and analyze(found[0]).verdict is Verdict.DEADLOCK

        until(child_is_stuck, "the child's trace proves a deadlock")
        (child,) = tmp_path.glob("trace.*.trace.jsonl")
        report, above = analyze(child), analyze(path)
        os.kill(report.header.pid, signal.SIGKILL)
    (finding,) = report.findings
    assert finding.kind == "no-worker-left"
    assert report.header.parent == above.header.pid
    assert above.verdict is not Verdict.DEADLOCK
    (pool,) = report.snapshot.pools.values()
    assert (pool.lost, pool.workers, len(pool.queue)) == (1, (), 1)
    assert any("left one worker behind in the parent" in step for step in finding.because)
    assert finding.advice[0].slug == "make-it-after-the-fork"


@pytest.mark.parametrize("twin", ["timeout", "rearranged"])
def test_the_harmless_twins_of_a_fork_give_none(tmp_path: Path, twin: str) -> None:
    source = (TRACES / "fork_and_pool" / "program.py").read_text()
    _, children = record(tmp_path, source, twin)
    assert len(children) == 1
    for path in tmp_path.glob("trace*.jsonl"):
        report = analyze(path)
        assert (report.verdict, report.quality.complete) == (Verdict.NONE, True)


def test_a_folder_stands_for_all_its_traces_and_the_exit_status_is_the_worst(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record(tmp_path, MULTIPROCESSING, "fork")
    (tmp_path / "other.jsonl").write_text("{}\n")
    assert tpanalyze([str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    overview = printed.splitlines()[-2:]
    assert "Two processes: none 2" in printed
    assert [line.split("(")[0].rstrip() for line in overview] == ["  app.py", "    app.py child"]
    deadlock = TRACES / "self_wait" / "trace.jsonl"
    assert tpanalyze([str(tmp_path), str(deadlock)]) == 1
    printed = capsys.readouterr().out
    assert "Three processes: deadlock 1, none 2" in printed
    assert "DEADLOCK  self-wait" in printed
    assert tpanalyze([str(tmp_path), str(tmp_path / "other.jsonl"), str(deadlock)]) == 2


def test_a_trace_alone_names_those_of_its_children(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, (child,) = record(tmp_path, MULTIPROCESSING, "fork")
    assert tpanalyze([str(tmp_path / "trace.jsonl")]) == 0
    said = capsys.readouterr().err
    assert f"trace.{child.header['pid']}.trace.jsonl" in said


def test_the_children_of_a_packed_trace_are_packed_and_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "app.py").write_text(MULTIPROCESSING)
    command = [sys.executable, "-W", "ignore", "-m", "tprecord", "-q", "--gzip"]
    subprocess.run(
        [*command, "-o", "trace.jsonl.gz", "app.py", "fork"],
        timeout=PATIENCE_S,
        cwd=tmp_path,
        env=environment(PYTHONPATH=f"{ROOT}:{SITE}"),
        check=True,
    )
    (child,) = tmp_path.glob("trace.*.trace.jsonl.gz")
    assert b'"reason":"exit"' in gzip.decompress(child.read_bytes())
    assert tpanalyze([str(tmp_path / "trace.jsonl.gz")]) == 0
    assert child.name in capsys.readouterr().err
    assert tpanalyze([str(tmp_path)]) == 0
    assert "child of" in capsys.readouterr().out


def test_several_traces_give_pictures_beside_each_and_one_array_of_reports(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record(tmp_path, MULTIPROCESSING, "fork")
    assert tpanalyze([str(tmp_path), "--dot", "--json"]) == 0
    reports = json.loads(capsys.readouterr().out)
    assert [report["program"]["process"] for report in reports].count("child") == 1
    assert len(list(tmp_path.glob("*.dot"))) == 2
    assert tpanalyze([str(tmp_path), f"--svg={tmp_path / 'one.svg'}"]) == 2
    assert tpanalyze([str(tmp_path), "--explain", "1"]) == 2


def test_the_page_of_each_process_names_all_of_the_run_and_leads_to_their_pages(
    tmp_path: Path,
) -> None:
    _, (child,) = record(tmp_path, MULTIPROCESSING, "fork")
    folder = tmp_path / "a run"
    folder.mkdir()
    for trace in tmp_path.glob("*.jsonl"):
        trace.rename(folder / trace.name)
    assert tpanalyze([str(folder), "--html", "-q"]) == 0
    pages = {page.name: Outline(page.read_text("utf-8")) for page in folder.glob("*.html")}
    assert len(pages) == 2
    for name, page in pages.items():
        said = " ".join(page.words)
        assert "Processes of this run" in said and f"child ({child.header['pid']})" in said
        (link,) = (link for link in page.links if link.endswith(".html"))
        assert link == f"./{({*pages} - {name}).pop()}"


def test_a_folder_without_traces_is_said_to_be_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tpanalyze([str(tmp_path)]) == 2
    assert "a folder without traces" in capsys.readouterr().err


def test_what_is_told_to_children_comes_back_whatever_is_in_the_path(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = Family("/a:b%3A/ü.jsonl", 17, 3)
    monkeypatch.setenv(VARIABLE, told.value)
    found = Family.of_this_process()
    Family.forget()
    assert found is not None
    assert (found.path, found.parent, found.depth) == ("/a:b%3A/ü.jsonl", 17, 3)
    assert VARIABLE not in os.environ


@pytest.mark.parametrize("value", ["", "1", "2:1:4:x:y", "1:a:4::", "1:17:4:/another/python:/t"])
def test_what_nobody_of_us_has_told_is_not_listened_to(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, value)
    assert Family.of_this_process() is None
