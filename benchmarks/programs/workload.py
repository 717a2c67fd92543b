"""A program to be measured: ``workload.py NAME UNITS TURNS``; prints what it took as JSON.

TURNS is how often a task that works turns its loop: a count, since a clock would hide what the
recorder takes.  ``ns`` is the time from the first submit to the last result, ``cpu`` the processor
time of all threads meanwhile, ``gc`` what the garbage collector took of it; ``peak`` is the most
memory in KiB.
"""

from __future__ import annotations

import gc
import json
import resource
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed, wait

TURNS = int(sys.argv[3])
collecting = {"since": 0, "ns": 0}


def note_collection(phase: str, _: object) -> None:
    now = time.thread_time_ns()
    if phase == "start":
        collecting["since"] = now
    else:
        collecting["ns"] += now - collecting["since"]


def nothing() -> None:
    """Do nothing."""


def nothing_with(_: object) -> None:
    """Do nothing."""


def work() -> None:
    for _ in range(TURNS):
        pass


def submit_all(function: Callable[[], object], workers: int) -> Callable[[int], None]:
    def run(units: int) -> None:
        with ThreadPoolExecutor(workers) as pool:
            futures = [pool.submit(function) for _ in range(units)]
            for future in futures:
                future.result()

    return run


def nested(units: int) -> None:
    with ThreadPoolExecutor(4) as inner, ThreadPoolExecutor(4) as outer:

        def both() -> None:
            inner.submit(nothing).result()

        for future in [outer.submit(both) for _ in range(units // 2)]:
            future.result()


def mapped(units: int) -> None:
    with ThreadPoolExecutor(4) as pool:
        for _ in pool.map(nothing_with, range(units)):
            pass


def waits(units: int) -> None:
    with ThreadPoolExecutor(4) as pool:
        for _ in range(units // 1000):
            wait([pool.submit(nothing) for _ in range(500)])
            for future in as_completed([pool.submit(nothing) for _ in range(500)]):
                future.result()


def steady(units: int) -> None:
    with ThreadPoolExecutor(4) as pool:
        for _ in range(units // 100):
            for future in [pool.submit(nothing) for _ in range(100)]:
                future.result()


def no_futures(units: int) -> None:
    def called(number: int) -> int:
        return number + 1

    def counted() -> Iterator[int]:
        yield from range(units)

    total = 0
    for number in range(units):
        total += called(number)
    for number in counted():
        total += number
    for number in range(units):
        try:
            raise ValueError
        except ValueError:
            total += number
    assert total


def peak_kib() -> int:
    """Return the most memory this program has had; `getrusage` would count what started it."""
    try:
        with open("/proc/self/status", encoding="ascii") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


WORKLOADS: dict[str, Callable[[int], None]] = {
    "no-op": submit_all(nothing, 4),
    "work": submit_all(work, 4),
    "64 workers": submit_all(nothing, 64),
    "nested": nested,
    "map": mapped,
    "wait": waits,
    "steady": steady,
    "no futures": no_futures,
}


def main() -> None:
    run, units = WORKLOADS[sys.argv[1]], int(sys.argv[2])
    gc.callbacks.append(note_collection)
    cpu, began = time.process_time_ns(), time.perf_counter_ns()
    run(units)
    took = {"ns": time.perf_counter_ns() - began, "cpu": time.process_time_ns() - cpu}
    print(json.dumps({**took, "gc": collecting["ns"], "peak": peak_kib()}))


main()
