"""A program is the same with the recorder as without: what lives, what ends, what others see."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.recorded import PATIENCE_S, environment, read, until
from tprecord.schema import STACK


def run(
    tmp_path: Path, source: str, *, recorded: bool, flags: tuple[str, ...] = (), **more: str
) -> tuple[str, str]:
    (tmp_path / "app.py").write_text(source)
    recorder = ("-m", "tprecord", "-q", "-o", str(tmp_path / "t.jsonl")) if recorded else ()
    done = subprocess.run(
        [sys.executable, *flags, *recorder, "app.py"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment(**more),
        timeout=PATIENCE_S,
        check=True,
    )
    return done.stdout, done.stderr


def both(tmp_path: Path, source: str, *, flags: tuple[str, ...] = ()) -> tuple[str, str]:
    """Run the source plainly and recorded; fail if its output tells the difference."""
    plain = run(tmp_path, source, recorded=False, flags=flags)
    assert run(tmp_path, source, recorded=True, flags=flags) == plain
    return plain


LIVES = """
import gc, threading, time, weakref
from concurrent.futures import *
from tests.asleep import until_asleep
gc.disable()
class Thing: pass
class Oops(Exception): pass
dead = []
def watch(name, thing):
    weakref.finalize(thing, dead.append, name)
    return thing
def give(argument): return watch("result", Thing())
def fail(argument): raise watch("exception", Oops())
def nap(argument): time.sleep(0.02)
pool = watch("pool", ThreadPoolExecutor(2))
def use():
    first = watch("future", pool.submit(give, watch("argument", Thing())))
    second = watch("failed future", pool.submit(fail, watch("its argument", Thing())))
    third = pool.submit(nap, None)
    fourth = watch("cancelled future", pool.submit(nap, None))
    for _ in range(3): pool.submit(nap, None)
    fourth.cancel()
    first.result(), second.exception()
    wait([first, third])
    for future in as_completed([first, second, third]): pass
    promise = watch("promise", Future())
    pool.submit(promise.set_result, watch("its result", Thing())).result()
    promise.result()
    list(pool.map(nap, [1, 2]))
use()
pool.submit(nap, None).result(); pool.submit(nap, None).result()
until_asleep(*pool._threads)  # they have let go of what they have done
print(sorted(dead))
watch("event", threading.Event()).wait(0.01)
condition = watch("condition", threading.Condition())
with condition: condition.wait(0.01)
del condition
thread = watch("thread", threading.Thread(target=nap, args=(1,)))
thread.start(); thread.join(); del thread
pool.shutdown(); del pool
print(sorted(dead), threading.enumerate() == [threading.main_thread()])
"""


def test_everything_dies_when_it_would_have_without_a_collection(tmp_path: Path) -> None:
    said = both(tmp_path, LIVES)[0]
    for name in (
        "'future'",
        "failed future",
        "argument",
        "exception",
        "'result'",
        "pool",
        "thread",
    ):
        assert name in said


def test_a_look_at_the_threads_keeps_nothing_alive(tmp_path: Path) -> None:
    source = f"""
import gc, pathlib, re, threading, time, weakref
gc.disable()
trace = pathlib.Path("t.jsonl")
def until_looked():
    while trace.exists() and not re.search(rb"(?m)^\\[{STACK},", trace.read_bytes()):
        time.sleep(0.02)
    looked.set()
class Thing: pass
def waits(event, timeout):
    thing = Thing()
    event.wait(timeout)
    return weakref.ref(thing)
alone = waits(threading.Event(), 0.01)
go_on, beside = threading.Event(), []
threads = [
    threading.Thread(target=lambda: beside.append(waits(go_on, 60))) for _ in range(3)
]
for thread in threads: thread.start()
looked = threading.Event()
threading.Thread(target=until_looked, daemon=True).start()
waits(looked, 60)
go_on.set()
for thread in threads: thread.join()
print(alone(), [reference() for reference in beside])
"""
    assert both(tmp_path, source) == ("None [None, None, None]\n", "")
    assert read(tmp_path / "t.jsonl").of("stack")


def test_no_thread_of_ours_is_seen(tmp_path: Path) -> None:
    source = """
