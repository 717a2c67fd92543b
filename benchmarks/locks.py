"""What ``--locks`` costs: a lock that is free, one that is taken, and making one.

``python -m benchmarks.locks`` prints it for this Python, in some seconds.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.measure import BARE, PATIENCE_S, CannotRun, Setup

PROGRAM = Path(__file__).resolve().parent / "programs" / "locks.py"
RECORDED = Setup("tprecord --locks", ("-m", "tprecord", "-q", "--locks", "-o", "{trace}"))
TIMES = 200_000


def main() -> int:
    """Measure, and print a table; return the exit status."""
    try:
        with tempfile.TemporaryDirectory() as directory:
            alone, recorded = (took(s, Path(directory), TIMES) for s in (BARE, RECORDED))
    except CannotRun as error:
        print(f"cannot measure: {error}", file=sys.stderr)
        return 2
    print("\n".join(table(alone, recorded)))
    return 0


def table(alone: dict[str, float], recorded: dict[str, float]) -> list[str]:
    """Return the lines of the table, in microseconds."""
    lines = ["| µs | alone | with `--locks` | more |", "|---|--:|--:|--:|"]
    for name, ns in alone.items():
        cells = (f"{n / 1e3:.2f}" for n in (ns, recorded[name], recorded[name] - ns))
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def took(setup: Setup, directory: Path, times: int) -> dict[str, float]:
    """Return the nanoseconds each thing takes, once.  Raises `CannotRun`."""
    command = setup.command(directory / "trace.jsonl", str(PROGRAM), str(times))
    done = subprocess.run(
        command,
        env=setup.environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    if done.returncode != 0:
        raise CannotRun((done.stderr.strip().splitlines() or ["it failed"])[-1])
    told: dict[str, float] = json.loads(done.stdout)
    return told


if __name__ == "__main__":
    sys.exit(main())
