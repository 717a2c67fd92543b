"""Reports for the tests of the pictures, one situation each, as the engine gives them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from typing import Final

from tests.snapshots import (
    HEADER,
    QUALITY,
    Builder,
    circular_wait,
    exit_hang,
    function,
    self_wait,
    site,
)
from tpanalyze.findings import Report
from tpanalyze.model import Snapshot
from tpanalyze.verdict import analyse

MINUTE_NS: Final = 60_000_000_000


def report(snapshot: Snapshot) -> Report:
    """Return the engine's report, half a minute later."""
    later = replace(snapshot, time_ns=snapshot.time_ns + MINUTE_NS // 2)
    return analyse(later, HEADER, QUALITY, "app.4711.jsonl")


def own_pool(workers: int = 2, behind: int = 0) -> Report:
    """Each worker waits for a task queued behind it; `behind` more are queued, main waits."""
    b = Builder()
    pool = b.pool(workers, "io")
    outer = [b.submit(pool, "outer", at=site("main", 30)) for _ in range(workers)]
    running = [b.worker(pool, task) for task in outer]
    inner = [b.submit(pool, "inner", by=worker, at=site("outer", 12)) for worker in running]
    for _ in range(behind):
        b.submit(pool, "other", at=site("main", 31))
    for worker, task in zip(running, inner, strict=True):
        b.wait(worker, task, at=site("outer", 13))
    b.wait(b.main, outer[0], at=site("main", 32, ("<module>", 40)))
    return report(b.snapshot())


def pool_with_two_of_eight_started() -> Report:
    """The pool may have eight workers, but two were started, and both wait."""
    b = Builder()
    pool = b.pool(8, "io")
    running = [b.run(pool, "outer")[1] for _ in range(2)]
    inner = [b.submit(pool, "inner", by=worker) for worker in running]
    for worker, task in zip(running, inner, strict=True):
        b.wait(worker, task, at=site("outer", 13))
    b.drain(b.main, pool, close=False)
    return report(b.snapshot())


def two_deadlocks() -> Report:
    """A pool starves, and in another two tasks wait for each other: independent causes."""
    b = Builder()
    io, cpu = b.pool(1, "io"), b.pool(3, "cpu")
    fetch, fetcher = b.run(io, "fetch")
    parse = b.submit(io, "parse", by=fetcher, at=site("fetch", 55))
    left, one = b.run(cpu, "left")
    right, two = b.run(cpu, "right")
    b.run(cpu, "busy")
    b.wait(fetcher, parse, at=site("fetch", 56))
    b.wait(one, right, at=site("left", 71))
    b.wait(two, left, at=site("right", 81))
    b.wait(b.main, fetch, left, operation="wait(ALL_COMPLETED)", need=2, at=site("main", 90))
    return report(b.snapshot())


def two_pools() -> Report:
    """Two pools starve each other."""
    b = Builder()
    web, db = b.pool(2, "web"), b.pool(2, "db")
    handlers = [b.run(web, "handle") for _ in range(2)]
    queries = [b.run(db, "query") for _ in range(2)]
    for _, worker in handlers:
        b.wait(worker, b.submit(db, "query", by=worker, at=site("handle", 30)))
    for _, worker in queries:
        b.wait(worker, b.submit(web, "render", by=worker, at=site("query", 60)))
    b.wait(b.main, handlers[0][0], at=site("main", 90))
    return report(b.snapshot())


def crowd(victims: int = 998) -> Report:
    """Two tasks wait for each other; `victims` workers, and main, wait for the first of them."""
    b = Builder()
    pool = b.pool(victims + 2, "crawl")
    left, one = b.run(pool, "left")
    right, two = b.run(pool, "right")
    b.wait(one, right, at=site("left", 14))
    b.wait(two, left, at=site("right", 18))
    for index in range(victims):
        name, line = ("image", 35) if index % 5 == 0 else ("page", 31)
        _, worker = b.run(pool, name)
        b.wait(worker, left, at=site(name, line))
    b.wait(b.main, left, at=site("main", 40))
    return report(b.snapshot())


def motley_crowd(victims: int = 100) -> Report:
    """As `crowd`, but no two victims run the same function."""
    b = Builder()
    task, worker = b.run(b.pool(1, "io"), "narcissus")
    b.wait(worker, task)
    for index in range(victims):
        thread = b.thread(f"asker-{index}")
        b.wait(thread, task, at=site(f"ask_{index}", 10 + index))
    b.wait(b.main, task)
    return report(b.snapshot())


def promises(count: int = 2) -> Report:
    """Workers wait for futures made by hand, and nobody is left to set them."""
    b = Builder()
    pool = b.pool(2, "io")
    made = [b.promise(at=site("main", 50)) for _ in range(count)]
    consumer, one = b.run(pool, "consume")
    _, two = b.run(pool, "consume")
    b.wait(one, made[0], at=site("consume", 61))
    b.wait(two, *made, operation="wait(FIRST_COMPLETED)", at=site("consume", 62))
    b.wait(b.main, consumer, at=site("main", 70))
    return report(b.snapshot())


def named(name: str) -> Report:
    """The first classic, in which every name and path is `name`."""
    b = Builder()
    b.threads[b.main] = replace(b.threads[b.main], name=name)
    pool = b.pool(2, name, kind=name)
    b.pools[pool] = replace(b.pools[pool], name=name)
    running = []
    for _ in range(2):
        task, worker = b.run(pool, name)
        b.threads[worker] = replace(b.threads[worker], name=name)
        running.append((task, worker))
    here = site(name, 31, file=name)
    for _, worker in running:
        b.wait(worker, b.submit(pool, name, by=worker, at=here), at=here)
    b.wait(b.main, running[0][0], operation=name, at=here)
    for number in b.tasks:
        b.tasks[number] = replace(b.tasks[number], function=function(name, file=name))
    found = report(b.snapshot())
    return replace(
        found,
        trace=name,
        header=replace(HEADER, program=name, python=name, started=name),
        findings=tuple(replace(finding, summary=name) for finding in found.findings),
    )


def renamed(found: Report, name: str) -> Report:
    """Return the report with `name` in the place of every text in it: names, paths, sentences."""
    changed = _renamed(found, name)
    assert isinstance(changed, Report)
    return changed


def _renamed(value: object, name: str) -> object:
    if type(value) is str:
        return name
    if isinstance(value, tuple):
        return tuple(_renamed(each, name) for each in value)
    if isinstance(value, dict):
        return {key: _renamed(each, name) for key, each in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return type(value)(
            **{f.name: _renamed(getattr(value, f.name), name) for f in fields(value)}
        )
    return value


def long_names() -> Report:
    """Names as large programs have them."""
    return named("acme.platform.ingestion.pipelines.StreamingMergeCoordinator.run_partition_" * 3)


def cancelled_in_queue() -> Report:
    """A worker waits, in ``wait()``, for a task cancelled while queued behind it."""
    b = Builder()
    pool = b.pool(1, "io")
    _, worker = b.run(pool, "outer")
    inner = b.submit(pool, "inner", by=worker)
    b.cancel(inner)
    b.wait(worker, inner, operation="wait(ALL_COMPLETED)")
    b.drain(b.main, pool)
    return report(b.snapshot())


def moving() -> Report:
    """Waits that all can end: one has a timeout, the other's task runs."""
    b = Builder()
    pool = b.pool(4, "io")
    job, _ = b.run(pool, "job")
    parent, asker = b.run(pool, "parent")
    b.worker(pool)
    late = b.submit(pool, "late")
    b.wait(asker, job, timeout_ns=MINUTE_NS, at=site("parent", 12))
    b.wait(b.main, parent, late, operation="wait(ALL_COMPLETED)", need=2, at=site("main", 14))
    return report(b.snapshot())


def nothing() -> Report:
    """Nobody waits."""
    b = Builder()
    b.worker(b.pool(4, "io"))
    return report(b.snapshot())


SAMPLES: Final[dict[str, Callable[[], Report]]] = {
    "own-pool-1": lambda: own_pool(1),
    "own-pool-2": lambda: own_pool(2, 1),
    "own-pool-32": lambda: own_pool(32, 240),
    "two-of-eight": pool_with_two_of_eight_started,
    "circular-wait": lambda: report(circular_wait()),
    "self-wait": lambda: report(self_wait()),
    "exit-hang": lambda: report(exit_hang()),
    "two-deadlocks": two_deadlocks,
    "two-pools": two_pools,
    "crowd": crowd,
    "motley-crowd": motley_crowd,
    "promises": promises,
    "many-promises": lambda: promises(60),
    "cancelled": cancelled_in_queue,
    "long-names": long_names,
    "moving": moving,
    "nothing": nothing,
}