import _thread, threading, time
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(2) as pool:
    pool.submit(time.sleep, 0.1).result()
    print([t.name for t in threading.enumerate()], threading.active_count())
deadline = time.monotonic() + 30
while _thread._count() and time.monotonic() < deadline: time.sleep(0.01)
print(_thread._count(), len(threading._dangling), threading.active_count())
"""
    both(tmp_path, source)


def test_the_process_ends_as_soon_as_it_would_have(tmp_path: Path) -> None:
    source = """
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(2) as pool:
    for n in range(100): pool.submit(int).result()
"""

    def seconds(*, recorded: bool) -> float:
        began = time.monotonic()
        run(tmp_path, source, recorded=recorded)
        return time.monotonic() - began

    plain, recorded = list[float](), list[float]()

    def is_as_quick() -> bool:
        plain.append(seconds(recorded=False))
        recorded.append(seconds(recorded=True))
        return len(plain) >= 4 and min(recorded) - min(plain) < 0.5

    until(is_as_quick, "it ends at once, when the machine has time for both")


def test_the_environment_and_the_limits_are_as_they_were(tmp_path: Path) -> None:
    source = """
import concurrent.futures, os, resource, signal, sys, threading
def facts():
    yield sorted(os.environ.items())
    yield os.getcwd(), sys.argv, sys.flags, sys.excepthook is sys.__excepthook__
    yield sys.getswitchinterval(), sys.getrecursionlimit(), sys.gettrace(), sys.getprofile()
    yield [signal.getsignal(n) for n in signal.valid_signals()], signal.pthread_sigmask(0, [])
    yield resource.getrlimit(resource.RLIMIT_NOFILE), threading.stack_size()
    yield sorted(int(n) for n in os.listdir("/proc/self/fd") if int(n) < 100)
    import gc
    yield gc.isenabled(), gc.get_threshold(), gc.callbacks
for fact in facts(): print(fact)
"""
    assert "PATH" in both(tmp_path, source)[0]


def test_no_fork_warns_because_of_us(tmp_path: Path) -> None:
    source = """
import concurrent.futures, os, threading, time
def alone():
    while len(os.listdir("/proc/self/task")) > 1: time.sleep(0.01)  # ours goes in a moment
def child():
    pid = os.fork()
    if not pid: os._exit(0)
    os.waitpid(pid, 0)
child()
thread = threading.Thread(target=int); thread.start(); thread.join()
promise = concurrent.futures.Future()
promise.set_result(1)
alone()
child()
with concurrent.futures.ThreadPoolExecutor(1) as pool: pool.submit(int).result()
alone()
child()
"""
    assert both(tmp_path, source, flags=("-W", "error")) == ("", "")


def test_recordings_that_have_ended_leave_nothing_behind(tmp_path: Path) -> None:
    source = """
import gc, glob, os, sys, threading, time
from concurrent.futures import ThreadPoolExecutor
import tprecord
from tprecord.recording import Recording
def use():
    with ThreadPoolExecutor(2) as pool: pool.submit(int).result()
for n in range(6):
    with tprecord.record(f"{n}.jsonl"): use()
threading.Thread(target=int).start()
del n
def left():
    gc.collect()
    return sum(type(thing) is Recording for thing in gc.get_objects())
deadline = time.monotonic() + 30  # the writer's thread goes in a moment
while left() and time.monotonic() < deadline: time.sleep(0.02)
print(left(), flush=True)
if not os.fork():
    use()
    sys.stdout.flush()
    os._exit(0)
os.wait()
print(len(glob.glob("*.jsonl")))
"""
    assert run(tmp_path, source, recorded=False, flags=("-W", "ignore")) == ("0\n6\n", "")


# ---------------------------------------------------------------------------- beside other tools

POOLS = """
from concurrent.futures import ThreadPoolExecutor
def branch(n):
    return n if n % 2 else -n
def main():
    with ThreadPoolExecutor(2) as pool:
        return sum(pool.map(branch, range(10)))
if __name__ == "__main__":
    print(main())
