"""A builder of snapshots for tests: says what holds at one instant, in the order it came about.

Every call takes one tick of the clock (`TICK_NS`), so that "since when" can be asserted.  Files
and functions are made up: the site ``site("outer", 12)`` reads ``app.py:12 in outer``.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

from tpanalyze.model import (
    DrainWait,
    Frame,
    Function,
    FutureWait,
    Header,
    Pool,
    PoolId,
    Quality,
    Site,
    Snapshot,
    Task,
    TaskId,
    TaskOrigin,
    TaskState,
    Thread,
    ThreadId,
    ThreadState,
)

TICK_NS: Final = 1_000_000

HEADER: Final = Header(
    version=1,
    recorder="0.1.0",
    python="3.13.0",
    implementation="CPython",
    free_threaded=False,
    platform="Linux x86_64",
    cpus=4,
    pid=4711,
    program="app.py",
    started="2025-01-01T00:00:00Z",
    clock="monotonic",
    tick_ns=1000,
)

QUALITY: Final = Quality(events=100, ended=None)


def function(name: str, *, file: str = "/app/app.py", stdlib: bool = False) -> Function:
    """Return a function of the made-up program."""
    return Function(name, file, 1, None, stdlib)


def site(name: str, line: int, *callers: tuple[str, int], file: str = "/app/app.py") -> Site:
    """Return a place in ``app.py``, reached through the standard library and from `callers`."""
    inner = Frame(function("Future.result", file="/usr/lib/python3.13/_base.py", stdlib=True), 456)
    own = (Frame(function(name, file=file), line),)
    outer = tuple(Frame(function(caller, file=file), at) for caller, at in callers)
    return Site((inner, *own, *outer))


@dataclass(slots=True)
class Builder:
    """Snapshots, step by step; the main thread is thread 1 and runs."""

    threads: dict[ThreadId, Thread] = field(default_factory=dict)
    tasks: dict[TaskId, Task] = field(default_factory=dict)
    pools: dict[PoolId, Pool] = field(default_factory=dict)
    now_ns: int = 0
    all_threads_known: bool = True
    main: ThreadId = field(init=False)

    def __post_init__(self) -> None:
        self.main = self.thread("MainThread", main=True)

    def _tick(self) -> int:
        self.now_ns += TICK_NS
        return self.now_ns

    def thread(self, name: str, *, main: bool = False) -> ThreadId:
        """Add a thread of the program's own; it runs."""
        number = ThreadId(len(self.threads) + 1)
        now = self._tick()
        self.threads[number] = Thread(
            number, name, ThreadState.RUNNING, since_ns=now, main=main, native_id=9000 + number
        )
        return number

    def pool(
        self,
        max_workers: int | None,
        name: str = "",
        *,
        starting: int = 0,
        unseen: int = 0,
        kind: str = "ThreadPoolExecutor",
    ) -> PoolId:
        """Add an open pool without workers."""
        number = PoolId(len(self.pools) + 1)
        name = name or f"ThreadPoolExecutor-{number - 1}"
        self.pools[number] = Pool(number, kind, name, max_workers, starting=starting, unseen=unseen)
        return number

    def submit(
        self,
        pool: PoolId,
        name: str,
        *,
        by: ThreadId | None = None,
        at: Site | None = None,
    ) -> TaskId:
        """Add a task at the end of the pool's queue."""
        submitter = self.main if by is None else by
        number = TaskId(len(self.tasks) + 1)
        self.tasks[number] = Task(
            number,
            TaskState.QUEUED,
            TaskOrigin.POOL,
            pool,
            function(name),
            at or site("main", 100 + number),
            submitter,
            self.threads[submitter].task,
            submitted_ns=self._tick(),
        )
        self.pools[pool] = replace(self.pools[pool], queue=(*self.pools[pool].queue, number))
        return number

    def promise(self, *, at: Site | None = None) -> TaskId:
        """Add a future made by hand."""
        number = TaskId(len(self.tasks) + 1)
        self.tasks[number] = Task(
            number,
            TaskState.PENDING,
            TaskOrigin.PROMISE,
            submit_site=at or site("main", 100 + number),
            submitted_by=self.main,
            submitted_ns=self._tick(),
        )
        return number

    def unseen_future(self) -> TaskId:
        """Add a future that was made before the recording began."""
        number = TaskId(len(self.tasks) + 1)
        self.tasks[number] = Task(number, TaskState.PENDING, TaskOrigin.UNSEEN)
        return number

    def worker(self, pool: PoolId, task: TaskId | None = None) -> ThreadId:
        """Add a worker; it runs the task, taken from the queue, or is idle."""
        number = ThreadId(len(self.threads) + 1)
        lives = self.pools[pool].workers
        name = f"{self.pools[pool].name}_{len(lives)}"
        self.threads[number] = Thread(
            number, name, ThreadState.IDLE, pool, since_ns=self._tick(), native_id=9000 + number
        )
        self.pools[pool] = replace(self.pools[pool], workers=(*lives, number))
        if task is not None:
            self.start(number, task)
        return number

    def start(self, worker: ThreadId, task: TaskId) -> None:
        """Let the worker take the task from its queue, on top of what it runs."""
        now = self._tick()
        pool = self.tasks[task].pool
        assert pool is not None
        queue = tuple(t for t in self.pools[pool].queue if t != task)
        self.pools[pool] = replace(self.pools[pool], queue=queue)
        self.tasks[task] = replace(
            self.tasks[task], state=TaskState.RUNNING, worker=worker, started_ns=now
        )
        thread = self.threads[worker]
        self.threads[worker] = replace(
            thread, state=ThreadState.RUNNING, tasks=(*thread.tasks, task), since_ns=now
        )

    def run(self, pool: PoolId, name: str) -> tuple[TaskId, ThreadId]:
        """Submit a task and let a new worker take it."""
        task = self.submit(pool, name)
        return task, self.worker(pool, task)

    def done(self, future: TaskId, state: TaskState = TaskState.FINISHED) -> None:
        """Resolve the future; its worker, if it has one, is still in the task."""
        self.tasks[future] = replace(self.tasks[future], state=state, finished_ns=self._tick())

    def cancel(self, future: TaskId, *, notified: bool = False) -> None:
        """Cancel the queued task; it stays in the queue until `notified`."""
        self.done(future, TaskState.CANCELLED)
        self.tasks[future] = replace(self.tasks[future], notified=notified)

    def wait(
        self,
        thread: ThreadId,
        *futures: TaskId,
        operation: str = "Future.result",
        need: int = 1,
        timeout_ns: int | None = None,
        at: Site | None = None,
    ) -> None:
        """Let the thread wait for `need` of the futures."""
        now = self._tick()
        task = self.threads[thread].task
        called = None if task is None else self.tasks[task].function
        where = at or site(called.name if called else "main", 200 + thread)
        wait = FutureWait(operation, futures, need, timeout_ns, where, now)
        self._block(thread, wait)

    def drain(
        self,
        thread: ThreadId,
        *pools: PoolId,
        operation: str = "Executor.shutdown",
        at: Site | None = None,
        close: bool = True,
    ) -> None:
        """Let the thread shut the pools down and wait for their workers."""
        if close:
            for pool in pools:
                self.close(pool)
        where = at or site("main", 300 + thread)
        self._block(thread, DrainWait(operation, pools, None, where, self._tick()))

    def exit(self) -> None:
        """Let the main thread, its work done, wait for all workers at interpreter exit."""
        for pool in self.pools:
            self.close(pool)
        self._block(
            self.main,
            DrainWait("interpreter exit", tuple(self.pools), None, None, self._tick()),
        )

    def close(self, pool: PoolId) -> None:
        """Shut the pool down without waiting."""
        self.pools[pool] = replace(self.pools[pool], closed=True)

    def leave(self, worker: ThreadId) -> None:
        """Let the worker end."""
        thread = self.threads[worker]
        assert thread.pool is not None
        pool = self.pools[thread.pool]
        lives = tuple(w for w in pool.workers if w != worker)
        self.pools[thread.pool] = replace(pool, workers=lives)
        self.end(worker)

    def end(self, thread: ThreadId) -> None:
        """Let the thread end."""
        self.threads[thread] = replace(
            self.threads[thread], state=ThreadState.ENDED, wait=None, since_ns=self._tick()
        )

    def _block(self, thread: ThreadId, wait: FutureWait | DrainWait) -> None:
        self.threads[thread] = replace(
            self.threads[thread], state=ThreadState.WAITING, wait=wait, since_ns=wait.since_ns
        )

    def snapshot(self, *, after_ns: int = 1_000_000_000) -> Snapshot:
        """Return what holds a while after the last step, by default one second."""
        return Snapshot(
            self.now_ns + after_ns,
            dict(self.threads),
            dict(self.tasks),
            dict(self.pools),
            self.all_threads_known,
        )


