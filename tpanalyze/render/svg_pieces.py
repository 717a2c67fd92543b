"""The small pieces of SVG that a picture of our own is built of."""

from __future__ import annotations

from typing import Final

from tpanalyze.render.palette import FONT, LIGHT, adaptive_css
from tpanalyze.render.text_width import fit, text_width
from tpanalyze.render.xml_escape import xml_text

type Value = str | float


def number(value: float) -> str:
    """Return a length with at most two decimals.

    >>> number(3.0), number(2.504), number(-0.001)
    ('3', '2.5', '0')
    """
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def tag(name: str, content: str = "", **attributes: Value) -> str:
    """Return an element; ``_`` in the name of an attribute stands for ``-``."""
    said = "".join(
        f' {key.replace("_", "-")}="{xml_text(value) if isinstance(value, str) else number(value)}"'
        for key, value in attributes.items()
    )
    return f"<{name}{said}>{content}</{name}>" if content else f"<{name}{said}/>"


def titled(content: str, tooltip: str) -> str:
    """Return an element's content with its tooltip in front."""
    return f"<title>{xml_text(tooltip)}</title>{content}" if tooltip else content


def words(
    text: str,
    x: float,
    y: float,
    size: float,
    colour: str = LIGHT.ink,
    *,
    anchor: str = "start",
    bold: bool = False,
) -> str:
    """Return a line of text with its base line at `y`; nothing for no text."""
    if not text:
        return ""
    more: dict[str, Value] = {} if anchor == "start" else {"text_anchor": anchor}
    if bold:
        more["font_weight"] = "bold"
    return tag("text", xml_text(text), x=x, y=y, font_size=size, fill=colour, **more)


def fitted(
    text: str, left: float, right: float, y: float, size: float, colour: str, *, bold: bool = False
) -> str:
    """Return as much of the text as has room, with a margin; nothing if that is less than half."""
    said = fit(text, right - left - 2 * MARGIN, size, bold=bold)
    if 2 * len(said) < len(text):
        return ""
    return words(said, left + MARGIN, y, size, colour, bold=bold)


def chip(text: str, x: float, y: float, fill: str, colour: str) -> str:
    """Return a small label with a background, its top left corner at `x`, `y`."""
    width = chip_width(text)
    box = tag("rect", x=x, y=y, width=width, height=CHIP_HEIGHT, rx=3, fill=fill)
    said = words(text, x + width / 2, y + 13, SMALL, colour, anchor="middle", bold=True)
    return box + said


def chip_width(text: str) -> float:
    """Return how wide a chip with this text is."""
    return text_width(text, SMALL, bold=True) + 14


SMALL: Final = 10.5
CHIP_HEIGHT: Final = 18.0
MARGIN: Final = 5.0
"""left and right of words in a block"""


def document(title: str, width: float, height: float, definitions: str, body: str) -> str:
    """Return a whole SVG file: a card of that size, for light and dark pages."""
    style = f"text{{font-family:{FONT}}}{adaptive_css()}"
    card = tag(
        "rect", x=0.5, y=0.5, width=width - 1, height=height - 1, rx=8,
        fill=LIGHT.card, stroke=LIGHT.frame,
    )  # fmt: skip
    size = f'width="{number(width)}" height="{number(height)}"'
    box = f'viewBox="0 0 {number(width)} {number(height)}"'
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} {box} role="img">\n'
        f"<title>{xml_text(title)}</title>\n<style>{style}</style>\n"
        f"<defs>{definitions}</defs>\n{card}\n{body}\n</svg>\n"
    )
