"""What the recorder writes for what a program does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.recorded import environment, hanging, read, record_source, until

HEAD = """\
from threading import Event, Barrier, main_thread; from concurrent.futures import *
from tests.asleep import until_asleep, when_asleep
"""


def test_a_task_s_life_is_submit_start_finish_and_read(tmp_path: Path) -> None:
    trace = record_source(
        tmp_path,
        HEAD
        + """
def work():
    return 1
with ThreadPoolExecutor(1, thread_name_prefix="mine") as pool:
    future = pool.submit(work)
    future.result()
""",
    ).trace
    (submit,), (start,) = trace.of("submit"), trace.of("start")
    (finish,), (read_,) = trace.of("finish"), trace.of("read")
    assert trace.function(submit) == "work"
    assert trace.lines(submit) == [("<module>", 7)]
    assert trace.lines(read_) == [("<module>", 8)]
    assert submit["task"] == start["task"] == finish["task"] == read_["task"]
    pool = trace.definitions["pool"][submit["pool"]]
    assert (pool["kind"], pool["name"], pool["max_workers"]) == ("ThreadPoolExecutor", "mine", 1)
    main, worker = submit["thread"], start["thread"]
    threads = trace.definitions["thread"]
    assert threads[main]["name"] == "MainThread" and threads[main]["main"] is True
    assert threads[worker]["name"] == "mine_0"
    assert read_["thread"] == main and finish["thread"] == worker
    assert trace.names(thread=worker)[:4] == ["begin", "enter", "start", "finish"]
    assert trace.names(thread=worker)[-2:] == ["leave", "gone"]
    assert trace.end == "exit"


def test_the_submit_of_each_task_stands_in_the_order_of_the_queue(tmp_path: Path) -> None:
    trace = record_source(
        tmp_path,
        HEAD
        + """
from threading import Thread
with ThreadPoolExecutor(1) as pool:
    def many():
        for _ in range(200):
            pool.submit(int)
    threads = [Thread(target=many) for _ in range(4)]
    for t in threads: t.start()
    for t in threads: t.join()
""",
    ).trace
    submitted = [e["task"] for e in trace.of("submit")]
    started = [e["task"] for e in trace.of("start")]
    assert len(submitted) == 800
    assert started == submitted


def test_an_untimed_wait_is_in_the_trace_while_the_thread_blocks(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        HEAD
        + """
pool = ThreadPoolExecutor(1)
never = Event()
def outer():
    inner = pool.submit(int)
    return inner.result()
pool.submit(outer).result()
"""
    )
    with hanging(tmp_path, "app.py") as (_, path):
        until(lambda: len(read(path).of("wait")) == 2, "both waits are written")
        trace = read(path)
    by_function = {trace.function(e): e for e in trace.of("submit")}
    waits = {trace.lines(e)[0]: e for e in trace.of("wait")}
    outer, inner = waits["outer", 8], waits["<module>", 9]
    assert outer["rest"] == [by_function["int"]["task"]] * 2
    assert inner["rest"] == [by_function["outer"]["task"]] * 2
    assert outer["timeout"] == inner["timeout"] == -1
    assert outer["need"] == inner["need"] == 1
    assert trace.end is None and not trace.of("wake")


def test_each_end_of_a_wait_is_recorded(tmp_path: Path) -> None:
    trace = record_source(
        tmp_path,
        HEAD
        + """
import signal
go = Event()
def work():
    go.wait()
def interrupt(*_):
    raise KeyboardInterrupt
with ThreadPoolExecutor(1) as pool:
    first, second = pool.submit(work), pool.submit(work)
    try: first.result(timeout=0.01)
    except TimeoutError: pass
    signal.signal(signal.SIGALRM, interrupt)
    when_asleep(lambda: signal.pthread_kill(main_thread().ident, signal.SIGALRM))
    try: first.result()
    except KeyboardInterrupt: pass
    when_asleep(go.set)
    first.exception()
""",
    ).trace
    main = trace.of("submit")[0]["thread"]
    ends = [e for e in trace.of("wait", "wake") if e["thread"] == main][:6]
    assert [e["event"] for e in ends] == ["wait", "wake"] * 3
    assert [e.get("timeout") for e in ends[::2]] == [10_000, -1, -1]
    assert [e["raised"] for e in ends[1::2]] == [0, 1, 0]


def test_wait_names_its_futures_and_how_many_it_needs(tmp_path: Path) -> None:
    trace = record_source(
        tmp_path,
        HEAD
        + """

def many(go):
    return [pool.submit(go.wait) for _ in range(4)]
with ThreadPoolExecutor(4) as pool:
    for how in ALL_COMPLETED, FIRST_COMPLETED, FIRST_EXCEPTION:
        go = Event()
        fs = many(go)
        when_asleep(go.set)
        wait(fs, return_when=how)
        go.set()
        for f in fs: f.result()
""",
    ).trace
    operations = {3: (4, [1, 4]), 4: (1, [5, 8]), 5: (1, [9, 12])}
    seen = {
        e["operation"]: (e["need"], e["rest"])
        for e in trace.of("wait")
        if e["operation"] in operations
    }
    assert seen == operations


def test_the_steps_of_as_completed_need_one_future_more_each(tmp_path: Path) -> None:
    trace = record_source(
        tmp_path,
        HEAD
        + """