# The classics, as others need them too.


def starved_pool(workers: int = 1) -> Snapshot:
    """Return classic (a): each worker runs ``outer``, which waits for ``inner``, which is queued.

    The main thread waits for the first ``outer``.
    """
    b = Builder()
    pool = b.pool(workers)
    outer = [b.submit(pool, "outer", at=site("main", 30)) for _ in range(workers)]
    running = [b.worker(pool, task) for task in outer]
    inner = [b.submit(pool, "inner", by=worker, at=site("outer", 12)) for worker in running]
    for worker, task in zip(running, inner, strict=True):
        b.wait(worker, task, at=site("outer", 13))
    b.wait(b.main, outer[0], at=site("main", 31, ("<module>", 40)))
    return b.snapshot()


def circular_wait() -> Snapshot:
    """Return classic (b): two tasks wait on each other; main is in the ``with`` block's exit."""
    b = Builder()
    pool = b.pool(2)
    left, one = b.run(pool, "left")
    right, two = b.run(pool, "right")
    b.wait(one, right, at=site("left", 14))
    b.wait(two, left, at=site("right", 18))
    b.drain(b.main, pool, at=site("main", 33, ("<module>", 40)))
    return b.snapshot()


def self_wait() -> Snapshot:
    """Return classic (c): a task waits on its own future; main waits for it too."""
    b = Builder()
    pool = b.pool(4)
    task, worker = b.run(pool, "narcissus")
    b.wait(worker, task, at=site("narcissus", 9))
    b.wait(b.main, task, at=site("main", 31))
    return b.snapshot()


