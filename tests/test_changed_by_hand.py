"""Pools whose insides somebody changes by hand: nothing breaks, and nothing false is said."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

import tpanalyze
from tests.consistent import judge
from tests.recorded import PATIENCE_S, Trace, environment, read, record_source
from tests.test_transparent import both

NESTED = """
import sys, threading
from concurrent.futures import ThreadPoolExecutor
pool = ThreadPoolExecutor(1)
begun, go_on, queued, and_on = (threading.Event() for _ in range(4))
def inner(): return 5
def outer():
    begun.set()
    go_on.wait()
    future = pool.submit(inner)
    queued.set()
    and_on.wait()
    return future.result()
task = pool.submit(outer)
begun.wait()
"""

ITS_OWN_QUEUE = (
    NESTED
    + """
class Mine:
    __slots__ = ()
    def put(self, item): items.append(item)
    def get_nowait(self): return items.pop()
items = []
pool._work_queue = Mine()
go_on.set()
and_on.set()
sys.stdin.readline()
items.pop().run()
print(task.result(), flush=True)
import os; os._exit(0)
"""
)

ANOTHER_SIZE = (
    NESTED
    + """
go_on.set()
queued.wait()
pool._max_workers = 2
and_on.set()
sys.stdin.readline()
pool.submit(int)
print(task.result())
"""
)

NOTHING_CHANGED = (
    NESTED
    + """
go_on.set()
and_on.set()
sys.stdin.readline()
"""
)


def verdict_while_it_waits(tmp_path: Path, source: str) -> tuple[str, Trace]:
    """Record until the task waits; return the verdict on that, and the trace at the end.

    On one line of input the program must end with the task's result, or hang if there is none.
    """
    (tmp_path / "app.py").write_text(source)
    path = tmp_path / "trace.jsonl"
    process = subprocess.Popen(
        [sys.executable, "-m", "tprecord", "-q", "-o", str(path), "app.py"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env=environment(),
    )
    try:
        deadline = time.monotonic() + PATIENCE_S
        while not judge(path).events["wait"]:
            assert time.monotonic() < deadline, "the task does not wait"
            time.sleep(0.02)
        verdict = str(tpanalyze.analyze(path).verdict)
        if verdict != "deadlock":
            assert process.communicate("go\n", timeout=PATIENCE_S)[0] == "5\n"
    finally:
        process.kill()
        process.communicate()
    return verdict, read(path)


def test_without_a_change_the_task_waits_for_its_own_worker(tmp_path: Path) -> None:
    assert verdict_while_it_waits(tmp_path, NOTHING_CHANGED)[0] == "deadlock"


def test_a_pool_with_a_queue_of_the_app_s_own_is_one_of_unknown_size(tmp_path: Path) -> None:
    verdict, trace = verdict_while_it_waits(tmp_path, ITS_OWN_QUEUE)
    assert verdict == "none"
    assert [event["max_workers"] for event in trace.of("resize")] == [-1]


def test_a_pool_that_was_made_larger_by_hand_may_grow(tmp_path: Path) -> None:
    verdict, trace = verdict_while_it_waits(tmp_path, ANOTHER_SIZE)
    assert verdict == "none"
    assert [event["max_workers"] for event in trace.of("resize")] == [2]


OTHER_QUEUES = """
import queue, sys
from concurrent.futures import ThreadPoolExecutor
class Slotted:
    __slots__ = ("inside",)
    def __init__(self): self.inside = queue.SimpleQueue()
    def put(self, item): self.inside.put(item)
    def get(self, block=True): return self.inside.get(block)
    def get_nowait(self): return self.inside.get_nowait()
    def __eq__(self, other): raise RuntimeError("compared")
    __hash__ = None
for kind in (queue.Queue, queue.LifoQueue, Slotted):
    for at_once in (True, False):
        pool = ThreadPoolExecutor(2)
        if at_once: pool._work_queue = kind()
        print(pool.submit(int).result())
        if not at_once:
            before, pool._work_queue = pool._work_queue, kind()
            future = pool.submit(int)
            before.put(pool._work_queue.get_nowait())
            print(future.result())
            pool._work_queue = before
        print(sum(pool.map(abs, range(-50, 50))))
        pool.shutdown()
print("well")
"""


def test_any_queue_works_as_it_does_without_us(tmp_path: Path) -> None:
    assert both(tmp_path, OTHER_QUEUES)[0].endswith("well\n")
    trace = read(tmp_path / "t.jsonl")
    assert trace.end == "exit" and not trace.notes
    assert tpanalyze.analyze(tmp_path / "t.jsonl").verdict == "none"


@pytest.mark.parametrize("kind", ["Queue", "LifoQueue"])
def test_a_pool_with_another_queue_of_the_library_is_understood(tmp_path: Path, kind: str) -> None:
    """Only the order is another, and the proof does not lean on the order."""
    source = f"import queue\n{NOTHING_CHANGED}".replace(
        "ThreadPoolExecutor(1)\n",
        f"ThreadPoolExecutor(1)\npool._work_queue = queue.{kind}()\n",
    )
    verdict, trace = verdict_while_it_waits(tmp_path, source)
    assert verdict == "deadlock"
    (pool,) = trace.definitions["pool"].values()
    assert pool["max_workers"] == 1


@pytest.mark.parametrize(
    ("size", "told"), [("2.5", 3), ("True", 1), ("__import__('fractions').Fraction(3, 2)", None)]
)
def test_a_size_of_another_type_is_told_if_it_can_be(
    tmp_path: Path, size: str, told: int | None
) -> None:
    source = "from concurrent.futures import ThreadPoolExecutor\n"
    source += f"with ThreadPoolExecutor({size}) as pool: assert pool.submit(int).result() == 0"
    run = record_source(tmp_path, source)
    (pool,) = read(run.trace_path).definitions["pool"].values()
    assert pool["max_workers"] == told
