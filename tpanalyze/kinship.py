"""Which of several reports is on a child of which: the processes of one run, as a tree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tpanalyze.findings import Report, Verdict


@dataclass(frozen=True, slots=True)
class Member:
    """One process of a run."""

    report: Report
    generation: int
    """0: no ancestor of it has a report"""

    @property
    def name(self) -> str:
        """Return what the process is called: its program, what it is, its number."""
        header = self.report.header
        process = f" {header.process}" if header.process else ""
        return f"{header.program}{process} ({header.pid})"

    @property
    def outcome(self) -> str:
        """Return its verdict, and the kinds of what was found."""
        kinds = dict.fromkeys(finding.kind for finding in self.report.findings)
        verdict = self.report.verdict
        return f"{str(verdict).upper()}  {', '.join(kinds)}" if kinds else str(verdict)


@dataclass(frozen=True, slots=True)
class Relative:
    """One process of a run, as a page on another one of them names it."""

    name: str
    generation: int
    verdict: Verdict
    outcome: str
    page: str | None
    """the way from that page to the page on this process, as in a URL; None: it is that page"""

    @classmethod
    def of(cls, member: Member, page: str | None) -> Relative:
        """Return the member as a page names it."""
        return cls(member.name, member.generation, member.report.verdict, member.outcome, page)


def family_tree(reports: Sequence[Report]) -> tuple[Member, ...]:
    """Return every report once: each process before its children, siblings by when they began.

    A process number can be used again: a child's parent is the latest process of that number that
    was there before it.
    """
    order = sorted(range(len(reports)), key=lambda n: (reports[n].header.started, n))
    children: dict[int | None, list[int]] = {}
    latest: dict[int, int] = {}
    for number in order:
        header = reports[number].header
        above = None if header.parent is None else latest.get(header.parent)
        children.setdefault(above, []).append(number)
        latest[header.pid] = number
    found = []
    agenda = [(number, 0) for number in reversed(children.get(None, []))]
    while agenda:
        number, generation = agenda.pop()
        found.append(Member(reports[number], generation))
        agenda += [(child, generation + 1) for child in reversed(children.get(number, []))]
    return tuple(found)
