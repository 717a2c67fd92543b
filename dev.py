# /// script
# requires-python = ">=3.12,<3.15"
# ///
"""Everything there is to do in this directory, from nothing: set up what is needed, then run it.

    python3 dev.py demo                  record a real deadlock, explain it, draw it
    python3 dev.py test                  run the tests on every supported Python that is here
    python3 dev.py test ARGUMENTS...     the same with these arguments of pytest
    python3 dev.py check                 ruff, mypy, the import rules, and the wheel
    python3 dev.py judge NAME [ARG...]   run a long test on all of them: see tests/judges
    python3 dev.py bench [--quick]       measure what it all costs: see docs/performance.md
    python3 dev.py python ARGUMENTS...   run Python with the project installed
    python3 dev.py pythons [VERSION...]  list the supported Pythons; fail if VERSION is not one

Any `python3` from 3.8 on can run this file: it looks for supported Pythons by itself, on PATH, in
pyenv and in uv.  (With uv alone: `uv run dev.py demo`.)  Environments are made in `.venvs/`, one
for each Python, and made anew when the Python, or what the project is built from, has changed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Iterator, NamedTuple, Sequence

SUPPORTED = ((3, 12), (3, 13), (3, 14), (3, 15))
SETTLED = (3, 14)
"""The newest version for which every dependency has a wheel (orjson has none for 3.15)."""
ROOT = Path(__file__).resolve().parent
ENVIRONMENTS = ROOT / ".venvs"
BUILT_FROM = ("pyproject.toml", "setup.py", "tprecord/_core.c")
AT_ONCE = (f"--numprocesses={min(8, 2 * (os.cpu_count() or 1) + 1)}", "--dist=worksteal")
"""How the tests share the processors: most of them wait for other processes."""

DESCRIBE_YOURSELF = """
import json, platform, sys
print(json.dumps([
    getattr(sys, "_base_executable", sys.executable),
    list(sys.version_info[:2]),
    platform.python_version(),
    platform.python_implementation() == "CPython",
    ("" if getattr(sys, "_is_gil_enabled", lambda: True)() else "t")
    + ("" if sys.version_info[3] == "final" else "-pre"),
]))
"""


class Trouble(Exception):
    """Something on this machine is in the way; the words say what, and what to try."""


class Python(NamedTuple):
    """An interpreter of this machine."""

    executable: str
    minor: tuple[int, int]
    version: str
    flavour: str
    """empty; or made of ``t``, a free-threaded build, and ``-pre``, a pre-release"""

    @property
    def name(self) -> str:
        """What its environment is called: one for each minor version and flavour."""
        return "{}.{}{}".format(*self.minor, self.flavour)

    @property
    def settled(self) -> bool:
        """True if every dependency has a wheel for it, so that setting it up must succeed."""
        return not self.flavour and self.minor <= SETTLED


# ------------------------------------------------------------------- which Pythons are there?


def find_pythons() -> list[Python]:
    """Return the supported Pythons of this machine, oldest first, one for each name."""
    found: dict[str, Python] = {}
    looked_at = set()
    for candidate in candidates():
        real = os.path.realpath(candidate)
        # a shim of pyenv stands for another Python in each directory: never the same twice
        if real in looked_at:
            continue
        looked_at.add(real)
        python = describe(candidate)
        if python is not None:
            found.setdefault(python.name, python)
    return sorted(found.values(), key=lambda python: (python.minor, python.name))


def candidates() -> Iterator[str]:
    """Yield what may be a supported Python, the likeliest first; newest patch first."""
    yield sys.executable
    for command in ["python3", *(f"python{major}.{minor}" for major, minor in SUPPORTED)]:
        path = shutil.which(command)
        if path:
            yield path
    for directory in version_directories():
        for home in sorted(directory.glob("*3.*"), key=numbers_in, reverse=True):
            yield str(home / "bin" / "python3")


def version_directories() -> list[Path]:
    """Return where pyenv and uv keep the Pythons they have installed."""
    pyenv, uv = shutil.which("pyenv"), shutil.which("uv")
    pyenv_root = output_of([pyenv, "root"]) if pyenv else os.environ.get("PYENV_ROOT")
    uv_python = output_of([uv, "python", "dir"]) if uv else None
    directories = [Path(pyenv_root.strip()) / "versions"] if pyenv_root else []
    return directories + ([Path(uv_python.strip())] if uv_python else [])


def numbers_in(path: Path) -> list[int]:
    """Return the numbers in a file's name, so that 3.13.10 comes after 3.13.9."""
    return [int(word) for word in "".join(c if c.isdigit() else " " for c in path.name).split()]


