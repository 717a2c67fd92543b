"""Measure with this Python, and write the results and the page that shows them.

``python -m benchmarks [--quick] [--only recorder] [--into FILE]``

It takes about six minutes, a quick one under one: enough to see that it works, not what it costs.
Quick results go nowhere unless a file is named.  ``python3 dev.py bench`` does it with every
Python there is.  Nothing else should run meanwhile.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import analyser, page, recorder, results
from benchmarks.measure import available


def main() -> int:
    """Measure; return the exit status."""
    options = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    options.add_argument("--quick", action="store_true")
    options.add_argument("--only", choices=["recorder"], help="leave out the analyser")
    options.add_argument("--into", type=Path, help="the file of results")
    options.add_argument("--page", action="store_true", help="measure nothing, write the page anew")
    chosen = options.parse_args()
    if not chosen.page:
        measure(chosen.into, quick=chosen.quick, with_analyser=chosen.only is None)
    if chosen.page or not chosen.quick:
        page.write(results.load(chosen.into or results.FILE))
    return 0


def measure(into: Path | None, *, quick: bool, with_analyser: bool) -> None:
    """Measure all of it, and keep the results."""
    began, load = time.monotonic(), os.getloadavg()[:2]

    def said(what: str) -> None:
        print(f"{time.monotonic() - began:5.0f} s  {what}", file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory() as directory:
        here = Path(directory)
        setups, absent = available(here)
        for name, why in absent.items():
            said(f"without {name}: {why}")
        recorded = recorder.measure(setups, here, quick=quick, said=said)
        made_of = results.parts(setups)
        analysed = analyser.measure(here, quick=quick, said=said) if with_analyser else None
    command = "python3 dev.py bench" + (" --quick" if quick else "")
    now = results.conditions(command, load, time.monotonic() - began)
    if into is None and quick:
        with tempfile.TemporaryDirectory() as directory:
            file = Path(directory) / "results.json"
            results.save(file, now, absent, recorded, made_of, analysed)
            print(page.tables(results.load(file)))
        return
    results.save(into or results.FILE, now, absent, recorded, made_of, analysed)


if __name__ == "__main__":
    sys.exit(main())
