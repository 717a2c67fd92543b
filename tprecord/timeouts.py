"""Timeouts of the standard library's waits, as the trace has them."""

from __future__ import annotations

from tprecord.schema import TICK_NS

NEVER = -1
"""A wait that never gives up."""

AT_ONCE = 0
"""What only tries, and so is no wait."""


def ticks(timeout: object) -> int:
    """Return a timeout in seconds as ticks; `NEVER` for None.

    What is no number at all, or one no clock has, is about to raise in the app: a timed wait.
    """
    if timeout is None:
        return NEVER
    if isinstance(timeout, (int, float)):
        try:
            return max(0, int(timeout * 1_000_000_000) // TICK_NS)
        except (OverflowError, ValueError):
            return 0
    return 0
