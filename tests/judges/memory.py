"""The core in C, built to find its own faults of memory, under the tests that use it.

``python -m tests.judges.memory``: builds the core with AddressSanitizer and
UndefinedBehaviorSanitizer and runs the recorder's tests on it; then, where valgrind is, runs the
core's own tests under it, and a program with all kinds of events.  Every report is a failure.

The builds go to directories of their own: what is installed is not touched.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
CORE_TESTS = ("tests/test_cores.py",)
RECORDER_TESTS = (
    *CORE_TESTS,
    "tests/test_record_events.py",
    "tests/test_record_threads.py",
    "tests/test_faults.py",
)
SANITIZE = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")
WARN = ("-Wall", "-Wextra", "-Wno-missing-field-initializers", "-Wno-cast-function-type", "-Werror")

EVERYTHING = """
import concurrent.futures as cf, threading
def work(n):
    if n % 3 == 0:
        raise ValueError(n)
    return n
with cf.ThreadPoolExecutor(3) as pool:
    futures = [pool.submit(work, n) for n in range(300)]
    for future in futures:
        future.exception()
    cf.wait(futures)
    list(cf.as_completed([pool.submit(int) for _ in range(20)]))
    list(pool.map(str, range(50)))
    gate = threading.Event()
    waiting = [pool.submit(gate.wait) for _ in range(5)]
    waiting[-1].cancel()
    gate.set()
mine = cf.Future()
threading.Timer(0.1, mine.set_result, (1,)).start()
mine.result()
"""


class Found(Exception):
    """Something is wrong with the core, or with this machine."""


def main() -> int:
    """Judge; return the exit status."""
    with tempfile.TemporaryDirectory() as directory:
        try:
            sanitized(Path(directory) / "sanitized")
            sanitized(Path(directory) / "objects", "-DTPRECORD_FRAME_OBJECTS")
            if shutil.which("valgrind"):
                watched(Path(directory) / "watched")
            else:
                print("valgrind is not here", flush=True)
        except Found as found:
            print(found, file=sys.stderr)
            return 1
    print("the core in C: no fault of memory was found")
    return 0


def build(directory: Path, *flags: str) -> Path:
    """Build the core from a copy of the project, with every warning an error; return the copy."""
    compiler = (sysconfig.get_config_var("CC") or "cc").split()
    shutil.copytree(
        ROOT,
        directory,
        ignore=lambda _, names: [n for n in names if n.startswith(".") or n.endswith(".so")],
    )
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    include = sysconfig.get_path("include")
    command = [*compiler, "-std=c11", "-D_GNU_SOURCE", "-g", "-O1", "-fno-omit-frame-pointer"]
    command += [*WARN, *flags, "-shared", "-fPIC", f"-I{include}", "tprecord/_core.c"]
    run([*command, "-o", f"tprecord/_core{suffix}"], directory, {})
    return directory


def sanitized(directory: Path, *flags: str) -> None:
    """Run the recorder's tests with the sanitizers' run-time in front of everything."""
    print("== AddressSanitizer and UndefinedBehaviorSanitizer ==", *flags, flush=True)
    build(directory, *SANITIZE, *flags)
    compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
    libraries = [
        run([compiler, f"-print-file-name={name}"], ROOT, {}).strip()
        for name in ("libasan.so", "libubsan.so")
    ]
    variables = {
        "LD_PRELOAD": " ".join(libraries),
        # Python gives back nothing at its end, and that is no fault of ours.
        "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=1:quarantine_size_mb=4",
        "UBSAN_OPTIONS": "print_stacktrace=1",
        "PYTHONMALLOC": "malloc",
        "TPRECORD_CORE": "c",
        "PYTHONPATH": str(directory),
    }
    tests = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *RECORDER_TESTS]
    print(run(tests, directory, variables).splitlines()[-1], flush=True)


def watched(directory: Path) -> None:
    """Run the core's tests, and a program, under valgrind."""
    print("== valgrind ==", flush=True)
    build(directory)
    variables = {
        "PYTHONMALLOC": "malloc",
        "TPRECORD_CORE": "c",
        "PYTHONPATH": str(directory),
        "CI": "1",
    }
    log = directory / "valgrind.log"
    # Not for leaks: Python gives back nothing at its end.  A test of the core's own looks for them.
    valgrind = ["valgrind", "--error-exitcode=99", "--leak-check=no", f"--log-file={log}"]
    (directory / "app.py").write_text(EVERYTHING)
    trace = ["-o", str(directory / "trace.jsonl")]
    tests = ["-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *CORE_TESTS]
    for words in (["-m", "tprecord", "-q", *trace, "app.py"], [*tests, "-k", "not version"]):
        done = subprocess.run(
            [*valgrind, sys.executable, *words],
            cwd=directory,
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode not in (0, 99):
            raise Found(f"{' '.join(words)}\n{done.stdout}{done.stderr}")
        reports = re.split(r"(?m)^==\d+== \n", log.read_text())
        if ours := [report for report in reports if "_core.c:" in report]:
            raise Found("\n\n".join(ours))
        print(f"{' '.join(words[:3])} ...: nothing in the core", flush=True)


def run(command: list[str], directory: Path, variables: dict[str, str]) -> str:
    """Return what a command prints; raise if it fails."""
    done = subprocess.run(
        command,
        cwd=directory,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise Found(f"status {done.returncode}: {' '.join(command)}\n{done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
