"""What has been recorded and not been written yet, in the order in which it happened."""

from __future__ import annotations

from _functools import partial  # type: ignore[import-not-found]  # functools takes 1 ms
from _operator import setitem
from time import perf_counter_ns

from tprecord.encode import NO_EVENT, SLOTS, event_lines, event_text

TYPE_CHECKING = False
if TYPE_CHECKING:  # not worth its import time to the app
    from collections.abc import Callable
    from typing import Any, Protocol

    from tprecord.encode import Event, Slots

    class AnyBuffer(Protocol):
        """What the cores' buffers have in common."""

        definitions: list[dict[str, Any]]
        """what lines of events refer to, on its way to the file as well"""
        tell: Callable[[], None] | None
        """called after each event, where it is set"""

        @property
        def dropped(self) -> int:
            """The number of events that found the buffer full."""

        def __bool__(self) -> bool:
            """Return true if anything is in it."""

        def __len__(self) -> int:
            """Return how many events and definitions are in it."""

        def add(self, kind: int, thread: int, *numbers: int) -> None:
            """Append an event of this moment."""

        def lines(self) -> tuple[bytes, Callable[[], object]]:
            """Return the lines of all events now in it, and what removes these events."""


FULL = 100_000
"""Events the buffer holds while the file does not keep up; further ones are dropped."""


class Buffer:
    """Events and definitions on their way to the writer.

    The events stand in one flat list, four slots each (`Slots`): numbers and text are nothing to
    the garbage collector, while a row for each event would make it run half as often again, over
    all of the app.  The first slots hold the moment of the last event that has left the list, and
    no text.

    Appending to and cutting off a list are single steps, with the GIL and without: no lock.
    An event is appended *before* its thread does what others can see of it, so each prefix of the
    list is a consistent prefix of the run.
    """

    __slots__ = ("_slots", "_tell", "definitions", "dropped", "put")

    def __init__(self, origin_ns: int) -> None:
        self._slots: Slots = [origin_ns, *NO_EVENT]
        self._tell: Callable[[], None] | None = None
        self.definitions: list[dict[str, Any]] = []
        self.dropped = 0
        self.put: Callable[[Event], None] = self._slots.extend
        """Append an event.  Looked up anew each time: what is called here depends on `tell`."""

    def __bool__(self) -> bool:
        """Return true if anything is in it."""
        return len(self._slots) > SLOTS or bool(self.definitions)

    def __len__(self) -> int:
        """Return how many events and definitions are in it."""
        return len(self._slots) // SLOTS - 1 + len(self.definitions)

    @property
    def tell(self) -> Callable[[], None] | None:
        """Called after each event, where it is set.

        A thread may look at it just before it is set, and append its event just after.
        """
        return self._tell

    @tell.setter
    def tell(self, tell: Callable[[], None] | None) -> None:
        self._tell = tell
        self.put = self._slots.extend if tell is None else self._put_and_tell

    def _put_and_tell(self, event: Event) -> None:
        if len(self._slots) > SLOTS * FULL:
            self.dropped += 1
            return
        self._slots.extend(event)
        tell = self._tell
        if tell is not None:
            tell()

    def add(self, kind: int, thread: int, *numbers: int) -> None:
        """Append an event of this moment."""
        text = event_text(kind, thread, *numbers)
        event = perf_counter_ns(), *text
        self.put(event)

    def lines(self) -> tuple[bytes, Callable[[], object]]:
        """Return the lines of all events now in it, and what removes these events.

        Until that is called, everything stays as it is.
        """
        slots = self._slots[:]
        taken = slice(len(slots))
        lines, moment = event_lines(slots)
        return lines, partial(setitem, self._slots, taken, (moment, *NO_EVENT))
