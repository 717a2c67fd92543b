"""Event loops: who runs them, and the promises they owe to threads."""

from __future__ import annotations

from typing import Final

from tpanalyze.events.scene import Handler, Scene
from tpanalyze.state import ThreadRecord
from tprecord import schema


class LoopEvents:
    """What happens to event loops and to the promises that they are to set."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self.handlers: Final[dict[int, Handler]] = {
            schema.RUN: self._run,
            schema.HALT: self._halt,
            schema.DELIVER: self._deliver,
            schema.AWAIT: self._await,
        }

    def _run(self, row: list[int], _thread: ThreadRecord, _ticks: int) -> None:
        _, _, _, number, runner = row
        pool = self._scene.pool(number)
        pool.workers.clear()
        if runner:
            self._scene.thread(runner)
            pool.workers[runner] = None

    def _halt(self, row: list[int], _thread: ThreadRecord, _ticks: int) -> None:
        _, _, _, number = row
        self._scene.pool(number).workers.clear()

    def _deliver(self, row: list[int], _thread: ThreadRecord, _ticks: int) -> None:
        _, _, _, task, number, function = row
        state = self._scene.state
        self._scene.pool(number)
        self._scene.know_task(task)
        if function and function not in state.functions:
            self._scene.loss("unknown-function", f"function {function} is not defined")
        if task in state.promises:
            state.delivered[task] = number, function

    def _await(self, row: list[int], _thread: ThreadRecord, _ticks: int) -> None:
        _, _, _, task, *ranges = row
        state = self._scene.state
        state.suspended.pop(task, None)
        found: list[int] = []
        for first, last in zip(ranges[::2], ranges[1::2], strict=True):
            if not state.created.covers(first, last):
                text = f"tasks {first} to {last} are waited for, but do not all exist"
                self._scene.loss("unknown-task", text)
                return
            found += range(first, last + 1)
        if found and task in state.delivered:
            state.suspended[task] = tuple(found)
