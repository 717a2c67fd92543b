"""The trace format, once: every line that may stand in a trace, its fields and its units.

Plain data, no imports from the rest of the recorder, so that the analyser can share it on any
machine and any Python.  ``docs/trace-format.md`` is checked against this table by a test.

A trace is JSON Lines.  The first line is the header (an object with the key ``tprecord``).  Every
other line is either a *definition* (an object whose first key names what it defines) or an *event*
(an array of integers ``[kind, dt, thread, ...]``).

* ``kind``: the number of the event, see :data:`EVENTS`.
* ``dt``: ticks since the event line before it (the first event counts from the header's moment);
  the length of a tick in nanoseconds is the header's ``tick_ns``; the clock is monotonic.
* ``thread``: the number of the thread that did it (0: not known).

Nothing is imported at run time, not even ``dataclasses`` or ``typing``: the recorder imports this
table into the program it records, and they would cost that program 5 to 15 ms of its start.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

FORMAT_VERSION: Final = 1
"""Version of the format a recorder writes.

History:

* 1: the first.
"""

TICK_NS: Final = 1000
"""Nanoseconds per tick of ``dt`` in the traces this recorder writes."""


class Field:
    """One field of an event, a definition or the header."""

    __slots__ = ("meaning", "name", "optional")

    def __init__(self, name: str, meaning: str, *, optional: bool = False) -> None:
        self.name: Final = name
        self.meaning: Final = meaning
        self.optional: Final = optional


class EventSpec:
    """One kind of event: ``[number, dt, thread, *fields, *rest]``.

    ``rest`` says what any further integers are, where an event has a variable tail; ``since`` is
    the format's version that brought it.
    """

    __slots__ = ("fields", "meaning", "name", "number", "rest", "since")

    def __init__(
        self,
        number: int,
        name: str,
        meaning: str,
        fields: tuple[Field, ...] = (),
        *,
        rest: str = "",
        since: int = 1,
    ) -> None:
        self.number: Final = number
        self.name: Final = name
        self.meaning: Final = meaning
        self.fields: Final = fields
        self.rest: Final = rest
        self.since: Final = since


class DefinitionSpec:
    """One kind of definition: ``{name: number, **fields}``."""

    __slots__ = ("fields", "meaning", "name", "since")

    def __init__(
        self, name: str, meaning: str, fields: tuple[Field, ...], *, since: int = 1
    ) -> None:
        self.name: Final = name
        self.meaning: Final = meaning
        self.fields: Final = fields
        self.since: Final = since


_TASK = Field("task", "number of the task (or promise) whose future this is")
_POOL = Field("pool", "number of the pool")
_OBJECT = Field("object", "number of the object")
_SITE = Field("site", "number of the site where it was called (0: not known)")
_TURN = Field(
    "turn",
    "number of this turn of having the lock, counted for each lock; with owner 0: of the last one, "
    "which is over.  What is said of a turn is void once a later one, or its end, was told of",
)
_SCOPED = Field(
    "scoped", "1: it took it by a `with` block, whose end releases it; 0: in some other way"
)

SUBMIT: Final = 1
START: Final = 2
FINISH: Final = 3
FAIL: Final = 4
READ: Final = 5
WAIT: Final = 6
WAKE: Final = 7
IDLE: Final = 8
CANCEL: Final = 9
SPAWN: Final = 10
ENTER: Final = 11
LEAVE: Final = 12
CLOSE: Final = 13
DRAIN: Final = 14
PROMISE: Final = 15
WITHDRAW: Final = 16
BEAT: Final = 17
LAUNCH: Final = 18
BEGIN: Final = 19
GONE: Final = 20
JOIN: Final = 21
BLOCK: Final = 22
SIGNAL: Final = 23
STACK: Final = 24
CENSUS: Final = 25
TAKE: Final = 30
BREAK: Final = 31
UNLAUNCH: Final = 32
ADOPT: Final = 33
PASS: Final = 34
DELIVER: Final = 40
RUN: Final = 41
HALT: Final = 42
RESIZE: Final = 43
AWAIT: Final = 44
RESUME: Final = 50
CONTEND: Final = 60
OBTAIN: Final = 61
FREE: Final = 62

EVENTS: Final[tuple[EventSpec, ...]] = (
    EventSpec(
        SUBMIT,
        "submit",
        "a task enters its pool's queue; lines stand in the order of the queue; it may have been "
        "a promise before",
        (
            _TASK,
            _POOL,
            Field("function", "number of the function the task calls (0: not known)"),
            _SITE,
        ),
    ),
    EventSpec(
        START,
        "start",
        "a worker takes the task from the queue and begins it; of a cancelled task: the worker "
        "takes it from the queue and tells those who wait",
        (_TASK,),
    ),
    EventSpec(FINISH, "finish", "the task's or promise's result is about to be set", (_TASK,)),
    EventSpec(FAIL, "fail", "the task's or promise's exception is about to be set", (_TASK,)),
    EventSpec(
        READ,
        "read",
        "a result is delivered: the future was done, or the wait for it has just ended",
        (_TASK, _SITE),
    ),
    EventSpec(
        WAIT,
        "wait",
        "the thread is about to block until at least `need` of the futures are done",
        (
            Field("operation", "number of the operation that waits, see OPERATIONS"),
            Field("need", "how many of the futures must be done"),
            Field("timeout", "ticks until it gives up; -1: it never does"),
            _SITE,
        ),
        rest="the futures waited for, as pairs `first, last` of ranges of task numbers; or one "
        "negative number -n: those of set n",
    ),
    EventSpec(
        WAKE,
        "wake",
        "the thread's wait or drain is over",
        (Field("raised", "1: an exception (a signal, say) ended it; 0: it returned"),),
    ),
    EventSpec(IDLE, "idle", "the worker has returned from its task and waits for the next one"),
    EventSpec(CANCEL, "cancel", "the future is about to become cancelled", (_TASK,)),
    EventSpec(SPAWN, "spawn", "the thread is about to start one more worker of the pool", (_POOL,)),
    EventSpec(ENTER, "enter", "the thread begins its life as a worker of the pool", (_POOL,)),
    EventSpec(LEAVE, "leave", "the worker leaves its pool: its thread is about to end"),
    EventSpec(
        CLOSE,
        "close",
        "shutdown of the pool: it takes no more tasks; pool 0: all pools, at interpreter exit",
        (_POOL,),
    ),
    EventSpec(
        DRAIN,
        "drain",
        "the thread is about to block until every worker of the pool has ended; pool 0: of all "
        "pools",
        (Field("operation", "number of the operation that waits, see OPERATIONS"), _POOL, _SITE),
    ),
    EventSpec(
        PROMISE,
        "promise",
        "a future is made by hand: no task of a recorded pool stands behind it",
        (_TASK, _SITE),
    ),
    EventSpec(
        WITHDRAW,
        "withdraw",
        "the task is taken out of its pool's queue and no worker will ever see it",
        (_TASK,),
    ),
    EventSpec(
        BEAT,
        "beat",
        "thread 0: nothing has happened for a while, and threads that wait without a timeout "
        "still do; comes after 1 s of silence, then 2 s, 4 s and so on, up to 10 minutes",
    ),
    EventSpec(
        LAUNCH,
        "launch",
        "the thread is about to start another thread",
        (Field("other", "number of the thread it starts"),),
    ),
    EventSpec(
        BEGIN,
        "begin",
        "a launched thread begins",
        (Field("native_id", "the operating system's number for it"),),
    ),
    EventSpec(GONE, "gone", "the thread has ended, but for its very last steps"),
    EventSpec(
        JOIN,
        "join",
        "the thread is about to block until another has ended; thread 0: until every thread has "
        "that is no daemon, at interpreter exit",
        (
            Field("operation", "number of the operation that waits, see OPERATIONS"),
            Field("other", "number of the thread it waits for"),
            Field("timeout", "ticks until it gives up; -1: it never does"),
            _SITE,
        ),
    ),
    EventSpec(
        BLOCK,
        "block",
        "the thread is about to block until somebody else does something with the object",
        (
            Field("operation", "number of the operation that waits, see OPERATIONS"),
            _OBJECT,
            Field("timeout", "ticks until it gives up; -1: it never does"),
            _SITE,
        ),
    ),
    EventSpec(
        SIGNAL,
        "signal",
        "the thread is about to wake one that blocks on the object: it sets, notifies, releases, "
        "puts or gets",
        (_OBJECT,),
    ),
    EventSpec(
        STACK,
        "stack",
        "thread 0: a look at a silent program finds that a thread stands here",
        (Field("other", "number of the thread that was looked at"), _SITE),
    ),
    EventSpec(
        CENSUS,
        "census",
        "thread 0: at this moment every thread that can run Python code has a definition",
    ),
    EventSpec(
        TAKE,
        "take",
        "the worker takes something from its queue that was not seen to be submitted, and begins "
        "it",
    ),
    EventSpec(
        BREAK,
        "break",
        "the pool breaks, since an initializer has failed or a process has died: it takes no more "
        "tasks, and those in its queue fail",
        (_POOL,),
    ),
    EventSpec(
        UNLAUNCH,
        "unlaunch",
        "the thread that this one was about to start could not be started",
        (Field("other", "number of the thread that will never begin"),),
    ),
    EventSpec(
        ADOPT,
        "adopt",
        "an executor with a `submit` of its own is about to put a promise into its queue; when a "
        "worker takes it, it starts like a task",
        (
            Field("task", "number of the promise"),
            Field("function", "number of the function that will be called"),
        ),
    ),
    EventSpec(
        PASS,
        "pass",
        "the worker has run the task and passes its outcome on to the thread that hands out the "
        "pool's `results`, which is to set it",
        (_TASK,),
    ),
    EventSpec(
        DELIVER,
        "deliver",
        "the promise will be set by the event loop, in a callback that has yet to run, or come to "
        "be a task by what the handler does: by that one thread and by no other",
        (
            _TASK,
            Field("pool", "number of the event loop or handler"),
            Field("function", "number of the coroutine's function (0: none, or not known)"),
        ),
    ),
    EventSpec(
        RUN,
        "run",
        "a thread runs the event loop from now on, whoever writes it down",
        (_POOL, Field("runner", "number of the thread that runs it")),
    ),
    EventSpec(HALT, "halt", "no thread runs the event loop any more", (_POOL,)),
    EventSpec(
        RESIZE,
        "resize",
        "the pool may have another number of workers from now on: its limiter has more tokens, or "
        "fewer",
        (_POOL, Field("max_workers", "how many; -1: there is no limit")),
    ),
    EventSpec(
        AWAIT,
        "await",
        "a look at an event loop: the coroutine behind the promise is suspended and gets on when "
        "one of the tasks is done, or when somebody cancels it; without tasks: it is not known "
        "when it gets on",
        (_TASK,),
        rest="the tasks, as pairs `first, last` of ranges of their numbers",
    ),
    EventSpec(
        RESUME,
        "resume",
        "thread 0: the checkpoint ends; what stands between it and this line are events of the "
        "past, each at its own moment, that lead to what holds now",
    ),
    EventSpec(
        CONTEND,
        "contend",
        "the thread is about to block until it has the lock; only with `--locks`",
        (
            Field("operation", "number of the operation that waits, see OPERATIONS"),
            _OBJECT,
            Field("timeout", "ticks until it gives up; -1: it never does"),
            _SITE,
            Field("owner", "number of the thread that has the lock; 0: none, or not known"),
            Field("since", "number of the site where that thread took it (0: not known)"),
            _TURN,
            _SCOPED,
        ),
    ),
    EventSpec(
        OBTAIN,
        "obtain",
        "the thread has got the lock while others wait for it",
        (
            _OBJECT,
            Field("since", "number of the site where it took it (0: not known)"),
            _TURN,
            _SCOPED,
        ),
    ),
    EventSpec(
        FREE,
        "free",
        "the thread is about to release the lock while others wait for it",
        (_OBJECT, _TURN),
    ),
)

OPERATIONS: Final[dict[int, str]] = {
    1: "Future.result",
    2: "Future.exception",
    3: "wait(ALL_COMPLETED)",
    4: "wait(FIRST_COMPLETED)",
    5: "wait(FIRST_EXCEPTION)",
    6: "as_completed",
    7: "Executor.map",
    8: "Executor.shutdown",
    9: "interpreter exit",
    10: "Thread.join",
    11: "Event.wait",
    12: "Condition.wait",
    13: "Semaphore.acquire",
    14: "Barrier.wait",
    15: "Queue.get",
    16: "Queue.put",
    17: "Queue.join",
    18: "Lock.acquire",
    19: "RLock.acquire",
    30: "AsyncResult.get",
    31: "AsyncResult.wait",
    32: "Pool.apply",
    33: "Pool.map",
    34: "Pool.starmap",
    35: "IMapIterator.next",
    36: "Pool.join",
}
"""What a thread can wait in, by number; the names are the standard library's own."""

