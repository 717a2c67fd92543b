"""Locks under ``--locks``: what is recorded of them, and that they are locks as ever."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.recorded import PATIENCE_S, Run, environment, record
from tprecord.schema import OPERATIONS

CONTEND = """
import threading
from threading import Lock, RLock, Thread

{make}
waits = threading.Event()

class Seen:
    # tells that the recorder has written `contend`: its line is the first that names the site
    def __init__(self, path): self.path = path
    def __call__(self):
        while b"\\n[60," not in open(self.path, "rb").read(): pass

import sys
contended = Seen(sys.argv[1])

def want():
    {want}

def hold():
    {hold}
        thread = Thread(target=want)
        thread.start()
        contended()
    return thread

hold().join()
"""


def recorded(tmp_path: Path, source: str, *options: str) -> Run:
    (tmp_path / "app.py").write_text(source)
    path = str(tmp_path / "trace.jsonl")
    run = record(tmp_path, "app.py", path, options=("-q", "--locks", *options))
    assert run.status == 0, run.stderr
    return run


def contended(tmp_path: Path, make: str, hold: str, want: str) -> Run:
    return recorded(tmp_path, CONTEND.format(make=make, hold=hold, want=want))


def line_of(tmp_path: Path, part: str) -> int:
    lines = (tmp_path / "app.py").read_text().splitlines()
    return next(number for number, line in enumerate(lines, start=1) if part in line)


@pytest.mark.parametrize("kind", ["Lock", "RLock"])
def test_a_wait_for_a_lock_says_who_has_it_since_where_and_when_it_is_released(
    tmp_path: Path, kind: str
) -> None:
    trace = contended(
        tmp_path, f"lock = {kind}()", "with lock:", "lock.acquire(); lock.release()"
    ).trace
    (contend,) = trace.of("contend")
    threads = {row["name"]: number for number, row in trace.definitions["thread"].items()}
    assert OPERATIONS[contend["operation"]] == f"{kind}.acquire"
    assert contend["thread"] != contend["owner"] == threads["MainThread"]
    assert trace.lines(contend)[0] == ("want", line_of(tmp_path, "lock.acquire"))
    since = trace.lines({"site": contend["since"]})
    assert since == [
        ("hold", line_of(tmp_path, "with lock:")),
        ("<module>", line_of(tmp_path, "hold().join()")),
    ]
    assert (contend["timeout"], contend["turn"], contend["scoped"]) == (-1, 1, 1)
    known = trace.definitions["object"][contend["object"]]
    assert known["kind"] == kind
    assert trace.lines({"site": known["made"]}) == [("<module>", line_of(tmp_path, "lock = "))]
    (free,) = trace.of("free")
    assert (free["thread"], free["object"], free["turn"]) == (contend["owner"], known["object"], 1)
    order = trace.names()
    assert order.index("contend") < order.index("free") < order.index("wake")


TAKEN = """
import contextlib, sys, threading
lock, other = threading.Lock(), threading.Lock()

def contend():
    thread = threading.Thread(target=lambda: lock.acquire(timeout=60), daemon=True)
    thread.start()
    while b"\\n[60," not in open(sys.argv[1], "rb").read(): pass
    return thread

def take():
    {}

class Guard:
    def __init__(self, lock): self.lock = lock
    def __enter__(self): self.lock.__enter__(); contend() if self.lock is other else None
    def __exit__(self, *_): pass

@contextlib.contextmanager
def guarded():
    with lock: yield

def again(lock, deeper):
    with lock:
        again(other, False) if deeper else contend()

def caller():
    take()

caller()
"""


@pytest.mark.parametrize(
    ("take", "taken"),
    [
        ("with lock: contend()", ["take", "caller", "<module>"]),
        ("with lock, other: contend()", ["take", "caller", "<module>"]),
        ("with threading.Condition(lock): contend()", ["take", "caller", "<module>"]),
        ("lock.acquire(); contend()", ["take"]),
        ("contextlib.ExitStack().enter_context(lock); contend()", ["take"]),
        ("lock.__enter__(); contend()", ["take"]),
        ("with Guard(lock): Guard(other).__enter__()", ["Guard.__enter__"]),
        ("with guarded(): contend()", ["guarded"]),
        ("again(lock, True)", ["again"]),
    ],
)
def test_a_lock_s_place_has_callers_only_where_they_are_certain(
    tmp_path: Path, take: str, taken: list[str]
) -> None:
    trace = recorded(tmp_path, TAKEN.format(take)).trace
    first = trace.of("contend")[0]
    assert [name for name, _ in trace.lines({"site": first["since"]})] == taken


def test_what_is_taken_by_acquire_is_not_scoped_and_a_timeout_is_told(tmp_path: Path) -> None:
    run = contended(tmp_path, "lock = Lock()", "if lock.acquire():", "lock.acquire(timeout=0.25)")
    (contend,) = run.trace.of("contend")
    assert (contend["scoped"], contend["timeout"]) == (0, 250_000)
    assert run.trace.of("wake")[0]["raised"] == 0


def test_a_lock_that_is_free_and_one_that_is_only_tried_are_no_events(tmp_path: Path) -> None:
    source = """