gates = [Event() for _ in range(3)]
with ThreadPoolExecutor(3) as pool:
    fs = [pool.submit(gate.wait) for gate in gates]
    when_asleep(gates[0].set)
    for n, done in enumerate(as_completed(fs)):
        if n < 2:
            when_asleep(gates[n + 1].set)
""",
    ).trace
    (number,) = trace.definitions["set"]
    assert trace.definitions["set"][number]["tasks"] == [1, 3]
    steps = [e for e in trace.of("wait") if e["operation"] == 6]
    assert [e["need"] for e in steps] == [1, 2, 3]
    assert all(e["rest"] == [-number] for e in steps)
    assert len(trace.of("wake")) >= 3


def test_a_wait_through_map_says_so_and_names_the_line_that_iterates(tmp_path: Path) -> None:
    trace = record_source(
        tmp_path,
        HEAD
        + """

with ThreadPoolExecutor(1) as pool:
    for value in pool.map(until_asleep, [main_thread()]):
        pass
""",
    ).trace
    (wait,) = trace.of("wait")
    assert wait["operation"] == 7
    assert trace.lines(wait) == [("<module>", 6)]


def test_a_cancelled_task_is_cancelled_and_a_withdrawn_one_withdrawn(tmp_path: Path) -> None:
    trace = record_source(
        tmp_path,
        HEAD
        + """
go = Event()
pool = ThreadPoolExecutor(1)
begun = Event()
def work():
    begun.set()
    go.wait()
first, second, third = pool.submit(work), pool.submit(int), pool.submit(int)
begun.wait()
second.cancel()
go.set()
first.result()
pool.shutdown(cancel_futures=True)
""",
    ).trace
    assert trace.of("cancel")[0]["task"] == 2
    withdrawn = [e["task"] for e in trace.of("withdraw")]
    assert withdrawn in ([], [3])  # a worker may have been quicker
    assert trace.of("close")[0]["pool"] == 1


def test_leaving_the_with_block_waits_for_the_pool_s_workers(tmp_path: Path) -> None:
    trace = record_source(
        tmp_path,
        HEAD
        + """

with ThreadPoolExecutor(2) as pool:
    pool.submit(until_asleep, main_thread())
""",
    ).trace
    drain = trace.of("drain")[0]
    assert (drain["operation"], drain["pool"]) == (8, 1)
    assert trace.lines(drain) == [("<module>", 5)]
    main = drain["thread"]
    names = trace.names(thread=main)
    assert names[names.index("drain") + 1] == "wake"
    assert names.index("close") < names.index("drain")


def test_the_exit_of_the_interpreter_waits_for_all_workers(tmp_path: Path) -> None:
    trace = record_source(
        tmp_path,
        HEAD
        + """
pool = ThreadPoolExecutor(1)
pool.submit(until_asleep, main_thread())
""",
    ).trace
    close, drain = trace.of("close")[-1], trace.of("drain")[-1]
    assert (close["pool"], drain["pool"], drain["operation"]) == (0, 0, 9)
    assert trace.names(thread=drain["thread"])[-1] == "wake"


def test_a_future_made_by_hand_is_a_promise_and_who_sets_it_is_recorded(tmp_path: Path) -> None:
    trace = record_source(
        tmp_path,
        HEAD
        + """
class Mine(Future):
    def __init__(self):
        super().__init__()
def make():
    return Mine(), Future()
a, b = make()
a.set_result(1)
b.set_exception(ValueError())
a.result(), b.exception()
""",
    ).trace
    promises = trace.of("promise")
    assert [trace.lines(p)[0] for p in promises] == [("make", 8), ("make", 8)]
    assert [e["task"] for e in trace.of("finish")] == [promises[0]["task"]]
    assert [e["task"] for e in trace.of("fail")] == [promises[1]["task"]]
    assert [e["task"] for e in trace.of("read")] == [p["task"] for p in promises]


def test_a_pool_may_make_futures_of_a_class_that_the_app_has_put_there(tmp_path: Path) -> None:
    trace = record_source(
        tmp_path,
        HEAD
        + """
from concurrent.futures import _base
class Mine(_base.Future):
    def __init__(self):
        super().__init__()
def work(): pass
_base.Future = Mine
with ThreadPoolExecutor(1) as pool:
    pool.submit(work).result()
""",
    ).trace
    (submit,) = trace.of("submit")
    assert trace.function(submit) == "work"
    assert trace.lines(submit)[0] == ("<module>", 11)
    assert [e["task"] for e in trace.of("start", "finish", "read")] == [submit["task"]] * 3
    assert not trace.of("promise")


@pytest.mark.parametrize("way", ["set_result(1)", "set_exception(ValueError())"])
@pytest.mark.parametrize(
    "look", ["while not promise.done(): pass", "promise.exception()", "wait([promise])"]
)
def test_a_promise_is_done_in_the_trace_before_anybody_can_see_that_it_is(
    tmp_path: Path, way: str, look: str
) -> None:
    """Its setter is stopped when it has told all who wait, and before it runs the callbacks."""
    trace = record_source(
        tmp_path,
        HEAD
        + f"""
