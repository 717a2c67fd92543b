"""Record a program until it hangs, as a person would, but without the patience."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tpanalyze.errors import EXIT_ERROR
from tpanalyze.findings import Verdict

POLL_S = 0.2
PATIENCE_S = 60.0


class NoHangError(Exception):
    """The program ended by itself, or its trace gave no such verdict in `PATIENCE_S` seconds."""


@dataclass(frozen=True, slots=True)
class Hang:
    """A process that hung, was recorded, and has been killed."""

    pid: int
    after_s: float
    """seconds from its start until its trace was seen to give the verdict"""


def record_until_it_hangs(
    arguments: Sequence[str],
    *,
    trace: Path,
    cwd: Path,
    linger_s: float = 0.0,
    verdict: Verdict = Verdict.DEADLOCK,
) -> Hang:
    """Run ``python -m tprecord`` with `arguments` until `trace` gives the verdict; then kill it.

    The analyser decides, on the trace of the running process: no guess by silence or by time.
    The process is left to hang for `linger_s`, and gets SIGKILL, so nothing but what is on disk by
    then can help the analysis.
    `trace` can be a pattern, for that of a child, which has its pid in its name.
    Raises :class:`NoHangError`.
    """
    begin = time.monotonic()
    command = [sys.executable, "-m", "tprecord", *arguments]
    recorded = subprocess.Popen(command, cwd=cwd, start_new_session=True)
    try:
        while verdict_on(trace, cwd=cwd) != verdict:
            if recorded.poll() is not None:
                raise NoHangError(f"the program ended by itself, status {recorded.returncode}")
            if time.monotonic() - begin > PATIENCE_S:
                raise NoHangError(f"not {verdict} after {PATIENCE_S:.0f} s")
            time.sleep(POLL_S)
        proved_after_s = time.monotonic() - begin
        time.sleep(linger_s)
        return Hang(recorded.pid, proved_after_s)
    finally:
        if recorded.poll() is None:
            os.killpg(recorded.pid, signal.SIGKILL)  # its children too
            recorded.wait()


def verdict_on(trace: Path, *, cwd: Path) -> Verdict:
    """Return what the analyser says of the trace as it is now.

    Its words decide, not its exit status: a Python program that crashes ends with 1 as well.
    """
    there = next(cwd.glob(str(trace)), trace) if "*" in trace.name else trace
    analyse = [sys.executable, "-m", "tpanalyze", str(there), "--json"]
    done = subprocess.run(analyse, check=False, cwd=cwd, capture_output=True)
    if done.returncode == EXIT_ERROR:  # there is no trace yet, or no header in it
        return Verdict.NONE
    return Verdict(json.loads(done.stdout)["verdict"])
