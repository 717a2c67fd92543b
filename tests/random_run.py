"""Random runs: valid traces together with what must hold at their end.

The oracle of the replay's tests.  It lives in the words of the model, keeps every task for ever and
builds a whole snapshot whenever asked, so that it shares no idea with the replay but the meaning of
the events.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from hypothesis import strategies as st

from tests.tracegen import TraceGen
from tpanalyze.model import (
    DrainWait,
    FutureWait,
    Pool,
    PoolId,
    Snapshot,
    Task,
    TaskId,
    TaskOrigin,
    TaskState,
    Thread,
    ThreadId,
    ThreadState,
    Wait,
)

CHOICE = st.integers(0, (1 << 24) - 1)
CHOICES = st.lists(CHOICE, max_size=15) | st.lists(CHOICE, min_size=40, max_size=70)
"""What a run is made of: mostly enough for something to happen, yet free to shrink."""

TICK_NS = 1000
MOST_THREADS = 6
MOST_POOLS = 3
MOST_TASKS = 40


@dataclass
class _Thread:
    """A thread of the run."""

    id: int
    name: str
    main: bool = False
    pool: int | None = None
    tasks: list[int] = field(default_factory=list)
    state: ThreadState = ThreadState.RUNNING
    wait: Wait | None = None
    since_ns: int = 0


class RandomRun:
    """A run made of choices: each integer picks one of the steps that are possible next."""

    def __init__(self, choices: list[int]) -> None:
        self.trace = TraceGen(tick_ns=TICK_NS)
        self.now_ns = 0
        self.threads: dict[int, _Thread] = {}
        self.tasks: dict[int, Task] = {}
        self.pools: dict[int, Pool] = {}
        self.all_closed = False
        self.all_threads_known = False
        self.looked_ns: int | None = None
        self.moments: list[Snapshot] = []
        """what holds after each event"""
        self._choice = 0
        self._define_thread(main=True)
        for choice in choices:
            steps = list(self._steps())
            # low bits pick the step, high ones its details, so that both shrink on their own
            self._choice, step = divmod(choice, len(steps))
            before_ns = self.now_ns
            steps[step]()
            if self.now_ns > before_ns:
                self.moments.append(self.snapshot())

    # ------------------------------------------------------------------ what must hold

    def snapshot(self) -> Snapshot:
        """What holds now."""
        waits = [t.wait for t in self.threads.values() if isinstance(t.wait, FutureWait)]
        awaited = {future for wait in waits for future in wait.futures}
        occupied = {task for thread in self.threads.values() for task in thread.tasks}
        queued = {task for pool in self.pools.values() for task in pool.queue}
        named = awaited | occupied | queued
        tasks: dict[TaskId, Task] = {}
        for task in self.tasks.values():
            if task.done and task.id not in named:
                continue
            if task.done and task.id not in occupied | queued:
                # of a task that is over for everybody, when and by whom is not kept
                task = replace(task, worker=None, started_ns=None, finished_ns=None)  # noqa: PLW2901
            tasks[task.id] = task
        return Snapshot(
            self.now_ns,
            threads={ThreadId(t.id): self._frozen(t) for t in self.threads.values()},
            tasks=tasks,
            pools={pool.id: pool for pool in self.pools.values()},
            all_threads_known=self.all_threads_known,
            looked_ns=self.looked_ns,
        )

    def _frozen(self, thread: _Thread) -> Thread:
        return Thread(
            ThreadId(thread.id),
            thread.name,
            thread.state,
            pool=None if thread.pool is None else PoolId(thread.pool),
            tasks=tuple(map(TaskId, thread.tasks)),
            wait=thread.wait,
            since_ns=thread.since_ns,
            main=thread.main,
            native_id=9000 + thread.id,
        )

    # ------------------------------------------------------------------ what may happen next

    def _steps(self) -> Iterator[Callable[[], None]]:
        """Yield a step for every kind of thing that can happen now."""
        yield self._submit_or_promise
        if len(self.pools) < MOST_POOLS:
            yield self._define_pool
        if len(self.threads) < MOST_THREADS:
            yield self._enter
        yield self._start
        yield self._start
        yield self._resolve
        yield self._resolve
        yield self._idle_or_leave
        if self.tasks:
            yield self._wait
        yield self._wake
        yield self._rare

    def _rare(self) -> None:
        """One of the things that happen seldom."""
        steps = (
            self._read,
            self._cancel,
            self._withdraw,
            self._drain,
            self._close,
            self._spawn,
            self._define_future,
            self._define_plain_thread,
            self._look,
        )
        self._pick(steps)()

    def _pick[T](self, options: tuple[T, ...] | list[T]) -> T:
        self._choice, option = divmod(self._choice, len(options))
        return options[option]

    def _dt(self) -> int:
        """Let time pass."""
        dt = self._pick((1, 2, 50))
        self.now_ns += dt * TICK_NS
        return dt

    def _actor(self, *, state: ThreadState | None = None) -> _Thread | None:
        """Choose a thread that has not ended."""
        alive = [t for t in self.threads.values() if t.state is not ThreadState.ENDED]
        alive = [t for t in alive if state is None or t.state is state]
        return self._pick(alive) if alive else None

    def _acts(self, thread: _Thread) -> int:
        """The thread does something: it neither waits nor is idle.  Return dt."""
        self.all_threads_known = False
        dt = self._dt()
        if thread.state is not ThreadState.RUNNING:
            self._becomes(thread, ThreadState.RUNNING)
        return dt

    def _becomes(self, thread: _Thread, state: ThreadState, wait: Wait | None = None) -> None:
        thread.state, thread.wait, thread.since_ns = state, wait, self.now_ns

    # ------------------------------------------------------------------ definitions

    def _define_thread(self, *, main: bool = False) -> _Thread:
        number = self.trace.thread(main=main)
        thread = self.threads[number] = _Thread(number, f"Thread-{number}", main)
        return thread

    def _define_plain_thread(self) -> None:
        if len(self.threads) < MOST_THREADS:
            self._define_thread()

    def _look(self) -> None:
        """The recorder sees that nothing happens, or where the threads stand."""
        if self._pick((True, False)):
            self.trace.beat(dt=self._dt())
        else:
            self.trace.census(dt=self._dt())
            self.all_threads_known = True
            self.looked_ns = self.now_ns

    def _define_pool(self) -> None:
        size = self._pick((1, 2, 3))
        unseen = self._pick((0, 0, 1))
        number = self.trace.pool(size, unseen=unseen)
        self.pools[number] = Pool(
            PoolId(number),
            "ThreadPoolExecutor",
            f"pool-{number}",
            size,
            unseen=unseen,
            closed=self.all_closed,
        )

    def _define_future(self) -> None:
        if len(self.tasks) < MOST_TASKS:
            task = self.trace.future()
            self.tasks[task] = Task(TaskId(task), TaskState.PENDING, TaskOrigin.UNSEEN)

    # ------------------------------------------------------------------ tasks

    def _submit_or_promise(self) -> None:
        thread = self._actor()
        pools = [pool for pool in self.pools.values() if not pool.closed]
        if thread is None or len(self.tasks) >= MOST_TASKS:
            return
        dt = self._acts(thread)
        parent = TaskId(thread.tasks[-1]) if thread.tasks else None
        by_hand = self._pick((False, False, False, True))
        if pools and not by_hand:
            pool = self._pick(pools)
            number = self.trace.submit(thread.id, pool.id, dt=dt)
            state, origin, home = TaskState.QUEUED, TaskOrigin.POOL, pool.id
            self.pools[pool.id] = replace(pool, queue=(*pool.queue, TaskId(number)))
        else:
            number = self.trace.promise(thread.id, dt=dt)
            state, origin, home = TaskState.PENDING, TaskOrigin.PROMISE, None
        self.tasks[number] = Task(
            TaskId(number),
            state,
            origin,
            pool=home,
            submitted_by=ThreadId(thread.id),
            submitted_in=parent,
            submitted_ns=self.now_ns,
        )

    def _start(self) -> None:
        thread = self._actor()
        pools = [pool for pool in self.pools.values() if pool.queue]
        if thread is not None and thread.pool is not None:
            pools = [pool for pool in pools if pool.id == thread.pool]
        if thread is None or not pools:
            return
        pool = self._pick(pools)
        task = pool.queue[0]
        self.trace.start(thread.id, task, dt=self._acts(thread))
        self._dequeue(task)
        if thread.pool is None and self.pools[pool.id].unseen:
            pool = self.pools[pool.id]
            self.pools[pool.id] = replace(
                pool, unseen=pool.unseen - 1, workers=(*pool.workers, ThreadId(thread.id))
            )
            thread.pool = pool.id
        if thread.tasks and self.tasks[thread.tasks[-1]].done:
            thread.tasks.pop()
        thread.since_ns = self.now_ns
        if self.tasks[task].done:
            self.tasks[task] = replace(self.tasks[task], notified=True)
        else:
            thread.tasks.append(task)
            self.tasks[task] = replace(
                self.tasks[task],
                state=TaskState.RUNNING,
                worker=ThreadId(thread.id),
                started_ns=self.now_ns,
            )

    def _dequeue(self, task: TaskId) -> None:
        pool_id = self.tasks[task].pool
        assert pool_id is not None
        pool = self.pools[pool_id]
        self.pools[pool_id] = replace(pool, queue=tuple(t for t in pool.queue if t != task))

    def _resolve(self) -> None:
        """A result is set: of the innermost unfinished task, or of a promise."""
        thread = self._actor()
        if thread is None:
            return
        open_ = [t for t in thread.tasks if not self.tasks[t].done][-1:]
        open_ += [t.id for t in self.tasks.values() if t.state is TaskState.PENDING]
        if not open_:
            return
        task = self._pick(open_)
        dt = self._acts(thread)
        if self._pick((True, True, False)):
            self.trace.finish(thread.id, task, dt=dt)
            outcome = TaskState.FINISHED
        else:
            self.trace.fail(thread.id, task, dt=dt)
            outcome = TaskState.FAILED
        if task in thread.tasks and thread.tasks[-1] != task:
            # it has returned from those that it ran inside this one
            del thread.tasks[thread.tasks.index(task) + 1 :]
            thread.since_ns = self.now_ns
        self.tasks[task] = replace(self.tasks[task], state=outcome, finished_ns=self.now_ns)

    def _cancel(self) -> None:
        thread = self._actor()
        open_ = [
            t.id for t in self.tasks.values() if t.state in (TaskState.QUEUED, TaskState.PENDING)
        ]
        if thread is None or not open_:
            return
        task = self.tasks[self._pick(open_)]
        self.trace.cancel(thread.id, task.id, dt=self._acts(thread))
        self.tasks[task.id] = replace(task, state=TaskState.CANCELLED, finished_ns=self.now_ns)

    def _withdraw(self) -> None:
        thread = self._actor()
        queued = [task for pool in self.pools.values() for task in pool.queue]
        if thread is not None and queued:
            task = self._pick(queued)
            self.trace.withdraw(thread.id, task, dt=self._acts(thread))
            self._dequeue(task)

    def _read(self) -> None:
        thread = self._actor()
        done = [task.id for task in self.tasks.values() if task.done]
        if thread is not None and done:
            self.trace.read(thread.id, self._pick(done), dt=self._acts(thread))

    # ------------------------------------------------------------------ waits

    def _wait(self) -> None:
        thread = self._actor()
        if thread is None:
            return
        tasks = [task for task in self.tasks if self._pick((True, False))] or list(self.tasks)[:1]
        need = self._pick((1, len(tasks)))
        timeout = self._pick((-1, -1, 30))
        timeout_ns = None if timeout < 0 else timeout * TICK_NS
        if self._pick((True, True, False)):
            operation = "wait(ALL_COMPLETED)" if need == len(tasks) else "wait(FIRST_COMPLETED)"
            dt = self._acts(thread)
            self.trace.wait(
                thread.id, tasks, need=need, timeout=timeout, operation=operation, dt=dt
            )
        else:
            operation = "as_completed"
            number = self.trace.set(tasks)
            dt = self._acts(thread)
            self.trace.wait_for_set(thread.id, number, need, timeout=timeout, dt=dt)
        futures = tuple(map(TaskId, sorted(tasks)))
        wait = FutureWait(operation, futures, need, timeout_ns, None, self.now_ns)
        self._becomes(thread, ThreadState.WAITING, wait)

    def _wake(self) -> None:
        thread = self._actor(state=ThreadState.WAITING)
        if thread is not None:
            self.trace.wake(thread.id, dt=self._acts(thread))

    def _drain(self) -> None:
        thread = self._actor()
        if thread is None:
            return
        pool = self._pick([0, *self.pools])
        self.trace.drain(thread.id, pool, dt=self._acts(thread))
        alive = [p.id for p in self.pools.values() if p.workers or p.starting or p.unseen]
        pools = (PoolId(pool),) if pool else tuple(alive)
        wait = DrainWait("Executor.shutdown", pools, None, None, self.now_ns)
        self._becomes(thread, ThreadState.WAITING, wait)

    # ------------------------------------------------------------------ workers and pools

    def _spawn(self) -> None:
        thread = self._actor()
        if thread is not None and self.pools:
            pool = self._pick(list(self.pools.values()))
            self.trace.spawn(thread.id, pool.id, dt=self._acts(thread))
            self.pools[pool.id] = replace(pool, starting=pool.starting + 1)

    def _enter(self) -> None:
        if self.pools:
            pool = self._pick(list(self.pools.values()))
            thread = self._define_thread()
            self.trace.enter(thread.id, pool.id, dt=self._acts(thread))
            workers = (*pool.workers, ThreadId(thread.id))
            self.pools[pool.id] = replace(pool, workers=workers, starting=max(0, pool.starting - 1))
            thread.pool, thread.since_ns = pool.id, self.now_ns

    def _idle_or_leave(self) -> None:
        """A worker that has nothing unfinished idles, or ends."""
        free = [
            thread
            for thread in self.threads.values()
            if thread.pool is not None and all(self.tasks[task].done for task in thread.tasks)
        ]
        if not free:
            return
        thread = self._pick(free)
        dt = self._acts(thread)
        thread.tasks.clear()
        if self._pick((True, True, False)):
            self.trace.idle(thread.id, dt=dt)
            self._becomes(thread, ThreadState.IDLE)
            return
        self.trace.leave(thread.id, dt=dt)
        assert thread.pool is not None
        pool = self.pools[thread.pool]
        workers = tuple(worker for worker in pool.workers if worker != thread.id)
        self.pools[pool.id] = replace(pool, workers=workers)
        thread.pool = None
        self._becomes(thread, ThreadState.ENDED)

    def _close(self) -> None:
        thread = self._actor()
        if thread is not None:
            number = self._pick([*self.pools, 0])
            self.trace.close(thread.id, number, dt=self._acts(thread))
            self.all_closed |= not number
            for pool in self.pools.values():
                if number in (0, pool.id):
                    self.pools[pool.id] = replace(pool, closed=True)
