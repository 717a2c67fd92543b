"""The demo: record a program that deadlocks, wait until it hangs, end it, explain it, draw it.

Nothing is faked: the program runs under ``python -m tprecord`` as anybody's would, and the trace
it leaves is what the analyser gets.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tools.hang import NoHangError, record_until_it_hangs
from tpanalyze.errors import EXIT_DEADLOCK

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = "traces/pool_starvation/program.py"
LINGER_S = 3.0
PICTURES = ("pool_starvation.svg", "pool_starvation.timeline.svg")


def main(directory: Path = ROOT / "demo") -> int:
    """Leave a trace and its pictures in `directory`; return 0 if all went as it should."""
    directory.mkdir(exist_ok=True)
    trace = os.path.relpath(directory / "pool_starvation.jsonl", ROOT)
    pictures = [directory / name for name in PICTURES]
    for old in [ROOT / trace, *pictures]:
        old.unlink(missing_ok=True)

    say(f"$ python -m tprecord -o {trace} {PROGRAM}")
    try:
        hang = record_until_it_hangs(
            ["-o", trace, PROGRAM], trace=Path(trace), cwd=ROOT, linger_s=LINGER_S
        )
    except NoHangError as error:
        say(f"... that went wrong: {error}")
        return 1
    say(f"... and there it hangs. After {hang.after_s:.1f} s its trace, read meanwhile, proved a")
    say(f"deadlock; {LINGER_S:.0f} s later process {hang.pid} got a `kill -9`.")

    say(f"\n$ tpanalyze {trace} --svg --timeline")
    analyse = [sys.executable, "-m", "tpanalyze", trace, "--svg", "--timeline"]
    status = subprocess.run(analyse, check=False, cwd=ROOT).returncode
    if status != EXIT_DEADLOCK:
        say(f"... that went wrong: status {status} instead of {EXIT_DEADLOCK}")
        return 1
    say("\nThe pictures, for a browser:")
    for picture in pictures:
        say(f"  {picture.as_uri()}")
    return 0


def say(words: str) -> None:
    """Print at once, so that the words stand in order with those of the other programs."""
    print(words, flush=True)


if __name__ == "__main__":
    sys.exit(main())
