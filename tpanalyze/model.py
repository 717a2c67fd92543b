"""The words of the analyser: what holds at one instant of a recorded run.

Values only: frozen, comparable, made by :mod:`tpanalyze.replay` and read by everything above it.
All times end in ``_ns``: nanoseconds on the recorder's monotonic clock since the header's moment,
comparable within one trace only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NewType

ThreadId = NewType("ThreadId", int)
TaskId = NewType("TaskId", int)
"""Number of a task or promise, and so of its future: one number space."""
PoolId = NewType("PoolId", int)
ObjectId = NewType("ObjectId", int)


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the recorded program, as the recorder saw it."""

    name: str
    file: str | None = None
    line: int | None = None
    module: str | None = None
    stdlib: bool = False


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame of a call stack: ``file:line in function``."""

    function: Function
    line: int


@dataclass(frozen=True, slots=True)
class Site:
    """A place in the program: a call stack, innermost frame first; never empty."""

    frames: tuple[Frame, ...]


class TaskState(StrEnum):
    """Where a task is in its life; a promise is PENDING until it is done."""

    QUEUED = "queued"
    RUNNING = "running"
    PENDING = "pending"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"
    """Cancelled while queued: ``result()`` raises at once, but ``wait()`` and ``as_completed()``
    count it as done only when a worker has taken it from the queue (`notified`)."""


class TaskOrigin(StrEnum):
    """What stands behind a future."""

    POOL = "pool"
    """a call handed to a recorded pool"""
    PROMISE = "promise"
    """a future made by hand: whoever holds it may set it"""
    UNSEEN = "unseen"
    """made before the recorder could see it: nothing is known"""


@dataclass(frozen=True, slots=True)
class Task:
    """A task or promise at one instant."""

    id: TaskId
    state: TaskState
    origin: TaskOrigin
    pool: PoolId | None = None
    function: Function | None = None
    submit_site: Site | None = None
    """where it was submitted; of a promise: where it was made"""
    submitted_by: ThreadId | None = None
    submitted_in: TaskId | None = None
    """the task that submitted it, if one did"""
    worker: ThreadId | None = None
    """the thread that runs it, or ran it"""
    submitted_ns: int | None = None
    started_ns: int | None = None
    finished_ns: int | None = None
    notified: bool = False
    """of a cancelled task: a worker has taken it from the queue"""
    loop: PoolId | None = None
    """of a promise: the event loop that is to set it, in a callback that has yet to run; or the
    handler whose thread is to make a task of it"""
    passed: bool = False
    """its worker has run it, and another thread is to set its result: see `Pool.results`"""
    awaits: tuple[TaskId, ...] = ()
    """of a promise: the coroutine that is to set it is suspended until one of these tasks is done;
    none: it is not known for what"""

    @property
    def done(self) -> bool:
        """True when ``Future.done()`` is true."""
        return self.state in (TaskState.FINISHED, TaskState.FAILED, TaskState.CANCELLED)


@dataclass(frozen=True, slots=True)
class FutureWait:
    """The thread blocks until at least `need` of `futures` are done."""

    operation: str
    futures: Sequence[TaskId]
    need: int
    timeout_ns: int | None
    site: Site | None
    since_ns: int

    @property
    def timed(self) -> bool:
        """True if the wait ends by itself."""
        return self.timeout_ns is not None

    @property
    def counts_cancelled(self) -> bool:
        """True if a cancelled future is done for this wait before a worker has taken it."""
        return self.operation in ("Future.result", "Future.exception", "Executor.map")


@dataclass(frozen=True, slots=True)
class DrainWait:
    """The thread blocks until every worker of every one of `pools` has ended."""

    operation: str
    pools: tuple[PoolId, ...]
    timeout_ns: int | None
    site: Site | None
    since_ns: int

    @property
    def timed(self) -> bool:
        """True if the wait ends by itself."""
        return self.timeout_ns is not None


@dataclass(frozen=True, slots=True)
class ThreadWait:
    """The thread blocks until every one of `threads` has ended."""

    operation: str
    threads: tuple[ThreadId, ...]
    every: bool
    """at interpreter exit: `threads` are those that are known; also what they may yet start"""
    timeout_ns: int | None
    site: Site | None
    since_ns: int

    @property
    def timed(self) -> bool:
        """True if the wait ends by itself."""
        return self.timeout_ns is not None


@dataclass(frozen=True, slots=True)
class Object:
    """Something threads block on: an event, condition, semaphore, barrier, queue or lock."""

    id: ObjectId
    kind: str
    """its class"""
    parties: int | None = None
    """of a barrier: how many threads it waits for"""
    made: Site | None = None
    """of a lock: where it was made"""


@dataclass(frozen=True, slots=True)
class ObjectWait:
    """The thread blocks until somebody else does something with the object."""

    operation: str
    object: Object
    timeout_ns: int | None
    site: Site | None
    since_ns: int
    woken_by: tuple[ThreadId, ...] = ()
    """the threads that were seen to wake somebody who blocked on this object, first ones first"""
    waiting: int = 1
    """how many threads block on it"""
    signalled: bool = False
    """somebody who blocks on it has been woken and not been seen to go on: it may be this thread"""

    @property
    def timed(self) -> bool:
        """True if the wait ends by itself."""
        return self.timeout_ns is not None


@dataclass(frozen=True, slots=True)
class LockWait:
    """The thread blocks until it has the lock."""

    operation: str
    object: Object
    timeout_ns: int | None
    site: Site | None
    since_ns: int
    owner: ThreadId | None = None
    """the thread that has the lock; None: at this moment none, or it is not known which"""
    held_site: Site | None = None
    """where that thread took it"""
    scoped: bool = False
    """it took it by a ``with`` block, whose end releases it"""
    reentrant: bool = False
    """an RLock: nobody but its owner can release it"""
    released_by: tuple[ThreadId, ...] = ()
    """the threads that were seen to release this lock while another one had it"""

    @property
    def timed(self) -> bool:
        """True if the wait ends by itself."""
        return self.timeout_ns is not None


Wait = FutureWait | DrainWait | ThreadWait | ObjectWait | LockWait


class ThreadState(StrEnum):
    """What a thread does at one instant, as far as the trace knows."""

    RUNNING = "running"
    """it runs, or blocks in something the trace does not record: it can move"""
    WAITING = "waiting"
    """it blocks in the recorded `wait`"""
    IDLE = "idle"
    """a worker that waits for its pool's next task"""
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Thread:
    """A thread at one instant."""

    id: ThreadId
    name: str
    state: ThreadState
    pool: PoolId | None = None
    """the pool it is a worker of"""
    tasks: tuple[TaskId, ...] = ()
    """the tasks it occupies itself with, outermost first; a task stays here after its result is
    set until the worker has returned from it (done-callbacks run in between)"""
    wait: Wait | None = None
    """set if and only if the state is WAITING"""
    since_ns: int = 0
    """when the present state began"""
    main: bool = False
    daemon: bool = False
    native_id: int | None = None
    stack: Site | None = None
    """where it stood at the last look, if it has done nothing recorded since; see `looked_ns`"""
    stack_ns: int | None = None
    """the first of the looks that found it there; nothing at all has happened since"""

    @property
    def task(self) -> TaskId | None:
        """The innermost task, the one whose code runs."""
        return self.tasks[-1] if self.tasks else None


