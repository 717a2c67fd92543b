"""Record a program until it hangs, as a person would, but without the patience."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

POLL_S = 0.2
PATIENCE_S = 60.0


class NoHangError(Exception):
    """The program ended by itself, or its trace proved no deadlock in `PATIENCE_S` seconds."""


@dataclass(frozen=True, slots=True)
class Hang:
    """A process that hung, was recorded, and has been killed."""

    pid: int
    after_s: float
    """seconds from its start until its trace proved a deadlock"""


def record_until_it_hangs(arguments: Sequence[str], *, trace: Path, cwd: Path) -> Hang:
    """Run ``python -m tprecord`` with `arguments` until `trace` proves a deadlock; then kill it.

    The analyser decides, on the trace of the running process: no guess by silence or by time.
    The process gets SIGKILL, so nothing but what is on disk by then can help the analysis.
    Raises :class:`NoHangError`.
    """
    begin = time.monotonic()
    recorded = subprocess.Popen([sys.executable, "-m", "tprecord", *arguments], cwd=cwd)
    try:
        while not proves_a_deadlock(trace, cwd=cwd):
            if recorded.poll() is not None:
                raise NoHangError(f"the program ended by itself, status {recorded.returncode}")
            if time.monotonic() - begin > PATIENCE_S:
                raise NoHangError(f"no deadlock after {PATIENCE_S:.0f} s")
            time.sleep(POLL_S)
        return Hang(recorded.pid, time.monotonic() - begin)
    finally:
        recorded.kill()
        recorded.wait()


def proves_a_deadlock(trace: Path, *, cwd: Path) -> bool:
    """Return True if the analyser finds a deadlock in the trace as it is now."""
    if not (cwd / trace).exists():
        return False
    analyse = [sys.executable, "-m", "tpanalyze", str(trace), "--json"]
    return subprocess.run(analyse, check=False, cwd=cwd, capture_output=True).returncode == 1