OPERATION: Final[dict[str, int]] = {name: number for number, name in OPERATIONS.items()}
"""The same the other way round."""

DEFINITIONS: Final[tuple[DefinitionSpec, ...]] = (
    DefinitionSpec(
        "thread",
        "a thread, before its first event",
        (
            Field("name", "the thread's name"),
            Field(
                "native_id",
                "the operating system's number for it; absent if `begin` will tell",
                optional=True,
            ),
            Field("main", "true for the main thread", optional=True),
            Field("daemon", "true for a daemon thread", optional=True),
        ),
    ),
    DefinitionSpec(
        "pool",
        "an executor, event loop, limiter or pool of multiprocessing, before its first event",
        (
            Field("kind", "its class"),
            Field("name", "an executor's thread name prefix; else empty"),
            Field("max_workers", "the most workers it may have; null: there is no limit"),
            Field(
                "unseen",
                "workers that lived already when the recorder first saw the pool",
                optional=True,
            ),
            Field(
                "lost",
                "of a pool made before a fork: workers that are counted among its own, but stayed "
                "behind in the parent",
                optional=True,
            ),
            Field(
                "role",
                "`loop`: an event loop, whose one worker is the thread that runs it; `limiter`: "
                "its workers are tokens, a task that has one always finds a thread; `crew`: its "
                "workers are threads, and there are always as many as there may be; `processes`: "
                "its workers are other processes; `handler`: its one worker is a thread that "
                "serves another pool; absent: an executor",
                optional=True,
            ),
            Field("serves", "of a handler: number of the pool it serves", optional=True),
            Field(
                "results",
                "number of the handler whose thread sets the results of this pool's tasks, and "
                "runs their callbacks; absent: the workers do so themselves, or it is not known",
                optional=True,
            ),
        ),
    ),
    DefinitionSpec(
        "function",
        "a function: what a task calls, or a frame of a site",
        (
            Field("name", "its qualified name"),
            Field("module", "the module it is defined in", optional=True),
            Field(
                "file",
                "its source file: relative to the program's first working directory, or to the "
                "standard library; absent for a function without one",
                optional=True,
            ),
            Field("line", "the first line of its definition", optional=True),
            Field(
                "stdlib",
                "true if it belongs to the standard library, or to a library whose threads are "
                "recorded as its pools are",
                optional=True,
            ),
        ),
    ),
    DefinitionSpec(
        "site",
        "a place in the program: a call stack, innermost frame first",
        (Field("frames", "flat list `function, line, function, line, ...`"),),
    ),
    DefinitionSpec(
        "future",
        "a future that was made before the recorder could see it",
        (
            Field(
                "origin",
                "`unseen`: it was there when the recording began; `inherited`: it was there when "
                "the process was forked, and what was to set it stayed behind in the parent",
            ),
        ),
    ),
    DefinitionSpec(
        "set",
        "futures that several waits name: the steps of one as_completed",
        (Field("tasks", "flat list `first, last, first, last, ...` of ranges of task numbers"),),
    ),
    DefinitionSpec(
        "object",
        "something threads block on: an event, condition, semaphore, barrier, queue or lock",
        (
            Field("kind", "its class"),
            Field("parties", "of a barrier: how many threads it waits for", optional=True),
            Field("made", "of a lock: number of the site where it was made", optional=True),
        ),
    ),
    DefinitionSpec(
        "note",
        "a word of the recorder about itself: a probe switched off, events dropped",
        (
            Field("text", "what happened, for people"),
            Field("dropped", "how many events were lost", optional=True),
        ),
    ),
    DefinitionSpec(
        "checkpoint",
        "the trace begins anew: nothing before this line matters to what comes after it; the "
        "number is the segment's",
        (
            Field("ticks", "the moment it is made, in ticks since the recording began"),
            Field(
                "tasks",
                "flat list `first, last, ...` of ranges of the numbers of tasks and promises that "
                "are done, and that nothing up to `resume` names",
            ),
            Field("partial", "true if events were lost before it", optional=True),
        ),
    ),
    DefinitionSpec(
        "end",
        "the recorder stopped in good order; its absence means the process was killed",
        (Field("reason", "`exit` or `stop`"),),
    ),
)

HEADER: Final[tuple[Field, ...]] = (
    Field("tprecord", "the format's version"),
    Field("recorder", "the recorder's version"),
    Field("python", "the interpreter's version"),
    Field("implementation", "the interpreter's name"),
    Field("free_threaded", "true if the GIL is off"),
    Field("platform", "operating system and machine"),
    Field("cpus", "processors this process may use"),
    Field("pid", "the process"),
    Field("program", "name of the script or module that was run, without its arguments"),
    Field("started", "wall-clock moment the clock of the trace counts from, ISO 8601, UTC"),
    Field("clock", "name of the monotonic clock"),
    Field("tick_ns", "nanoseconds per tick"),
    Field(
        "parent",
        "of a child: the process it descends from, the nearest one that has a trace",
        optional=True,
    ),
    Field("process", "of a child: the name multiprocessing has given it", optional=True),
    Field("segment", "number of the segment, of a trace in segments", optional=True),
)
