"""Which of several reports is on a child of which: the processes of one run, as a tree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tpanalyze.findings import Report


@dataclass(frozen=True, slots=True)
class Member:
    """One process of a run."""

    report: Report
    generation: int
    """0: no ancestor of it has a report"""


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
