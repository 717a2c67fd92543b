"""Threads: how they come, return from their tasks, and end."""

from __future__ import annotations

from typing import Final

from tpanalyze.events.scene import Handler, Scene
from tpanalyze.state import ENDED, IDLE, ThreadRecord
from tprecord import schema


class ThreadEvents:
    """The lives of threads."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self.handlers: Final[dict[int, Handler]] = {
            schema.LAUNCH: self._launch,
            schema.UNLAUNCH: self._unlaunch,
            schema.BEGIN: self._begin,
            schema.IDLE: self._idle,
            schema.LEAVE: self._end,
            schema.GONE: self._end,
        }

    def _launch(self, row: list[int], thread: ThreadRecord, _ticks: int) -> None:
        _, _, _, other = row
        self._scene.thread(other).launched = True
        thread.launches, thread.spawns = thread.spawns, 0

    def _unlaunch(self, row: list[int], thread: ThreadRecord, ticks: int) -> None:
        _, _, _, other = row
        stillborn = self._scene.thread(other)
        stillborn.state, stillborn.since = ENDED, ticks
        pool = self._scene.state.pools.get(thread.launches)
        if pool is not None:
            pool.starting = max(pool.starting - 1, 0)
            thread.launches = 0

    def _begin(self, row: list[int], thread: ThreadRecord, _ticks: int) -> None:
        _, _, _, thread.native_id = row

    def _idle(self, row: list[int], thread: ThreadRecord, ticks: int) -> None:
        _, _, _ = row
        if thread.task:
            self._scene.return_from_all(thread, ticks)
        if thread.pool:
            thread.state = IDLE
        thread.since = ticks

    def _end(self, row: list[int], thread: ThreadRecord, ticks: int) -> None:
        _, _, _ = row
        if thread.number:
            self._scene.leave(thread, ticks)
            thread.state = ENDED
            thread.since = ticks
