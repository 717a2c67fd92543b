"""CPython's own tests, plain and recorded: the same results, test by test, and no false alarm.

``python -m tests.judges.stdlib [MODULE ...]``: by default `MODULES`, as far as this Python's
``test`` package has them.  Each runs twice, with ``python -m test`` and with ``python -m tprecord
-q -m test``.  A test whose result differs, and does so again when it runs alone, must stand in
`DIFFERENCES`; one that stands there and does not differ any more fails the judge as well.  The
trace of each recorded run is analysed: these tests end, so nothing in them is a deadlock.
"""

from __future__ import annotations

import os
import pkgutil
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import tpanalyze
from tests.recorded import environment
from tpanalyze.findings import Report, Verdict

MODULES = ("test_queue", "test_threading", "test_concurrent_futures", "test_asyncio")
PATIENCE_S = 400.0
"""A module that takes longer hangs; some of CPython's own do now and then, plain as well as
recorded: it is run again, `RETRIES` times at most."""
RETRIES = 3
PACKAGES = ("test_concurrent_futures",)
"""Packages whose modules run one by one."""

LEFT_OUT = {
    "*test_print_exception_gh_102056": "it recurses without end, plain as well, on 3.12 and 3.13.0",
}
"""Patterns of tests that are not run at all, and why."""

DIFFERENCES: dict[str, str] = {}
"""Tests whose results differ when they are recorded, and why."""


@dataclass(frozen=True)
class Outcome:
    """What a run of a test module came to."""

    results: dict[str, str]
    """test id -> ``passed``, ``failed`` or ``skipped``"""
    seconds: float
    said: str
    hung: int = 0
    """how often it had to be killed before it came to an end"""


@dataclass(frozen=True)
class Comparison:
    """One module, plain and recorded."""

    module: str
    plain: Outcome
    recorded: Outcome
    different: dict[str, tuple[str, str]]
    report: Report | None
    size: int

    @property
    def faults(self) -> list[str]:
        """What speaks against us."""
        faults = [
            f"{test}: {plain} plain, {recorded} recorded"
            for test, (plain, recorded) in self.different.items()
            if test not in DIFFERENCES
        ]
        faults += [
            f"{test} does not differ any more: take it out of DIFFERENCES"
            for test in DIFFERENCES
            if test in self.plain.results and test not in self.different
        ]
        if not self.plain.results:
            faults.append(f"no test ran: {self.plain.said[-500:]}")
        if self.report is None:
            faults.append("there is no trace")
        elif self.report.verdict is Verdict.DEADLOCK:
            faults += [f"false alarm: {finding.summary}" for finding in self.report.findings]
        return faults


def parts(module: str) -> list[str]:
    """Return the modules of a package of tests, or the module itself; those this Python has."""
    package = module.partition(".")[0]
    if find_spec(f"test.{package}") is None or find_spec(f"test.{module}") is None:
        return []
    if module not in PACKAGES:
        return [module]
    found = pkgutil.iter_modules(import_module(f"test.{module}").__path__)
    return [f"{module}.{part.name}" for part in found if part.name.startswith("test_")]


def run(module: str, directory: Path, *words: str, recorder: tuple[str, ...] = ()) -> Outcome:
    """Run a module of CPython's tests, and return its results; none if it hangs each time."""
    results = directory / "results.xml"
    command = [sys.executable, *recorder, "-m", "test", "-q", "--junit-xml", str(results)]
    if "-m" not in words:  # whoever chooses has left them out: `-m` after `-i` means nothing
        command += [word for pattern in LEFT_OUT for word in ("-i", pattern)]
    for hung in range(RETRIES):
        results.unlink(missing_ok=True)
        began = time.monotonic()
        said = _said([*command, *words, module], directory)
        if said is not None:
            return Outcome(_results(results), time.monotonic() - began, said, hung)
    return Outcome({}, PATIENCE_S, "it hangs", RETRIES)


def _said(command: list[str], directory: Path) -> str | None:
    """Return what a command says; None if it hangs, and then it and all it has started is dead."""
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="backslashreplace",
        cwd=directory,
        env=environment(),
        start_new_session=True,
    )
    try:
        return process.communicate(timeout=PATIENCE_S)[0]
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return None


def _results(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    results: dict[str, str] = {}
    for case in ET.parse(path).getroot().iter("testcase"):
        name = case.get("name", "")
        if case.find("skipped") is not None or case.get("result") == "skipped":
            result = "skipped"
        elif case.find("failure") is not None or case.find("error") is not None:
            result = "failed"
        else:
            result = "passed"
        results[name] = max(result, results.get(name, ""), key=_weight)
    return results


def _weight(result: str) -> int:
    return ("", "skipped", "passed", "failed").index(result)


def compare(module: str, directory: Path, *words: str) -> Comparison:
    """Run a module plainly and recorded, and analyse the trace."""
    trace = directory / f"{module}.jsonl"
    recorder = ("-m", "tprecord", "-q", "-o", str(trace))
    plain = run(module, directory, *words)
    recorded = run(module, directory, *words, recorder=recorder)
    report = tpanalyze.analyze(trace) if trace.exists() else None
    size = trace.stat().st_size if trace.exists() else 0
    different = {}
    for test in plain.results.keys() | recorded.results.keys():
        pair = plain.results.get(test, "absent"), recorded.results.get(test, "absent")
        if pair[0] != pair[1] and _differs_again(module, test, directory):
            different[test] = pair
    return Comparison(module, plain, recorded, different, report, size)


def _differs_again(module: str, test: str, directory: Path) -> bool:
    """Return whether the test, alone, comes out differently each time: else it is a shaky one."""
    recorder = ("-m", "tprecord", "-q", "-o", str(directory / "again.jsonl"))
    for _ in range(RETRIES):
        plain = run(module, directory, "-m", test)
        recorded = run(module, directory, "-m", test, recorder=recorder)
        if plain.results.get(test) == recorded.results.get(test):
            return False
    return True


def _hung(outcome: Outcome, how: str) -> str:
    return f", {how} it hung {outcome.hung} times before" if outcome.hung else ""


def main() -> int:
    """Compare the modules of the command line, and return the exit status."""
    bad = 0
    version = sys.version.split()[0]
    for module in sys.argv[1:] or MODULES:
        if not parts(module):
            print(f"Python {version}: it has no {module}", flush=True)
    for module in [part for word in sys.argv[1:] or MODULES for part in parts(word)]:
        with tempfile.TemporaryDirectory() as directory:
            done = compare(module, Path(directory))
        bad += len(done.faults)
        events = done.report.quality.events if done.report else 0
        results = list(done.recorded.results.values())
        counts = ", ".join(f"{results.count(r)} {r}" for r in ("passed", "failed", "skipped"))
        print(
            f"Python {version}: {module}: {len(results)} tests ({counts}), "
            f"{len(done.different)} differ; {done.plain.seconds:.0f} s plain, "
            f"{done.recorded.seconds:.0f} s recorded"
            f"{_hung(done.plain, 'plain')}{_hung(done.recorded, 'recorded')}; {events:,} events, "
            f"{done.size / 1e6:.1f} MB, verdict: {done.report.verdict if done.report else '-'}",
            *done.faults,
            sep="\n  ",
            flush=True,
        )
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
