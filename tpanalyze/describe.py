"""Words for what a snapshot holds: threads, tasks, pools, places, times.  Names stand as recorded.

Escaping is the renderers' business: each knows where its text goes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from tpanalyze.compact import Each, each_once
from tpanalyze.edges import ordinal
from tpanalyze.model import (
    DrainWait,
    Frame,
    FutureWait,
    LockWait,
    Object,
    ObjectWait,
    Pool,
    PoolId,
    PoolRole,
    Site,
    Snapshot,
    Task,
    TaskId,
    TaskOrigin,
    TaskState,
    Thread,
    ThreadId,
    ThreadWait,
    Wait,
)

INTERPRETER_EXIT: Final = "interpreter exit"
"""The operation in which the main thread waits for all workers once its work is done."""

_ASKED: Final = {
    "Event.wait": "{} to be set",
    "Condition.wait": "a notification of {}",
    "Semaphore.acquire": "{} to be released",
    "Queue.get": "an item in {}",
    "Queue.put": "room in {}",
    "Queue.join": "every item of {} to be done",
}
"""What a thread waits for in each operation on an object."""

_DONE: Final = {
    "Event.wait": "set",
    "Condition.wait": "notified",
    "Semaphore.acquire": "released",
    "Barrier.wait": "came to",
    "Queue.get": "put into",
    "Queue.put": "took from",
    "Queue.join": "worked off",
}
"""What somebody else does with the object to end it."""

_CALLS: Final = "Future._invoke_callbacks"
_SETTERS: Final = ("Future.set_result", "Future.set_exception")

_NUMBERS: Final = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def number(count: int) -> str:
    """Return the count in words up to nine.

    >>> number(0), number(2), number(17)
    ('no', 'two', '17')
    """
    return _NUMBERS[count] if count < len(_NUMBERS) else str(count)


def all_of(count: int) -> str:
    """Return how a sentence begins that is about all of so many.

    >>> all_of(2), all_of(3), all_of(40)
    ('Both', 'All three', 'All 40')
    """
    return "Both" if count == 2 else f"All {number(count)}"


def counted(count: int, noun: str, plural: str = "") -> str:
    """Return the count with its noun.

    >>> counted(1, "worker"), counted(3, "worker"), counted(2, "process", "processes")
    ('one worker', 'three workers', 'two processes')
    """
    return f"{number(count)} {noun if count == 1 else plural or noun + 's'}"


def listing(words: Sequence[str], limit: int = 4) -> str:
    """Return the words as an enumeration; beyond `limit` the rest is counted.

    >>> listing(["a"]), listing(["a", "b"]), listing(["a", "b", "c"])
    ('a', 'a and b', 'a, b and c')
    >>> listing(["a", "b", "c", "d", "e", "f"])
    'a, b, c and 3 more'
    """
    if len(words) > limit:
        words = [*words[: limit - 1], f"{len(words) - limit + 1} more"]
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"


def duration(time_ns: int) -> str:
    """Return a length of time, three digits at least where seconds would hide it.

    >>> duration(412_000), duration(2_300_000), duration(1_234_000_000), duration(7_265 * 10**9)
    ('412 µs', '2.3 ms', '1.23 s', '2 h 1 min 5 s')
    """
    if time_ns < 1_000_000:
        return f"{time_ns / 1e3:.0f} µs"
    if time_ns < 100_000_000:
        return f"{time_ns / 1e6:.3g} ms"
    seconds = time_ns / 1e9
    if seconds < 120:
        return f"{seconds:.2f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return (f"{hours} h " if hours else "") + f"{minutes} min {rest} s"


def moment(time_ns: int) -> str:
    """Return a moment on the trace's clock, in seconds since the recording began.

    >>> moment(12_412_345_678)
    '12.412 s'
    """
    return f"{time_ns / 1e9:.3f} s"


def thing(known: Object) -> str:
    """Return what an object that threads block on is called: ``Event 3``.

    >>> from tpanalyze.model import ObjectId
    >>> thing(Object(ObjectId(3), "Event"))
    'Event 3'
    """
    return f"{known.kind} {known.id}"


def lock(wait: LockWait) -> str:
    """Return what a lock is called: ``Lock 3 (made at app.py:7 in <module>)``."""
    made = at(wait.object.made)
    return thing(wait.object) + (f" (made{made})" if made else "")


def did(wait: ObjectWait) -> str:
    """Return what somebody else does to end the wait: ``set``, ``put into``."""
    return _DONE.get(wait.operation, "signalled")


def basename(file: str) -> str:
    r"""Return the last part of a path of any operating system.

    >>> basename("src/app.py"), basename(r"src\app.py")
    ('app.py', 'app.py')
    """
    return file.replace("\\", "/").rsplit("/", 1)[-1]


def own_frames(site: Site | None) -> tuple[Frame, ...]:
    """Return the frames of the app's own functions, innermost first; all, if none is its own."""
    if site is None:
        return ()
    return tuple(frame for frame in site.frames if not frame.function.stdlib) or site.frames