def exit_hang() -> Snapshot:
    """Return classic (d): main is done, and a worker waits for a promise nobody can set."""
    b = Builder()
    pool = b.pool(2)
    promise = b.promise(at=site("main", 25))
    _, worker = b.run(pool, "consumer")
    b.wait(worker, promise, at=site("consumer", 8))
    b.exit()
    return b.snapshot()


def abandoned_promise() -> Snapshot:
    """Return a program that is nothing but main, waiting for a promise nobody can set."""
    b = Builder()
    promise = b.promise(at=site("main", 5))
    b.wait(b.main, promise, at=site("main", 6))
    return b.snapshot()


def self_drain() -> Snapshot:
    """Return a worker that shuts down its own pool while its sibling waits for its task."""
    b = Builder()
    pool = b.pool(2)
    boss, one = b.run(pool, "boss")
    _, two = b.run(pool, "helper")
    b.wait(two, boss, at=site("helper", 20))
    b.drain(one, pool, at=site("boss", 15))
    b.wait(b.main, boss, at=site("main", 31))
    return b.snapshot()


def busy() -> Snapshot:
    """Return a pool that works: one worker runs, tasks are queued, main waits."""
    b = Builder()
    pool = b.pool(1)
    first, _ = b.run(pool, "work")
    second = b.submit(pool, "work")
    b.wait(b.main, first, second, operation="wait(ALL_COMPLETED)", need=2)
    return b.snapshot(after_ns=500_000_000)
