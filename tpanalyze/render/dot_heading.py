"""The heading of a diagram: what was found, in words; what was recorded; what the colours mean."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tpanalyze.describe import moment
from tpanalyze.findings import Finding, Relation, Report, Verdict
from tpanalyze.render.diagram.picture import Picture
from tpanalyze.render.dot_pieces import SLACK, SMALL, TITLE, bold, font, plain_table
from tpanalyze.render.labels import counted, shorten
from tpanalyze.render.palette import LIGHT, Role
from tpanalyze.render.text_width import text_width
from tpanalyze.render.xml_escape import one_line

_SENTENCES: Final = 3
_LINES: Final = 5
_GAP: Final = '<TD COLSPAN="3" FIXEDSIZE="TRUE" WIDTH="5" HEIGHT="5"></TD>'


@dataclass(frozen=True, slots=True)
class _Sentence:
    badge: str
    role: Role
    text: str


def heading(report: Report, shown: Picture, wrap: int) -> str:
    """Return the heading as an HTML-like table: badges and sentences, caption, legend.

    `wrap` is the most letters a line of a sentence may have.
    """
    sentences = _sentences(report, shown)
    caption = _caption(report)
    entries = tuple(_legend_entries(report, shown))
    badges = max(text_width(each.badge, SMALL, bold=True) for each in sentences) * SLACK + 16
    # The column of the sentences is so wide that nothing stretches the badges before them.
    least = max(text_width(caption, SMALL) * SLACK, _legend_width(entries)) - badges
    rows: list[str] = []
    for each in sentences:
        rows += _sentence_rows(each, badges, least, wrap)
        rows.append(_GAP)
    rows.append(f'<TD COLSPAN="3" ALIGN="LEFT">{font(caption, LIGHT.muted, SMALL)}</TD>')
    if entries:
        rows.append(f'<TD COLSPAN="3" ALIGN="LEFT">{_legend(entries)}</TD>')
    return plain_table([*rows, _GAP], CELLPADDING="2")


def badge(finding: Finding, index: int, total: int) -> str:
    """Return ``deadlock``, or ``deadlock 2`` where there are several findings."""
    return str(finding.verdict) if total == 1 else f"{finding.verdict} {index + 1}"


def _sentences(report: Report, shown: Picture) -> list[_Sentence]:
    findings = report.findings
    if not findings:
        text = "Nothing waits." if shown.empty else "Every wait can still end."
        return [_Sentence("NO DEADLOCK", Role.PLAIN, text)]
    sentences = [
        _Sentence(badge(finding, index, len(findings)).upper(), Role.CORE, finding.summary)
        for index, finding in enumerate(findings[:_SENTENCES])
    ]
    if (more := len(findings) - _SENTENCES) > 0:
        sentences.append(_Sentence("", Role.PLAIN, f"… and {counted(more, 'more finding')}."))
    return sentences


def _sentence_rows(said: _Sentence, badges: float, least: float, wrap: int) -> Iterator[str]:
    """Yield a row for each line of a sentence; the badge stands before the first."""
    tone = LIGHT.tone(said.role)
    lines = textwrap.wrap(one_line(said.text), wrap) or [" "]
    if len(lines) > _LINES:
        lines = [*lines[: _LINES - 1], lines[_LINES - 1] + " …"]
    for index, line in enumerate(lines):
        mark = "<TD></TD>"
        if index == 0 and said.badge:
            words = f'<FONT COLOR="{tone.on_strong}" POINT-SIZE="{SMALL}">{bold(said.badge)}</FONT>'
            mark = f'<TD WIDTH="{math.ceil(badges)}" BGCOLOR="{tone.strong}">{words}</TD>'
        width = math.ceil(max(least, text_width(line, TITLE, bold=True) * SLACK) + 10)
        words = f'<FONT POINT-SIZE="{TITLE}">{bold(line)}</FONT>'
        gap = '<TD FIXEDSIZE="TRUE" WIDTH="8" HEIGHT="19"></TD>'
        yield f'{mark}{gap}<TD WIDTH="{width}" ALIGN="LEFT">{words}</TD>'


def _caption(report: Report) -> str:
    header = report.header
    parts = [
        shorten(header.program, 60),
        f"pid {header.pid}",
        f"Python {shorten(header.python, 20)}",
        f"{moment(report.snapshot.time_ns)} after {shorten(header.started, 40)}",
        shorten(report.trace, 60),
    ]
    if not report.quality.complete:
        parts.append("parts of the trace are missing")
    return " · ".join(parts)


# -- the legend ------------------------------------------------------------------------------------

_SAMPLE: Final = 24
_BETWEEN: Final = 14


def _legend_entries(report: Report, shown: Picture) -> Iterator[tuple[str, str]]:
    """Yield a sample and a word for just the colours and lines that the picture uses."""
    if report.findings:
        deadlock = any(finding.verdict is Verdict.DEADLOCK for finding in report.findings)
        for role, text in (
            (Role.CORE, "core of the deadlock" if deadlock else "core"),
            (Role.VICTIM, "stuck behind it"),
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
    return plain_table([inside], BORDER="1", COLOR=tone.strong, BGCOLOR=fill)


def _stroke(style: str) -> str:
    """Return a sample of a line, in the middle of the row."""
    size = f'FIXEDSIZE="TRUE" WIDTH="{_SAMPLE}" HEIGHT="6"'
    line = f'BORDER="1" SIDES="T" STYLE="{style}" COLOR="{LIGHT.muted}"'
    return plain_table([f"<TD {size}></TD>", f"<TD {size} {line}></TD>"])
