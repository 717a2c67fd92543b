"""What recording a task is made of: each callback called by itself, as sys.monitoring would.

``python -m benchmarks.parts`` prints the ns of each part as JSON, for the core that
``TPRECORD_CORE`` chooses.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import CodeType
from typing import Any

from tprecord import core, cores
from tprecord.names import Names

TASKS, ROUNDS = 1000, 40


class Born:
    """Its beginning makes the callback that belongs there, many times."""

    def __init__(self, on_start: Callable[..., object]) -> None:
        code = Born.__init__.__code__
        for _ in range(TASKS):
            on_start(code, 0)


class Executor(ThreadPoolExecutor):
    """Its ``submit`` makes what takes the place of the futures."""

    on_start: Callable[..., object]

    def submit(self, fn: Callable[..., Any], /, *args: object, **kwargs: object) -> Future[Any]:
        """Submit nothing, and tell the recorder so many times."""
        Born(self.on_start)
        del fn, args, kwargs  # until here they are read through the frame
        return Future()


CODE: CodeType = Executor.submit.__code__


def nothing() -> None:
    """Do nothing, as a task."""


def fail(error: BaseException, _: CodeType) -> None:
    """Fail, as a benchmark should: a callback did."""
    raise error


def main() -> None:
    """Measure, and print the best of each part."""
    chosen = cores.choose()
    buffer = chosen.buffer(time.perf_counter_ns())
    names = Names(buffer, depth=4, table=chosen.table, new_counter=chosen.counter)
    hot = core.Hot()
    hot.future_init, hot.submit = Born.__init__.__code__, CODE
    hot.set_running, hot.set_result = Future.set_running_or_notify_cancel, Future.set_result
    hot.get_result = vars(Future)["_Future__get_result"]
    best: dict[str, int] = {}

    def timed(part: str, action: Callable[[], object]) -> None:
        began = time.perf_counter_ns()
        action()
        took = time.perf_counter_ns() - began
        best[part] = min(best.get(part, took), took)

    callbacks = chosen.make_callbacks(buffer, names, hot, core.Handlers(), fail)
    futures = tuple(Future[None]() for _ in range(TASKS))
    executor = Executor(1)
    executor.on_start = callbacks.on_start

    def calls(callee: object) -> None:
        on_call = callbacks.on_call
        for future in futures:
            on_call(CODE, 0, callee, future)

    def write() -> None:
        _, remove = buffer.lines()
        remove()

    for _ in range(ROUNDS):
        timed("submit", lambda: executor.submit(nothing))
        timed("start", lambda: calls(hot.set_running))
        timed("finish", lambda: calls(hot.set_result))
        timed("result read", lambda: calls(hot.get_result))
        timed("lines written", write)
    print(json.dumps({part: ns / TASKS for part, ns in best.items()}))


if __name__ == "__main__":
    main()
