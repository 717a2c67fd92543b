"""Measures what every output takes of a large trace, and how soon a browser has drawn the page.

``python -m tests.judges.large [EVENTS]``, 1,000,000 by default: 14 threads of two pools, with a
deadlock at the end.  Fails if the page of a million events has more than `MOST_PAGE` bytes, or
takes a browser longer than `SLOWEST_S`, where one is found.  `docs/reports.md` has the figures.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from tests.browser import browser, executable
from tests.recorded import environment
from tests.timeline_samples import crawled

EVENTS: Final = 1_000_000
EVENTS_OF_A_PAGE: Final = 10
MOST_PAGE: Final = 5_000_000
SLOWEST_S: Final = 3.0
OUTPUTS: Final = (
    "verdict.txt", "graph.svg", "run.timeline.svg", "report.html", "issue.md", "run.story.txt",
    "tasks.csv", "run.perfetto.json", "run.perfetto.json.gz",
)  # fmt: skip


def main(arguments: list[str]) -> int:
    """Make the trace, then each output, then open the page."""
    events = int(arguments[0]) if arguments else EVENTS
    with tempfile.TemporaryDirectory() as directory:
        trace = Path(directory, "trace.jsonl")
        trace.write_bytes(crawled(events // EVENTS_OF_A_PAGE, 12).data())
        print(f"| output of {events:,} events, {size(trace)} | seconds | bytes |\n|---|---|---|")
        for name in OUTPUTS:
            print(f"| `-o {name}` | {made(trace, name):.1f} | {size(Path(directory, name))} |")
        page = Path(directory, "report.html")
        slow = drawn(page) if executable() else 0.0
        print(f"the page is drawn after {slow:.2f} s" if slow else "no browser here")
        return int(page.stat().st_size > MOST_PAGE or slow > SLOWEST_S)


def made(trace: Path, name: str) -> float:
    """Make one output; return the seconds it took, all of the command's."""
    began = time.monotonic()
    subprocess.run(
        [sys.executable, "-m", "tpanalyze", str(trace), "-q", "-o", str(trace.with_name(name))],
        env=environment(),
        check=False,
    )
    return time.monotonic() - began


def size(path: Path) -> str:
    """Return a file's size in megabytes."""
    return f"{path.stat().st_size / 1e6:.2f} MB"


def drawn(page: Path) -> float:
    """Return the seconds from opening a page until its timeline is drawn."""
    with browser() as tab:
        tab.size(1300, 1000)
        began = time.monotonic()
        tab.open(page)
        return time.monotonic() - began


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
