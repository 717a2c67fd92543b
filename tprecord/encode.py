"""Buffered events and definitions as lines of the trace.

Nothing is imported for it: what serialises JSON elsewhere brings modules along (``dataclasses``,
``uuid``, ``json``), and the app may have modules of these names beside it.  Most of an event is
text from the moment it is recorded, and much of it the same text each time; when a batch is
written, the steps of time and the numbers of tasks are put in, all by one ``%``.
"""

from __future__ import annotations

from _operator import floordiv, sub
from itertools import repeat

from tprecord import compat
from tprecord.schema import TICK_NS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Event = tuple[int, str, int, str]
    """The moment in ns; how the line begins, with ``%d`` for the step of time and the number that
    is next; this number; how the line ends."""
    Slots = list[int | str]
    """Events, flat: four slots each."""

SLOTS = 4
"""Slots of an event."""

NO_EVENT = "", 0, ""
"""What stands after a moment that is no event's."""

_quoted: Callable[[str], str] = compat.standard("_json").encode_basestring_ascii


def definition_lines(definitions: list[dict[str, Any]]) -> bytes:
    """Return one line per definition, in ASCII; lone surrogates are escaped with a backslash."""
    return b"".join(b"{%s}\n" % b",".join(map(_pair, row.items())) for row in definitions)


def _pair(pair: tuple[str, Any]) -> bytes:
    return b'"%s":%s' % (pair[0].encode(), _value(pair[1]))


def _value(value: Any) -> bytes:
    if isinstance(value, str):
        valid = value.encode("utf-8", "backslashreplace").decode()
        return _quoted(valid).encode()
    if value is None or isinstance(value, bool):
        return {None: b"null", True: b"true", False: b"false"}[value]
    if isinstance(value, list):
        return b"[%s]" % b",".join(b"%d" % number for number in value)
    return b"%d" % value if isinstance(value, int) else b"null"


def event_text(kind: int, thread: int, *numbers: int) -> tuple[str, int, str]:
    """Return what an event puts into its slots after the moment."""
    return f"[{kind},%d,%d", thread, "".join([f",{number}" for number in numbers]) + "]\n"


def event_lines(slots: Slots) -> tuple[bytes, int]:
    """Return one line per event, and the moment of the last one in ns, in full ticks.

    `slots` begins with the moment of the event before them in ns, and `NO_EVENT`; then come the
    events.  Moments become ticks since the event before; rounding does not add up, since each
    moment is rounded, not each step.
    """
    moments: list[int] = slots[::SLOTS]  # type: ignore[assignment]
    origin = moments[0] - moments[0] % TICK_NS
    # from `origin` on, for small numbers are divided at half the cost
    ticks = list(map(floordiv, map(sub, moments, repeat(origin)), repeat(TICK_NS)))
    numbers = [0] * (2 * len(moments) - 2)
    numbers[::2] = map(sub, ticks[1:], ticks)
    numbers[1::2] = slots[SLOTS + 2 :: SLOTS]  # type: ignore[assignment]
    texts: list[str] = slots[1::2]  # type: ignore[assignment]
    return ("".join(texts) % tuple(numbers)).encode(), origin + ticks[-1] * TICK_NS
