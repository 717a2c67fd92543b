"""Buffered events and definitions as lines of the trace.

A whole batch of events is serialised by one call and split into lines afterwards: that costs a
fraction of a call per event, and the app waits for the GIL meanwhile.
"""

from __future__ import annotations

from _json import encode_basestring_ascii

from tprecord.schema import EVENTS, TICK_NS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Slots = list[int | None]
    """Events, flat: ``None, kind, moment, thread, number, ...`` each."""


class _Serialiser:
    """Where `prepare` leaves what it has imported."""

    dumps: Callable[[object], bytes] | None = None


def prepare() -> None:
    """Import what is needed to serialise events.

    Not before the app is about to have any, for orjson brings a dozen modules along; and not when
    the first are written, for that can be while another thread holds an import lock and waits.
    """
    from orjson import dumps

    _Serialiser.dumps = dumps


LENGTHS = [0] * (1 + max(spec.number for spec in EVENTS))
"""How many slots an event takes, by its kind; 0: that differs."""
for _spec in EVENTS:
    LENGTHS[_spec.number] = 0 if _spec.rest else 4 + len(_spec.fields)


def definition_lines(definitions: list[dict[str, Any]]) -> bytes:
    """Return one line per definition, in ASCII; lone surrogates are escaped with a backslash."""
    return b"".join(b"{%s}\n" % b",".join(map(_pair, row.items())) for row in definitions)


def _pair(pair: tuple[str, Any]) -> bytes:
    return b'"%s":%s' % (pair[0].encode(), _value(pair[1]))


def _value(value: Any) -> bytes:
    if isinstance(value, str):
        valid = value.encode("utf-8", "backslashreplace").decode()
        return encode_basestring_ascii(valid).encode()
    if value is None or isinstance(value, bool):
        return {None: b"null", True: b"true", False: b"false"}[value]
    if isinstance(value, list):
        return b"[%s]" % b",".join(b"%d" % number for number in value)
    return b"%d" % value if isinstance(value, int) else b"null"


def event_lines(slots: Slots) -> tuple[bytes, int]:
    """Return one line per event, and the moment of the last one in ns, in full ticks.

    `slots` begins with the moment of the event before them in ns; then come the events.  It is
    used up.  Moments become ticks since the event before; rounding does not add up, since each
    moment is rounded, not each step.
    """
    assert slots[0] is not None
    origin = slots[0] - slots[0] % TICK_NS
    if len(slots) == 1:
        return b"", origin
    if _Serialiser.dumps is None:
        prepare()
    dumps = _Serialiser.dumps
    assert dumps is not None
    slots.append(None)
    last = _moments_to_ticks(slots, origin)  # type: ignore[arg-type]
    slots[0] = None  # now all is "[null,null," + events with ",null," in between + ",null]"
    return b"[" + dumps(slots)[11:-6].replace(b",null,", b"]\n[") + b"]\n", last


def _moments_to_ticks(slots: list[int], origin: int) -> int:
    """Turn the events' moments into ticks since the event before, and return the last moment."""
    lengths, tick_ns, find = LENGTHS, TICK_NS, slots.index
    before, here = 0, 3
    try:
        while True:
            # from `origin` on, for small numbers are divided at half the cost
            ticks = (slots[here] - origin) // tick_ns
            slots[here] = ticks - before
            before = ticks
            here += lengths[slots[here - 1]] or find(None, here) + 2 - here  # type: ignore[arg-type]
    except IndexError:
        return origin + before * tick_ns
