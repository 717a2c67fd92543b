"""The run for https://ui.perfetto.dev and chrome://tracing: both open this form.

A track for each thread with a slice for each task and, inside, one for each wait; arrows from a
submit to the start of its task and from its end to whoever waited for it; a counter for each pool's
queue and workers; an instant where a deadlock became certain.  Times are microseconds.

Source: "Trace Event Format", the document of Chrome's trace viewer (phases X, M, C, i, s and f).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from operator import itemgetter
from typing import Final

import orjson

from tpanalyze.deeds import Deeds
from tpanalyze.findings import Report
from tpanalyze.model import ThreadId
from tpanalyze.render.headline import badge
from tpanalyze.render.labels import ThreadNames, function_name, place, pool_name
from tpanalyze.render.xml_escape import legal
from tpanalyze.timeline import IntervalState, Period, Timeline
from tprecord import schema

type Event = dict[str, object]
type Placed = tuple[tuple[int, int, int], Event]
"""an event, and what it is sorted by"""
type Cause = tuple[int, int]
"""when a future became done, and on which thread"""

_BETWEEN: Final = b",\n"

_ARROWS: Final = 28
"""Bits of the number of an arrow; with those of a process it has less than 53, as JSON's have."""


def render_perfetto(report: Report, timeline: Timeline, deeds: Deeds) -> bytes:
    """Return the run as JSON in the Trace Event Format."""
    head = orjson.dumps(
        {
            "displayTimeUnit": "ms",
            "otherData": {"made_by": "tpanalyze", "program": legal(report.header.program)},
        }
    )
    rows = b"".join(_Events(report, timeline, deeds).rows())
    return head[:-1] + b',"traceEvents":[\n' + rows.removeprefix(_BETWEEN) + b"\n]}\n"


class _Waits:
    """Who waits for which futures, and what has ended each wait."""

    def __init__(self) -> None:
        self._sets: dict[int, tuple[int, int, bool]] = {}
        """by thread: the first and the last future, and whether it needs all of them"""
        self._by_task: dict[int, list[int]] = {}
        """threads, by the one future they wait for"""
        self._of_several: set[int] = set()
        """threads that wait for more than one"""
        self._cause: dict[int, Cause] = {}

    def begin(self, thread: int, fields: Sequence[int]) -> None:
        """Take note of a wait."""
        _, need, _, _, first, last = fields
        if 0 < first <= last:  # else they are scattered, and not known here
            self._sets[thread] = first, last, need > last - first
            if first == last:
                self._by_task.setdefault(first, []).append(thread)
            else:
                self._of_several.add(thread)

    def finish(self, task: int, cause: Cause) -> None:
        """Take note that a future became done."""
        for thread in self._by_task.pop(task, ()):
            if self._sets.get(thread, (0, 0))[:2] == (task, task):
                self._cause[thread] = cause
        for thread in self._of_several:
            first, last, all_of_them = self._sets[thread]
            if first <= task <= last and (all_of_them or thread not in self._cause):
                self._cause[thread] = cause

    def end(self, thread: int) -> Cause | None:
        """Return what has ended the thread's wait, if that was seen."""
        self._sets.pop(thread, None)
        self._of_several.discard(thread)
        return self._cause.pop(thread, None)


