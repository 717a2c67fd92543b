"""The heading of a diagram: what was found, in words; what was recorded; what the colours mean."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

from tpanalyze.findings import Relation, Report
from tpanalyze.render.diagram.picture import Picture
from tpanalyze.render.dot_pieces import SLACK, SMALL, TITLE, bold, font, plain_table
from tpanalyze.render.headline import Headline, caption, headlines, is_proof, standings
from tpanalyze.render.palette import LIGHT, Role
from tpanalyze.render.text_width import text_width

_GAP: Final = '<TD COLSPAN="3" FIXEDSIZE="TRUE" WIDTH="5" HEIGHT="5"></TD>'


def heading(report: Report, shown: Picture, letters: int) -> str:
    """Return the heading as an HTML-like table: badges and sentences, caption, legend.

    `letters` is the most that a line of a sentence may have.
    """
    calm = "Nothing waits." if shown.empty else "Every wait can still end."
    said = headlines(report, calm, letters)
    about = caption(report)
    entries = tuple(_legend_entries(report, shown))
    badges = max(text_width(each.badge, SMALL, bold=True) for each in said) * SLACK + 16
    # The column of the sentences is so wide that nothing stretches the badges before them.
    least = max(text_width(about, SMALL) * SLACK, _legend_width(entries)) - badges
    rows: list[str] = []
    for each in said:
        rows += [*_sentence_rows(each, badges, least), _GAP]
    rows.append(f'<TD COLSPAN="3" ALIGN="LEFT">{font(about, LIGHT.muted, SMALL)}</TD>')
    if entries:
        rows.append(f'<TD COLSPAN="3" ALIGN="LEFT">{_legend(entries)}</TD>')
    return plain_table([*rows, _GAP], CELLPADDING="2")


def legend(report: Report, shown: Picture) -> str:
    """Return the legend alone, for where the heading's words stand beside the picture."""
    entries = tuple(_legend_entries(report, shown))
    return plain_table([f'<TD ALIGN="LEFT">{_legend(entries)}</TD>'] if entries else [_GAP])


def _sentence_rows(said: Headline, badges: float, least: float) -> Iterator[str]:
    """Yield a row for each line of a sentence; the badge stands before the first."""
    tone = LIGHT.tone(said.role)
    for index, line in enumerate(said.lines):
        mark = "<TD></TD>"
        if index == 0 and said.badge:
            words = f'<FONT COLOR="{tone.on_strong}" POINT-SIZE="{SMALL}">{bold(said.badge)}</FONT>'
            mark = f'<TD WIDTH="{math.ceil(badges)}" BGCOLOR="{tone.strong}">{words}</TD>'
        width = math.ceil(max(least, text_width(line, TITLE, bold=True) * SLACK) + 10)
        words = f'<FONT POINT-SIZE="{TITLE}">{bold(line)}</FONT>'
        gap = '<TD FIXEDSIZE="TRUE" WIDTH="8" HEIGHT="19"></TD>'
        yield f'{mark}{gap}<TD WIDTH="{width}" ALIGN="LEFT">{words}</TD>'


# -- the legend ------------------------------------------------------------------------------------

_SAMPLE: Final = 24
_BETWEEN: Final = 14


def _legend_entries(report: Report, shown: Picture) -> Iterator[tuple[str, str]]:
    """Yield a sample and a word for just the colours and lines that the picture uses."""
    if report.findings:
        called = standings(report)
        for role, text in (
            (Role.CORE, "core of the deadlock" if is_proof(report) else called[Role.CORE]),
            (Role.VICTIM, called[Role.VICTIM]),
            (Role.PLAIN, "not stuck"),
        ):
            if role in shown.roles:
                yield _swatch(role), text
    used = {arrow.relation for arrow in shown.arrows}
    for relations, style, text in (
        ({Relation.WAITS_FOR, Relation.DRAINS}, "solid", "waits for"),
        ({Relation.NEEDS_WORKER}, "dashed", "needs a worker"),
        ({Relation.HELD_BY}, "dotted", "held by"),
    ):
        if relations & used:
            yield _stroke(style), text


def _legend(entries: tuple[tuple[str, str], ...]) -> str:
    cells = "".join(
        f'<TD>{sample}</TD><TD WIDTH="{_word_width(text)}" ALIGN="LEFT">'
        f"{font(text, LIGHT.muted, SMALL)}</TD>"
        for sample, text in entries
    )
    # Of a fixed size, so that it is not stretched to the width of the sentences.
    width = str(_legend_width(entries))
    return plain_table(
        [cells], CELLSPACING="3", ALIGN="LEFT", FIXEDSIZE="TRUE", WIDTH=width, HEIGHT="22"
    )


def _word_width(text: str) -> int:
    return math.ceil(text_width(text, SMALL) * SLACK**2) + _BETWEEN


def _legend_width(entries: tuple[tuple[str, str], ...]) -> int:
    return sum(_word_width(text) + _SAMPLE + 8 for _, text in entries)


def _swatch(role: Role) -> str:
    tone = LIGHT.tone(role)
    fill = tone.tint if role is Role.PLAIN else tone.strong
    inside = '<TD FIXEDSIZE="TRUE" WIDTH="16" HEIGHT="9"></TD>'
    return plain_table([inside], BORDER="1", COLOR=tone.line, BGCOLOR=fill)


def _stroke(style: str) -> str:
    """Return a sample of a line, in the middle of the row."""
    size = f'FIXEDSIZE="TRUE" WIDTH="{_SAMPLE}" HEIGHT="6"'
    line = f'BORDER="1" SIDES="T" STYLE="{style}" COLOR="{LIGHT.muted}"'
    return plain_table([f"<TD {size}></TD>", f"<TD {size} {line}></TD>"])
