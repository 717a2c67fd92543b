"""What the recorder writes of threads, and of what they block on."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.recorded import Trace, hanging, read, record_source, until
from tprecord.schema import OPERATIONS

HEAD = "import threading, queue, time; from tests.asleep import until_asleep, when_asleep\n"


def thread_named(trace: Trace, name: str) -> int:
    (number,) = [n for n, row in trace.definitions["thread"].items() if row["name"] == name]
    return number


def blocks(trace: Trace) -> list[tuple[str, str]]:
    """Return (operation, kind of the object) of each block, in order."""
    return [
        (OPERATIONS[e["operation"]], trace.definitions["object"][e["object"]]["kind"])
        for e in trace.of("block")
    ]


def test_a_thread_s_life_is_launch_begin_and_gone(tmp_path: Path) -> None:
    trace = record_source(
        tmp_path,
        HEAD
        + "t = threading.Thread(target=print, name='mine', daemon=True)\nt.start()\nt.join()\n",
    ).trace
    number, main = thread_named(trace, "mine"), thread_named(trace, "MainThread")
    assert trace.definitions["thread"][number]["daemon"] is True
    (launch,) = trace.of("launch")
    assert (launch["thread"], launch["other"]) == (main, number)
    assert trace.names(thread=number) == ["begin", "gone"]


def test_a_join_that_blocks_names_the_thread_and_ends(tmp_path: Path) -> None:
    trace = record_source(
        tmp_path,
        HEAD
        + """
go = threading.Event()
t = threading.Thread(target=go.wait, name="mine")
t.start()
t.join(timeout=0.01)
when_asleep(go.set)
t.join()
t.join()
""",
    ).trace
    joins = [e for e in trace.of("join") if OPERATIONS[e["operation"]] == "Thread.join"]
    assert [e["timeout"] for e in joins] == [10_000, -1]
    assert {e["other"] for e in joins} == {thread_named(trace, "mine")}
    assert [trace.lines(e) for e in joins] == [[("<module>", 6)], [("<module>", 8)]]
    main = thread_named(trace, "MainThread")
    names = trace.names(thread=main)
    assert names.count("wake") == names.count("join")


def test_the_exit_of_the_interpreter_waits_for_every_thread(tmp_path: Path) -> None:
    trace = record_source(tmp_path, HEAD + "when_asleep(int)\n").trace
    (join,) = trace.of("join")
    assert (OPERATIONS[join["operation"]], join["other"]) == ("interpreter exit", 0)


@pytest.mark.parametrize(
    ("operation", "kind", "setting", "wait", "release"),
    [
        ("Event.wait", "Event", "x = threading.Event()", "x.wait()", "x.set()"),
        (
            "Semaphore.acquire",
            "Semaphore",
            "x = threading.Semaphore(0)",
            "x.acquire()",
            "x.release()",
        ),
        (
            "Semaphore.acquire",
            "BoundedSemaphore",
            "x = threading.BoundedSemaphore(1); x.acquire()",
            "x.acquire()",
            "x.release()",
        ),
        ("Barrier.wait", "Barrier", "x = threading.Barrier(2)", "x.wait()", "x.wait()"),
        ("Queue.get", "Queue", "x = queue.Queue()", "x.get()", "x.put(1)"),
        ("Queue.get", "LifoQueue", "x = queue.LifoQueue()", "x.get()", "x.put(1)"),
        ("Queue.put", "Queue", "x = queue.Queue(1); x.put(1)", "x.put(2)", "x.get()"),
        (
            "Queue.join",
            "Queue",
            "x = queue.Queue(); x.put(1)",
            "x.join()",
            "(x.get(), x.task_done())",
        ),
    ],
)
def test_a_thread_that_blocks_is_recorded_with_its_object_and_who_wakes_it(
    tmp_path: Path, operation: str, kind: str, setting: str, wait: str, release: str
) -> None:
    trace = record_source(
        tmp_path,
        HEAD
        + f"""
{setting}
def blocked():
    {wait}
t = threading.Thread(target=blocked, name="blocked")
t.start()
until_asleep(t)
{release}
t.join()
""",
    ).trace
    (number,) = [n for n, o in trace.definitions["object"].items() if o["kind"] == kind]
    (block,) = trace.of("block")
    assert blocks(trace) == [(operation, kind)]
    assert block["thread"] == thread_named(trace, "blocked")
    assert trace.lines(block)[0] == ("blocked", 5)
    signals = [e for e in trace.of("signal") if e["object"] == number]
    assert {e["thread"] for e in signals} == {thread_named(trace, "MainThread")}
    assert trace.names(thread=block["thread"])[-2:] == ["wake", "gone"]


def test_a_condition_of_the_app_s_own_is_recorded(tmp_path: Path) -> None:
    trace = record_source(
        tmp_path,
        HEAD
        + """