class _Events:
    def __init__(self, report: Report, timeline: Timeline, deeds: Deeds) -> None:
        self._report = report
        self._timeline = timeline
        self._deeds = deeds
        self._pid = report.header.pid

    def rows(self) -> Iterator[bytes]:
        """Yield the names first, then the rest by time, what encloses before what it encloses.

        Each begins with what separates it from the one before.  It waits for its place as text,
        which is smaller than a dict; as a copy, since what orjson returns has room to spare.
        """
        for event in self._names():
            yield _BETWEEN + orjson.dumps(event)
        every = chain(self._slices(), self._arrows(), self._counters(), self._instants())
        found = [(place, _BETWEEN + orjson.dumps(event)) for place, event in every]
        found.sort(key=itemgetter(0))
        yield from map(itemgetter(1), found)

    def _event(self, phase: str, thread: int, at_ns: int, name: str, **more: object) -> Event:
        return {
            "ph": phase, "pid": self._pid, "tid": thread, "ts": at_ns / 1000, "name": name, **more,
        }  # fmt: skip

    def _names(self) -> Iterator[Event]:
        program = legal(self._report.header.program)
        yield self._event("M", 0, 0, "process_name", args={"name": program})
        name = ThreadNames(self._report.snapshot)
        for order, thread in enumerate(self._report.snapshot.threads.values()):
            args: dict[str, object] = {"name": name(thread)}
            yield self._event("M", thread.id, 0, "thread_name", args=args)
            args = {"sort_index": order}
            yield self._event("M", thread.id, 0, "thread_sort_index", args=args)

    def _slices(self) -> Iterator[Placed]:
        """Yield a slice for each task, and for each wait."""
        tasks: dict[tuple[ThreadId, int], tuple[int, int, Period]] = {}
        for period in self._timeline.periods():
            if period.thread is None or period.state is IntervalState.QUEUED:
                continue
            if period.task is not None:
                key = (period.thread, period.task)
                begin, end, first = tasks.get(key, (period.start_ns, period.end_ns, period))
                begin, end = min(begin, period.start_ns), max(end, period.end_ns)
                tasks[key] = begin, end, first
            if period.state is IntervalState.WAITING:
                length = period.end_ns - period.start_ns
                args = {"at": place(period.site), "ends": not period.open}
                event = self._event(
                    "X", period.thread, period.start_ns, "wait", dur=length / 1000,
                    cat="wait", cname="terrible" if period.open else "grey", args=args,
                )  # fmt: skip
                yield (period.start_ns, 1, -length), event
        for (thread, task), (begin, end, period) in tasks.items():
            about: dict[str, object] = {"task": task}
            if period.state is IntervalState.RUNNING and period.site is not None:
                about["submitted_at"] = place(period.site)
            event = self._event(
                "X", thread, begin, f"{function_name(period.function)} #{task}",
                dur=(end - begin) / 1000, cat="task", args=about,
            )  # fmt: skip
            yield (begin, 0, begin - end), event

    def _arrows(self) -> Iterator[Placed]:
        """Yield the arrows, with short slices at their ends where no long one begins.

        Perfetto lets an arrow lead from the slice that began earlier, whatever is meant; so one to
        a waiter leads to where it goes on, not into its wait, which began before.

        To a waiter leads one from the end of the task that ended its wait: of the last one of
        all it waited for, or of the first if any would do.  Waits that time out have none.
        """
        ns = self._timeline.state.ns
        begun: set[int] = set()
        waits = _Waits()
        serial = 0
        for deed in self._deeds:
            at_ns, thread, fields = ns(deed.ticks), deed.thread, deed.fields
            if deed.kind == schema.SUBMIT:
                short = self._event("X", thread, at_ns, f"submit #{fields[0]}", dur=0, cat="submit")
                yield (at_ns, 2, 0), short
                yield (at_ns, 3, 0), self._arrow("s", thread, at_ns, "submit", 2 * fields[0])
                begun.add(fields[0])
            elif deed.kind == schema.START and thread and fields[0] in begun:  # 0: elsewhere
                yield (at_ns, 3, 0), self._arrow("f", thread, at_ns, "submit", 2 * fields[0])
            elif deed.kind == schema.WAIT:
                waits.begin(thread, fields)
            elif deed.kind in (schema.FINISH, schema.FAIL):
                waits.finish(fields[0], (at_ns, thread))
            elif deed.kind == schema.WAKE and (cause := waits.end(thread)) is not None:
                serial += 1
                then_ns, by = cause
                short = self._event("X", by, then_ns, "result", dur=0, cat="result")
                yield (then_ns, 2, 0), short
                yield (then_ns, 3, 0), self._arrow("s", by, then_ns, "result", 2 * serial + 1)
                short = self._event("X", thread, at_ns, "goes on", dur=0, cat="result")
                yield (at_ns, 2, 0), short
                yield (at_ns, 4, 0), self._arrow("f", thread, at_ns, "result", 2 * serial + 1)

    def _arrow(self, phase: str, thread: int, at_ns: int, name: str, number: int) -> Event:
        more: dict[str, object] = {"bp": "e"} if phase == "f" else {}
        # Perfetto takes numbers of arrows for those of all processes in a file.
        unique = self._pid << _ARROWS | number
        return self._event(phase, thread, at_ns, name, cat=name, id=unique, **more)

    def _counters(self) -> Iterator[Placed]:
        for number, steps in self._timeline.pool_load().items():
            pool = self._report.snapshot.pools.get(number)
            name = f"pool {number}" if pool is None else pool_name(pool)
            for load in steps:
                at_ns = load.time_ns
                queue = {"queued": load.queued}
                yield (at_ns, 5, 0), self._event("C", 0, at_ns, f"{name} queue", args=queue)
                workers = {"running": load.running, "waiting": load.waiting}
                yield (at_ns, 5, 1), self._event("C", 0, at_ns, f"{name} workers", args=workers)

    def _instants(self) -> Iterator[Placed]:
        for index, finding in enumerate(self._report.findings):
            at_ns = finding.certain_since_ns
            thread = next((p.thread for p in finding.core if p.thread is not None), 0)
            args = {"summary": legal(finding.summary), "kind": finding.kind}
            name = badge(self._report.findings, index)
            yield (at_ns, 6, 0), self._event("i", thread, at_ns, name, s="p", args=args)
