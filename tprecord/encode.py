"""Buffered events and definitions as lines of the trace.

A whole batch of events is serialised by one call and split into lines afterwards: that costs a
quarter of a call per event, and the app waits for the GIL meanwhile.
"""

from __future__ import annotations

from _json import encode_basestring_ascii

from tprecord.schema import TICK_NS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from tprecord.buffer import Row


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


def event_lines(rows: list[Row], before_ticks: int) -> tuple[bytes, int]:
    """Return one line per event, and the last event's moment in ticks.

    `rows` must not be empty.  Their moments (ns) become ticks since the event before, the first
    since `before_ticks`; rounding does not add up, since each moment is rounded, not each step.
    If an exception (Ctrl-C) lands in here, `rows` are as they were.
    """
    if _Serialiser.dumps is None:
        prepare()
    dumps = _Serialiser.dumps
    assert dumps is not None
    moments = [row[1] for row in rows]
    try:
        for row in rows:
            ticks = row[1] // TICK_NS
            row[1] = ticks - before_ticks
            before_ticks = ticks
        return dumps(rows)[1:-1].replace(b"],[", b"]\n[") + b"\n", before_ticks
    except BaseException:
        for row, moment in zip(rows, moments, strict=True):
            row[1] = moment
        raise
