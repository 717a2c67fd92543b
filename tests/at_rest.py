"""What is said of a program that hangs, once none of its threads moves any more.

The first trace with a deadlock in it need not be the last: another thread may be on its way to a
wait of its own. Here a report counts only if, while it was made, every thread of the process slept.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.recorded import hanging, read, until
from tpanalyze import analyze
from tpanalyze.findings import Report, Verdict


def is_deadlock(report: Report) -> bool:
    """Return whether a deadlock is proved."""
    return report.verdict is Verdict.DEADLOCK


def hang(
    tmp_path: Path,
    *command: str,
    found: Callable[[Report], bool] = is_deadlock,
    cwd: Path | None = None,
) -> Report:
    """Record a program that hangs, and return the report on it at rest of which `found` holds."""
    with hanging(tmp_path, *command, cwd=cwd) as (process, path):
        return report_at_rest(process, path, found)


def report_at_rest(
    process: subprocess.Popen[str], path: Path, found: Callable[[Report], bool] = is_deadlock
) -> Report:
    """Return the report on a running program at rest of which `found` holds."""
    reports: list[Report] = []

    def is_found() -> bool:
        assert process.poll() is None, process.communicate()
        before = _sleepers(process.pid)
        if before is None or not read(path).header:
            return False
        reports[:] = [analyze(path)]
        return found(reports[0]) and _sleepers(process.pid) == before

    until(is_found, "found, and at rest")
    return reports[0]


def _sleepers(pid: int) -> dict[str, str] | None:
    """Return how often each thread was scheduled; nothing if one is not asleep.

    Where the kernel does not say (no ``/proc``), every program is taken to be at rest.
    """
    scheduled = {}
    for status in Path(f"/proc/{pid}/task").glob("*/status"):
        try:
            fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
        except OSError:  # this thread has just ended
            return None
        if fields["State"].split()[0] not in "SI":
            return None
        turns = fields["voluntary_ctxt_switches"], fields["nonvoluntary_ctxt_switches"]
        scheduled[status.parent.name] = " ".join(turns)
    return scheduled
