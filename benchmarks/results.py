"""All that was measured, as one JSON file that keeps the figures of several interpreters."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.analyser import Analysed
from benchmarks.measure import ROOT, Setup
from benchmarks.recorder import Recorded

FILE = Path(__file__).resolve().parent / "results.json"


@dataclass(frozen=True, slots=True)
class Conditions:
    """In what circumstances it was measured."""

    python: str
    machine: str
    load: str
    """of the machine, at the begin and at the end"""
    command: str
    seconds: int


def conditions(command: str, began: tuple[float, float], seconds: float) -> Conditions:
    """Return them; `began` is the load of the machine in the beginning."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return Conditions(
        platform.python_version(),
        f"{_processor()}, {cpus} processors, {platform.system()} {platform.machine()}",
        f"{began[0]:.1f} at the begin, {os.getloadavg()[0]:.1f} at the end",
        command,
        round(seconds),
    )


def _processor() -> str:
    """Return the processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def parts(setups: tuple[Setup, ...]) -> dict[str, dict[str, float]]:
    """Return what recording a task is made of, for each core that is here."""
    made_of: dict[str, dict[str, float]] = {}
    for setup in setups:
        if setup.core:
            done = subprocess.run(
                [sys.executable, "-m", "benchmarks.parts"],
                cwd=ROOT,
                env=setup.environment(),
                stdout=subprocess.PIPE,
                check=True,
            )
            made_of[setup.name] = json.loads(done.stdout)
    return made_of


def save(
    file: Path,
    here: Conditions,
    absent: dict[str, str],
    recorded: Recorded,
    made_of: dict[str, dict[str, float]],
    analysed: Analysed | None,
) -> None:
    """Put the figures of this interpreter in the place of its former ones."""
    results = load(file)
    results["pythons"][".".join(here.python.split(".")[:2])] = {
        "conditions": asdict(here),
        "absent": absent,
        "recorder": asdict(recorded),
        "parts": made_of,
    }
    if analysed is not None:
        results["analyser"] = {"conditions": asdict(here), **asdict(analysed)}
    file.write_text(json.dumps(_rounded(results), indent=1) + "\n", encoding="utf-8")


def load(file: Path) -> dict[str, Any]:
    """Return what is in the file."""
    empty: dict[str, Any] = {"pythons": {}, "analyser": None}
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else empty


def _rounded(value: Any) -> Any:  # noqa: ANN401  # any JSON
    """Return it with four digits to each number, and figures as short lists."""
    if isinstance(value, dict):
        if value.keys() == {"median", "low", "high"}:
            return [_rounded(value[key]) for key in ("median", "low", "high")]
        return {key: _rounded(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_rounded(inner) for inner in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value
