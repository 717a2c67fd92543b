"""What a picture says in words at its top: a badge and a sentence for each finding."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import Final

from tpanalyze.describe import moment
from tpanalyze.findings import Finding, Report, Verdict
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
        Headline(badge(findings, index).upper(), _role(finding), _lines(finding.summary, letters))
        for index, finding in enumerate(findings[:_SENTENCES])
    ]
    if (more := len(findings) - _SENTENCES) > 0:
        said.append(Headline("", Role.PLAIN, (f"… and {counted(more, 'more finding')}.",)))
    return tuple(said)


def _role(finding: Finding) -> Role:
    """Return the colour of a badge: what is no proof does not look like one."""
    return Role.CORE if finding.verdict is Verdict.DEADLOCK else Role.VICTIM


def since(finding: Finding) -> str:
    """Return from when on it holds, by what, and how surely: only a deadlock is certain."""
    sure = "certain since" if finding.verdict is Verdict.DEADLOCK else "since"
    by = "" if finding.certain_by is None else f", when {finding.certain_by.text}"
    return f"{sure} {moment(finding.certain_since_ns)}{by}"


def is_proof(report: Report) -> bool:
    """Return whether a deadlock is among the findings."""
    return any(finding.verdict is Verdict.DEADLOCK for finding in report.findings)


def standings(report: Report) -> dict[Role, str]:
    """Return what legends call those in a core, and those behind it."""
    if is_proof(report):
        return {Role.CORE: "in the core", Role.VICTIM: "stuck behind it"}
    return {Role.CORE: "the cause", Role.VICTIM: "waits for it"}


def lane_standings(report: Report) -> dict[Role, str]:
    """Return what a timeline's legend calls the waits of those."""
    called = standings(report)
    return called | {Role.CORE: "stuck, in the core"} if is_proof(report) else called


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
