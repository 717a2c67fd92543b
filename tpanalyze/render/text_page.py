"""Lines of a text report: titles, items and rows, wrapped, escaped, and coloured if wanted."""

from __future__ import annotations

import re
from dataclasses import dataclass
from textwrap import wrap
from typing import Final

from tpanalyze.escape import terminal

_COLORS: Final = {
    "bad": "1;31",
    "good": "1;32",
    "title": "1",
    "place": "36",
    "": "",
}
"""ANSI escape sequences (ECMA-48, SGR) that read well on dark and on light."""

_UNIT: Final = re.compile(r"(?<=[0-9]) (?=(?:ns|µs|ms|s|min|h)\b)")
_TIE: Final = "\ue000"
"""What stands, while lines are wrapped, for the space between a number and its unit.

A character for private use, which `terminal` lets nobody else write.
"""


@dataclass(frozen=True, slots=True)
class TextPage:
    """How lines are made.  Every method takes raw text and escapes it before it is coloured."""

    width: int
    color: bool

    def paint(self, color: str, text: str) -> str:
        """Return the text in a colour, ``bad``, ``good``, ``title`` or ``place``."""
        safe = terminal(text)
        return f"\x1b[{_COLORS[color]}m{safe}\x1b[0m" if self.color and color else safe

    def headline(self, which: str, badge: str, text: str) -> list[str]:
        """Return the line of a finding, after its number and in colour what it is."""
        lead = f"{which}{badge}  "
        first, *more = self._fill(text, lead, " " * len(lead))
        return [which + self.paint("bad", badge) + first[len(lead) - 2 :], *more]

    def title(self, text: str) -> str:
        """Return the line over a section."""
        return self.paint("title", text)

    def paragraph(self, text: str) -> list[str]:
        """Return lines of running text."""
        return self._fill(text, "  ", "  ")

    def item(self, text: str, mark: str = "-") -> list[str]:
        """Return an item of a list, its mark before the first line."""
        return self._fill(text, f"  {mark} ", " " * (len(mark) + 3))

    def items(self, texts: list[str], *, numbered: bool = False) -> list[str]:
        """Return a list."""
        lines = []
        for number, text in enumerate(texts, start=1):
            lines += self.item(text, f"{number}." if numbered else "-")
        return lines

    def row(self, label: str, text: str, color: str = "") -> list[str]:
        """Return a label and its text, as part of an item."""
        lead = f"      {label:<13} "
        return self._fill(text, lead, " " * len(lead), color)

    def _fill(self, text: str, first: str, rest: str, color: str = "") -> list[str]:
        wrapped = wrap(
            _UNIT.sub(_TIE, terminal(text)),
            self.width,
            initial_indent=first,
            subsequent_indent=rest,
            break_long_words=False,
            break_on_hyphens=False,
        )
        lines = [line.replace(_TIE, " ") for line in wrapped]
        if not color:
            return lines
        return [line[: len(first)] + self.paint(color, line[len(first) :]) for line in lines]
