"""Faults of the file and of the process: the app is not harmed, and what was lost is said."""

from __future__ import annotations

import fcntl
import os
import re
import resource
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

import tpanalyze
from tests.consistent import judge
from tests.recorded import PATIENCE_S, environment, read, record

HEAD = """\
import os, signal, sys, threading, time
from concurrent.futures import *
path = sys.argv[1]
pool = ThreadPoolExecutor(2)
def work(number):
    return number
def some(number=50):
    for n in range(number):
        assert pool.submit(work, n).result() == n
some()
"""
TAIL = """
some()
pool.shutdown()
print("app is well")
"""


def run(
    tmp_path: Path,
    body: str,
    *,
    trace: Path | None = None,
    options: tuple[str, ...] = ("-q",),
    preexec_fn: Callable[[], None] | None = None,
    **variables: str,
) -> subprocess.CompletedProcess[str]:
    """Record HEAD, `body` and TAIL; the app must end as it would have."""
    path = trace or tmp_path / "trace.jsonl"
    (tmp_path / "app.py").write_text(HEAD + body + TAIL)
    done = subprocess.run(
        [sys.executable, "-m", "tprecord", *options, "-o", str(path), "app.py", str(path)],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        cwd=tmp_path,
        env=environment(**variables),
        check=False,
        preexec_fn=preexec_fn,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("app is well\n")
    return done


def is_whole(path: Path) -> None:
    """Fail if the trace is not a consistent one that ends in good order."""
    judged = judge(path)
    assert judged.faults == [] and judged.ended == "exit"
    assert path.read_bytes().endswith(b"\n")


def test_a_full_disk_ends_the_trace_and_not_the_app(tmp_path: Path) -> None:
    done = run(tmp_path, "", trace=Path("/dev/full"))
    assert "the trace ends here: [Errno 28] No space left on device" in done.stderr
    assert "events are missing" in done.stderr


def test_a_limit_on_file_size_ends_the_trace_and_not_the_app(tmp_path: Path) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))

    done = run(tmp_path, "some(500)", preexec_fn=limit)
    assert "the trace ends here: [Errno 27] File too large" in done.stderr
    trace = tmp_path / "trace.jsonl"
    assert trace.stat().st_size == 8192
    assert judge(trace).faults == []
    assert tpanalyze.analyze(trace).verdict == "none"


def test_the_signal_of_that_limit_is_not_the_app_s_concern(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        """
import resource
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))
some(500)
""",
    )
    assert "the trace ends here: [Errno 27] File too large" in done.stderr


def test_a_deleted_trace_is_said_to_be_lost(tmp_path: Path) -> None:
    done = run(tmp_path, "os.unlink(path)")
    assert "the trace ends here: somebody has deleted the file" in done.stderr
    assert not (tmp_path / "trace.jsonl").exists()


def test_a_trace_that_was_moved_goes_on_where_it_is(tmp_path: Path) -> None:
    done = run(tmp_path, "os.rename(path, path + '.moved')")
    assert done.stderr == ""
    is_whole(tmp_path / "trace.jsonl.moved")


def test_a_trace_made_read_only_goes_on(tmp_path: Path) -> None:
    assert run(tmp_path, "os.chmod(path, 0o400)").stderr == ""
    is_whole(tmp_path / "trace.jsonl")


def test_a_truncated_trace_goes_on_after_what_is_left(tmp_path: Path) -> None:
    done = run(tmp_path, "os.truncate(path, 0)\nsome()")
    assert done.stderr == ""
    assert read_lines(tmp_path / "trace.jsonl")[-1] == b'{"end":1,"reason":"exit"}'


def read_lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines()


