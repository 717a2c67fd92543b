"""Pools: their workers and their end."""

from __future__ import annotations

from typing import Final

from tpanalyze.events.scene import Handler, Scene
from tpanalyze.state import EXECUTOR, ThreadRecord
from tprecord import schema


class PoolEvents:
    """The lives of pools."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self.handlers: Final[dict[int, Handler]] = {
            schema.SPAWN: self._spawn,
            schema.ENTER: self._enter,
            schema.BREAK: self._break,
            schema.CLOSE: self._close,
            schema.RESIZE: self._resize,
        }

    def _spawn(self, row: list[int], thread: ThreadRecord, _ticks: int) -> None:
        _, _, _, number = row
        self._scene.pool(number).starting += 1
        thread.spawns = number

    def _enter(self, row: list[int], thread: ThreadRecord, ticks: int) -> None:
        _, _, _, number = row
        pool = self._scene.pool(number)
        pool.starting = max(pool.starting - 1, 0)
        if not thread.number:
            pool.unseen += 1
            return
        self._scene.leave(thread, ticks)
        self._scene.enter(thread, pool, ticks)
        thread.since = ticks

    def _break(self, row: list[int], _thread: ThreadRecord, _ticks: int) -> None:
        _, _, _, number = row
        self._scene.pool(number).broken = True

    def _close(self, row: list[int], _thread: ThreadRecord, _ticks: int) -> None:
        _, _, _, number = row
        if number:
            self._scene.pool(number).closed = True
            return
        state = self._scene.state
        state.all_closed = True
        for pool in state.pools.values():
            pool.closed = pool.closed or pool.role == EXECUTOR

    def _resize(self, row: list[int], _thread: ThreadRecord, _ticks: int) -> None:
        _, _, _, number, size = row
        self._scene.pool(number).max_workers = size if size >= 0 else None
