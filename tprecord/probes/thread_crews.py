"""Pools of ``multiprocessing.pool``: ``ThreadPool``, and ``Pool`` from the parent's side.

Three threads serve such a pool: one feeds its workers, one hands out their results and runs the
callbacks, one replaces workers that have died.  Each is the one worker of a *handler*, and idle
while it waits for something to do.  A job is what the app has asked for, and gets an
``AsyncResult`` or an iterator for; each chunk of it is a task.  That of an ``imap`` comes to be
when its iterable is asked for it, so who waits for it before that waits for a promise.

Source: CPython ``Lib/multiprocessing/pool.py``, the same from 3.12 to 3.15.
"""

from __future__ import annotations

import sys
from _weakref import ref

from tprecord import compat, waiting
from tprecord.frames import local_values
from tprecord.own import attribute, is_a, name_of, variables
from tprecord.schema import (
    CLOSE,
    DELIVER,
    DRAIN,
    ENTER,
    FAIL,
    FINISH,
    IDLE,
    LEAVE,
    OPERATION,
    PASS,
    PROMISE,
    SPAWN,
    START,
    SUBMIT,
    TAKE,
    WAIT,
)
from tprecord.timeouts import AT_ONCE, ticks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType, ModuleType
    from typing import Any

    from tprecord.monitor import Monitor

DISABLE = sys.monitoring.DISABLE


def install(monitor: Monitor, pool: ModuleType) -> None:
    """Watch what pools are asked for, who works on it, and who hands out the results."""
    crews = _Crews(monitor, pool)
    _watch_jobs(monitor, pool, crews)
    _watch_workers(monitor, pool, crews)
    _watch_feeder(monitor, pool, crews)
    _watch_results(monitor, pool, crews)
    _watch_waits(monitor, pool, crews)
    _watch_ends(monitor, pool, crews)


PROBES = (("multiprocessing.pool", install),)


class _Job:
    """What the app has asked a pool for, and has not let go of."""

    __slots__ = ("fed", "feeder", "function", "numbers", "pool", "site", "watcher")

    def __init__(self, pool: int, feeder: int, function: int, site: int) -> None:
        self.pool, self.feeder, self.function, self.site = pool, feeder, function, site
        self.fed = 0
        """so many of its chunks have tasks"""
        self.numbers: dict[int, int] = {}
        """index of each chunk that is not done -> number of its task"""
        self.watcher: object = None


class _Crews:
    """The pools and jobs of one recording."""

    def __init__(self, monitor: Monitor, module: ModuleType) -> None:
        self._monitor, self._thread_pool = monitor, module.ThreadPool
        self.jobs: dict[int, _Job] = {}
        """the pool module's own number of each job -> what is known of it"""
        self.handlers: dict[int, tuple[int, ...]] = {}
        """number of a pool -> those of its handlers: results, tasks, workers"""

    def number(self, pool: Any) -> int:
        """Return the pool's number."""
        names = self._monitor.names
        number = names.pools.get(id(pool))
        if number is None:
            threads, has = is_a(pool, self._thread_pool), variables(pool)
            number, handlers = names.served_pool(
                pool,
                "crew" if threads else "processes",
                has["_processes"],
                (
                    (has["_outqueue"], "results"),
                    (has["_taskqueue"], "tasks"),
                    (has["_change_notifier"], "workers"),
                ),
                results=threads,
                there=len(has["_pool"]),
                queue=has["_inqueue"] if threads else None,
            )
            self.handlers[number] = handlers
        return number

    def accept(self, result: Any, pool: Any, chunks: int, function: int, site: int) -> None:
        """The pool is about to put a job with so many chunks into its queue."""
        monitor = self._monitor
        number = self.number(pool)
        feeder = self.handlers[number][1]
        job = _Job(number, feeder, function, site)
        key, jobs = attribute(result, "_job"), self.jobs
        job.watcher = ref(result, lambda _: jobs.pop(key, None))
        jobs[key], job.fed = job, chunks
        for index in range(chunks):
            job.numbers[index] = task = monitor.names.next_future()
            monitor.emit(SUBMIT, task, number, function, site)

    def task(self, job: int, index: int) -> int:
        """Return the number of a chunk's task; 0 if it is not known."""
        known = self.jobs.get(job)
        return 0 if known is None else known.numbers.get(index, 0)

    def settle(self, job: int, index: int, *, fine: object) -> None:
        """The result of a chunk is about to be there."""
        known = self.jobs.get(job)
        task = 0 if known is None else known.numbers.pop(index, 0)
        if task:
            self._monitor.emit(FINISH if fine else FAIL, task)

    def close(self, number: int | None) -> None:
        """The pool takes nothing more, and whoever works for it may go."""
        if number is not None and number in self.handlers:
            for each in (number, *self.handlers[number]):
                self._monitor.emit(CLOSE, each)


