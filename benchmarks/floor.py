"""What no recorder in Python can go below: no-op tasks under callbacks that record less and less.

``python -m benchmarks.floor`` prints it for this Python, in a minute: see ``programs/floor.py``.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from benchmarks.measure import (
    BARE,
    IN_PYTHON,
    CannotRun,
    Figure,
    Setup,
    interleaved,
    ratios,
    workload,
)

PROGRAM = Path(__file__).resolve().parent / "programs" / "floor.py"
STEPS = {
    "called": "the callbacks are called, and do nothing",
    "noted": "... and note the moment, and a text that is always the same",
    "written": "... of which lines are made and written",
    "told": "... that say which task, and which thread",
}
TASKS, ROUNDS = 50_000, 9


def main(tasks: int = TASKS, rounds: int = ROUNDS) -> int:
    """Measure, and print a table; return the exit status."""
    steps = [Setup(name, (str(PROGRAM), name)) for name in STEPS]
    try:
        with tempfile.TemporaryDirectory() as directory:
            taken = interleaved(
                [BARE, *steps, IN_PYTHON],
                rounds,
                Path(directory),
                workload("no-op", tasks),
                lambda _: None,
            )
    except CannotRun as error:
        print(f"cannot measure: {error}", file=sys.stderr)
        return 2
    print("\n".join(table(ratios(taken, lambda run: run.ns))))
    return 0


def table(measured: dict[str, Figure]) -> list[str]:
    """Return the lines of the table: multiples of the time alone."""
    rows = {**STEPS, IN_PYTHON.name: "all of it: also from where, which function, which pool"}
    lines = ["| no-op tasks | multiple of the time alone |", "|---|--:|"]
    for name, words in rows.items():
        figure = measured[name]
        lines.append(f"| {words} | **{figure.median:.2f}** ({figure.low:.2f}–{figure.high:.2f}) |")
    return lines


if __name__ == "__main__":
    sys.exit(main())
