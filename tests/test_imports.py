"""What an import costs: the recorded program must not feel it, and a verdict must not wait."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_trace_format_docs import TEXT

ROOT = Path(__file__).resolve().parent.parent
HEAVY = {"graphviz", "numpy", "pandas", "pygraphviz"}


BARE = [sys.executable, "-S", "-P"]
"""A Python without `site`, so that nothing is imported that was not asked for."""

PRINT_MODULES = "import sys; print(*sorted(sys.modules))"


def modules_in(*arguments: str) -> set[str]:
    """Return the modules that a program sees which prints its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [*BARE, *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return set(done.stdout.split()) - {*sys.builtin_module_names, "__future__", "types"}


def imported_by(*arguments: str, status: int) -> set[str]:
    """Return the top-level modules that ``python arguments`` imports, its exit status checked."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *arguments],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, bool(done.stdout)) == (status, True), done.stderr
    return set(re.findall(r"^import time:.*\| +(\w+)$", done.stderr, flags=re.MULTILINE))


def test_importing_the_recorder_imports_nothing_else() -> None:
    bare = modules_in("-c", PRINT_MODULES)
    new = modules_in("-c", f"import tprecord; {PRINT_MODULES}") - bare
    assert {name for name in new if name.partition(".")[0] != "tprecord"} == set()


def test_a_recorded_program_without_pools_sees_no_module_more_than_starting_it_takes(
    tmp_path: Path,
) -> None:
    trace = str(tmp_path / "trace.jsonl")
    by_runpy = modules_in("-m", "tests.print_modules")
    new = modules_in("-m", "tprecord", "-q", "-o", trace, "-c", PRINT_MODULES) - by_runpy
    foreign = {name for name in new if name.partition(".")[0] != "tprecord"}
    assert foreign <= {"_json", "atexit", "fcntl", "linecache"}  # in C, or imported by `site`


def test_help_does_not_wait_for_pandas_or_graphviz() -> None:
    assert not HEAVY & imported_by("-m", "tpanalyze", "--help", status=0)


@pytest.mark.parametrize("option", [(), ("--json",), ("--dot=-",)], ids=" ".join)
def test_a_verdict_does_not_wait_for_pandas_or_graphviz(
    option: tuple[str, ...], tmp_path: Path
) -> None:
    trace = tmp_path / "example.jsonl"
    trace.write_text(TEXT.partition("```json\n")[2].partition("```")[0], encoding="utf-8")
    assert not HEAVY & imported_by("-m", "tpanalyze", str(trace), *option, status=1)