def test_no_directory_no_run(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("print('ran')")
    done = subprocess.run(
        [sys.executable, "-m", "tprecord", "-o", "no/such/t.jsonl", "app.py"],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        cwd=tmp_path,
        env=environment(),
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "cannot write the trace" in done.stderr and "Traceback" not in done.stderr


def test_a_trace_goes_to_standard_output_where_it_is_a_pipe(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(HEAD)
    done = record(tmp_path, "app.py", "", to="/dev/stdout")
    (tmp_path / "t.jsonl").write_text(done.stdout)
    is_whole(tmp_path / "t.jsonl")


def test_a_trace_goes_to_standard_output_where_it_is_a_file(tmp_path: Path) -> None:
    """What the app prints goes into the same file; neither loses a line."""
    (tmp_path / "app.py").write_text(
        HEAD + "print('one', flush=True)\nsome()\nos.write(1, b'two\\n')"
    )
    with (tmp_path / "out").open("ab") as out:
        subprocess.run(
            [sys.executable, "-m", "tprecord", "-q", "-o", "/dev/stdout", "app.py", ""],
            stdout=out,
            timeout=PATIENCE_S,
            cwd=tmp_path,
            env=environment(),
            check=True,
        )
    lines = read_lines(tmp_path / "out")
    (tmp_path / "t.jsonl").write_bytes(
        b"".join(line + b"\n" for line in lines if line not in (b"one", b"two"))
    )
    judged = judge(tmp_path / "t.jsonl")
    assert judged.faults == [] and judged.events["submit"] == 100
    assert lines.count(b"one") == lines.count(b"two") == 1


def test_a_reader_of_a_pipe_gets_every_line(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read_: list[bytes] = []

    def read_all() -> None:
        with pipe.open("rb") as file:
            # at its end the process waits but half a second for who is behind
            fcntl.fcntl(file, fcntl.F_SETPIPE_SZ, 1 << 20)
            read_.append(file.read())

    reader = threading.Thread(target=read_all)
    reader.start()
    run(tmp_path, "some(2000)", trace=pipe)
    reader.join(PATIENCE_S)
    (tmp_path / "t.jsonl").write_bytes(read_[0])
    is_whole(tmp_path / "t.jsonl")


def test_a_pipe_that_nobody_reads_is_no_place_for_a_trace(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "app.py").write_text("print('ran')")
    done = subprocess.run(
        [sys.executable, "-m", "tprecord", "-o", str(tmp_path / "pipe"), "app.py"],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        cwd=tmp_path,
        env=environment(),
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "nobody reads this pipe" in done.stderr


STUCK = """
import resource
def memory():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()
done = pool.submit(work, 1)
def reads(number):
    began = time.monotonic()
    for _ in range(number): done.result()
    return time.monotonic() - began
reads(1000)
before = memory()
reads(400_000)
full = memory()
slow = sorted(reads(1000) for _ in range(400))[380]  # the machine may stop for some
print((full - before) // 1_000, (memory() - full) // 1_000, round(slow * 1000), flush=True)
"""
MOST_KB = 40_000
"""What the recorder may take for events that the file does not take: its buffer, full."""


@pytest.mark.parametrize("core", ["python", ""], ids=["in Python", "the usual"])
def test_a_stuck_reader_of_a_pipe_costs_events_and_neither_memory_nor_time(
    tmp_path: Path, core: str
) -> None:
    """A disk that is stuck is the same to the recorder: what it is given is not taken."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        done = run(tmp_path, STUCK, trace=pipe, TPRECORD_CORE=core)
    finally:
        os.close(reader)
    until_full_kb, afterwards_kb, slow_ms = map(int, done.stdout.split()[:3])
    assert until_full_kb < MOST_KB
    assert afterwards_kb < 1_000
    assert slow_ms < 200  # 1,000 reads: who waited for the pipe each time would take seconds
    missing = re.search("the trace is not whole: at least ([0-9]+) events are missing", done.stderr)
    assert missing is not None and int(missing[1]) > 500_000


def test_a_reader_that_goes_away_ends_the_trace_and_not_the_app(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    body = "signal.signal(signal.SIGPIPE, signal.SIG_DFL)\nos.close(3)\nsome()"
    os.set_inheritable(reader, True)
    (tmp_path / "app.py").write_text(HEAD + body.replace("close(3)", f"close({reader})") + TAIL)
    process = subprocess.Popen(
        [sys.executable, "-m", "tprecord", "-q", "-o", str(pipe), "app.py", ""],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env=environment(),
        pass_fds=[reader],
    )
    os.close(reader)
    out, errors = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, out) == (0, "app is well\n"), errors
    assert "the trace ends here: [Errno 32] Broken pipe" in errors


@pytest.mark.parametrize(
    "body",
    [
        "os.closerange(3, 2000)",
        "os.closerange(3, 2000)\nfiles = [open(os.devnull) for _ in range(500)]",
        "for n in range(3, 2000):\n    try: os.close(n)\n    except OSError: pass",
    ],
    ids=["closerange", "and new files in their place", "one by one"],
)
def test_an_app_that_closes_all_descriptors_loses_nothing(tmp_path: Path, body: str) -> None:
    assert run(tmp_path, f"{body}\nsome()").stderr == ""
    is_whole(tmp_path / "trace.jsonl")


def test_a_closed_descriptor_whose_file_is_gone_ends_the_trace(tmp_path: Path) -> None:
    done = run(tmp_path, "os.rename(path, path + '2')\nos.closerange(3, 2000)\nsome()")
    assert "the trace ends here: [Errno 2]" in done.stderr


def test_another_directory_is_no_trouble(tmp_path: Path) -> None:
    assert run(tmp_path, "os.chdir('/')\nos.closerange(3, 2000)").stderr == ""
    is_whole(tmp_path / "trace.jsonl")


def test_interrupted_system_calls_are_none_for_the_trace(tmp_path: Path) -> None:
    body = """
hits = []
signal.signal(signal.SIGALRM, lambda *_: hits.append(1))
signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
some(2000)
signal.setitimer(signal.ITIMER_REAL, 0)
assert len(hits) > 20
"""
    assert run(tmp_path, body).stderr == ""
    is_whole(tmp_path / "trace.jsonl")
    assert judge(tmp_path / "trace.jsonl").events["submit"] == 2100


FORKS = """
import warnings
warnings.simplefilter("ignore")
stop = threading.Event()
def busy():
    while not stop.is_set():
        some(5)
threads = [threading.Thread(target=busy) for _ in range(3)]
for thread in threads: thread.start()
for n in range(60):
    child = os.fork()
    if not child:
        if n % 3 == 0:
            os._exit(0)
        inner = ThreadPoolExecutor(1)
        assert inner.submit(work, n).result() == n
        inner.shutdown()
        if n % 3 == 1:
            os._exit(0)
        sys.stdout = None
        pool._threads.clear()
        for thread in threads: thread.join(0.01)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
stop.set()
for thread in threads: thread.join()
"""


def test_a_fork_in_the_middle_of_a_write_spoils_neither_process(tmp_path: Path) -> None:
    assert run(tmp_path, FORKS).stderr == ""
    is_whole(tmp_path / "trace.jsonl")


def test_os_exit_loses_what_was_not_written_and_no_more(tmp_path: Path) -> None:
    # what comes before a wait is written before it
    wait = "from tests.asleep import *\npool.submit(until_asleep, threading.main_thread()).result()"
    (tmp_path / "app.py").write_text(f"{HEAD}{wait}\nos._exit(7)")
    done = record(tmp_path, "app.py", "")
    assert done.status == 7
    judged = judge(done.trace_path)
    assert judged.faults == [] and judged.ended is None
    assert judged.events["submit"] == 51
    assert tpanalyze.analyze(done.trace_path).verdict == "none"


def test_sys_exit_in_threads_and_tasks_ends_them_and_not_the_trace(tmp_path: Path) -> None:
    body = """
threads = [threading.Thread(target=sys.exit, args=(3,)) for _ in range(20)]
for thread in threads: thread.start()
for thread in threads: thread.join()
for n in range(5):
    try: pool.submit(sys.exit, 3).result()
    except SystemExit: pass
"""
    assert run(tmp_path, body).stderr == ""
    is_whole(tmp_path / "trace.jsonl")


DAEMONS = """
def chatter():
    pool = ThreadPoolExecutor(2)
    try:
        while True:
            pool.submit(work, 1).result()
    except RuntimeError:
        pass  # at exit; told on stderr, it could make CPython itself abort: _enter_buffered_busy
for _ in range(3):
    threading.Thread(target=chatter, daemon=True).start()
time.sleep(0.05)
"""


def test_daemon_threads_that_are_at_it_when_the_process_ends_spoil_nothing(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(HEAD + DAEMONS)
    for _ in range(5):
        done = record(tmp_path, "app.py", "")
        assert done.status == 0
        assert "tprecord" not in done.stderr
        judged = judge(done.trace_path)
        assert judged.faults == [] and judged.ended == "exit"


SIGNALS = """
import traceback
class Rung(Exception):
    pass
rung, raised, caught = [0], [0], [0]
def ring(_, frame):
    rung[0] += 1
    if "/tprecord/" in frame.f_code.co_filename:  # the standard library cannot take it anywhere
        raised[0] += 1
        raise Rung
signal.signal(signal.SIGALRM, ring)
for future in [pool.submit(time.sleep, 0.05) for _ in range(2)]: future.result()
done = 0
while raised[0] < 150:
    # one at a time: two in a row make the standard library release a lock it does not have
    signal.setitimer(signal.ITIMER_REAL, 0.0001 + done % 29 / 1e5)
    try:
        for _ in range(20):
            pool.submit(work, done).result()
            done += 1
    except Rung as error:
        caught[0] += 1
        read = "".join(traceback.format_exception(error))
        if "/tprecord/" in read or error.__context__ is not None:
            print(read, "has something of ours in it")
            break
signal.setitimer(signal.ITIMER_REAL, 0)
print(rung[0], raised[0], caught[0], done)
assert not any(sys.monitoring.get_events(tool) for tool in (3, 4))
"""
CUT_SHORT = ("before it in its queue", "a wake without a wait")
"""A submit that an exception ends is in the trace, but its task is in no queue; one that comes
while a wake is recorded makes two wakes of it."""


@pytest.mark.parametrize("core", ["python", ""], ids=["in Python", "the usual"])
def test_each_exception_of_a_signal_handler_reaches_the_app_and_no_line_is_lost(
    tmp_path: Path, core: str
) -> None:
    """Nor does its traceback tell that it has come through callbacks of ours."""
    done = run(tmp_path, SIGNALS, TPRECORD_CORE=core)
    assert done.stderr == ""
    rung, raised, caught, tasks = map(int, done.stdout.split()[:4])
    assert raised == caught >= 150 and rung > raised
    judged = judge(tmp_path / "trace.jsonl")
    assert judged.ended == "exit"
    assert [f for f in judged.faults if not any(c in f for c in CUT_SHORT)] == []
    trace = read(tmp_path / "trace.jsonl")
    assert tasks + 102 <= len(trace.of("submit")) <= tasks + 102 + caught
    assert len(trace.of("finish")) == len(trace.of("start")) <= len(trace.of("submit"))
    assert not trace.notes


INTERRUPTED = """
def ring(_, frame):
    if "/tprecord/" in frame.f_code.co_filename:
        raise KeyboardInterrupt("here")
    signal.setitimer(signal.ITIMER_REAL, 0.0003)
signal.signal(signal.SIGALRM, ring)
signal.setitimer(signal.ITIMER_REAL, 0.0003)
while True:
    pool.submit(work, 1).result()
"""


@pytest.mark.parametrize("core", ["python", ""], ids=["in Python", "the usual"])
def test_a_ctrl_c_that_lands_in_a_callback_shows_the_user_frames_of_the_app(
    tmp_path: Path, core: str
) -> None:
    (tmp_path / "app.py").write_text(HEAD + INTERRUPTED)
    done = subprocess.run(
        [sys.executable, "-m", "tprecord", "-q", "-o", "trace.jsonl", "app.py", ""],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        cwd=tmp_path,
        env=environment(TPRECORD_CORE=core),
        check=False,
    )
    assert "\nKeyboardInterrupt: here\n" in done.stderr
    assert "app.py" in done.stderr and "/tprecord/" not in done.stderr
    assert "Error" not in done.stderr  # ours, that was being handled
