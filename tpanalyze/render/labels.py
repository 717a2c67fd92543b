"""The words of the pictures: one line each, legal in XML, and never long."""

from __future__ import annotations

from collections import Counter
from typing import Final

from tpanalyze.describe import basename, own_frames
from tpanalyze.model import (
    Function,
    Object,
    Pool,
    Site,
    Snapshot,
    Task,
    TaskId,
    TaskOrigin,
    Thread,
    Wait,
)
from tpanalyze.render.xml_escape import one_line

_NAME_LIMIT: Final = 40
_STACK_LIMIT: Final = 12
_IN_FULL: Final = 400
"""letters after which even a path or name that is given in full is cut"""

_OPERATIONS: Final = {
    "Future.result": "result()",
    "Future.exception": "exception()",
    "Executor.map": "map()",
    "Executor.shutdown": "shutdown(wait=True)",
    "as_completed": "as_completed()",
}


def shorten(text: str, limit: int = _NAME_LIMIT) -> str:
    """Return `text` in one line of at most `limit` characters, its middle left out if need be.

    >>> shorten("a_very_long_name_indeed", 11)
    'a_ver…ndeed'
    """
    line = one_line(text)
    if len(line) <= limit:
        return line
    tail = (limit - 1) // 2
    return line[: limit - 1 - tail] + "…" + line[len(line) - tail :]


def function_name(function: Function | None) -> str:
    """Return the qualified name without the functions it is nested in; ``?`` if it is not known.

    >>> function_name(Function("main.<locals>.Job.run"))
    'Job.run'
    """
    if function is None:
        return "?"
    return shorten(function.name.rpartition("<locals>.")[2] or function.name) or "?"


def place(site: Site | None) -> str:
    """Return ``app.py:31`` for the frame of the app that a site stands for; empty if unknown."""
    frames = own_frames(site)
    if not frames:
        return ""
    return f"{shorten(basename(frames[0].function.file or '')) or '?'}:{frames[0].line}"


def at(site: Site | None) -> str:
    """Return `` at app.py:31``, or nothing if the place is not known."""
    where = place(site)
    return f" at {where}" if where else ""


def stack(site: Site | None) -> tuple[str, ...]:
    """Return an indented line for each frame of a site, innermost first, with whole paths."""
    if site is None:
        return ()
    lines = [
        f"  {shorten(frame.function.file or '', _IN_FULL) or '?'}:{frame.line} in "
        f"{shorten(frame.function.name, _IN_FULL) or '?'}"
        for frame in site.frames[:_STACK_LIMIT]
    ]
    more = len(site.frames) - len(lines)
    return (*lines, f"  … {more} more frames") if more else tuple(lines)


def task_name(task: Task | None, number: TaskId) -> str:
    """Return what a task or promise is called: ``outer #17``, ``promise #4``."""
    match task:
        case None:
            return f"task #{number}"
        case Task(origin=TaskOrigin.PROMISE):
            coroutine = f" ({function_name(task.function)})" if task.function else ""
            return f"promise #{number}{coroutine}"
        case Task(origin=TaskOrigin.UNSEEN, function=None):
            return f"future #{number}"
        case _:
            return f"{function_name(task.function)} #{number}"


def thread_name(thread: Thread, limit: int = _NAME_LIMIT) -> str:
    """Return the thread's name, or its number if it has none."""
    return shorten(thread.name, limit) or f"thread {thread.id}"


class ThreadNames:
    """The names of the threads of a snapshot: with the number behind it where several share one.

    >>> from tpanalyze.model import ThreadId, ThreadState
    >>> one, other = (Thread(ThreadId(n), "io", ThreadState.IDLE) for n in (2, 3))
    >>> ThreadNames(Snapshot(0, {2: one, 3: other}))(one), ThreadNames(Snapshot(0, {2: one}))(one)
    ('io (2)', 'io')
    """

    def __init__(self, snapshot: Snapshot) -> None:
        counts = Counter(thread.name for thread in snapshot.threads.values())
        self._shared = {name for name, count in counts.items() if name and count > 1}

    def __call__(self, thread: Thread, limit: int = _NAME_LIMIT) -> str:
        """Return what the thread is called."""
        name = thread_name(thread, limit)
        return f"{name} ({thread.id})" if thread.name in self._shared else name


def pool_name(pool: Pool) -> str:
    """Return what the pool is called."""
    return pool_label(pool.kind, pool.name)


def pool_label(kind: str, name: str) -> str:
    """Return ``ThreadPoolExecutor "io"``; or just the name, if the class stands in it.

    >>> pool_label("ThreadPoolExecutor", "io"), pool_label("ThreadPool", "")
    ('ThreadPoolExecutor "io"', 'ThreadPool')
    """
    kind, name = shorten(kind) or "pool", shorten(name)
    if name.startswith(kind):
        return name
    return f'{kind} "{name}"' if name else kind


def other_processes(pool: Pool) -> str:
    """Return how many workers a pool of processes has: ``4 other processes``."""
    if pool.max_workers is None:
        return "other processes"
    return counted(pool.max_workers, "other process", "other processes")


def object_name(thing: Object) -> str:
    """Return what something is called that threads block on: ``Event #3``."""
    return f"{shorten(thing.kind) or 'object'} #{thing.id}"


def operation(wait: Wait) -> str:
    """Return how the program wrote the wait: ``result()``, ``wait(ALL_COMPLETED)``."""
    return _OPERATIONS.get(wait.operation, shorten(wait.operation) or "a wait")


def doing(wait: Wait) -> str:
    """Return what a thread waits in and where: ``result() at app.py:31``.

    At interpreter exit no code of the app is running, and so there is no place to name.
    """
    where = "" if wait.operation == "interpreter exit" else at(wait.site)
    return operation(wait) + where


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return a count in digits, with its noun.

    >>> counted(1, "worker"), counted(1024, "worker")
    ('1 worker', '1,024 workers')
    """
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
