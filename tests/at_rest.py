"""What is said of a program that hangs, once none of its threads moves any more.

The first trace with a deadlock in it need not be the last: another thread may be on its way to a
wait of its own, and if the disk was slow the recorder's thread writes what it has to 40 ms later.
Here a report counts only if every thread of the process slept while it was made, and for so long
afterwards that nobody was about to write.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from tests.asleep import STILL_S, scheduled
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
        since, before = time.monotonic(), _sleepers(process.pid)
        if before is None or not (path.exists() and path.stat().st_size):
            return False
        reports[:] = [analyze(path)]
        return found(reports[0]) and _sleep_on(process.pid, since, before)

    until(is_found, "found, and at rest")
    return reports[0]


def until_at_rest(process: subprocess.Popen[str]) -> None:
    """Return when each thread of the process is in a wait that lasts."""
    until(
        lambda: _sleep_on(process.pid, time.monotonic(), _sleepers(process.pid)),
        "at rest",
    )


def until_looked_at(process: subprocess.Popen[str], path: Path) -> None:
    """Return when the recorder has looked at a program that was at rest before."""
    until_at_rest(process)
    seen = len(read(path).of("beat"))
    until(lambda: len(read(path).of("beat")) > seen, "the recorder has looked")


def _sleep_on(pid: int, since: float, before: dict[str, str] | None) -> bool:
    """Return whether threads that were asleep at `since` still are when that was for long."""
    if before is None:
        return False
    time.sleep(max(0.0, since + STILL_S - time.monotonic()))
    return _sleepers(pid) == before


def _sleepers(pid: int) -> dict[str, str] | None:
    """Return how often each thread was scheduled; nothing if one is not asleep.

    Where the kernel does not say (no ``/proc``), every program is taken to be at rest.
    """
    tasks = {task: scheduled(task) for task in Path(f"/proc/{pid}/task").glob("*")}
    asleep = {task.name: often for task, often in tasks.items() if often is not None}
    return asleep if len(asleep) == len(tasks) else None