from threading import Lock, RLock, Thread
for lock in (Lock(), RLock()):
    with lock: pass
    with lock:
        thread = Thread(target=lambda: print(lock.acquire(False), lock.acquire(timeout=0)))
        thread.start()
        thread.join()
"""
    run = recorded(tmp_path, source)
    assert run.stdout == "False False\n" * 2
    assert "object" not in run.trace.definitions
    assert run.trace.of("contend", "obtain", "free") == []


def test_who_gets_the_lock_is_told_while_others_still_wait_for_it(tmp_path: Path) -> None:
    source = """
import sys
from threading import Lock, Thread
lock = Lock()
def contends(): return open(sys.argv[1], "rb").read().count(b"\\n[60,")
def want():
    with lock: pass
lock.acquire()
threads = [Thread(target=want) for _ in range(2)]
for thread in threads: thread.start()
while contends() < 2: pass
lock.release()
for thread in threads: thread.join()
"""
    trace = recorded(tmp_path, source).trace
    (obtain,) = trace.of("obtain")
    assert obtain["thread"] in {event["thread"] for event in trace.of("contend")}
    assert (obtain["turn"], obtain["scoped"]) == (2, 1)
    assert [free["turn"] for free in trace.of("free")] == [1, 2]


def test_a_condition_with_such_a_lock_gives_it_back_and_takes_it_again(tmp_path: Path) -> None:
    source = """
import sys, threading
from tests.asleep import until_asleep
def seen(event): return open(sys.argv[1], "rb").read().count(b"\\n[%d," % event)
def wait():
    with condition:
        if type(lock) is threading.RLock: lock.acquire()
        condition.wait()
        if type(lock) is threading.RLock: lock.release()
        print(condition._is_owned(), lock._is_owned() if hasattr(lock, "_is_owned") else "")
for make in (threading.Lock, threading.RLock):
    lock, before = make(), seen(60)
    condition = threading.Condition(lock)
    thread = threading.Thread(target=wait)
    thread.start()
    until_asleep(thread)  # it has given the lock back, and nobody contends for it
    with condition:
        condition.notify()
        while seen(60) == before: pass
    thread.join()
"""
    run = recorded(tmp_path, source)
    assert run.stdout == "True \nTrue True\n"
    again = [e for e in run.trace.of("contend") if run.trace.lines(e)[0][0] == "wait"]
    assert [OPERATIONS[event["operation"]] for event in again] == ["Lock.acquire", "RLock.acquire"]
    assert run.trace.lines(again[1])[0] == ("wait", line_of(tmp_path, "condition.wait()"))


def test_what_the_standard_library_makes_is_a_plain_lock(tmp_path: Path) -> None:
    source = """
import _thread, logging, queue, threading
from concurrent.futures import Future
plain = (_thread.LockType, _thread.RLock)
inner = [
    threading.Condition()._lock, threading.Event()._cond._lock, queue.Queue().mutex,
    Future()._condition._lock, logging.StreamHandler().lock, threading.Semaphore()._cond._lock,
]
print([type(lock) in plain for lock in inner])
"""
    assert recorded(tmp_path, source).stdout == f"{[True] * 6}\n"


AS_EVER = """
import copy, functools, pickle, sys, threading, weakref
from dataclasses import dataclass, field

def told(call, *arguments, **named):
    try:
        return call(*arguments, **named)
    except BaseException as error:
        return f"{type(error).__name__}: {error}"

@dataclass
class Account:
    lock: object = field(default_factory=threading.Lock)