from threading import Condition, Thread, current_thread
class Stops(Condition):
    def __exit__(self, *_):
        super().__exit__()
        if current_thread() is setter: go_on.wait()
promise, go_on = Future(), Event()
promise._condition = Stops()
setter = Thread(target=lambda: promise.{way})
setter.start()
{look}
Thread(target=int).start()  # as a mark
go_on.set()
""",
    ).trace
    names = [e["event"] for e in trace.of("finish", "fail", "launch")]
    assert names == ["launch", "finish" if "result" in way else "fail", "launch"]


def test_the_function_is_seen_through_partials_methods_and_contexts(tmp_path: Path) -> None:
    trace = record_source(
        tmp_path,
        HEAD
        + """
import contextvars, functools
class Thing:
    def method(self): pass
    def __call__(self): pass
def plain(*_): pass
with ThreadPoolExecutor(1) as pool:
    pool.submit(plain)
    pool.submit(functools.partial(functools.partial(plain, 1), 2))
    pool.submit(Thing().method)
    pool.submit(Thing())
    pool.submit(contextvars.copy_context().run, plain)
    pool.submit(len, ())
    pool.submit(Thing)
""",
    ).trace
    names = [trace.function(e) for e in trace.of("submit")]
    assert names == ["plain", "plain", "Thing.method", "Thing.__call__", "plain", "len", "Thing"]


def test_no_argument_s_value_is_in_the_trace(tmp_path: Path) -> None:
    run = record_source(
        tmp_path,
        HEAD
        + """
def work(secret, **more): return secret
with ThreadPoolExecutor(1) as pool:
    pool.submit(work, "hunter2", password="hunter2").result()
""",
        "hunter2",
    )
    assert b"hunter2" not in run.trace_path.read_bytes()


def test_a_task_costs_at_most_80_bytes(tmp_path: Path) -> None:
    run = record_source(
        tmp_path,
        HEAD
        + """
with ThreadPoolExecutor(4) as pool:
    fs = [pool.submit(int) for _ in range(20_000)]
for f in fs: f.result()  # none is waited for: how often that blocks is up to the machine
""",
    )
    assert run.trace_path.stat().st_size / 20_000 <= 80


def test_a_burst_followed_by_silence_is_on_disk_while_the_silence_lasts(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        HEAD
        + """
def spin():
    for _ in range(100):
        pool.submit(int)
    while True:
        pass
pool = ThreadPoolExecutor(1)
pool.submit(spin)
while True:
    pass
"""
    )
    with hanging(tmp_path, "app.py") as (_, path):
        until(lambda: path.exists() and len(read(path).of("submit")) == 101, "all is written")


def test_recording_from_code_begins_and_ends_where_it_is_told_to(tmp_path: Path) -> None:
    source = """
import sys, tprecord
from concurrent.futures import ThreadPoolExecutor
def before(): pass
def during(): pass
def after(): pass
with ThreadPoolExecutor(1) as pool:
    pool.submit(before).result()
    with tprecord.record(sys.argv[1]) as recording:
        pool.submit(during).result()
    pool.submit(after).result()
    assert sys.monitoring.get_tool(3) is None
print(recording.path)
"""
    path = tmp_path / "mine.jsonl"
    done = subprocess.run(
        [sys.executable, "-c", source, str(path)],
        capture_output=True,
        text=True,
        env=environment(),
        timeout=60,
        check=True,
    )
    trace = read(path)
    assert [trace.function(e) for e in trace.of("submit")] == ["during"]
    assert trace.definitions["pool"][1]["unseen"] == 1
    assert trace.end == "stop"
    assert done.stdout.strip() == str(path)


@pytest.mark.parametrize("first", ["watch()", "pass"])
def test_a_submit_that_others_have_wrapped_is_recorded(tmp_path: Path, first: str) -> None:
    """As sentry does, before the recording or in it; the wrapper is one of the places it shows."""
    source = f"""
import functools, sys, tprecord
from concurrent.futures import ThreadPoolExecutor
def page(): pass
def watch():
    plain = ThreadPoolExecutor.submit
    @functools.wraps(plain)
    def submit_watched(self, fn, *args, **kwargs):
        return plain(self, fn, *args, **kwargs)
    ThreadPoolExecutor.submit = submit_watched
{first}
with tprecord.record(sys.argv[1]):
    if {first == "pass"}: watch()
    with ThreadPoolExecutor(1) as pool: pool.submit(page).result()
"""
    path = tmp_path / "trace.jsonl"
    subprocess.run(
        [sys.executable, "-c", source, str(path)], env=environment(), timeout=60, check=True
    )
    trace = read(path)
    (submit,) = trace.of("submit")
    assert trace.function(submit) == "page"
    inner, outer = (name for name, _ in trace.lines(submit))
    assert (inner.rpartition(".")[2], outer) == ("submit_watched", "<module>")
    assert not trace.of("promise")
