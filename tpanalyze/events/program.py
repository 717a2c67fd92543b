"""What is seen of the program as a whole, and of objects that the replay does not follow."""

from __future__ import annotations

from typing import Final

from tpanalyze.events.scene import Handler, Scene
from tpanalyze.state import ThreadRecord
from tprecord import schema


class ProgramEvents:
    """Events that change nothing but the time."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self.handlers: Final[dict[int, Handler]] = {
            schema.BEAT: self._beat,
            schema.STACK: self._stack,
            schema.SIGNAL: self._signal,
        }

    def _beat(self, row: list[int], _thread: ThreadRecord, _ticks: int) -> None:
        _, _, _ = row

    def _stack(self, row: list[int], _thread: ThreadRecord, _ticks: int) -> None:
        _, _, _, other, _ = row
        self._scene.thread(other)

    def _signal(self, row: list[int], _thread: ThreadRecord, _ticks: int) -> None:
        _, _, _, _ = row
