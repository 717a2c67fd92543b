"""A trace of any length, as a recorder would have written it, for measuring the analyser."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from tprecord.schema import (
    BEGIN,
    ENTER,
    FINISH,
    FORMAT_VERSION,
    LAUNCH,
    OPERATIONS,
    PROMISE,
    READ,
    SPAWN,
    START,
    SUBMIT,
    TICK_NS,
    WAIT,
)

WORKERS = 4
HEADER = {
    "tprecord": FORMAT_VERSION,
    "recorder": "made",
    "python": "3.13.0",
    "implementation": "cpython",
    "free_threaded": False,
    "platform": "linux-x86_64",
    "cpus": 4,
    "pid": 1,
    "program": "made.py",
    "started": "2026-01-01T00:00:00.000000Z",
    "clock": "perf_counter_ns",
    "tick_ns": TICK_NS,
}
FUNCTIONS = ("<module>", "shave", "wash", "cut", "<lambda>")
CHUNK = 10_000
"""Tasks whose lines are written at once."""
QUEUED, AWAITED, ELSEWHERE, PROMISED = "in a queue", "awaited", "of another process", "promises"
"""What the tasks are that are open at the end; the awaited ones are in a queue."""
STUCK = "awaited in vain"
"""The same as `AWAITED`, but each worker waits for one of them too."""
ALL_COMPLETED = next(n for n, name in OPERATIONS.items() if name == "wait(ALL_COMPLETED)")


def write(
    path: Path, events: int, *, pending: int = 100, open_at_end: int = 0, kind: str = QUEUED
) -> None:
    """Write a trace of about so many events: tasks that are submitted, run by `WORKERS`, and read.

    `pending` tasks are queued at any time; so many more, of a `kind`, are open at the end.
    """
    with path.open("w", encoding="ascii") as file:
        for line in _definitions():
            file.write(json.dumps(line, separators=(",", ":")) + "\n")
        for worker in range(2, 2 + WORKERS):
            file.write(f"[{SPAWN},1,1,1]\n[{LAUNCH},1,1,{worker}]\n")
            file.write(f"[{BEGIN},1,{worker},{700 + worker}]\n[{ENTER},1,{worker},1]\n")
        tasks = events // 4
        for first in range(1, tasks + 1, CHUNK):
            last = min(first + CHUNK, tasks + 1)
            file.writelines(_lives(first, last, pending))
        if open_at_end:
            file.writelines(_open(range(tasks + 1, tasks + 1 + open_at_end), kind))


def _open(tasks: range, kind: str) -> Iterator[str]:
    """Yield the lines of tasks that are open at the end."""
    for task in tasks:
        if kind == PROMISED:
            yield f"[{PROMISE},1,1,{task},1]\n"
        else:
            yield f"[{SUBMIT},1,1,{task},{2 if kind == ELSEWHERE else 1},2,1]\n"
    first, last = tasks[0], tasks[-1]
    if kind == STUCK:
        for worker in range(2, 2 + WORKERS):
            yield f"[{START},1,{worker},{first}]\n"
            yield f"[{WAIT},1,{worker},{ALL_COMPLETED},1,-1,1,{last},{last}]\n"
            first += 1
    if kind in (AWAITED, STUCK):
        yield f"[{WAIT},1,1,{ALL_COMPLETED},{last - first + 1},-1,1,{first},{last}]\n"


def _definitions() -> Iterator[dict[str, object]]:
    yield HEADER
    yield {"thread": 1, "name": "MainThread", "native_id": 1, "main": True}
    for worker in range(2, 2 + WORKERS):
        yield {"thread": worker, "name": f"pool_{worker - 2}"}
    for number, name in enumerate(FUNCTIONS, 1):
        row = {"function": number, "name": name, "module": "__main__", "file": "made.py"}
        yield {**row, "line": 10 * number}
    yield {"site": 1, "frames": [1, 7]}
    yield {"site": 2, "frames": [1, 8]}
    pool = {"max_workers": WORKERS, "unseen": 0}
    yield {"pool": 1, "kind": "ThreadPoolExecutor", "name": "pool", **pool}
    yield {"pool": 2, "kind": "Pool", "name": "away", "role": "processes", **pool}


def _lives(first: int, last: int, pending: int) -> Iterator[str]:
    """Yield the lines of some tasks; each batch of `pending` is submitted, run and read."""
    for begin in range(first, last, pending):
        batch = range(begin, min(begin + pending, last))
        for task in batch:
            yield f"[{SUBMIT},5,1,{task},1,{2 + task % 4},1]\n"
        for task in batch:
            worker = 2 + task % WORKERS
            yield f"[{START},3,{worker},{task}]\n[{FINISH},{task % 50},{worker},{task}]\n"
        for task in batch:
            yield f"[{READ},2,1,{task},2]\n"
