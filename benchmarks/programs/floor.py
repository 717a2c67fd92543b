"""A workload under callbacks that record less than a recorder does: ``floor.py STEP PROGRAM ...``.

The code objects and events are those that the recorder watches for each task.  What the callbacks
do, each STEP what the one before it does and more:

``called``   nothing;
``noted``    put the moment and a text, always the same, into a list;
``written``  make lines of the list, as the recorder's own, and write them to a file;
``told``     say which task it is, and which thread: the text is no longer always the same.

It says on stderr how many events it has noted.
"""

from __future__ import annotations

import runpy
import sys
import tempfile
from concurrent.futures import Future, thread
from itertools import count
from threading import local
from time import perf_counter_ns as clock
from types import CodeType
from typing import Any

from tprecord.encode import NO_EVENT, SLOTS, event_lines

STEPS = ("called", "noted", "written", "told")
FULL = SLOTS * 10_000
"""Slots that are made into lines at once: about what comes in 40 ms."""

monitoring, events = sys.monitoring, sys.monitoring.events
step = STEPS.index(sys.argv[1])
slots: list[Any] = [clock(), *NO_EVENT]
put = slots.extend
file = tempfile.TemporaryFile()  # noqa: SIM115  # for as long as the program runs
set_running, set_result = Future.set_running_or_notify_cancel, Future.set_result
get_result = vars(Future)["_Future__get_result"]
getframe, disable = sys._getframe, monitoring.DISABLE
futures: dict[int, int] = {}
numbers, threads = count(1).__next__, count(1).__next__
mine = local()


gone = 0
"""events that are no longer in the list"""


def empty() -> None:
    global gone  # noqa: PLW0603  # a program of its own
    taken = slots[:]
    moment = taken[-SLOTS]
    gone += len(taken) // SLOTS - 1
    if step >= STEPS.index("written"):
        lines, moment = event_lines(taken)
        file.write(lines)
    slots[: len(taken)] = [moment, *NO_EVENT]


def begin() -> None:
    number = threads()
    for kind, name in enumerate(("submits", "starts", "finishes", "reads"), 1):
        setattr(mine, name, f"[{kind},%d,{number},%d")


def call_is_nothing(_code: CodeType, _offset: int, callee: object, _first: object) -> object:
    if callee is set_running or callee is set_result or callee is get_result:
        return None
    return disable


def start_is_nothing(_code: CodeType, _offset: int) -> object:
    return None


def call_is_noted(_code: CodeType, _offset: int, callee: object, _first: object) -> object:
    if callee is set_running or callee is set_result or callee is get_result:
        put((clock(), "[2,1,%d,%d", 1, "]\n"))
        return None
    return disable


def start_is_noted(_code: CodeType, _offset: int) -> object:
    put((clock(), "[1,1,%d,%d", 1, "]\n"))
    if len(slots) > FULL:
        empty()
    return None


def call_is_told(_code: CodeType, _offset: int, callee: object, first: object) -> object:
    try:
        if callee is set_running:
            put((clock(), mine.starts, futures[id(first)], "]\n"))
        elif callee is set_result:
            put((clock(), mine.finishes, futures[id(first)], "]\n"))
        elif callee is get_result:
            put((clock(), mine.reads, futures[id(first)], "]\n"))
        else:
            return disable
    except AttributeError:
        begin()
        return call_is_told(_code, _offset, callee, first)
    return None


def start_is_told(_code: CodeType, _offset: int) -> object:
    try:
        head = mine.submits
    except AttributeError:
        begin()
        head = mine.submits
    number = futures[id(getframe(1).f_locals["self"])] = numbers()
    put((clock(), head, number, "]\n"))
    if len(slots) > FULL:
        empty()
    return None


def main() -> None:
    on_call, on_start = (
        (call_is_nothing, start_is_nothing),
        (call_is_noted, start_is_noted),
        (call_is_noted, start_is_noted),
        (call_is_told, start_is_told),
    )[step]
    monitoring.use_tool_id(4, "floor")
    monitoring.register_callback(4, events.CALL, on_call)
    monitoring.register_callback(4, events.PY_START, on_start)
    monitoring.set_local_events(4, Future.__init__.__code__, events.PY_START)
    for function in (thread._WorkItem.run, Future.result):
        monitoring.set_local_events(4, function.__code__, events.CALL)
    sys.argv = sys.argv[2:]
    runpy.run_path(sys.argv[0], run_name="__main__")
    empty()
    print(gone, "events", file=sys.stderr)


main()