def frame(place: Frame) -> str:
    """Return a frame as ``app.py:12 in outer``."""
    file = place.function.file
    where = f"{basename(file)}:{place.line} in " if file else ""
    return where + place.function.name


def place(site: Site | None) -> str:
    """Return where in the app the site is, ``app.py:12 in outer``; empty if that is not known."""
    frames = own_frames(site)
    return frame(frames[0]) if frames else ""


def at(site: Site | None) -> str:
    """Return " at app.py:12 in outer", or nothing if the place is not known."""
    where = place(site)
    return f" at {where}" if where else ""


def done_callback(site: Site | None) -> str:
    """Return the name of the done-callback the site is in; empty if it is in none.

    It is one if the call stack says so: the pool has set the result and runs the callbacks.  One
    that a task runs itself, because it sets a promise, is a part of the task.
    Source: CPython, ``concurrent.futures.Future._invoke_callbacks``.
    """
    frames = () if site is None else site.frames
    own = [index for index, frame in enumerate(frames) if not frame.function.stdlib]
    outermost = own[-1] if own else -1
    around = [frame.function.name for frame in frames[outermost + 1 :]]
    told = pairwise(around)
    if not own or not any(inner == _CALLS and outer in _SETTERS for inner, outer in told):
        return ""
    return frames[outermost].function.name


def waits_in_callback(thread: Thread) -> str:
    """Return the name of the done-callback in which the thread waits; empty if in none."""
    if thread.task is None or thread.wait is None:
        return ""
    return done_callback(thread.wait.site)


