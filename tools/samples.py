"""Regenerate the samples in ``traces/``: run each program until it hangs, and keep what it left.

    python3 dev.py python -m tools.samples [NAME ...]

For each ``traces/NAME/program.py``: ``trace.jsonl``, the report in words and as JSON, and the
pictures.  The trace is a new one each time; the rest follows from it, and a test holds them
together, so after a change in the analyser only the rest has to be made again: ``--keep-traces``.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tools import gallery
from tools.gallery import samples
from tools.hang import record_until_it_hangs
from tpanalyze.errors import EXIT_DEADLOCK, EXIT_NOTHING_FOUND
from tpanalyze.findings import Verdict

LINGER_S = 2.5
MOST_BYTES = 200_000
"""What is larger is not kept: a thousand victims fill a megabyte of JSON."""

RESULTS = {
    "report.txt": ("--no-source",),
    "report.json": ("--json",),
    "graph.svg": ("--svg=-",),
    "timeline.svg": ("--timeline=-",),
}
"""What a sample has beside its trace, and the options of ``tpanalyze`` that make it."""


def analysed(sample: Path, result: str) -> bytes:
    """Return what ``tpanalyze`` makes of a sample's trace."""
    analyse = [sys.executable, "-m", "tpanalyze", "trace.jsonl", *RESULTS[result]]
    done = subprocess.run(analyse, check=False, cwd=sample, capture_output=True)
    if done.returncode not in (EXIT_NOTHING_FOUND, EXIT_DEADLOCK) or not done.stdout:
        raise RuntimeError(f"{sample.name}: tpanalyze failed: {done.stderr.decode()}")
    return done.stdout


def expected(sample: Path) -> Verdict:
    """Return what its program says is to be found, ``verdict: stalled``; else a deadlock."""
    said = re.search(r"^verdict: (\w+)$", (sample / "program.py").read_text(), re.MULTILINE)
    return Verdict(said[1]) if said else Verdict.DEADLOCK


def record(sample: Path) -> None:
    """Record the sample's program until it hangs, and a little longer."""
    trace = sample / "trace.jsonl"
    trace.unlink(missing_ok=True)
    text = (sample / "program.py").read_text()
    options = re.findall(r"^option: (\S+)$", text, re.MULTILINE)
    of_child = "\nprocess: child\n" in text
    command = ["-q", "-o", trace.name, *options, "program.py"]
    watched = Path("trace.*.trace.jsonl" if of_child else trace.name)
    record_until_it_hangs(
        command, trace=watched, cwd=sample, linger_s=LINGER_S, verdict=expected(sample)
    )
    if of_child:  # it is the one that tells
        (child,) = sample.glob(str(watched))
        child.replace(trace)


def main(arguments: list[str]) -> int:
    """Regenerate the samples that are named, or all."""
    keep = "--keep-traces" in arguments
    named = {word for word in arguments if not word.startswith("-")}
    for sample in samples():
        if named and sample.name not in named:
            continue
        if not keep:
            record(sample)
        for result in RESULTS:
            data = analysed(sample, result)
            if len(data) <= MOST_BYTES:
                (sample / result).write_bytes(data)
        sys.stdout.write(f"{sample.name}\n")
    gallery.write(samples())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
