"""The test suites of real packages, plain and recorded: the same results, and no false alarm.

``python -m tests.judges.packages [PACKAGE ...]``: by default all of `SUITES`.  Each package is
installed into a scratch environment, with what its tests need, and its tests are taken from its
source distribution, so this needs a package index.  They run twice, with ``python -m pytest`` and
with ``python -m tprecord -q -m pytest``, and must come out the same, test by test.

Every trace they leave, those of their children too, is judged at each moment at which somebody may
have become stuck (:mod:`tests.moments`): what is called stuck must never move again.  What is stuck
when a run ends must be something that the tests leave so on purpose: it stands in `LEFT_STUCK`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import xml.etree.ElementTree as ET
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import tpanalyze
from tests.moments import watch
from tests.recorded import environment
from tpanalyze.findings import Verdict

PATIENCE_S = 900.0


@dataclass(frozen=True)
class Suite:
    """The tests of one package, or those of them that have to do with threads."""

    package: str
    needs: tuple[str, ...] = ()
    """what to install beside the package and pytest"""
    tests: tuple[str, ...] = ("tests",)
    options: tuple[str, ...] = ()


SUITES = (
    Suite("asgiref", ("pytest-asyncio", "packaging")),
    Suite("s3transfer", (), ("tests/unit", "tests/functional")),
    Suite(
        "anyio",
        (
            "pytest-mock",
            "pytest-timeout",
            "hypothesis",
            "psutil",
            "trustme",
            "blockbuster",
            "trio",
            "uvloop",
        ),
        ("tests/test_from_thread.py", "tests/test_to_thread.py", "tests/test_synchronization.py"),
    ),
    Suite(
        "dask",
        ("numpy", "pandas", "pytest-cov", "pytest-timeout", "pytest-rerunfailures", "pytest-mock"),
        tuple(f"dask/tests/test_{name}.py" for name in ("threaded", "local", "delayed", "cache")),
    ),
    Suite(
        "tornado",
        (),
        tuple(
            f"tornado/test/{name}_test.py" for name in ("concurrent", "gen", "ioloop", "netutil")
        ),
    ),
)

LEFT_STUCK: dict[str, str] = {}
"""Signatures of findings at the end of a suite, and why the tests leave it so."""


@dataclass
class Judgement:
    """One package, plain and recorded."""

    suite: Suite
    version: str = "?"
    results: Counter[str] = field(default_factory=Counter)
    seconds: tuple[float, float] = (0.0, 0.0)
    traces: int = 0
    events: int = 0
    moments: int = 0
    findings: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        counts = ", ".join(f"{n} {result}" for result, n in sorted(self.results.items()))
        plain, recorded = self.seconds
        told = [
            (
                f"{self.suite.package} {self.version}: {self.results.total()} tests ({counts}); "
                f"{plain:.0f} s plain, {recorded:.0f} s recorded; {self.traces} traces, "
                f"{self.events:,} events, {self.moments:,} moments judged; "
                f"{len(self.findings)} findings, {len(self.faults)} faults"
            ),
            *(f"finding: {finding}" for finding in self.findings),
            *(f"fault: {fault}" for fault in self.faults),
        ]
        return "\n  ".join(told)


@dataclass(frozen=True)
class Outcome:
    """What one run of the tests came to."""

    results: dict[str, str]
    seconds: float
    said: str


def install(suite: Suite, place: Path) -> tuple[Path, Path]:
    """Return the Python of a fresh environment for the suite, and where its sources are."""
    subprocess.run([sys.executable, "-m", "venv", str(place / "env")], check=True)
    python = place / "env" / "bin" / "python"
    pip = [str(python), "-m", "pip", "-q", "--disable-pip-version-check"]
    wanted = [suite.package, "pytest", "orjson", *suite.needs]
    subprocess.run([*pip, "install", *wanted], check=True)
    version = _version(python, suite.package)
    source = ["--no-deps", "--no-binary", ":all:", f"{suite.package}=={version}"]
    subprocess.run([*pip, "download", "-d", str(place), *source], check=True)
    (archive,) = place.glob("*.tar.gz")
    with tarfile.open(archive) as packed:
        packed.extractall(place / "source", filter="data")
    (unpacked,) = (place / "source").iterdir()
    return python, unpacked


def _version(python: Path, package: str) -> str:
    ask = f"from importlib.metadata import version; print(version({package!r}))"
    done = subprocess.run([python, "-c", ask], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def run(suite: Suite, python: Path, source: Path, trace: Path | None = None) -> Outcome:
    """Run the tests of the suite, recorded if there is a `trace` to write."""
    results = source.parent / "results.xml"
    results.unlink(missing_ok=True)
    recorder = () if trace is None else ("-m", "tprecord", "-q", "-o", str(trace))
    options = ("-q", "-p", "no:cacheprovider", "--junit-xml", str(results), *suite.options)
    command = [str(python), *recorder, "-m", "pytest", *options, *suite.tests]
    began = time.monotonic()
    variables = environment()
    # beside the sources it tests, which are those that are installed
    variables["PYTHONPATH"] = os.pathsep.join([str(source / "src"), variables["PYTHONPATH"]])
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="backslashreplace",
            timeout=PATIENCE_S,
            cwd=source,
            env=variables,
            check=False,
        )
        said = done.stdout + done.stderr
    except subprocess.TimeoutExpired as error:
        said = f"it did not end in {error.timeout:.0f} s"
    return Outcome(_results(results), time.monotonic() - began, said)


def _results(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    results: dict[str, str] = {}
    for case in ET.parse(path).getroot().iter("testcase"):
        name = f"{case.get('classname', '')}::{case.get('name', '')}"
        if case.find("skipped") is not None:
            results[name] = "skipped"
        elif case.find("failure") is not None or case.find("error") is not None:
            results[name] = "failed"
        else:
            results.setdefault(name, "passed")
    return results


def judge(suite: Suite, place: Path) -> Judgement:
    """Run the suite both ways, and judge what it left."""
    told = Judgement(suite)
    python, source = install(suite, place)
    told.version = _version(python, suite.package)
    plain = run(suite, python, source)
    traces = place / "traces"
    traces.mkdir()
    recorded = run(suite, python, source, traces / "run.jsonl")
    told.results.update(recorded.results.values())
    told.seconds = plain.seconds, recorded.seconds
    if "passed" not in plain.results.values():
        told.faults.append(f"no test passed: {plain.said[-800:]}")
    told.faults += _differences(suite, python, source, plain, recorded)
    for trace in sorted(traces.glob("*.jsonl")):
        told.traces += 1
        seen = watch(trace)
        told.events += seen.events
        told.moments += seen.moments
        told.faults += [f"false alarm, {trace.name}, {what}" for what in seen.false_alarms]
        for finding in tpanalyze.analyze(trace).findings:
            if finding.verdict is not Verdict.DEADLOCK:
                continue
            why = LEFT_STUCK.get(finding.signature)
            where = told.faults if why is None else told.findings
            where.append(f"{finding.signature}: {finding.summary} {why or ''}")
    return told


def _differences(
    suite: Suite, python: Path, source: Path, plain: Outcome, recorded: Outcome
) -> list[str]:
    """Return what came out differently, in these two runs and in two more."""

    def between(one: Outcome, other: Outcome) -> set[tuple[str, str]]:
        names = one.results.keys() | other.results.keys()
        pairs = ((n, one.results.get(n, "absent"), other.results.get(n, "absent")) for n in names)
        return {(name, f"{a} plain, {b} recorded") for name, a, b in pairs if a != b}

    different = between(plain, recorded)
    if different:  # or is it a shaky test?
        again = source.parent / "again.jsonl"
        different &= between(run(suite, python, source), run(suite, python, source, again))
    return [f"{name}: {how}" for name, how in sorted(different)]


def main() -> int:
    """Judge the packages of the command line, and return the exit status."""
    # what runs in the background of a shell is born deaf to Ctrl-C, and some tests send it
    signal.signal(signal.SIGINT, signal.default_int_handler)
    bad = 0
    named = set(sys.argv[1:])
    for suite in SUITES:
        if named and suite.package not in named:
            continue
        with tempfile.TemporaryDirectory() as directory:
            told = judge(suite, Path(directory))
        bad += len(told.faults)
        print(f"Python {sys.version.split()[0]}: {told}", flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
