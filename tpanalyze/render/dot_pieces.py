"""The small pieces of DOT that a diagram is built of: statements, tables, cells, text."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Final

from tpanalyze.render.dot_quote import html
from tpanalyze.render.palette import LIGHT, Role
from tpanalyze.render.text_width import text_width

TITLE, TEXT, SMALL = 13, 11, 10
"""Font sizes in points."""

_NOTHING: Final[Mapping[str, str]] = {}

SLACK: Final = 1.08
"""Cells are this much wider than Helvetica needs, for viewers that draw with a wider font."""


def statement(head: str, attributes: Mapping[str, str]) -> str:
    """Return a node, an edge or defaults, with attributes whose values are DOT already."""
    return f"{head} [{', '.join(f'{name}={value}' for name, value in attributes.items())}]"


def indented(lines: Iterable[str]) -> list[str]:
    """Return the lines, one step further in."""
    return [f"  {line}" for line in lines]


def plain_table(rows: Iterable[str], **attributes: str) -> str:
    """Return an HTML-like table without lines or gaps."""
    return _table({"BORDER": "0", "CELLPADDING": "0", **attributes}, rows)


def card_table(role: Role, rows: Iterable[str]) -> str:
    """Return an HTML-like table in the colours of a role, framed."""
    tone = LIGHT.tone(role)
    # Filled like the band on top: so there is no gap between band and frame.
    fill = tone.tint if role is Role.PLAIN else tone.strong
    frame = {"BORDER": "2" if role is Role.CORE else "1", "COLOR": tone.line, "BGCOLOR": fill}
    return _table({**frame, "CELLPADDING": "4"}, rows)


def _table(attributes: Mapping[str, str], rows: Iterable[str]) -> str:
    said = _said({"CELLBORDER": "0", "CELLSPACING": "0", **attributes})
    return f"<TABLE {said}>{''.join(f'<TR>{row}</TR>' for row in rows)}</TABLE>"


def cell(
    content: str,
    text: str,
    size: int,
    *,
    bold: bool = False,
    padding: int = 3,
    more: Mapping[str, str] = _NOTHING,
) -> str:
    """Return a cell with `content`, wide enough for `text` in any font of the family.

    `more` has further attributes of it.
    """
    width = math.ceil(text_width(text, size, bold=bold) * SLACK) + 2 * padding
    sizes = {"WIDTH": str(width), "CELLPADDING": str(padding), "ALIGN": "LEFT"}
    return f"<TD {_said({**sizes, **more})}>{content}</TD>"


def font(text: str, colour: str, size: int) -> str:
    """Return `text` in a colour and size; nothing for no text, which Graphviz would not read."""
    return f'<FONT COLOR="{colour}" POINT-SIZE="{size}">{html(text)}</FONT>' if text else ""


def bold(text: str) -> str:
    """Return `text` in bold."""
    return f"<B>{html(text)}</B>" if text else ""


def _said(attributes: Mapping[str, str]) -> str:
    return " ".join(f'{name}="{value}"' for name, value in attributes.items())
