"""How wide a text is, without a font at hand.

The widths are Helvetica's, which Arial and Liberation Sans share; so a picture has the same
geometry on every machine, fonts or none.  Source: Adobe's font metrics of the 14 standard PDF
fonts.
"""

from __future__ import annotations

import unicodedata
from typing import Final

_ASCII: Final = (
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278,
    556, 556, 556, 556, 556, 556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556,
    1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833, 722, 778,
    667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556,
    333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556,
    556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584,
)  # fmt: skip
"""From the space to the tilde, in thousandths of the font size."""

_BOLD: Final = 1.08
"""Helvetica Bold against Helvetica, on English text and identifiers."""


def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """Return the width of `text` in the unit of `size`, the font size.

    Exact for ASCII in the regular face (kerning aside), a good guess for everything else.
    """
    thousandths = sum(map(_advance, text))
    return thousandths / 1000 * size * (_BOLD if bold else 1.0)


def _advance(char: str) -> int:
    if " " <= char <= "~":
        return _ASCII[ord(char) - 32]
    if unicodedata.combining(char):
        return 0
    return 1000 if unicodedata.east_asian_width(char) in ("W", "F") else 600


def fit(text: str, width: float, size: float, *, bold: bool = False) -> str:
    """Return `text`, cut at its end with an ellipsis if it is wider than `width`; else ``""``.

    Nothing is left of a text of which fewer than two letters would fit: that says nothing.
    """
    if text_width(text, size, bold=bold) <= width:
        return text
    room = width - text_width("…", size, bold=bold)
    kept = 0
    for char in text:
        room -= text_width(char, size, bold=bold)
        if room < 0:
            break
        kept += 1
    return text[:kept].rstrip() + "…" if kept >= 2 else ""
