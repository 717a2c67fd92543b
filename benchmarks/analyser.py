"""What the analyser takes, for traces of any length; and how long its command line takes.

``python -m benchmarks.analyser WHAT TRACE`` does one thing and prints what it took as JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import tpanalyze
from benchmarks.made_trace import AWAITED, ELSEWHERE, PROMISED, QUEUED, STUCK, write
from benchmarks.measure import PATIENCE_S, ROOT, Figure, environment
from tpanalyze.products import PRODUCTS

LENGTHS = (10_000, 100_000, 1_000_000, 10_000_000)
OPEN = 200_000
"""Tasks that are open at the end of the trace by which memory is measured."""
KINDS = (QUEUED, AWAITED, STUCK, ELSEWHERE, PROMISED)
"""What they are."""


def _verdict(trace: str) -> int:
    return len(str(tpanalyze.analyze(trace)))


def _frame(trace: str) -> int:
    return len(tpanalyze.load(trace).intervals())


def _page(trace: str) -> int:
    run = tpanalyze.load(trace, deeds=True)
    return len(PRODUCTS["html"].made_of(run.report, run))


JOBS: dict[str, Callable[[str], int]] = {
    "verdict": _verdict,
    "DataFrame": _frame,
    "HTML": _page,
}


@dataclass(frozen=True, slots=True)
class Job:
    """One job on traces of one length."""

    seconds: Figure
    cpu: Figure
    mb: float
    """more than before, at its peak"""
    result: int
    """rows, or bytes"""


@dataclass(frozen=True, slots=True)
class Analysed:
    """What the analyser takes."""

    jobs: dict[str, dict[str, Job]]
    """job -> events -> what it took"""
    bytes_per_open_task: dict[str, float]
    """by what the tasks are"""
    commands_ms: dict[str, Figure]


def measure(directory: Path, *, quick: bool, said: Callable[[str], None]) -> Analysed:
    """Measure all of it."""
    jobs: dict[str, dict[str, Job]] = {name: {} for name in JOBS}
    for events in LENGTHS[:2] if quick else LENGTHS:
        trace = directory / "made.trace.jsonl"
        write(trace, events)
        times = 1 if events > 1_000_000 else 3
        for name in JOBS:
            jobs[name][str(events)] = _job(name, trace, times)
            said(f"{name} of {events} events")
        trace.unlink()
    small = directory / "small.trace.jsonl"
    write(small, 1000)
    commands = {"tpanalyze --help": ["--help"], "a verdict of 1000 events": [str(small)]}
    return Analysed(
        jobs,
        {kind: _bytes_per_open_task(directory, kind) for kind in KINDS},
        {name: _command(words, 3 if quick else 11) for name, words in commands.items()},
    )


def _once(name: str, trace: Path) -> dict[str, int]:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.analyser", name, str(trace)],
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        timeout=PATIENCE_S,
        check=True,
    )
    took: dict[str, int] = json.loads(done.stdout)
    return took


def _job(name: str, trace: Path, times: int) -> Job:
    runs = [_once(name, trace) for _ in range(times)]
    return Job(
        Figure.of([run["ns"] / 1e9 for run in runs]),
        Figure.of([run["cpu"] / 1e9 for run in runs]),
        max(run["peak"] for run in runs) / 1024,
        runs[0]["result"],
    )


def _bytes_per_open_task(directory: Path, kind: str) -> float:
    """Return how much more memory a verdict takes for each task of a kind that is open at the end.

    It is a verdict in words.
    """
    trace = directory / "open.trace.jsonl"
    peaks = []
    for tasks in (OPEN, 2 * OPEN):
        write(trace, 1000, open_at_end=tasks, kind=kind)
        peaks.append(_once("verdict", trace)["peak"])
    return (peaks[1] - peaks[0]) * 1024 / OPEN


def _command(words: list[str], times: int) -> Figure:
    took = []
    for _ in range(times):
        began = time.perf_counter_ns()
        subprocess.run(
            [sys.executable, "-m", "tpanalyze", *words],
            cwd=ROOT,
            env=environment(),
            stdout=subprocess.DEVNULL,
            check=True,
        )
        took.append((time.perf_counter_ns() - began) / 1e6)
    return Figure.of(took)


def main() -> None:
    """Do one job."""
    job, trace = JOBS[sys.argv[1]], sys.argv[2]
    before = _peak_kib()
    cpu, began = time.process_time_ns(), time.perf_counter_ns()
    result = job(trace)
    took = {"ns": time.perf_counter_ns() - began, "cpu": time.process_time_ns() - cpu}
    print(json.dumps({**took, "peak": _peak_kib() - before, "result": result}))


def _peak_kib() -> int:
    """Return the most memory this process has had, where Linux tells; 0 elsewhere."""
    status = Path("/proc/self/status")
    lines = status.read_text(encoding="ascii").splitlines() if status.exists() else []
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM")), 0)


if __name__ == "__main__":
    main()