def _watch_jobs(monitor: Monitor, pool: ModuleType, crews: _Crews) -> None:
    names = monitor.names

    def asks(chunks_of: Callable[[Any], int]) -> Callable[[Any, Any], object]:
        def is_put(callee: Any, _: Any) -> object:
            if name_of(callee) != "put":
                return DISABLE
            here = sys._getframe(2)
            asked, result, func, args = local_values(here, "self", "result", "func", "args")
            function = names.function(func, args if type(args) is tuple else ())
            crews.accept(result, asked, chunks_of(result), function, names.site(here.f_back))
            return None

        return is_put

    monitor.on_call(pool.Pool.apply_async, asks(lambda _: 1))
    monitor.on_call(pool.Pool._map_async, asks(lambda result: attribute(result, "_number_left")))
    monitor.on_call(pool.Pool.imap, asks(lambda _: 0))
    monitor.on_call(pool.Pool.imap_unordered, asks(lambda _: 0))


def _watch_workers(monitor: Monitor, pool: ModuleType, crews: _Crews) -> None:
    """Watch the threads that work for a pool, and those that serve it, come and go.

    That a worker begins with a task is seen by the line it comes to: from 3.12.0 to 3.12.2 the
    call of the task's function is not told (gh-116626).
    """
    names, local = monitor.names, monitor.names.local
    start = sys.modules["threading"].Thread.start

    def makes() -> None:
        (made,) = local_values(sys._getframe(2), "self")
        crews.number(made)

    def hires(callee: Any, _: Any) -> object:
        if name_of(callee) != "start":
            return DISABLE
        (queue,) = local_values(sys._getframe(2), "inqueue")
        number = names.queues.get(id(queue))
        if number is not None:
            monitor.emit(SPAWN, number)
        return None

    def is_served(callee: Any, thread: Any) -> object:
        if callee is not start:
            return DISABLE
        (made,) = local_values(sys._getframe(2), "self")
        served = crews.handlers.get(names.pools.get(id(made), 0), ())
        threads = ("_result_handler", "_task_handler", "_worker_handler")
        for handler, name in zip(served, threads, strict=False):
            if attribute(made, name) is thread:
                monitor.emit(SPAWN, handler)
        return None

    def enters(known_by: str, *, idle: bool = False) -> Callable[[], None]:
        def enter() -> None:
            (queue,) = local_values(sys._getframe(2), known_by)
            number = local.crew = names.queues.get(id(queue), 0)
            if number:
                monitor.emit(ENTER, number)
            if idle:
                is_idle(monitor)

        return enter

    def leaves(_: Any) -> None:
        if getattr(local, "crew", 0):
            monitor.emit(LEAVE)

    def begins() -> object:
        job, index, func = local_values(sys._getframe(2), "job", "i", "func")
        if func is None or getattr(local, "chunk", None) == (job, index):
            return DISABLE
        local.chunk = job, index
        task = crews.task(job, index)
        if task and getattr(local, "crew", None) != 0:
            monitor.emit(START, task)
        return None

    def works(callee: Any, _: Any) -> object:
        name = name_of(callee)
        if name == "get":
            local.chunk = None
            is_idle(monitor)
        elif name == "put":
            task = crews.task(*(getattr(local, "chunk", None) or (0, -1)))
            if task and getattr(local, "crew", None) != 0:
                monitor.emit(PASS, task)
        else:
            return DISABLE
        return None

    def waits_for(*callees: str) -> Callable[[Any, Any], object]:
        def waits(callee: Any, _: Any) -> object:
            if name_of(callee) not in callees:
                return DISABLE
            is_idle(monitor)
            return None

        return waits

    monitor.on_start(pool.Pool._repopulate_pool, makes)
    monitor.on_call(pool.Pool._repopulate_pool_static, hires)
    monitor.on_call(pool.Pool.__init__, is_served)
    monitor.on_start(pool.worker, enters("inqueue"))
    monitor.on_line(pool.worker, begins)
    monitor.on_call(pool.worker, works)
    monitor.on_start(pool.Pool._handle_results, enters("outqueue"))
    monitor.on_call(pool.Pool._handle_results, waits_for("get", "recv"))
    monitor.on_start(pool.Pool._handle_tasks, enters("taskqueue", idle=True))
    monitor.on_start(pool.Pool._handle_workers, enters("change_notifier"))
    monitor.on_call(pool.Pool._handle_workers, waits_for("_wait_for_updates"))
    for code in (
        pool.worker,
        pool.Pool._handle_results,
        pool.Pool._handle_tasks,
        pool.Pool._handle_workers,
    ):
        monitor.on_return(code, leaves)
        names.add_floor(code)


