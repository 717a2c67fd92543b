"""What a program does with locks, each thing many times: prints its nanoseconds as JSON.

``python locks.py TIMES``
"""

from __future__ import annotations

import json
import sys
from threading import Event, Lock, Thread
from time import perf_counter_ns

ROUNDS = 7
"""of which the quickest counts"""


def with_block(times: int) -> None:
    """Take a free lock by a with block, and release it."""
    lock = Lock()
    for _ in range(times):
        with lock:
            pass


def by_hand(times: int) -> None:
    """Do so by the methods."""
    lock = Lock()
    for _ in range(times):
        lock.acquire()
        lock.release()


def make(times: int) -> None:
    """Make a lock."""
    for _ in range(times):
        Lock()


def make_event(times: int) -> None:
    """Make something of the standard library that has a lock."""
    for _ in range(times):
        Event()


def hand_over(times: int) -> None:
    """Let two threads wait for each other in turn, each time for a lock: two waits."""
    mine, its = Lock(), Lock()
    mine.acquire()
    its.acquire()

    def other() -> None:
        for _ in range(times):
            its.acquire()
            mine.release()

    thread = Thread(target=other)
    thread.start()
    for _ in range(times):
        its.release()
        mine.acquire()
    thread.join()


WORK = {
    "with": (with_block, 1),
    "acquire and release": (by_hand, 1),
    "Lock()": (make, 1),
    "Event()": (make_event, 1),
    "wait for a lock that is taken": (hand_over, 2),
}
"""what -> the function, and how often it does that each time"""


def main(times: int) -> None:
    """Measure each, and print it."""
    took: dict[str, float] = {}
    for name, (function, each) in WORK.items():
        some = times if each == 1 else max(times // 100, 1)
        for _ in range(ROUNDS):
            began = perf_counter_ns()
            function(some)
            spent = (perf_counter_ns() - began) / some / each
            took[name] = min(spent, took.get(name, spent))
    print(json.dumps(took))


main(int(sys.argv[1]))