c, ready = threading.Condition(), []
def blocked():
    with c:
        c.wait_for(lambda: ready, timeout=30)
t = threading.Thread(target=blocked)
t.start()
until_asleep(t)
with c:
    ready.append(1)
    c.notify()
t.join()
""",
    ).trace
    assert blocks(trace) == [("Condition.wait", "Condition")]
    assert trace.lines(trace.of("block")[0])[0] == ("blocked", 6)
    assert trace.of("block")[0]["timeout"] > 0
    assert len(trace.of("signal")) == 1


def test_what_does_not_block_is_not_recorded(tmp_path: Path) -> None:
    trace = record_source(
        tmp_path,
        HEAD
        + """
e = threading.Event(); e.set(); e.wait()
q = queue.Queue(); q.put(1); q.get()
s = threading.Semaphore(1); s.acquire()
s.acquire(blocking=False); s.acquire(timeout=0)
try: q.get(block=False)
except queue.Empty: pass
threading.Barrier(1).wait()
""",
    ).trace
    assert not trace.of("block", "signal", "wait")


LOOKED_AT = (
    HEAD
    + """
from concurrent.futures import ThreadPoolExecutor
from _thread import get_native_id, start_new_thread
ids = queue.SimpleQueue()
def outside():
    time.sleep(ids.put(get_native_id()) or 1000)
def work():
    time.sleep(1000)
start_new_thread(outside, ())
pool = ThreadPoolExecutor(1)
future = pool.submit(work)
until_asleep(ids.get(), *pool._threads)
future.result()
"""
)


def test_a_silent_program_is_looked_at_and_every_thread_is_known(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(LOOKED_AT)
    with hanging(tmp_path, "app.py") as (_, path):
        until(lambda: bool(read(path).of("census")), "the look is written")
        trace = read(path)
    stacks = {trace.lines(e)[0] for e in trace.of("stack")}
    assert stacks == {("work", 9), ("outside", 7), ("<module>", 14)}
    assert trace.names()[-1] in ("census", "beat")
    assert len(trace.definitions["thread"]) == 3  # ours is not among them


def test_a_beat_tells_that_the_threads_still_wait(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(LOOKED_AT)
    with hanging(tmp_path, "app.py") as (_, path):
        until(lambda: len(read(path).of("beat")) >= 2, "two beats are written")
        events = read(path).events
    first, second, *_ = (at for at, event in enumerate(events) if event["event"] == "beat")
    assert events[first]["thread"] == 0
    assert sum(event["dt"] for event in events[first + 1 : second + 1]) >= 2_000_000


def test_each_beat_comes_with_a_look_and_tells_only_of_who_has_moved(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        HEAD
        + """
from concurrent.futures import ThreadPoolExecutor
def work():
    n = 0
    while True: n += 1
def sleep():
    time.sleep(1000)
pool = ThreadPoolExecutor(2)
pool.submit(sleep)
until_asleep(*pool._threads)
pool.submit(work).result()
"""
    )
    with hanging(tmp_path, "app.py") as (_, path):
        until(lambda: len(read(path).of("beat")) >= 2, "two beats are written")
        trace = read(path)
    _, second, *_ = (at for at, event in enumerate(trace.events) if event["event"] == "beat")
    del trace.events[second:]
    assert len(trace.of("census")) == 2
    again = [trace.lines(e)[0][0] for e in trace.of("stack")]
    assert (again.count("sleep"), again.count("work")) == (1, 2)


def test_a_signal_of_the_user_s_choice_makes_it_look(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        HEAD + "def here():\n    print('now', flush=True)\n    time.sleep(1000)\nhere()\n"
    )
    with hanging(tmp_path, "--signal", "USR1", "app.py") as (process, path):
        assert process.stdout is not None
        assert process.stdout.readline() == "now\n"
        process.send_signal(signal.SIGUSR1)
        until(lambda: bool(read(path).of("stack")), "the look is written")
        trace = read(path)
    (stack,) = trace.of("stack")
    assert trace.lines(stack)[0] in (("here", 3), ("here", 4))
