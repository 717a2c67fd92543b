"""Running programs under the recorder, and reading what they left, for tests."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tprecord.schema import EVENTS

ROOT = Path(__file__).resolve().parent.parent
SPECS = {spec.number: spec for spec in EVENTS}
PATIENCE_S = 60.0
"""How long a test waits for what must happen; a machine may be slow."""


@dataclass
class Trace:
    """The lines of a trace: the header, the definitions by kind and number, the events."""

    header: dict[str, Any] = field(default_factory=dict)
    definitions: dict[str, dict[int, dict[str, Any]]] = field(default_factory=dict)
    notes: list[dict[str, Any]] = field(default_factory=list)
    end: str | None = None
    events: list[dict[str, Any]] = field(default_factory=list)

    def of(self, *names: str) -> list[dict[str, Any]]:
        """Return the events of these names, in order."""
        return [event for event in self.events if event["event"] in names]

    def names(self, *, thread: int | None = None) -> list[str]:
        """Return the names of the events (of one thread), in order."""
        return [e["event"] for e in self.events if thread is None or e["thread"] == thread]

    def function(self, event: dict[str, Any]) -> str:
        """Return the name of a submit's function."""
        return str(self.definitions["function"][event["function"]]["name"])

    def lines(self, event: dict[str, Any]) -> list[tuple[str, int]]:
        """Return the frames of an event's site as (function, line), the app's own only."""
        flat = self.definitions["site"][event["site"]]["frames"]
        functions = self.definitions["function"]
        return [
            (functions[number]["name"], line)
            for number, line in zip(flat[::2], flat[1::2], strict=True)
            if not functions[number].get("stdlib")
        ]


def read(path: Path) -> Trace:
    """Read a trace (none yet: an empty one) with ``json`` and the format's table, nothing else."""
    trace = Trace()
    data = path.read_bytes() if path.exists() else b""
    for line in data[: data.rfind(b"\n") + 1].splitlines():
        row = json.loads(line)
        if isinstance(row, list):
            spec = SPECS[row[0]]
            values = dict(zip([f.name for f in spec.fields], row[3:], strict=False))
            rest = row[3 + len(spec.fields) :]
            assert not rest or spec.rest, row
            trace.events.append(
                {"event": spec.name, "dt": row[1], "thread": row[2], "rest": rest, **values}
            )
        elif "tprecord" in row:
            trace.header = row
        elif "note" in row:
            trace.notes.append(row)
        elif "end" in row:
            trace.end = row["reason"]
        else:
            kind = next(iter(row))
            trace.definitions.setdefault(kind, {})[row[kind]] = row
    return trace


def environment(**more: str) -> dict[str, str]:
    """Return the environment of a test's subprocess, with the core that the tests are run on."""
    clean = {
        k: v
        for k, v in os.environ.items()
        if k == "TPRECORD_CORE" or not k.startswith(("TPRECORD", "COVERAGE"))
    }
    return {**clean, "PYTHONPATH": str(ROOT), "PYTHONFAULTHANDLER": "1", **more}


@dataclass(frozen=True)
class Run:
    """A program that has ended."""

    status: int
    stdout: str
    stderr: str
    trace_path: Path

    @property
    def trace(self) -> Trace:
        """The trace it left."""
        return read(self.trace_path)


def record(
    tmp_path: Path,
    *command: str,
    options: tuple[str, ...] = ("-q",),
    cwd: Path | None = None,
    to: str | None = None,
) -> Run:
    """Run ``python -m tprecord command`` to its end; the trace goes `to` a file in `tmp_path`."""
    path = Path(to) if to else tmp_path / "trace.jsonl"
    done = subprocess.run(
        [sys.executable, "-m", "tprecord", *options, "-o", str(path), *command],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        cwd=cwd or tmp_path,
        env=environment(),
        check=False,
    )
    return Run(done.returncode, done.stdout, done.stderr, path)


def record_source(tmp_path: Path, source: str, *arguments: str) -> Run:
    """Write `source` to ``app.py`` and record it to its end, which must be a good one."""
    (tmp_path / "app.py").write_text(source)
    run = record(tmp_path, "app.py", *arguments)
    assert run.status == 0, run.stderr
    return run


@contextmanager
def hanging(
    tmp_path: Path, *command: str, cwd: Path | None = None
) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """Start a program that will hang, recorded; it is killed at the end, and its children with it.

    Yields the process and the path of its trace.
    """
    path = tmp_path / "trace.jsonl"
    process = subprocess.Popen(
        [sys.executable, "-m", "tprecord", "-q", "-o", str(path), *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd or tmp_path,
        env=environment(),
        start_new_session=True,
    )
    try:
        yield process, path
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=PATIENCE_S)


def until(condition: Callable[[], bool], what: str) -> None:
    """Return as soon as `condition` holds; fail after a long time."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"still not: {what}"
        time.sleep(0.02)