@dataclass(frozen=True, slots=True)
class Words:
    """Names for the things of one snapshot."""

    snapshot: Snapshot
    _homonyms: frozenset[str]

    @classmethod
    def of(cls, snapshot: Snapshot) -> Words:
        """Return the words for the snapshot."""
        names = Counter(thread.name for thread in snapshot.threads.values())
        return cls(snapshot, frozenset(name for name, times in names.items() if times > 1))

    def thread(self, thread: ThreadId) -> str:
        """Return ``the main thread``, ``worker pool_0`` or ``thread Thread-1``."""
        known = self.snapshot.threads.get(thread)
        if known is None:
            return f"thread {thread}"
        if known.main:
            return "the main thread"
        pool = None if known.pool is None else self.snapshot.pools.get(known.pool)
        is_worker = known.pool is not None and (pool is None or pool.role is not PoolRole.HANDLER)
        what = "worker" if is_worker else "thread"
        twin = known.name in self._homonyms or not known.name
        return f"{what} {known.name}" + (f" (thread {thread})" if twin else "")

    def pool(self, pool: PoolId) -> str:
        """Return ``pool ThreadPoolExecutor-0``, ``limiter 2``, ``the event loop of …``."""
        known = self.snapshot.pools.get(pool)
        if known is not None and known.role is PoolRole.LIMITER:
            return f"limiter {pool}"
        if known is not None and known.role is PoolRole.LOOP:
            runner = "".join(f" of {self.thread(worker)}" for worker in known.workers)
            return f"the event loop{runner}" if runner else f"event loop {pool}"
        if known is not None and known.role is PoolRole.HANDLER:
            of = f" of {self.pool(known.serves)}" if known.serves in self.snapshot.pools else ""
            return f"the thread for the {known.name}{of}"
        if known is not None and known.role in (PoolRole.CREW, PoolRole.PROCESSES):
            what = "process pool" if known.role is PoolRole.PROCESSES else "pool"
            return f"{what} {known.kind}-{pool}"
        if known is None or not known.name:
            return f"pool {pool}"
        twins = sum(known.name == other.name for other in self.snapshot.pools.values())
        return f"pool {known.name}" + (f" (pool {pool})" if twins > 1 else "")

    def object(self, number: int) -> str:
        """Return ``event 3``: what threads block on, by its number."""
        waits = (thread.wait for thread in self.snapshot.threads.values())
        blocks = (w.object for w in waits if isinstance(w, ObjectWait | LockWait))
        found = (known for known in blocks if known.id == number)
        return next((thing(known) for known in found), f"object {number}")

    def pools(self, pools: Sequence[PoolId]) -> str:
        """Return ``pool a`` or ``pools a and b``."""
        if len(pools) == 1:
            return self.pool(pools[0])
        names = [self.pool(pool) for pool in pools]
        if all(name.startswith("pool ") for name in names):
            return "pools " + listing([name.removeprefix("pool ") for name in names])
        return listing(names)

    def task(self, task: TaskId) -> str:
        """Return ``task 3 (outer)``, ``promise 4``, or ``promise 4 (fetch)`` of a coroutine."""
        known = self.snapshot.tasks.get(task)
        if known is None:
            return f"task {task}"
        if known.origin is TaskOrigin.PROMISE:
            return f"promise {task}" + (f" ({known.function.name})" if known.function else "")
        if known.origin is TaskOrigin.UNSEEN:
            return f"future {task}"
        return f"task {task}" + (f" ({known.function.name})" if known.function else "")

    def tasks(self, tasks: Sequence[TaskId]) -> str:
        """Return an enumeration of tasks and promises."""
        return listing(Each((), tasks, self.task))

    def task_of(self, thread: ThreadId) -> str:
        """Return what the thread runs, ``task 3 (outer)``; empty if that is no task.

        Or, if it waits in one, ``the done-callback when_outer of task 3 (outer)``.
        """
        known = self.snapshot.threads.get(thread)
        if known is None or known.task is None:
            return ""
        name = waits_in_callback(known)
        return (f"the done-callback {name} of " if name else "") + self.task(known.task)

    def function_of(self, task: TaskId) -> str:
        """Return the name of the function the task calls; ``the task`` if it is not known."""
        known = self.snapshot.tasks.get(task)
        return known.function.name if known is not None and known.function else "the task"

    def task_function(self, thread: Thread) -> str:
        """Return the name of the function that the thread's task, or its done-callback, is in.

        Empty if it runs no task.
        """
        if thread.task is None:
            return ""
        return waits_in_callback(thread) or self.function_of(thread.task)

    def whereabouts(self, task: Task) -> str:
        """Return where an unfinished task is: ``queued 2nd in pool p``, ``run by worker p_0``."""
        if task.passed:
            return "run, but its result is yet to be handed out"
        if self.is_elsewhere(task):
            return "in another process, or on its way there"
        if task.state is TaskState.QUEUED and task.pool is not None:
            return f"queued {self.rank(task)}in {self.pool(task.pool)}"
        if task.state is TaskState.RUNNING and task.worker is not None:
            return f"run by {self.thread(task.worker)}"
        if task.state is TaskState.CANCELLED:
            return "cancelled"
        if task.awaits:
            return f"whose coroutine awaits {self.some_of(task.awaits)}"
        if task.loop is not None:
            return f"to be set by {self.pool(task.loop)}"
        return "not set" if task.origin is TaskOrigin.PROMISE else "unfinished"

    def is_elsewhere(self, task: Task) -> bool:
        """Return whether the task was handed to another process, and is not done."""
        pool = None if task.pool is None else self.snapshot.pools.get(task.pool)
        if pool is None or pool.role is not PoolRole.PROCESSES or task.done:
            return False
        return task.state is TaskState.RUNNING or pool.results is None

    def elsewhere(self, wait: Wait) -> str:
        """Return ", which runs in another process" if what is waited for does; else nothing."""
        roles = {pool.role for pool in self.snapshot.pools.values()}
        if PoolRole.PROCESSES not in roles or not isinstance(wait, FutureWait):
            return ""
        known, away, pool = 0, 0, ""
        for future in each_once(wait.futures):
            task = self.snapshot.tasks.get(future)
            known += task is not None
            if task is not None and self.is_elsewhere(task):
                if not away and task.pool is not None:
                    pool = f" ({self.pool(task.pool)})"
                away += 1
        if not away:
            return ""
        if known == 1:
            return f", which runs in another process{pool}, or waits to"
        return f", of which {counted(away, 'runs', 'run')} in other processes{pool}, or wait to"

    def some_of(self, tasks: Sequence[TaskId]) -> str:
        """Return the only one, or ``one of a, b and c``."""
        return ("one of " if len(tasks) > 1 else "") + self.tasks(tasks)

    def workers(self, pool: Pool, count: int) -> str:
        """Return so many of the pool's workers, ``three workers`` or ``40 tokens``."""
        return counted(count, "token" if pool.role is PoolRole.LIMITER else "worker")

    def origin(self, task: Task) -> str:
        """Return what happened where the future came to be: ``submitted at`` or ``made at``."""
        return "submitted at" if task.origin is TaskOrigin.POOL else "made at"

    def rank(self, task: Task) -> str:
        """Return ``2nd `` for the second task of its queue; empty if it is in none."""
        pool = None if task.pool is None else self.snapshot.pools.get(task.pool)
        if pool is None or task.id not in pool.queue:
            return ""
        return ordinal(pool.queue.index(task.id) + 1) + " "

    def wait(self, wait: Wait) -> str:
        """Return what is waited for: ``task 2 (inner)``, ``any of 3 futures: …``, ``workers …``."""
        if isinstance(wait, DrainWait):
            return f"every worker of {self.pools(wait.pools)} to end"
        if isinstance(wait, ThreadWait):
            return f"{self._joined(wait)} to end"
        if isinstance(wait, ObjectWait):
            return self._asked(wait)
        if isinstance(wait, LockWait):
            return lock(wait)
        return self._futures(wait)

    def taken(self, wait: LockWait) -> str:
        """Return who has the lock, and where that thread took it; empty if nobody is known to."""
        if wait.owner is None:
            return ""
        return f"{self.thread(wait.owner)}, which took it{at(wait.held_site)}"

    def _joined(self, wait: ThreadWait) -> str:
        names = listing([self.thread(thread) for thread in wait.threads])
        if not wait.every:
            return names or "a thread"
        return "every thread that is no daemon" + (f" ({names})" if names else "")

    def _asked(self, wait: ObjectWait) -> str:
        name, parties = thing(wait.object), wait.object.parties
        if wait.operation == "Barrier.wait":
            return f"{'all' if parties is None else parties} parties at {name}"
        return _ASKED.get(wait.operation, "{}").format(name)

    def _futures(self, wait: FutureWait) -> str:
        futures = each_once(wait.futures)
        if len(futures) == 1:
            return self.task(futures[0])
        if wait.operation == "wait(FIRST_EXCEPTION)":
            some = "the first failure of"
        elif wait.need >= len(futures):
            some = "all of"
        else:
            some = "any of" if wait.need == 1 else f"{wait.need} of"
        return f"{some} {self.tasks(futures)}"
