"""Programs made to mislead: those that go on are never called dead, those that are dead always.

Of a program that goes on every moment is judged, not the last one only: see :mod:`tests.moments`.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

import tpanalyze
from tests import moments
from tests.at_rest import report_at_rest
from tests.moments import watch
from tests.recorded import ROOT, hanging, record_source
from tpanalyze.findings import Verdict
from tpanalyze.rules import RULES, threads
from tpanalyze.waitgraph import build

SAMPLES = sorted((ROOT / "traces").glob("*/trace.jsonl"))

START = """
import asyncio, queue, signal, sys, threading, time, _thread
from concurrent.futures import *
from concurrent.futures import FIRST_COMPLETED, FIRST_EXCEPTION, ThreadPoolExecutor as Pool
from threading import Barrier, Condition, Event, Semaphore, Thread, Timer
from tests.asleep import when_asleep
"""

GOES_ON = {
    "all workers wait for queued tasks, each for a while": """
pool = Pool(2)
def inner(): return 1
def outer():
    try:
        return pool.submit(inner).result(timeout=0.1)
    except TimeoutError:
        return None
print([task.result() for task in [pool.submit(outer), pool.submit(outer)]])
""",
    "as_completed gives up after a while": """
pool = Pool(1)
def outer():
    try:
        return [task.result() for task in as_completed([pool.submit(int)], timeout=0.1)]
    except TimeoutError:
        return []
print(pool.submit(outer).result())
""",
    "a done-callback sets the promise main waits for": """
pool, promise, go = Pool(1), Future(), Event()
task = pool.submit(go.wait)
task.add_done_callback(lambda done: (time.sleep(0.1), promise.set_result(done.result())))
go.set()
task.result()
print(promise.result())
""",
    "one of several is still alive": """
small, other, go = Pool(1), Pool(1), Event()
def outer():
    return len(wait([small.submit(int), other.submit(go.wait)], return_when=FIRST_COMPLETED).done)
task = small.submit(outer)
time.sleep(0.1)
go.set()
print(task.result())
""",
    "one of several may still fail": """
small, other, go = Pool(1), Pool(1), Event()
def fails():
    go.wait()
    raise ValueError
def outer():
    futures = [small.submit(int), other.submit(fails)]
    return len(wait(futures, return_when=FIRST_EXCEPTION).done)
task = small.submit(outer)
time.sleep(0.1)
go.set()
print(task.result())
""",
    "a thread that threading does not know sets the promise": """
promise, lock = Future(), _thread.allocate_lock()
lock.acquire()
def setter():
    with lock:
        promise.set_result(1)
_thread.start_new_thread(setter, ())
_thread.start_new_thread(lambda: (time.sleep(0.2), lock.release()), ())
print(promise.result())
""",
    "a daemon that waits for a queue sets the promise": """
promise, asked = Future(), queue.Queue()
def server():
    while True:
        asked.get().set_result(1)
Thread(target=server, daemon=True).start()
time.sleep(0.05)
Timer(0.1, asked.put, (promise,)).start()
print(promise.result())
""",
    "a timer opens what everybody waits for": """
pool, go = Pool(2), Event()
tasks = [pool.submit(go.wait) for _ in range(4)]
Timer(0.1, go.set).start()
print([task.result() for task in tasks])
""",
    "a worker shuts its own pool down and goes on": """
pool = Pool(2)
def inner(): return 1
def outer():
    task = pool.submit(inner)
    pool.shutdown(wait=False)
    return task.result()
print(pool.submit(outer).result())
""",
    "a worker drains its own pool, of which it is the only worker": """
pool = Pool(1)
def outer():
    try:
        pool.shutdown()
    except RuntimeError as error:
        return str(error)
print(pool.submit(outer).result())
""",
    "each task has a pool of its own": """
def leaf(number): return number
def branch(number):
    with Pool(1) as inner:
        return sum(inner.map(leaf, range(number)))
with Pool(2) as pool:
    print(list(pool.map(branch, range(6))))
""",
    "main is called away from a wait, and sets what it waited for": """
