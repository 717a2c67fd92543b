"""Runs for the tests of the timeline: written as traces, read and judged by the analyser itself."""

from __future__ import annotations

import heapq
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from random import Random
from typing import Final

from tests.tracegen import TraceGen
from tpanalyze.findings import Report
from tpanalyze.reader import open_trace
from tpanalyze.replay import Replay
from tpanalyze.timeline import Collector, Timeline
from tpanalyze.verdict import analyse
from tprecord import schema

MS: Final = 1000
"""a millisecond in ticks"""


def run_of(data: bytes) -> tuple[Report, Timeline]:
    """The report on a trace, and its timeline."""
    collector = Collector()
    with open_trace(io.BytesIO(data), "run.jsonl") as trace:
        replay = Replay(trace.header.tick_ns, trace.remarks, sink=collector)
        for batch in trace:
            replay.feed(batch.rows, batch.first_line)
        report = analyse(replay.snapshot(), trace.header, replay.quality(), trace.name)
    return report, collector.timeline(replay)


@dataclass
class Script:
    """A run in the making: events at absolute moments, in ticks, in any order."""

    trace: TraceGen = field(default_factory=TraceGen)
    events: list[tuple[int, int, tuple[int, ...]]] = field(default_factory=list)
    tasks: int = 0

    def at(self, moment: int, kind: int, thread: int, *fields: int) -> None:
        heapq.heappush(self.events, (moment, len(self.events), (kind, thread, *fields)))

    def new_task(self) -> int:
        self.tasks += 1
        return self.tasks

    def wait(self, moment: int, thread: int, task: int, site: int) -> None:
        self.at(moment, schema.WAIT, thread, 1, 1, -1, site, task, task)

    def data(self) -> bytes:
        """Write the events in their order; they are gone then."""
        now = 0
        while self.events:
            moment, _, (kind, thread, *fields) = heapq.heappop(self.events)
            self.trace.event(kind, thread, *fields, dt=moment - now)
            now = moment
        return self.trace.data()

    def run(self) -> tuple[Report, Timeline]:
        """Write the events in their order, and read them."""
        return run_of(self.data())


def crawled(
    pages: int = 60, workers: int = 4, *, deadlock: bool = True, tail: int = 60_000 * MS
) -> Script:
    """Workers fetch pages, each waits for a parser; in the end, perhaps, the pool starves itself.

    `tail`: for so long nothing happens after that.
    """
    random = Random(7)
    script = Script()
    trace = script.trace
    main = trace.thread("MainThread", main=True)
    io_pool, cpu_pool = trace.pool(workers, name="io"), trace.pool(2, name="cpu")
    fetch, parse, outer = (trace.function(name) for name in ("fetch", "parse", "outer"))
    trace.function("Future.result", "/usr/lib/python3/_base.py", stdlib=True)
    in_main, in_fetch, in_outer = (
        trace.site("/usr/lib/python3/_base.py:9 in Future.result", place)
        for place in ("app.py:31 in main", "app.py:12 in fetch", "app.py:20 in outer")
    )
    ios = [trace.thread(f"io_{i}") for i in range(workers)]
    cpus = [trace.thread(f"cpu_{i}") for i in range(2)]
    for number, thread in enumerate([*ios, *cpus]):
        script.at(number, schema.ENTER, thread, io_pool if thread in ios else cpu_pool)
    free = dict.fromkeys(ios, 1 * MS)
    parsers = dict.fromkeys(cpus, 1 * MS)
    first = 0
    for page in range(pages):
        task = script.new_task()
        first = first or task
        script.at(100 + page, schema.SUBMIT, main, task, io_pool, fetch, in_main)
        worker = min(free, key=lambda thread: free[thread])
        start = free[worker]
        script.at(start, schema.START, worker, task)
        child = script.new_task()
        asked = start + random.randint(2 * MS, 20 * MS)
        script.at(asked, schema.SUBMIT, worker, child, cpu_pool, parse, in_fetch)
        script.wait(asked + 1, worker, child, in_fetch)
        parser = min(parsers, key=lambda thread: parsers[thread])
        begun = max(asked + 2, parsers[parser])
        ended = begun + random.randint(1 * MS, 6 * MS)
        script.at(begun, schema.START, parser, child)
        script.at(ended, schema.FINISH, parser, child)
        script.at(ended + 1, schema.IDLE, parser)
        script.at(ended + 2, schema.WAKE, worker, 0)
        done = ended + random.randint(1 * MS, 5 * MS)
        script.at(done, schema.FINISH, worker, task)
        script.at(done + 1, schema.IDLE, worker)
        free[worker], parsers[parser] = done + 2, ended + 2
    end = max(free.values())
    script.wait(300 + pages, main, first, in_main)
    script.at(end, schema.WAKE, main, 0)
    if deadlock:
        begin = end + 20 * MS
        tasks = [script.new_task() for _ in ios]
        for number, (thread, task) in enumerate(zip(ios, tasks, strict=True)):
            script.at(begin + number, schema.SUBMIT, main, task, io_pool, outer, in_main)
            start = begin + (5 + 4 * number) * MS
            script.at(start, schema.START, thread, task)
            child = script.new_task()
            script.at(start + 9 * MS, schema.SUBMIT, thread, child, io_pool, fetch, in_outer)
            script.wait(start + 9 * MS + 1, thread, child, in_outer)
        script.wait(begin + 3 * MS, main, tasks[0], in_main)
        end = begin + 50 * MS
    script.at(end + tail, schema.BEAT, 0)
    return script


