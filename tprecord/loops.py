"""Event loops, and the promises they owe to other threads; for all probes that meet them.

A loop is a pool of one worker, the thread that runs it.  It is recorded from the moment on at which
it owes something: until then, its running and stopping cost a look into a dictionary, and no event
is recorded for what it does inside, at any time.

Whether the coroutine behind a promise can get on is looked up when the program has been silent for
a while: then it is suspended, and asyncio's own objects say for what.
"""

from __future__ import annotations

import sys
from _weakref import ref
from types import FunctionType

from tprecord.compat import links_to_its_source
from tprecord.own import attribute, is_a
from tprecord.schema import AWAIT, CLOSE, DELIVER, HALT, RUN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

    from tprecord.monitor import Monitor

PENDING = ("PENDING", "RUNNING")
"""States of a future of ``concurrent.futures`` that is not done."""

MANY = 10_000
"""Of more promises or timers than this a look would hold up the program: nothing is claimed."""

_UNKNOWN: tuple[int, ...] = ()


class Loops:
    """The loops of one recording, and what they owe."""

    def __init__(self, monitor: Monitor, base_events: ModuleType) -> None:
        """Raises AttributeError if this version of asyncio is not known."""
        self._monitor = monitor
        self._run_forever = base_events.BaseEventLoop.run_forever
        self._owed: dict[int, tuple[Any, Any, Any]] = {}
        """promise -> weak references to its future, its loop, and its asyncio task if known"""
        self._told: dict[int, tuple[int, ...]] = {}
        """promise -> what was last recorded that its coroutine waits for"""
        futures, tasks = sys.modules["asyncio.futures"], sys.modules["asyncio.tasks"]
        self._link = links_to_its_source(futures._chain_future)
        self._wakes_a_sleeper = futures._set_result_unless_cancelled
        self._future_types = (futures.Future, futures._PyFuture)
        self._task_types = (tasks.Task, tasks._PyTask)
        self._gathering = tasks._GatheringFuture
        monitor.shared["loops"] = self
        monitor.looks.append(self.look)

    @staticmethod
    def of(monitor: Monitor) -> Loops | None:
        """Return those of a recording; None before the app has imported asyncio."""
        found = monitor.shared.get("loops")
        return found if isinstance(found, Loops) else None

    # ---------------------------------------------------------------- what probes tell

    def number(self, loop: Any) -> int:
        """Return the number of a loop that owes something; 0 if it is none that can be watched.

        One whose class runs it in a way of its own (uvloop) is not: who runs it is not seen.
        """
        number = self._monitor.names.pools.get(id(loop))
        if number is not None:
            return number
        if getattr(type(loop), "run_forever", None) is not self._run_forever:
            return 0
        number = self._monitor.names.loop(loop)
        runner = loop._thread_id
        if runner is not None:
            self._monitor.emit(RUN, number, self._monitor.names.thread_by_ident(runner))
            if loop._thread_id != runner:  # it stopped between the two steps above
                self._monitor.emit(HALT, number)
        elif loop._closed:
            self._monitor.emit(CLOSE, number)
        return number

    def deliver(self, future: Any, loop: Any, function: int, task: Any = None) -> None:
        """A callback that has yet to run in the loop will set the future."""
        pool = self.number(loop)
        if not pool:
            return
        promise = self._monitor.names.future(future)
        self._monitor.emit(DELIVER, promise, pool, function)
        owed = self._owed
        gone = ref(future, lambda _: (owed.pop(promise, None), self._told.pop(promise, None)))
        owed[promise] = gone, ref(loop), None if task is None else ref(task)

    def comes_from(self, future: Any, task: Any) -> None:
        """The asyncio task is the one that will set the future."""
        promise = self._monitor.names.futures.get(id(future), 0)
        known = self._owed.get(promise)
        if known is not None:
            self._owed[promise] = known[0], known[1], ref(task)

    # ---------------------------------------------------------------- the look

    def look(self) -> None:
        """Record, for each promise that is owed, what its coroutine is suspended for.

        What is said stays true until one of the tasks it is suspended for is done, or somebody
        cancels it.  Where a timer of the loop may be a timeout, nothing is said.
        """
        if len(self._owed) > MANY:
            return
        sure: dict[int, bool] = {}
        for promise, references in list(self._owed.items()):
            future, loop = references[0](), references[1]()
            if future is None or loop is None:
                continue
            if attribute(future, "_state") not in PENDING:
                self._owed.pop(promise, None)
                self._told.pop(promise, None)
                continue
            if id(loop) not in sure:
                sure[id(loop)] = self._has_no_timeouts(loop)
            task = self._source(future) if references[2] is None else references[2]()
            found = self._awaited(task) if sure[id(loop)] and task is not None else _UNKNOWN
            if found != self._told.get(promise, _UNKNOWN):
                self._told[promise] = found
                ranges = [number for each in found for number in (each, each)]
                self._monitor.note_down(AWAIT, promise, *ranges)

    def _source(self, future: Any) -> Any:
        """Return what a future is chained to, the one it gets its result from; None if it is not.

        Reads the closure of the callback that asyncio has given it.
        """
        callbacks = attribute(future, "_done_callbacks")  # of concurrent.futures
        if callbacks is None:
            callbacks = [callback for callback, _ in future._callbacks or ()]
        for callback in tuple(callbacks):
            if type(callback) is FunctionType and callback.__code__ is self._link:
                cells = callback.__closure__ or ()
                return cells[self._link.co_freevars.index("source")].cell_contents
        return None

    def _has_no_timeouts(self, loop: Any) -> bool:
        """Return true if no timer of the loop does more than end somebody's sleep."""
        timers = list(loop._scheduled)
        return len(timers) <= MANY and all(
            timer._cancelled or timer._callback is self._wakes_a_sleeper for timer in timers
        )

    def _awaited(self, task: Any) -> tuple[int, ...]:
        """Return the recorded tasks of which one must be done before the asyncio task gets on.

        None at all: it runs, is ready to, is being cancelled, or waits for something else.
        """
        seen: set[int] = set()
        found: set[int] = set()
        agenda = [task]
        for waiting in agenda:  # grows while it is walked
            if id(waiting) in seen:
                continue
            seen.add(id(waiting))
            if _is_one_of(waiting, self._task_types):
                waiter = waiting._fut_waiter
                if waiting.done() or waiting._must_cancel or waiting.cancelling() or not waiter:
                    return _UNKNOWN
                number = next((n for tell in self._monitor.suspended if (n := tell(waiting))), 0)
                if number:
                    found.add(number)
                else:
                    agenda.append(waiter)
            elif is_a(waiting, self._gathering):
                children = [child for child in waiting._children if not child.done()]
                if not children:
                    return _UNKNOWN
                agenda += children
            elif _is_one_of(waiting, self._future_types) and not waiting.done():
                source = self._source(waiting)
                number = self._monitor.names.futures.get(id(source), 0)
                if not number or source.done():
                    return _UNKNOWN
                found.add(number)
            else:
                return _UNKNOWN
        return tuple(sorted(found))


def _is_one_of(thing: object, kinds: tuple[type, ...]) -> bool:
    return any(is_a(thing, kind) for kind in kinds)