def describe(executable: str) -> Python | None:
    """Return the Python behind `executable`, or None if it is not one we support."""
    answer = output_of([executable, "-I", "-c", DESCRIBE_YOURSELF])
    if answer is None:
        return None
    base, minor, version, is_cpython, flavour = json.loads(answer)
    if not is_cpython or tuple(minor) not in SUPPORTED:
        return None
    return Python(base, (minor[0], minor[1]), version, flavour)


def output_of(command: Sequence[str]) -> str | None:
    """Return what a command prints, or None if it fails or is not there."""
    try:
        return subprocess.run(
            command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=60
        ).stdout.decode()
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None


def best(pythons: Sequence[Python]) -> Python:
    """Return the newest settled one; the newest of all if none is."""
    if not pythons:
        oldest = ".".join(map(str, SUPPORTED[0]))
        raise Trouble(
            f"found no Python {oldest} or newer: not this one, not on PATH, not in pyenv or uv.\n"
            f"Install one (`pyenv install 3.13`, `apt install python3 python3-venv`, python.org),\n"
            f"or let uv bring one: `uv run dev.py demo`."
        )
    return max(pythons, key=lambda python: (python.settled, python.minor))


# ------------------------------------------------------------------- an environment for one


def environment(python: Python) -> Path:
    """Return the interpreter of an environment that has the project and its tools installed."""
    home = ENVIRONMENTS / python.name
    inside = home / "bin" / "python"
    stamp = home / "made-from.json"
    project = hashlib.sha256(
        b"".join((ROOT / name).read_bytes() for name in BUILT_FROM)
    ).hexdigest()
    wanted = {"home": [str(home), python.executable, python.version], "project": project}
    made_from = json.loads(stamp.read_text()) if stamp.is_file() and inside.exists() else {}
    if made_from == wanted:
        return inside
    print(f"setting up .venvs/{python.name} for Python {python.version} ...", flush=True)
    if made_from.get("home") != wanted["home"]:
        make_environment(python, home)
    install = [str(inside), "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
    if not python.settled:
        install += ["--only-binary", ":all:"]  # rather no environment than an hour of compiling
    if run([*install, "--editable", ".[dev,libraries]"]) != 0:
        raise Trouble(f"pip could not install the project for Python {python.version}: see above")
    stamp.write_text(json.dumps(wanted))
    return inside


def make_environment(python: Python, home: Path) -> None:
    """Make an empty environment, with pip, in place of whatever is there."""
    shutil.rmtree(home, ignore_errors=True)
    made = subprocess.run(
        [python.executable, "-m", "venv", str(home)],
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    uv = shutil.which("uv")
    if made.returncode != 0 and uv:  # Debian's Python has no ensurepip of its own
        shutil.rmtree(home, ignore_errors=True)
        made = subprocess.run(
            [uv, "venv", "--quiet", "--seed", "--python", python.executable, str(home)],
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
    if made.returncode != 0:
        said = made.stdout.decode(errors="replace").strip()
        raise Trouble(
            f"{python.executable} cannot make an environment:\n{said}\n"
            "On Debian and Ubuntu: `apt install python3-venv`."
        )


def run(command: Sequence[str], **variables: str) -> int:
    """Run a command here, without what may point it to another Python; return its status."""
    clean = {k: v for k, v in os.environ.items() if k not in ("PYTHONHOME", "PYTHONPATH")}
    return subprocess.run(
        command, check=False, cwd=str(ROOT), env={**clean, **variables}
    ).returncode


# ------------------------------------------------------------------- what there is to do


def demo() -> int:
    """Record a real deadlock, explain it, draw it."""
    return run([str(environment(best(find_pythons()))), "-m", "tools.demo"])


def test(arguments: Sequence[str]) -> int:
    """Run the tests on every supported Python that is here; the last line sums up.

    Those that record run once more with the recorder's core in Python.
    """
    pythons = find_pythons()
    best(pythons)  # says what to do if there is none
    results = []
    failed = False
    for python in pythons:
        try:
            inside = environment(python)
        except Trouble as trouble:
            print(trouble, flush=True)
            results.append(f"{python.version} not set up")
            failed |= python.settled
            continue
        print(f"\n== Python {python.version} ==", flush=True)
        status = run([str(inside), "-m", "pytest", *(arguments or AT_ONCE)])
        if not arguments:
            print(f"\n== Python {python.version}, core in Python ==", flush=True)
            status |= run(
                [str(inside), "-m", "pytest", "--recorder", *AT_ONCE], TPRECORD_CORE="python"
            )
        results.append("{} {}".format(python.version, "failed" if status else "passed"))
        failed |= status != 0
    here = {python.minor for python in pythons}
    absent = [".".join(map(str, minor)) for minor in SUPPORTED if minor not in here]
    print("\ntests: " + ", ".join(results + [f"{version} is not here" for version in absent]))
    return int(failed)


def judge(name: str, arguments: Sequence[str]) -> int:
    """Run one of the long tests on every supported Python that is here, one after the other."""
    judges = sorted(path.stem for path in (ROOT / "tests" / "judges").glob("[a-z]*.py"))
    if name not in judges:
        raise Trouble(f"there is no judge {name!r}; there are: {', '.join(judges)}")
    failed = False
    for python in find_pythons():
        inside = environment(python)
        failed |= run([str(inside), "-m", f"tests.judges.{name}", *arguments]) != 0
    return int(failed)


def bench(arguments: Sequence[str]) -> int:
    """Measure on every supported Python that is here, the analyser on the best; write the page."""
    found = find_pythons()
    newest = best(found)
    failed = False
    for python in found:
        try:
            inside = str(environment(python))
        except Trouble as trouble:
            print(trouble, flush=True)
            failed |= python.settled
            continue
        print(f"\n== Python {python.version} ==", flush=True)
        quiet = [inside, "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
        if run([*quiet, "pip>=25.1"]) == 0 and run([*quiet, "--group", "bench"]) != 0:
            print("not all of the other recorders could be installed: the table will say so")
        only = [] if python == newest else ["--only", "recorder"]
        failed |= run([inside, "-m", "benchmarks", *arguments, *only]) != 0
    return int(failed)


def check() -> int:
    """Run every check that does not run the program; each one, even if another fails."""
    inside = environment(best(find_pythons()))
    checks = {
        "ruff": ["-m", "ruff", "check"],
        "format": ["-m", "ruff", "format", "--check"],
        "types": ["-m", "mypy"],
        "imports": [str(inside.parent / "lint-imports"), "--no-cache", "--no-logo"],
        "wheel": ["-m", "tools.wheel"],
    }
    failed = []
    for name, arguments in checks.items():
        print(f"\n== {name} ==", flush=True)
        if run([str(inside), *arguments]) != 0:
            failed.append(name)
    print("\ncheck: " + (f"failed: {', '.join(failed)}" if failed else "all is well"))
    return int(bool(failed))


def pythons(wanted: Sequence[str]) -> int:
    """List the supported Pythons; fail if one that is wanted is not there."""
    found = find_pythons()
    for python in found:
        print(f"{python.name:15} {python.version:10} {python.executable}")
    missing = [name for name in wanted if name not in {python.name for python in found}]
    if missing:
        raise Trouble(f"not found on this machine: {', '.join(missing)}")
    return 0


def main(arguments: Sequence[str]) -> int:
    """Do what the command line says; return the exit status."""
    command, rest = (arguments[0] if arguments else ""), arguments[1:]
    try:
        if command == "demo" and not rest:
            return demo()
        if command == "test":
            return test(rest)
        if command == "judge" and rest:
            return judge(rest[0], rest[1:])
        if command == "bench" and rest in ([], ["--quick"]):
            return bench(rest)
        if command == "check" and not rest:
            return check()
        if command == "python":
            return run([str(environment(best(find_pythons()))), *rest])
        if command == "pythons":
            return pythons(rest)
    except Trouble as trouble:
        print(trouble, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    print(__doc__, file=sys.stdout if command in ("-h", "--help", "help") else sys.stderr)
    return 0 if command in ("-h", "--help", "help") else 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
