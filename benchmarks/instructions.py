"""What recording costs in instructions of the processor: a count, which no busy machine changes.

``python -m benchmarks.instructions`` prints it for this Python; it needs valgrind, and three
minutes.

Each workload is counted short and long, so that starting and ending fall out.  Time is another
matter: an instruction that waits for memory counts like any other.  Valgrind makes a program some
fifty times slower while the ticker still writes every 40 ms: its share is fifty times too large.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.measure import BARE, IN_C, IN_PYTHON, CannotRun, Setup, workload

WORKLOADS = {
    "no-op tasks": ("no-op", 0, 1_000, 6_000),
    "tasks of 4 000 turns, 100 µs or so": ("work", 4_000, 200, 1_000),
    "tasks of 40 000 turns, 1 ms or so": ("work", 40_000, 20, 100),
    "no futures at all": ("no futures", 0, 20_000, 120_000),
}
"""for people -> the program, how often each of its tasks turns an empty loop, and its units in the
short and the long run"""

COUNT = ("valgrind", "--tool=callgrind", f"--callgrind-out-file={os.devnull}")


def main() -> int:
    """Count, and print a table; return the exit status."""
    print("| instructions per unit | alone | tprecord, C | tprecord, Python |\n|---|--:|--:|--:|")
    with tempfile.TemporaryDirectory() as directory:
        for name, (program, turns, short, long) in WORKLOADS.items():
            try:
                alone, *recorded = (
                    per_unit(setup, Path(directory), program, turns, short, long)
                    for setup in (BARE, IN_C, IN_PYTHON)
                )
            except CannotRun as error:
                print(f"cannot count: {error}", file=sys.stderr)
                return 2
            cells = [f"{alone:,.0f}", *(f"**{each / alone:.3f}**" for each in recorded)]
            print(f"| {name} | {' | '.join(cells)} |", flush=True)
    return 0


def per_unit(
    setup: Setup, directory: Path, program: str, turns: int, short: int, long: int
) -> float:
    """Return the instructions that one unit more takes.  Raises `CannotRun`."""
    few, many = (
        counted(setup, directory, *workload(program, units, turns)) for units in (short, long)
    )
    return (many - few) / (long - short)


def counted(setup: Setup, directory: Path, *program: str) -> int:
    """Return the instructions of a run.  Raises `CannotRun`."""
    command = [*COUNT, *setup.command(directory / "trace.jsonl", *program)]
    environment = {**setup.environment(), "PYTHONHASHSEED": "0"}  # the same order in every run
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise CannotRun("valgrind is not installed") from None
    found = re.search(r"refs:\s*([\d,]+)", done.stderr)
    if done.returncode != 0 or found is None:
        raise CannotRun((done.stderr.strip().splitlines() or ["it failed"])[-1])
    return int(found[1].replace(",", ""))


if __name__ == "__main__":
    sys.exit(main())
