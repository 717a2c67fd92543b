"""Check the wheel: it builds, holds exactly what it should, and works when installed from it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("tprecord", "tpanalyze")
STARTUP = "tprecord.pth"

PROGRAM = """
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(1) as pool:
    print(pool.submit(pow, 6, 2).result())
"""


class BadWheelError(Exception):
    """The wheel is not what its users need."""


def main() -> int:
    """Build the wheel, look into it and use it; return the exit status."""
    with tempfile.TemporaryDirectory() as directory:
        here = Path(directory)
        try:
            wheel = build(here / "dist")
            check_contents(wheel)
            check_use(wheel, here)
        except BadWheelError as error:
            print(error, file=sys.stderr)
            return 1
        print(f"{wheel.name} builds, holds what it should, records and analyses")
        return 0


def build(directory: Path) -> Path:
    """Return the wheel, built from the project as any installer would."""
    shutil.rmtree(ROOT / "build", ignore_errors=True)  # else files gone since would come back
    run([sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(directory), "."])
    (wheel,) = directory.glob("*.whl")
    return wheel


def check_contents(wheel: Path) -> None:
    """Raise unless the wheel holds every file of the two packages, its licence, and no others."""
    expected = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and path.suffix in (".py", ".pyi", ".typed", ".css", ".js")
    } | {STARTUP}
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    about = {name for name in names if name.split("/")[0].endswith(".dist-info")}
    built = {name for name in names if name.endswith((".so", ".pyd"))}
    if missing := expected - names:
        raise BadWheelError(f"missing in the wheel: {', '.join(sorted(missing))}")
    if surplus := names - expected - about - built:
        raise BadWheelError(f"has no place in the wheel: {', '.join(sorted(surplus))}")
    for part in ("licenses/LICENSE", "entry_points.txt"):
        if not any(name.endswith(part) for name in about):
            raise BadWheelError(f"missing in the wheel: {part}")


def check_use(wheel: Path, directory: Path) -> None:
    """Raise unless the installed wheel records a program and analyses the trace."""
    installed = directory / "installed"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    run([*pip, "--target", str(installed), str(wheel)])
    trace = str(directory / "trace.jsonl")
    python = [sys.executable, "-P"]
    where = run([*python, "-c", "import tprecord; print(tprecord.__file__)"], directory, installed)
    if not where.startswith(str(installed)):
        raise BadWheelError(f"another tprecord was in the way: {where}")
    said = run([*python, "-m", "tprecord", "-o", trace, "-c", PROGRAM], directory, installed)
    if said.strip() != "36":
        raise BadWheelError(f"the recorded program said {said!r} instead of 36")
    run([str(installed / "bin" / "tpanalyze"), trace], directory, installed)
    check_children(directory, installed)


def check_children(directory: Path, installed: Path) -> None:
    """Raise unless a Python that the recorded program starts is recorded as well.

    `installed` is no directory for packages to Python's ``site`` unless it is told so.
    """
    child = f"import site; site.addsitedir({str(installed)!r}){PROGRAM}"
    start = f"subprocess.run([sys.executable, '-P', '-c', {child!r}], check=True)"
    parent = f"import subprocess, sys\n{start}"
    trace = directory / "parent.jsonl"
    command = [sys.executable, "-P", "-m", "tprecord", "-o", str(trace), "-c", parent]
    run(command, directory, installed)
    if not list(directory.glob("parent.*.trace.jsonl")):
        raise BadWheelError("the child of the recorded program has left no trace")


def run(command: list[str], directory: Path = ROOT, installed: Path | None = None) -> str:
    """Return what a command prints; raise if it fails.  `installed` goes first on `sys.path`."""
    environment = dict(os.environ)
    if installed is not None:
        environment["PYTHONPATH"] = str(installed)
    done = subprocess.run(
        command, check=False, cwd=directory, env=environment, capture_output=True, text=True
    )
    if done.returncode != 0:
        words = " ".join(command)
        raise BadWheelError(f"status {done.returncode}: {words}\n{done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
