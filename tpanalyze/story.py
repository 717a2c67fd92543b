"""The story of a run in words: what the threads and tasks of a finding did, event by event."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np

from tpanalyze.deed_words import DeedWords
from tpanalyze.deeds import WIDTH, Deeds
from tpanalyze.findings import Finding, NodeKind, Report
from tpanalyze.model import TaskId, ThreadId
from tpanalyze.state import State
from tprecord import schema

type Integers = np.ndarray[tuple[int, ...], np.dtype[np.int64]]

_OF_ONE: Final = 60
"""events told of one thread or task: the last so many"""

_NAMES_A_TASK: Final = (
    schema.SUBMIT, schema.START, schema.FINISH, schema.FAIL, schema.READ, schema.CANCEL,
    schema.PROMISE, schema.WITHDRAW, schema.ADOPT, schema.DELIVER, schema.AWAIT,
    schema.PASS,
)  # fmt: skip
"""Events whose first field is a task."""


class Line(NamedTuple):
    """One event of a story."""

    time_ns: int
    words: str


class Chapter(NamedTuple):
    """The story of a finding."""

    lines: tuple[Line, ...]
    earlier: int
    """events of the same threads and tasks that are left out at its beginning"""


class Story:
    """Tells from the deeds of a run what led to the state that a report is about."""

    def __init__(self, report: Report, deeds: Deeds, state: State) -> None:
        self._report = report
        self._deeds = deeds
        self._state = state
        self._said = DeedWords(report.snapshot, state, self._function)

    def of_thread(self, thread: ThreadId) -> list[Line]:
        """Return the last of what the thread did, without saying that it did."""
        order, bounds = self._by_thread
        first, after = bounds.get(int(thread), (0, 0))
        chosen = order[max(first, after - _OF_ONE) : after]
        return [self._line(int(index), subject=False) for index in chosen]

    def of_task(self, task: TaskId) -> list[Line]:
        """Return what happened to the task, and which waits were for it."""
        return [self._line(int(index)) for index in self._about(np.array([task]))[-_OF_ONE:]]

    def of_finding(self, finding: Finding, most: int) -> Chapter:
        """Return what the threads and tasks of the finding's core did, the last `most` events."""
        threads = {int(p.thread) for p in finding.core if p.thread is not None}
        tasks = {int(p.task) for p in finding.core if p.task is not None}
        for party in finding.core:
            for edge in party.edges:
                if edge.target.kind is NodeKind.TASK:
                    tasks.add(edge.target.id)
        by_them = np.flatnonzero(np.isin(self._table[:, 2], sorted(threads)))
        about = self._about(np.array(sorted(tasks), dtype=np.int64))
        chosen = np.union1d(by_them, about)
        lines = [self._line(int(index)) for index in chosen[-most:]]
        return Chapter(tuple(lines), max(0, len(chosen) - most))

    # ------------------------------------------------------------------ where to look

    @cached_property
    def _table(self) -> Integers:
        return np.array(self._deeds.columns, dtype=np.int64).reshape(-1, WIDTH)

    @cached_property
    def _by_thread(self) -> tuple[Integers, Mapping[int, tuple[int, int]]]:
        """Return the events by thread, in their order; and where those of each begin and end."""
        thread = self._table[:, 2]
        order = np.argsort(thread, kind="stable")
        numbers, first = np.unique(thread[order], return_index=True)
        after = [*first[1:], len(order)][: len(first)]
        bounds = {
            int(number): (int(begin), int(end))
            for number, begin, end in zip(numbers, first, after, strict=True)
        }
        return order, bounds

    @cached_property
    def _by_task(self) -> tuple[Integers, Integers]:
        """Return the events that name a task, by task and in their order; and those tasks."""
        named = np.flatnonzero(np.isin(self._table[:, 1], _NAMES_A_TASK))
        task = self._table[named, 3]
        order = np.argsort(task, kind="stable")
        return named[order], task[order]

    @cached_property
    def _waits(self) -> tuple[Integers, Integers, Integers]:
        """Return the waits for futures, and the first and the last future of each."""
        waits = np.flatnonzero(self._table[:, 1] == schema.WAIT)
        return waits, self._table[waits, 7], self._table[waits, 8]

    @cached_property
    def _submits(self) -> tuple[Integers, Integers]:
        """Return the submitted tasks, sorted, and the function of each."""
        rows = self._table[self._table[:, 1] == schema.SUBMIT]
        order = np.argsort(rows[:, 3], kind="stable")
        return rows[order, 3], rows[order, 5]

    def _about(self, tasks: Integers) -> Integers:
        """Return the events that are about one of the tasks."""
        order, named = self._by_task
        begin, end = np.searchsorted(named, tasks, "left"), np.searchsorted(named, tasks, "right")
        found = [order[a:b] for a, b in zip(begin, end, strict=True)]
        waits, first, last = self._waits
        for_one = np.searchsorted(tasks, first, "left") < np.searchsorted(tasks, last, "right")
        return np.unique(np.concatenate([*found, waits[for_one]]))

    # ------------------------------------------------------------------ what to say

    def _line(self, index: int, *, subject: bool = True) -> Line:
        deed = self._deeds[index]
        who = f"{self._said.who(deed.thread)} " if subject else ""
        return Line(self._state.ns(deed.ticks), who + self._said.what(deed))

    def _function(self, task: int) -> str:
        """Return the name of the function that a task, perhaps long done, was to call."""
        tasks, functions = self._submits
        place = int(np.searchsorted(tasks, task))
        if place == len(tasks) or tasks[place] != task:
            return ""
        function = self._state.functions.get(int(functions[place]))
        return "" if function is None else function.name


def told(report: Report, story: Story, most: int = 200) -> Iterator[str]:
    """Yield the story of the core of each finding as lines of text."""
    if not report.findings:
        yield "No deadlock, and so there is no story to tell."
    for number, finding in enumerate(report.findings, start=1):
        chapter = story.of_finding(finding, most)
        which = f"{number}. " if len(report.findings) > 1 else ""
        yield f"{which}{finding.summary}"
        yield ""
        if chapter.earlier:
            yield f"  … {chapter.earlier:,} earlier events of these threads and tasks"
        width = max((len(f"{line.time_ns / 1e9:.6f}") for line in chapter.lines), default=0)
        certain = False
        for line in chapter.lines:
            if not certain and line.time_ns > finding.certain_since_ns:
                certain = True
                yield _certain(finding, width)
            yield f"  {line.time_ns / 1e9:{width}.6f} s  {line.words}"
        if not certain:
            yield _certain(finding, width)
        yield ""


def _certain(finding: Finding, width: int) -> str:
    return f"  {finding.certain_since_ns / 1e9:{width}.6f} s  == from here on it can never end =="