class PoolRole(StrEnum):
    """What a pool is."""

    EXECUTOR = "executor"
    """its workers are threads of its own"""
    LOOP = "loop"
    """an event loop: its only worker is the thread that runs it"""
    LIMITER = "limiter"
    """its workers are tokens: a task that has one always finds a thread, as many as there are"""
    CREW = "crew"
    """its workers are threads of its own, and there are always as many as there may be"""
    PROCESSES = "processes"
    """its workers are other processes: nothing is known of what they do"""
    HANDLER = "handler"
    """its only worker is a thread that serves another pool"""


@dataclass(frozen=True, slots=True)
class Pool:
    """A pool at one instant."""

    id: PoolId
    kind: str
    name: str
    max_workers: int | None
    workers: tuple[ThreadId, ...] = ()
    """the workers that live"""
    starting: int = 0
    """workers that were started and have not been seen to run yet"""
    unseen: int = 0
    """workers that lived before the recording began and have not been seen yet"""
    lost: int = 0
    """workers that a fork has left behind in the parent process; it counts them as its own"""
    queue: tuple[TaskId, ...] = ()
    """the tasks that no worker has taken yet, in order; cancelled ones included"""
    closed: bool = False
    """it was shut down: it takes no more tasks, and its workers end when the queue is empty"""
    broken: bool = False
    """an initializer has failed: it takes no more tasks, but its idle workers stay"""
    role: PoolRole = PoolRole.EXECUTOR
    serves: PoolId | None = None
    """of a handler: the pool it serves; its `name` says with what: results, tasks, workers"""
    results: PoolId | None = None
    """the handler whose thread sets the results of its tasks, and runs their callbacks; None: its
    workers do so themselves, or it is not known"""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that holds at one instant: the input of the verdict.

    ``tasks`` has every task that is not done, and every done one that a wait, a thread or a queue
    still names.
    """

    time_ns: int
    threads: dict[ThreadId, Thread] = field(default_factory=dict)
    tasks: Mapping[TaskId, Task] = field(default_factory=dict)
    pools: dict[PoolId, Pool] = field(default_factory=dict)
    all_threads_known: bool = False
    """True if every thread of the process that can run Python code is among `threads`; if not,
    somebody the trace does not know may still submit a task or set a promise"""
    looked_ns: int | None = None
    """the moment of the last look at where all threads stand"""
    times: Mapping[TaskId, int] = field(default_factory=dict)
    """how many tasks those of `tasks` stand for that stand for several: see `tpanalyze.alike`"""


class QualityGrade(StrEnum):
    """How much a remark about the trace weighs."""

    NOTICE = "notice"
    LOSS = "loss"


@dataclass(frozen=True, slots=True)
class Remark:
    """Something about the trace itself that a reader must know."""

    grade: QualityGrade
    slug: str
    text: str
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Header:
    """The trace's first line."""

    version: int
    recorder: str
    python: str
    implementation: str
    free_threaded: bool
    platform: str
    cpus: int | None
    pid: int
    program: str
    started: str
    clock: str
    tick_ns: int
    parent: int | None = None
    """of a child: pid of the nearest recorded process it descends from"""
    process: str | None = None
    """of a child of multiprocessing: its name"""


@dataclass(frozen=True, slots=True)
class Quality:
    """What is known about the completeness of the trace."""

    events: int
    ended: str | None
    """how the recorder stopped; None: it did not, the process was killed or still runs"""
    dropped: int = 0
    remarks: tuple[Remark, ...] = ()

    @property
    def complete(self) -> bool:
        """True if nothing is known to be missing before the trace's end."""
        return self.dropped == 0 and all(r.grade is not QualityGrade.LOSS for r in self.remarks)
