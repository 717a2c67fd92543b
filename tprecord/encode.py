"""Buffered events and definitions as lines of the trace.

Nothing is imported for it: what serialises JSON elsewhere brings modules along (``dataclasses``,
``uuid``, ``json``), and the app may have modules of these names beside it.  The numbers of an event
are text from the moment it is recorded; when a batch is written only the steps of time are put in,
all by one ``%``.
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

    Slots = list[int | str]
    """Events, flat: the moment in ns and the text, with ``%d`` for the step of time, of each."""


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


def event_text(kind: int, thread: int, *numbers: int) -> str:
    """Return the text of an event, with ``%d`` for the ticks since the event before."""
    return f"{kind},%d,{','.join(map(str, (thread, *numbers)))}"


def event_lines(slots: Slots) -> tuple[bytes, int]:
    """Return one line per event, and the moment of the last one in ns, in full ticks.

    `slots` begins with the moment of the event before them in ns, and no text; then come the
    events.  Moments become ticks since the event before; rounding does not add up, since each
    moment is rounded, not each step.
    """
    moments: list[int] = slots[::2]  # type: ignore[assignment]
    texts: list[str] = slots[3::2]  # type: ignore[assignment]
    origin = moments[0] - moments[0] % TICK_NS
    # from `origin` on, for small numbers are divided at half the cost
    ticks = list(map(floordiv, map(sub, moments, repeat(origin)), repeat(TICK_NS)))
    steps = tuple(map(sub, ticks[1:], ticks))
    lines = "[" + "]\n[".join(texts) + "]\n" if texts else ""
    return (lines % steps).encode(), origin + ticks[-1] * TICK_NS