def crawl(
    pages: int = 60, workers: int = 4, *, deadlock: bool = True, tail: int = 60_000 * MS
) -> tuple[Report, Timeline]:
    """Return what the analyser makes of `crawled`."""
    return crawled(pages, workers, deadlock=deadlock, tail=tail).run()


@cache
def swarm(tasks: int = 20_000, workers: int = 8) -> tuple[Report, Timeline]:
    """Very many very short tasks."""
    random = Random(11)
    script = Script()
    trace = script.trace
    main = trace.thread("MainThread", main=True)
    pool = trace.pool(workers, name="swarm")
    function = trace.function("tick")
    threads = [trace.thread(f"swarm_{i}") for i in range(workers)]
    free = {}
    for number, thread in enumerate(threads):
        script.at(number, schema.ENTER, thread, pool)
        free[thread] = 100
    for number in range(tasks):
        task = script.new_task()
        worker = threads[number % workers]
        start = free[worker] + random.randint(1, 400)
        script.at(min(start - 1, number // 2), schema.SUBMIT, main, task, pool, function, 0)
        script.at(start, schema.START, worker, task)
        took = 300 * MS if number % 5000 == 4999 else random.randint(5, 600)
        script.at(start + took, schema.FINISH, worker, task)
        script.at(start + took + 1, schema.IDLE, worker)
        free[worker] = start + took + 2
    return script.run()


def crowd(threads: int = 300) -> tuple[Report, Timeline]:
    """Many workers that all wait, in the end, for two that wait for each other."""
    script = Script()
    trace = script.trace
    main = trace.thread("MainThread", main=True)
    pool = trace.pool(threads, name="crowd")
    function = trace.function("guest")
    site = trace.site("app.py:5 in guest")
    workers = [trace.thread(f"crowd_{i}") for i in range(threads)]
    tasks = [script.new_task() for _ in workers]
    for number, (thread, task) in enumerate(zip(workers, tasks, strict=True)):
        script.at(number, schema.ENTER, thread, pool)
        script.at(number * 10 + 1, schema.SUBMIT, main, task, pool, function, site)
        script.at(number * 10 + 2, schema.START, thread, task)
        awaited = tasks[1] if number == 0 else tasks[0]
        script.wait(3 * MS + number * 20, thread, awaited, site)
    script.wait(10 * MS, main, tasks[5], site)
    script.at(20 * MS, schema.BEAT, 0)
    return script.run()


RUNS: Final[dict[str, Callable[[], tuple[Report, Timeline]]]] = {
    "hang": crawl,
    "passed": lambda: crawl(deadlock=False, tail=0),
    "short-hang": lambda: crawl(pages=8, tail=20 * MS),
    "swarm": swarm,
    "crowd": crowd,
}
