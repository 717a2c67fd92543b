"""Several processes of one run at a glance: who is whose child, and what became of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from tpanalyze.describe import counted
from tpanalyze.escape import terminal
from tpanalyze.findings import Report, Verdict
from tpanalyze.kinship import family_tree


def render_overview(reports: Sequence[Report], unreadable: int = 0) -> str:
    """Return a line that sums up, and one line for each process, indented below its parent.

    `unreadable`: so many traces more could not be read.
    """
    members = family_tree(reports)
    rows = [
        (terminal("  " * member.generation + member.name), member.outcome, member.report.trace)
        for member in members
    ]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(2)]
    lines = [_sum(reports, unreadable), ""]
    for name, verdict, trace in rows:
        lines.append(f"  {name:{widths[0]}}  {verdict:{widths[1]}}  {terminal(trace)}")
    return "\n".join(lines) + "\n"


def _sum(reports: Sequence[Report], unreadable: int) -> str:
    kinds = Counter(report.verdict for report in reports)
    found = [f"{verdict} {kinds[verdict]}" for verdict in Verdict if kinds[verdict]]
    if unreadable:
        found.append(f"unreadable {unreadable}")
    whole = counted(len(reports) + unreadable, "process", "processes")
    return f"{whole[:1].upper()}{whole[1:]}: {', '.join(found)}"
