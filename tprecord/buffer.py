"""What has been recorded and not been written yet, in the order in which it happened."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:  # not worth its import time to the app
    from typing import Any

Row = list[int]
"""An event with its moment in ns: ``[kind, time_ns, thread, ...]``."""


class Buffer:
    """Events and definitions on their way to the writer.

    Appending to and cutting off a list are single steps, with the GIL and without: no lock.
    An event is appended *before* its thread does what others can see of it, so each prefix of
    `rows` is a consistent prefix of the run.
    """

    __slots__ = ("definitions", "rows")

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.definitions: list[dict[str, Any]] = []

    def __len__(self) -> int:
        return len(self.rows) + len(self.definitions)

    def take(self) -> tuple[list[dict[str, Any]], list[Row]]:
        """Remove what is there and return it: definitions, and events that need no others.

        The events are counted first: whatever they refer to was defined before them.
        """
        events = len(self.rows)
        defined = len(self.definitions)
        taken = self.definitions[:defined], self.rows[:events]
        del self.definitions[:defined]
        del self.rows[:events]
        return taken