def is_idle(monitor: Monitor) -> None:
    """Record that the calling thread waits for something to do, if it works for a known pool."""
    if getattr(monitor.names.local, "crew", 0):
        monitor.emit(IDLE)
        monitor.writer.flush()


def _watch_feeder(monitor: Monitor, pool: ModuleType, crews: _Crews) -> None:
    """Watch the thread that asks iterables for the next item: that is code of the app."""
    local = monitor.names.local
    feed = pool.Pool._handle_tasks.__code__

    def feeds(callee: Any, _: Any) -> object:
        if name_of(callee) not in ("put", "send"):
            return DISABLE
        (task,) = local_values(sys._getframe(2), "task")
        if type(task) is tuple:
            _feed(monitor, crews, task[0], task[1])
        return None

    def asks() -> None:
        caller = sys._getframe(2).f_back
        if caller is not None and caller.f_code is feed and getattr(local, "crew", 0) != 0:
            monitor.emit(TAKE)

    monitor.on_call(pool.Pool._handle_tasks, feeds)
    monitor.on_start(pool.Pool._guarded_task_generation, asks)
    monitor.on_return(pool.Pool._guarded_task_generation, lambda _: is_idle(monitor))


def _feed(monitor: Monitor, crews: _Crews, key: int, index: int) -> None:
    """The task of an ``imap`` enters the queue of the pool; others have done so before."""
    job = crews.jobs.get(key)
    if job is None or index < job.fed:
        return
    job.fed = index + 1
    task = job.numbers.get(index)
    if task is None:
        job.numbers[index] = task = monitor.names.next_future()
    monitor.emit(SUBMIT, task, job.pool, job.function, job.site)


def _watch_results(monitor: Monitor, pool: ModuleType, crews: _Crews) -> None:
    """Watch the thread that hands out results: before it does, it runs the callbacks."""
    event_set = sys.modules["threading"].Event.set

    def has_callback(result: object) -> bool:
        has = variables(result)
        return any(has.get(name) is not None for name in ("_callback", "_error_callback"))

    def hands_out() -> None:
        (result,) = local_values(sys._getframe(2), "self")
        if has_callback(result):
            monitor.emit(TAKE)

    def hands_out_chunk() -> None:
        result, index, outcome = local_values(sys._getframe(2), "self", "i", "success_result")
        if attribute(result, "_number_left") > 1:
            crews.settle(attribute(result, "_job"), index, fine=outcome[0])
        elif has_callback(result):
            monitor.emit(TAKE)

    def hands_out_item() -> None:
        result, index, outcome = local_values(sys._getframe(2), "self", "i", "obj")
        crews.settle(attribute(result, "_job"), index, fine=outcome[0])

    def sets(outcome_in: str) -> Callable[[Any, Any], object]:
        def is_set(callee: Any, _: Any) -> object:
            if callee is not event_set:
                return DISABLE
            result, index, outcome = local_values(sys._getframe(2), "self", "i", outcome_in)
            crews.settle(attribute(result, "_job"), index, fine=outcome[0])
            return None

        return is_set

    monitor.on_start(pool.ApplyResult._set, hands_out)
    monitor.on_call(pool.ApplyResult._set, sets("obj"))
    monitor.on_start(pool.MapResult._set, hands_out_chunk)
    monitor.on_call(pool.MapResult._set, sets("success_result"))
    monitor.on_start(pool.IMapIterator._set, hands_out_item)
    monitor.on_start(pool.IMapUnorderedIterator._set, hands_out_item)