pool, promise = Pool(1), Future()
task = pool.submit(promise.result)
def interrupt(*_): raise KeyboardInterrupt
signal.signal(signal.SIGALRM, interrupt)
when_asleep(lambda: signal.pthread_kill(threading.main_thread().ident, signal.SIGALRM))
try:
    Event().wait()
except KeyboardInterrupt:
    promise.set_result(1)
print(task.result())
""",
    "the task a worker waits for is the next in the queue of a free worker": """
pool, here = Pool(2), Event()
def inner(): return 1
def outer():
    here.set()
    time.sleep(0.05)
    return pool.submit(inner).result()
task = pool.submit(outer)
here.wait()
print(task.result())
""",
    "a bounded pool: the permit comes back in a done-callback": """
pool, permits = Pool(1), Semaphore(1)
def submit(number):
    permits.acquire()
    task = pool.submit(time.sleep, 0.02)
    task.add_done_callback(lambda _: permits.release())
    return task
print(wait([submit(number) for number in range(5)]).not_done)
""",
    "processes": """
import multiprocessing
if __name__ == "__main__":
    with ProcessPoolExecutor(2, multiprocessing.get_context("fork")) as pool:
        print(list(pool.map(abs, [-1, -2, -3])))
""",
    "a thread is started by a thread that is being joined": """
def late():
    time.sleep(0.1)
    print("late")
def early():
    Thread(target=late).start()
thread = Thread(target=early)
thread.start()
thread.join()
""",
    "a loop serves a thread that waits for it": """
async def answer():
    await asyncio.sleep(0.05)
    return 1
async def main():
    loop = asyncio.get_running_loop()
    def ask(): return asyncio.run_coroutine_threadsafe(answer(), loop).result()
    return await asyncio.gather(*(asyncio.to_thread(ask) for _ in range(3)))
print(asyncio.run(main()))
""",
    "whoever comes last to the barrier is not there yet": """
pool, barrier = Pool(2), Barrier(3)
tasks = [pool.submit(barrier.wait) for _ in range(2)]
time.sleep(0.1)
barrier.wait()
print(len([task.result() for task in tasks]))
""",
    "main cancels what nobody will ever start, and nobody waits for it": """
pool, go = Pool(1), Event()
first, second = pool.submit(go.wait), pool.submit(int)
def ask():
    try:
        second.result()
    except CancelledError:
        print("cancelled")
thread = Thread(target=ask)
thread.start()
time.sleep(0.05)
second.cancel()
thread.join()
go.set()
""",
    "a consumer on a condition is woken by one that sleeps": """
items, there = [], Condition()
def produce():
    time.sleep(0.1)
    with there:
        items.append(1)
        there.notify_all()
pool = Pool(2)
pool.submit(produce)
def consume():
    with there:
        there.wait_for(lambda: items)
        return items.pop()
print(pool.submit(consume).result())
""",
    "the pool is garbage, and its worker still has a task": """
def run():
    return Pool(1).submit(time.sleep, 0.1)
print(run().result())
""",
}


@pytest.mark.parametrize("name", GOES_ON)
def test_what_goes_on_is_at_no_moment_called_dead(name: str, tmp_path: Path) -> None:
    run = record_source(tmp_path, START + GOES_ON[name])
    for trace in tmp_path.glob("*.jsonl"):
        seen = watch(trace)
        assert not seen.false_alarms, name
        assert not seen.stuck
    assert tpanalyze.analyze(run.trace_path).verdict is Verdict.NONE


DEAD = {
    "any of several, all of them queued behind it": (
        "pool-starvation",
        """
pool = Pool(1)
def outer():
    return wait([pool.submit(int), pool.submit(int)], return_when=FIRST_COMPLETED)
pool.submit(outer).result()
""",
    ),
    "as_completed in the pool it waits for": (
        "pool-starvation",
        """
pool = Pool(2)
both = Barrier(2)
def outer():
    both.wait()
    return [task.result() for task in as_completed([pool.submit(int)])]
for task in [pool.submit(outer), pool.submit(outer)]: task.result()
""",
    ),
    "map inside map": (
        "pool-starvation",
        """
