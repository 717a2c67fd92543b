"""The axis of time: where a moment is on the picture, and which moments get a label.

A program that hangs does so for minutes after a second of work.  Such a tail, in which nothing
changes any more, is drawn shortened, behind a break in the axis.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_SECOND: Final = 10**9
_MINUTE: Final = 60 * _SECOND
_HOUR: Final = 60 * _MINUTE

_LONG_STEPS: Final = tuple(
    [seconds * _SECOND for seconds in (10, 15, 30)]
    + [minutes * _MINUTE for minutes in (1, 2, 5, 10, 15, 30)]
    + [hours * _HOUR for hours in (1, 2, 3, 6, 12)]
)

_TAIL_SHARE: Final = 0.24
"""of the width, for a tail in which nothing changes"""
_LEAD: Final = 0.04
"""of the eventful time, shown after the last change before the break"""
_WORTH_A_BREAK: Final = 1.5
"""a tail this long, measured in the eventful time before it, is shortened"""


@dataclass(frozen=True, slots=True)
class Scale:
    """Moments in ns to pixels, linear up to `break_ns` and then, more densely, up to the end."""

    start_ns: int
    end_ns: int
    left: float
    right: float
    break_ns: int | None = None
    """where the axis is broken, if it is"""

    @classmethod
    def of(cls, start_ns: int, quiet_ns: int, end_ns: int, left: float, right: float) -> Scale:
        """Return the scale for a run in which the last change was at `quiet_ns`."""
        end_ns = max(end_ns, start_ns + 1)
        eventful = quiet_ns - start_ns
        if eventful <= 0 or end_ns - quiet_ns < _WORTH_A_BREAK * eventful:
            return cls(start_ns, end_ns, left, right)
        break_ns = quiet_ns + max(1, round(_LEAD * eventful))
        return cls(start_ns, end_ns, left, right, break_ns if break_ns < end_ns else None)

    @property
    def break_x(self) -> float:
        """Where the break is; the right end if there is none."""
        if self.break_ns is None:
            return self.right
        return self.right - _TAIL_SHARE * (self.right - self.left)

    def x(self, time_ns: int) -> float:
        """Return the place of a moment; what lies outside is put on the edge."""
        if self.break_ns is None or time_ns <= self.break_ns:
            last_ns = self.end_ns if self.break_ns is None else self.break_ns
            share = (time_ns - self.start_ns) / (last_ns - self.start_ns)
            return self.left + min(1.0, max(0.0, share)) * (self.break_x - self.left)
        share = min(1.0, (time_ns - self.break_ns) / (self.end_ns - self.break_ns))
        return self.break_x + share * (self.right - self.break_x)

    def ticks(self, apart: float) -> Iterator[tuple[int, str]]:
        """Yield round moments before the break, at least `apart` pixels from each other."""
        last_ns = self.end_ns if self.break_ns is None else self.break_ns
        span_ns = last_ns - self.start_ns
        step = round_step(span_ns * apart / (self.break_x - self.left))
        first = -(-self.start_ns // step) * step
        for moment_ns in range(first, last_ns + 1, step):
            yield moment_ns, tick_label(moment_ns, step, last_ns)


def round_step(at_least_ns: float) -> int:
    """Return the smallest round length of time that is not shorter.

    >>> [round_step(n) for n in (1, 3, 180, 2_100_000)]
    [1, 5, 200, 5000000]
    >>> round_step(11e9) // 10**9, round_step(31e9) // 10**9, round_step(150_000e9) // 10**9
    (15, 60, 172800)
    """
    if at_least_ns <= 5 * _SECOND:
        power = int("1" + "0" * math.floor(math.log10(max(1.0, at_least_ns))))
        return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= at_least_ns)
    for step in _LONG_STEPS:
        if step >= at_least_ns:
            return step
    return math.ceil(at_least_ns / (24 * _HOUR)) * 24 * _HOUR


def tick_label(moment_ns: int, step_ns: int, last_ns: int) -> str:
    """Return a moment in the unit that suits the axis, with just the digits the step needs.

    >>> tick_label(1_200_000_000, 200_000_000, 3_000_000_000)
    '1.2 s'
    >>> tick_label(90 * 10**9, 30 * 10**9, 10**12), tick_label(0, 1000, 9000)
    ('1:30 min', '0')
    """
    if moment_ns == 0:
        return "0"
    if last_ns >= 2 * _HOUR and step_ns >= _MINUTE:
        return f"{moment_ns // _HOUR}:{moment_ns % _HOUR // _MINUTE:02d} h"
    if last_ns >= 2 * _MINUTE and step_ns >= _SECOND:
        return f"{moment_ns // _MINUTE}:{moment_ns % _MINUTE // _SECOND:02d} min"
    for unit, size in (("s", _SECOND), ("ms", 10**6), ("µs", 1000)):
        if last_ns >= size:
            digits = max(0, math.ceil(-math.log10(step_ns / size)))
            return f"{moment_ns / size:.{digits}f} {unit}"
    return f"{moment_ns} ns"
