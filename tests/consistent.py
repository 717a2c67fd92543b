"""An independent judge of traces, who says whether one is a consistent prefix of some run.

Knows the format's table and nothing of the analyser.  If an event is in a trace, so must be all
that had to happen before it: no task starts that was not submitted, no wait ends before what it
waited for, no thread does anything before it was launched.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from tprecord import schema

SPECS = {spec.number: spec for spec in schema.EVENTS}
WAITS = (schema.WAIT, schema.DRAIN, schema.JOIN, schema.BLOCK)
ENDS = (schema.FINISH, schema.FAIL)
OF_NOBODY = (schema.BEAT, schema.STACK, schema.CENSUS)


def whole_lines(path: Path) -> list[bytes]:
    """Return the lines of a trace, without the last if it is torn."""
    data = path.read_bytes() if path.exists() else b""
    return data[: data.rfind(b"\n") + 1].splitlines()


class Judge:
    """Takes the lines of a trace one by one; `faults` says what cannot be."""

    def __init__(self) -> None:
        self.faults: list[str] = []
        self.events: Counter[str] = Counter()
        self.submitted: Counter[str] = Counter()
        """tasks submitted, by the name of their pool"""
        self.done: Counter[str] = Counter()
        self.ended: str | None = None
        self._header = False
        self._defined: dict[str, dict[int, dict[str, Any]]] = defaultdict(dict)
        self._pool_of: dict[int, int] = {}
        self._queues: dict[int, list[int]] = defaultdict(list)
        self._started: set[int] = set()
        self._resolved: set[int] = set()
        self._cancelled: set[int] = set()
        self._promises: set[int] = set()
        self._waits: dict[int, list[int]] = {}
        self._launched: set[int] = set()
        self._begun: set[int] = set()
        self._gone: set[int] = set()
        self._workers: dict[int, set[int]] = defaultdict(set)
        self._home: dict[int, int] = {}
        self._spawned: Counter[int] = Counter()
        self._entered: Counter[int] = Counter()

    def take(self, line: bytes) -> None:
        """Judge one whole line."""
        try:
            row = json.loads(line)
        except ValueError:
            self._fault("no JSON", line)
            return
        if isinstance(row, dict):
            self._define(row)
        elif not self._header:
            self._fault("an event before the header", row)
        else:
            self._event(row)

    def _fault(self, what: str, row: object) -> None:
        self.faults.append(f"{what}: {row!r}")

    def _must(self, holds: bool, what: str, row: object) -> None:
        if not holds:
            self._fault(what, row)

    # ------------------------------------------------------------------ definitions

    def _define(self, row: dict[str, Any]) -> None:
        kind = next(iter(row))
        if kind == "tprecord":
            self._must(not self._header, "a second header", row)
            self._header = True
            return
        self._must(self._header, "a definition before the header", row)
        self._must(self.ended is None, "something after the end", row)
        if kind == "end":
            self.ended = row["reason"]
        elif kind != "note":
            self._must(row[kind] not in self._defined[kind], "defined twice", row)
            self._defined[kind][row[kind]] = row
        if kind == "site":
            for function in row["frames"][::2]:
                self._known("function", function, row)
        if kind == "future":
            self._promises.add(row[kind])

    def _known(self, kind: str, number: int, row: object) -> None:
        if number:
            self._must(number in self._defined[kind], f"{kind} {number} is not defined", row)

    # ------------------------------------------------------------------ events

    def _event(self, row: list[int]) -> None:
        spec = SPECS[row[0]]
        values = dict(zip((f.name for f in spec.fields), row[3:], strict=False))
        self._must(len(row) >= 3 + len(spec.fields), "too short", row)
        self._must(self.ended is None, "something after the end", row)
        self.events[spec.name] += 1
        thread = row[2]
        for kind in ("pool", "function", "site", "object"):
            self._known(kind, values.get(kind, 0), row)
        if row[0] not in OF_NOBODY:
            self._known("thread", thread, row)
            self._thread(row, thread)
        if "task" in values:
            self._task(row, values["task"], values)
        self._pool(row, thread, values)

    def _thread(self, row: list[int], thread: int) -> None:
        kind = row[0]
        self._must(thread not in self._gone, "an event of a thread that is gone", row)
        if thread in self._launched and thread not in self._begun:
            self._must(kind == schema.BEGIN, "a launched thread does not begin with `begin`", row)
        wait = self._waits.pop(thread, None)
        if wait is not None:
            self._must(kind == schema.WAKE, f"no wake after {wait}", row)
        if kind == schema.WAKE:
            self._must(wait is not None, "a wake without a wait", row)
            if wait is not None and not row[3]:
                self._must(self._is_over(wait), f"this wait cannot be over: {wait}", row)
        elif kind in WAITS:
            self._waits[thread] = row
            if kind == schema.WAIT:
                for task in self._awaited(row):
                    self._must(
                        task in self._pool_of or task in self._promises,
                        f"a wait for task {task}, which does not exist",
                        row,
                    )
        elif kind == schema.LAUNCH:
            self._launched.add(row[3])
        elif kind == schema.BEGIN:
            self._must(thread in self._launched, "a thread nobody launched", row)
            self._begun.add(thread)
        elif kind == schema.GONE:
            self._gone.add(thread)

    def _awaited(self, row: list[int]) -> list[int]:
        flat = row[7:]
        if len(flat) == 1:
            flat = self._defined["set"][-flat[0]]["tasks"]
        pairs = zip(flat[::2], flat[1::2], strict=True)
        return [task for first, last in pairs for task in range(first, last + 1)]

    def _is_over(self, wait: list[int]) -> bool:
        """Return whether a wait that has no timeout can have returned."""
        if wait[0] == schema.WAIT and wait[5] == -1:
            return len(self._resolved.intersection(self._awaited(wait))) >= wait[4]
        if wait[0] == schema.JOIN and wait[5] == -1 and wait[4] in self._launched:
            return wait[4] in self._gone
        if wait[0] == schema.DRAIN and wait[4]:
            return not self._workers[wait[4]] - {wait[2]}
        return True

    def _task(self, row: list[int], task: int, values: dict[str, int]) -> None:
        kind = row[0]
        if kind == schema.SUBMIT:
            self._must(task not in self._pool_of, "submitted twice", row)
            self._pool_of[task] = values["pool"]
            self._queues[values["pool"]].append(task)
            self.submitted[self._name(task)] += 1
            return
        if kind == schema.PROMISE:
            self._promises.add(task)
            return
        known = task in self._pool_of or task in self._promises
        self._must(known, "a task nobody submitted or made", row)
        if kind == schema.START:
            queue = self._queues[self._pool_of.get(task, 0)]
            # others may have been taken before it by workers who have not got to their `start`
            before = queue.index(task) if task in queue else len(queue)
            workers = len(self._workers[self._pool_of.get(task, 0)])
            self._must(before < workers, f"{before} are before it in its queue", row)
            if task in queue:
                queue.remove(task)
            self._must(task not in self._started, "started twice", row)
            self._started.add(task)
            if task in self._cancelled:
                self._resolved.add(task)
        elif kind in ENDS:
            started = task in self._started or task in self._promises
            self._must(started, "it ends and never started", row)
            self._must(task not in self._resolved, "it is done twice", row)
            self._resolved.add(task)
            self.done[self._name(task)] += 1
        elif kind == schema.CANCEL:
            self._cancelled.add(task)
            self._resolved.add(task)
            self.done[self._name(task)] += 1
        elif kind == schema.READ:
            self._must(task in self._resolved, "it is read and not done", row)

    def _name(self, task: int) -> str:
        pool = self._defined["pool"].get(self._pool_of.get(task, 0), {})
        return str(pool.get("name", ""))

    def _pool(self, row: list[int], thread: int, values: dict[str, int]) -> None:
        kind, pool = row[0], values.get("pool", 0)
        if kind == schema.SPAWN:
            self._spawned[pool] += 1
        elif kind == schema.ENTER:
            self._entered[pool] += 1
            self._must(self._entered[pool] <= self._spawned[pool], "a worker nobody spawned", row)
            self._workers[pool].add(thread)
            self._home[thread] = pool
        elif kind == schema.LEAVE:
            self._must(thread in self._home, "it leaves a pool it never entered", row)
            self._workers[self._home.get(thread, 0)].discard(thread)


def judge(path: Path) -> Judge:
    """Return what the judge says of the whole lines of a trace."""
    taken = Judge()
    for line in whole_lines(path):
        taken.take(line)
    return taken
