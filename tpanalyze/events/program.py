"""What a look at a silent program sees, and that it is silent."""

from __future__ import annotations

from typing import Final

from tpanalyze.events.scene import Handler, Scene
from tpanalyze.state import ThreadRecord
from tprecord import schema


class ProgramEvents:
    """Events that no thread of the app does."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self.handlers: Final[dict[int, Handler]] = {
            schema.BEAT: self._beat,
            schema.STACK: self._stack,
            schema.RESUME: self._resume,
        }

    def _beat(self, row: list[int], _thread: ThreadRecord, _ticks: int) -> None:
        _, _, _ = row

    def _stack(self, row: list[int], _thread: ThreadRecord, ticks: int) -> None:
        _, _, _, other, site = row
        thread = self._scene.thread(other)
        thread.stack, thread.looked = site, ticks

    def _resume(self, row: list[int], _thread: ThreadRecord, _ticks: int) -> None:
        _, _, _ = row
        state = self._scene.state
        if state.partial:
            state.partial = False
            state.lose_track()