"""


def tool(tmp_path: Path, *command: str, recorder_first: bool = True, **more: str) -> str:
    """Run a tool under the recorder, or the recorder under a tool; return what it prints."""
    (tmp_path / "pools.py").write_text(POOLS)
    recorder = ["-m", "tprecord", "-q", "-o", str(tmp_path / "t.jsonl")]
    words = [*recorder, *command] if recorder_first else [*command[:-1], *recorder, command[-1]]
    done = subprocess.run(
        [sys.executable, *words],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment(**more),
        timeout=PATIENCE_S,
        input="",
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "tprecord" not in done.stderr
    return done.stdout


def is_recorded(tmp_path: Path) -> None:
    trace = read(tmp_path / "t.jsonl")
    assert len(trace.of("submit")) == len(trace.of("finish")) == 10
    assert trace.end == "exit" and not trace.notes


@pytest.mark.parametrize("core", ["ctrace", "sysmon"])
def test_coverage_measures_the_same(tmp_path: Path, core: str) -> None:
    for recorder_first in (True, False):
        tool(
            tmp_path,
            *("-m", "coverage", "run", "--include=pools.py"),
            "pools.py",
            recorder_first=recorder_first,
            COVERAGE_CORE=core,
        )
        is_recorded(tmp_path)
        report = subprocess.run(
            [sys.executable, "-m", "coverage", "report"],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=environment(),
            check=True,
        ).stdout
        assert "100%" in report.splitlines()[-1]


def test_cprofile_counts_the_same(tmp_path: Path) -> None:
    assert "(submit)" in tool(tmp_path, "-m", "cProfile", "pools.py")
    is_recorded(tmp_path)


def test_pdb_stops_and_goes_on_as_before(tmp_path: Path) -> None:
    commands = ("-c", "break branch", "-c", "continue", "-c", "where", "-c", "clear", "-c", "q")
    said = tool(tmp_path, "-m", "pdb", *commands, "pools.py")
    plain = subprocess.run(
        [sys.executable, "-m", "pdb", *commands, "pools.py"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment(),
        timeout=PATIENCE_S,
        input="",
        check=False,
    ).stdout
    assert said == plain and "Breakpoint 1 at" in said


def test_viztracer_traces_as_before(tmp_path: Path) -> None:
    tool(tmp_path, "-m", "viztracer", "--quiet", "-o", "result.json", "pools.py")
    assert "branch" in (tmp_path / "result.json").read_text()
    is_recorded(tmp_path)


def test_pytest_with_its_timeouts_works_as_before(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        "import pools, pytest, time\n"
        "def test_pools(): assert pools.main() == 5\n"
        "@pytest.mark.timeout(0.5)\n"
        "def test_slow(): time.sleep(60)\n"
    )
    (tmp_path / "pools.py").write_text(POOLS)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "tprecord",
            "-q",
            "-o",
            "t.jsonl",
            "-m",
            "pytest",
            "-q",
            "test_it.py",
        ],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment(),
        timeout=PATIENCE_S,
        check=False,
    )
    assert "Timeout (>0.5s)" in done.stdout and "1 failed, 1 passed" in done.stdout
    is_recorded(tmp_path)


def test_both_tool_ids_taken_means_no_recording_and_a_clear_line(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\nfor n in 3, 4: sys.monitoring.use_tool_id(n, f'tool{n}')\n"
    )
    (tmp_path / "pools.py").write_text(POOLS)
    done = subprocess.run(
        [sys.executable, "-m", "tprecord", "pools.py"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment(PYTHONPATH=f"{tmp_path}:{environment()['PYTHONPATH']}"),
        timeout=PATIENCE_S,
        check=True,
    )
    assert done.stdout == "5\n"
    assert done.stderr == (
        "tprecord: not recording: sys.monitoring tool ids 3 and 4 are taken by tool3 and tool4\n"
    )


def test_with_one_tool_id_taken_the_other_is_used_and_given_back(tmp_path: Path) -> None:
    source = """
import sys, tprecord
sys.monitoring.use_tool_id(3, "mine")
with tprecord.record("t.jsonl"):
    print(sys.monitoring.get_tool(4))
print(sys.monitoring.get_tool(3), sys.monitoring.get_tool(4))
"""
    assert run(tmp_path, source, recorded=False)[0] == "tprecord\nmine None\n"
