"""What a picture says in words at its top: a badge and a sentence for each finding."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import Final

from tpanalyze.describe import moment
from tpanalyze.findings import Finding, Report
from tpanalyze.render.labels import counted, shorten
from tpanalyze.render.palette import Role
from tpanalyze.render.xml_escape import one_line

_SENTENCES: Final = 3
_LINES: Final = 5


@dataclass(frozen=True, slots=True)
class Headline:
    """One sentence, in lines, and the badge before it, if it has one."""

    badge: str
    role: Role
    lines: tuple[str, ...]


def headlines(report: Report, otherwise: str, letters: int) -> tuple[Headline, ...]:
    """Return the sentences of the first few findings; without findings, `otherwise`.

    `letters` is the most that a line may have.
    """
    findings = report.findings
    if not findings:
        return (Headline("NO DEADLOCK", Role.PLAIN, _lines(otherwise, letters)),)
    said = [
        Headline(badge(findings, index).upper(), Role.CORE, _lines(finding.summary, letters))
        for index, finding in enumerate(findings[:_SENTENCES])
    ]
    if (more := len(findings) - _SENTENCES) > 0:
        said.append(Headline("", Role.PLAIN, (f"… and {counted(more, 'more finding')}.",)))
    return tuple(said)


def badge(findings: tuple[Finding, ...], index: int) -> str:
    """Return ``deadlock``, or ``deadlock 2`` where there are several findings."""
    verdict = findings[index].verdict
    return str(verdict) if len(findings) == 1 else f"{verdict} {index + 1}"


def _lines(text: str, letters: int) -> tuple[str, ...]:
    lines = textwrap.wrap(one_line(text), letters) or [" "]
    if len(lines) > _LINES:
        lines = [*lines[: _LINES - 1], lines[_LINES - 1][: letters - 2] + " …"]
    return tuple(lines)


def caption(report: Report) -> str:
    """Return which run the picture shows, and which moment of it."""
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