pool = Pool(2)
both = Barrier(2)
def outer(number):
    both.wait()
    return sum(pool.map(abs, range(number)))
print(list(pool.map(outer, [2, 3])))
""",
    ),
    "an inner pool that asks the outer one": (
        "pool-starvation",
        """
outer_pool = Pool(1)
def leaf(): return 1
def ask(): return outer_pool.submit(leaf).result()
def outer():
    with Pool(1) as inner:
        return inner.submit(ask).result()
outer_pool.submit(outer).result()
""",
    ),
    "a setter that first waits for who waits for it": (
        "abandoned-promise",
        """
promise, pool = Future(), Pool(2)
waits = pool.submit(promise.result)
def setter():
    waits.result()
    promise.set_result(1)
pool.submit(setter).result()
""",
    ),
    "a daemon behind a dead pool, and main behind the daemon": (
        "pool-starvation",
        """
pool = Pool(1)
def outer(): return pool.submit(int).result()
def ask(): return pool.submit(outer).result()
thread = Thread(target=ask, daemon=True)
thread.start()
thread.join()
""",
    ),
    "two that each wait for the other's event": (
        "nobody-signals",
        """
one, other, pool = Event(), Event(), Pool(2)
def go(mine, its):
    its.wait()
    mine.set()
for task in [pool.submit(go, one, other), pool.submit(go, other, one)]: task.result()
""",
    ),
    "what main does when it is interrupted is to wait again": (
        "pool-starvation",
        """
pool, interrupted = Pool(1), []
def outer():
    inner = pool.submit(int)
    while not interrupted: time.sleep(0.01)
    return inner.result()
task = pool.submit(outer)
def interrupt(*_): raise KeyboardInterrupt
signal.signal(signal.SIGALRM, interrupt)
when_asleep(lambda: signal.pthread_kill(threading.main_thread().ident, signal.SIGALRM))
try:
    task.result()
except KeyboardInterrupt:
    interrupted.append(True)
    pool.shutdown()
""",
    ),
    "a callback of a finished future runs in main, and waits for nobody": (
        "abandoned-promise",
        """
promise, done = Future(), Future()
done.set_result(1)
done.add_done_callback(lambda _: promise.result())
""",
    ),
    "timeouts end, and then comes the wait that does not": (
        "pool-starvation",
        """
pool = Pool(1)
def outer():
    task = pool.submit(int)
    for _ in range(3):
        try:
            return task.result(timeout=0.02)
        except TimeoutError:
            pass
    return task.result()
pool.submit(outer).result()
""",
    ),
    "a cancelled task that stays in the queue of a dead pool": (
        "unheard-cancel",
        """
pool = Pool(1)
def outer():
    task = pool.submit(int)
    task.cancel()
    wait([task])
pool.submit(outer).result()
""",
    ),
}


@pytest.mark.parametrize("name", DEAD)
def test_what_is_dead_is_called_so(name: str, tmp_path: Path) -> None:
    kind, program = DEAD[name]
    (tmp_path / "app.py").write_text(START + program)
    with hanging(tmp_path, "app.py") as (process, path):
        (finding,) = report_at_rest(process, path).findings
        seen = watch(path)
    assert finding.kind == kind
    assert not seen.false_alarms


# -- does the judge of every moment see what it is for? --------------------------------------------


def test_an_engine_without_timeouts_is_caught_in_the_middle_of_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = record_source(tmp_path, START + GOES_ON["as_completed gives up after a while"])
    deaf = tuple(rule for rule in RULES if rule is not threads.a_timed_wait_ends_by_itself)
    monkeypatch.setattr(moments, "build", partial(build, sources=deaf))
    (*_, alarm) = watch(run.trace_path).false_alarms
    assert "was stuck, and moved" in alarm


@pytest.mark.parametrize("path", SAMPLES, ids=[path.parent.name for path in SAMPLES])
def test_in_the_samples_what_is_once_stuck_stays_stuck(path: Path) -> None:
    assert not watch(path).false_alarms