print(isinstance(Account().lock, type(threading.Lock())))
print(told(threading.Lock, 1)[:9], told(type, "Sub", (threading.Lock,), {})[:9])
for make in (threading.Lock, threading.RLock, functools.partial(threading.RLock)):
    lock = make()
    print(isinstance(lock, type(make())), isinstance(lock, int))
    print(repr(lock).split(" at ")[0], bool(lock), lock == lock, lock == make(), {lock: 1}[lock])
    print(told(lock.release), lock.acquire(), repr(lock).split(" owner")[0].split(" at ")[0])
    print(lock.acquire(False), lock.acquire(timeout=0), told(lock.acquire, True, 0.001))
    print(told(lock.acquire, False, 1), told(lock.acquire, True, -2))
    print(told(lock.acquire, timeout=1e20), told(lock.acquire, "x", "y"))
    print(told(lock.acquire, nonsense=1)[:9], told(lock.acquire, blocking=0))
    print(lock.release(), told(lock.release), told(lock.release), told(lock.release))
    with lock as got:
        thread = threading.Thread(target=lock.acquire, args=(False,))
        print(got, thread.start(), thread.join())
    print(told(lock.__exit__, None, None, None))
    print(told(copy.copy, lock), told(pickle.dumps, lock))
    print(lock.acquire(), lock._at_fork_reinit(), lock.acquire(False), lock.release())
    print(hasattr(lock, "_release_save"), hasattr(lock, "_is_owned"), hasattr(lock, "locked"))
    print(hasattr(lock, "_recursion_count"), hasattr(lock, "__dict__"))
    reference = weakref.ref(lock)
    del lock, got, thread
    print(reference())
    condition = threading.Condition(make())
    with condition:
        print(condition.wait(0.001), condition.wait_for(lambda: True), condition.notify_all())
    print(told(condition.notify), told(condition.wait))
"""


def test_a_lock_is_as_ever(tmp_path: Path) -> None:
    plain = subprocess.run(
        [sys.executable, "-c", AS_EVER],
        capture_output=True,
        text=True,
        env=environment(),
        timeout=PATIENCE_S,
        check=True,
    )
    assert recorded(tmp_path, AS_EVER).stdout == plain.stdout


def test_a_lock_works_in_a_forked_child_and_is_recorded_there(tmp_path: Path) -> None:
    source = """
import os, sys, threading
lock, other = threading.RLock(), threading.Lock()
lock.acquire()
child = os.fork()
if not child:
    lock.release()
    with lock, other, threading.Lock(): pass
    other._at_fork_reinit()
    with other:
        thread = threading.Thread(target=lambda: other.acquire(timeout=0.01))
        thread.start()
        thread.join()
    sys.exit()
assert os.waitpid(child, 0)[1] == 0
lock.release()
"""
    run = recorded(tmp_path, source)
    (path,) = tmp_path.glob("trace.*.trace.jsonl")
    child = Run(0, "", "", path).trace
    (contend,) = child.of("contend")
    assert child.definitions["thread"][contend["owner"]]["name"] == "MainThread"
    assert run.trace.of("contend") == []


def test_from_code_the_locks_made_meanwhile_are_recorded_and_stay_locks(tmp_path: Path) -> None:
    source = """
import sys, threading, tprecord
from threading import Lock
names = threading.Lock, threading.RLock
early = threading.Lock()
def contend(lock):
    with lock:
        thread = threading.Thread(target=lambda: lock.acquire(timeout=0.01))
        thread.start()
        thread.join()
with tprecord.record(sys.argv[1] + ".own", locks=True):
    lock = threading.Lock()
    print(type(lock) is type(early), type(Lock()) is type(early), isinstance(early, type(lock)))
    contend(early)
    contend(lock)
    lock.acquire()
print(names == (threading.Lock, threading.RLock), lock.locked(), lock.release())
contend(lock)
print(type(threading.Lock()) is type(early))
"""
    (tmp_path / "app.py").write_text(source)
    path = tmp_path / "trace.jsonl"
    done = subprocess.run(
        [sys.executable, "app.py", str(path)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment(),
        timeout=PATIENCE_S,
        check=True,
    )
    assert done.stdout == "False True True\nTrue True None\nTrue\n"
    trace = Run(0, "", "", Path(f"{path}.own")).trace
    assert len(trace.of("contend")) == 1


def test_without_the_option_threading_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        "import threading\nprint(threading.Lock, type(threading.RLock()))"
    )
    bare = subprocess.run(
        [sys.executable, "app.py"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment(),
        timeout=PATIENCE_S,
        check=True,
    )
    assert record(tmp_path, "app.py").stdout == bare.stdout