def _watch_waits(monitor: Monitor, pool: ModuleType, crews: _Crews) -> None:
    names = monitor.names
    threading = sys.modules["threading"]
    event_wait, condition_wait = threading.Event.wait, threading.Condition.wait
    get = pool.ApplyResult.get.__code__
    through = {
        id(getattr(pool.Pool, name).__code__): OPERATION[f"Pool.{name}"]
        for name in ("apply", "map", "starmap")
    }

    def waits(callee: Any, event: Any) -> object:
        if callee is not event_wait:
            return DISABLE
        here = sys._getframe(2)
        result, timeout = local_values(here, "self", "timeout")
        job, left = crews.jobs.get(attribute(result, "_job")), ticks(timeout)
        if job is None or left == AT_ONCE or attribute(event, "_flag"):
            return None
        tasks = list(job.numbers.values())
        if tasks:
            operation, caller = asked(here.f_back)
            ranges, site = waiting.ranges(tasks), names.site(caller)
            waiting.begin(monitor, here, WAIT, operation, len(tasks), left, site, *ranges)
        return None

    def asked(caller: FrameType | None) -> tuple[int, FrameType | None]:
        """Return the operation that waits, and who has called it."""
        if caller is None or caller.f_code is not get:
            return OPERATION["AsyncResult.wait"], caller
        caller = caller.f_back
        operation = through.get(id(caller.f_code if caller else None))
        if operation is None or caller is None:
            return OPERATION["AsyncResult.get"], caller
        return operation, caller.f_back

    def waits_for_next(callee: Any, _: Any) -> object:
        if callee is not condition_wait:
            return DISABLE
        here = sys._getframe(2)
        result, timeout = local_values(here, "self", "timeout")
        job, left = crews.jobs.get(attribute(result, "_job")), ticks(timeout)
        if job is None or left == AT_ONCE:
            return None
        site = names.site(here.f_back)
        if is_a(result, pool.IMapUnorderedIterator) and job.numbers:
            tasks = list(job.numbers.values())
        else:
            tasks = [promised(job, attribute(result, "_index"), site)]
        operation, ranges = OPERATION["IMapIterator.next"], waiting.ranges(tasks)
        waiting.begin(monitor, here, WAIT, operation, 1, left, site, *ranges)
        return None

    def promised(job: _Job, index: int, site: int) -> int:
        """Return the number of a chunk's task, or of the promise that it will come to be one."""
        task = job.numbers.get(index)
        if task is None:
            task = job.numbers[index] = names.next_future()
            monitor.emit(PROMISE, task, site)
            monitor.emit(DELIVER, task, job.feeder, job.function)
        return task

    monitor.on_call(pool.ApplyResult.wait, waits)
    monitor.on_call(pool.IMapIterator.next, waits_for_next)


def _watch_ends(monitor: Monitor, pool: ModuleType, crews: _Crews) -> None:
    names = monitor.names
    join = sys.modules["threading"].Thread.join

    def closes() -> None:
        (closed,) = local_values(sys._getframe(2), "self")
        crews.close(names.pools.get(id(closed)))

    def terminates() -> None:
        (queue,) = local_values(sys._getframe(2), "outqueue")
        results = names.queues.get(id(queue))
        crews.close(next((n for n, served in crews.handlers.items() if served[0] == results), None))

    def joins(callee: Any, thread: Any) -> object:
        if callee is not join:
            return DISABLE
        here = sys._getframe(2)
        if not compat.has_thread_ended(thread) and not waiting.is_announced(monitor, here):
            (joined,) = local_values(here, "self")
            number = names.pools.get(id(joined))
            if number is not None:
                operation, site = OPERATION["Pool.join"], names.site(here.f_back)
                waiting.begin(monitor, here, DRAIN, operation, number, site)
        return None

    monitor.on_start(pool.Pool.close, closes)
    monitor.on_start(pool.Pool._terminate_pool, terminates)
    monitor.on_call(pool.Pool.join, joins)
    monitor.on_return(pool.Pool.join, lambda _: waiting.end(monitor))
