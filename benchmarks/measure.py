"""Programs run one after the other, each with each recorder in turn, and what they took.

A round runs every setup once; ratios are taken within a round, so that a machine that becomes
slower between rounds does not count for or against anybody.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WORKLOAD = Path(__file__).resolve().parent / "programs" / "workload.py"
PATIENCE_S = 300


@dataclass(frozen=True, slots=True)
class Figure:
    """A median with the quartiles around it."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Figure:
        """Return the figure that stands for these values."""
        if len(values) < 2:
            return cls(values[0], values[0], values[0])
        low, median, high = statistics.quantiles(values, n=4, method="inclusive")
        return cls(median, low, high)


@dataclass(frozen=True, slots=True)
class Setup:
    """A way to run a program."""

    name: str
    before: tuple[str, ...] = ()
    """words between ``python`` and the program; ``{trace}`` is the file to write"""
    core: str = ""
    peer: bool = False

    def command(self, trace: Path, *program: str) -> list[str]:
        """Return the command that runs a program."""
        return [sys.executable, *(word.format(trace=trace) for word in self.before), *program]

    def environment(self) -> dict[str, str]:
        """Return the environment it runs in."""
        return {**environment(), "TPRECORD_CORE": self.core} if self.core else environment()


def environment() -> dict[str, str]:
    """Return the environment of whatever is measured: this project as if it were installed."""
    # whoever installs a package has it compiled; here the first run does it
    left_out = ("TPRECORD", "PYTHONDONTWRITEBYTECODE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    return {**kept, "PYTHONPATH": str(ROOT)}


TPRECORD = ("-m", "tprecord", "-q", "-o", "{trace}")
BARE = Setup("bare")
IN_C = Setup("tprecord, C", TPRECORD, core="c")
IN_PYTHON = Setup("tprecord, Python", TPRECORD, core="python")
TRACE0 = Setup("trace0", ("-m", "trace0", "run", "-f", "json", "-o", "{trace}"), peer=True)
VIZTRACER = Setup("viztracer", ("-m", "viztracer", "--quiet", "-o", "{trace}"), peer=True)
SETUPS = (BARE, IN_C, IN_PYTHON, TRACE0, VIZTRACER)
"""``bare`` is the first: all others are compared with it."""


class CannotRun(Exception):
    """This setup does not work here; the words say why."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What one run took."""

    ns: int
    cpu: int
    gc: int
    peak: int
    whole_ns: int
    """the process from start to end"""
    size: int
    """bytes of the trace"""


def run(setup: Setup, directory: Path, *program: str) -> Taken:
    """Run a program that prints what it took, or nothing.  Raises `CannotRun`."""
    trace = directory / "trace.json"
    trace.unlink(missing_ok=True)
    began = time.perf_counter_ns()
    done = subprocess.run(
        setup.command(trace, *program),
        cwd=directory,
        env=setup.environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    whole = time.perf_counter_ns() - began
    if done.returncode != 0:
        raise CannotRun((done.stderr.strip().splitlines() or ["it failed"])[-1])
    size = trace.stat().st_size if trace.exists() else 0
    said = [line for line in done.stdout.splitlines() if line.startswith('{"ns"')]
    took: dict[str, int] = json.loads(said[0]) if said else dict.fromkeys(("ns", "gc"), 0)
    return Taken(took["ns"], took.get("cpu", 0), took["gc"], took.get("peak", 0), whole, size)


def workload(name: str, units: int, turns: int = 0) -> tuple[str, ...]:
    """Return the words that run a workload."""
    return (str(WORKLOAD), name, str(units), str(turns))


def available(directory: Path) -> tuple[tuple[Setup, ...], dict[str, str]]:
    """Return the setups that work here, and why the others do not."""
    here, absent = [], {}
    for setup in SETUPS:
        try:
            run(setup, directory, *workload("no-op", 10))
        except CannotRun as reason:
            absent[setup.name] = str(reason).rpartition(": ")[2]
        else:
            here.append(setup)
    return tuple(here), absent


def interleaved(
    setups: Sequence[Setup],
    rounds: int,
    directory: Path,
    program: tuple[str, ...],
    said: Callable[[str], None],
) -> dict[str, list[Taken]]:
    """Run a program `rounds` times with each setup, in turns; return what the runs took."""
    taken: dict[str, list[Taken]] = {setup.name: [] for setup in setups}
    for number in range(rounds):
        turn = number % len(setups)
        for setup in (*setups[turn:], *setups[:turn]):
            taken[setup.name].append(run(setup, directory, *program))
    said(" ".join(program[1:3]) if len(program) > 2 else program[-1][:40])
    return taken


def ratios(taken: dict[str, list[Taken]], what: Callable[[Taken], float]) -> dict[str, Figure]:
    """Return what each setup took, as multiples of what the program alone took in that round."""
    alone = [what(run) for run in taken[BARE.name]]
    return {
        name: Figure.of([what(run) / bare for run, bare in zip(runs, alone, strict=True)])
        for name, runs in taken.items()
    }
