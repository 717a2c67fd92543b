"""Timeouts of the standard library's waits, as the trace has them."""

from __future__ import annotations

from tprecord.schema import TICK_NS

NEVER = -1
"""A wait that never gives up."""

AT_ONCE = 0
"""What only tries, and so is no wait; the shortest wait has one tick."""


def ticks(timeout: object) -> int:
    """Return a timeout in seconds as ticks; `NEVER` for None.

    A number of another type (a fraction, one of numpy's, a class of the app's) is not looked
    into: a timed wait.
    """
    if timeout is None:
        return NEVER
    if type(timeout) is int or type(timeout) is float:
        if timeout <= 0:
            return AT_ONCE
        try:
            return max(1, int(timeout * 1_000_000_000) // TICK_NS)
        except (OverflowError, ValueError):  # infinite, or not a number: the app will be told
            return 1
    return 1
