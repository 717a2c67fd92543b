"""A program may have modules of its own that are called like those of the standard library."""

from __future__ import annotations

import subprocess
import sys
from importlib.machinery import FrozenImporter
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.recorded import PATIENCE_S, environment

CORES = ["python", "c"] if find_spec("tprecord._core") else ["python"]

USE = """
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed
before = set(sys.modules)
with ThreadPoolExecutor(2) as pool:
    futures = [pool.submit(int, "7") for _ in range(4000)]
    print(sum(future.result() for future in as_completed(futures)))
print(sorted(set(sys.modules) - before))
"""

SHADOW = """
print("{name} is executed")
mine = True
"""


def say(directory: Path, *command: str, **variables: str) -> str:
    """Return what ``python command`` prints there."""
    done = subprocess.run(
        [sys.executable, *command],
        capture_output=True,
        text=True,
        cwd=directory,
        env=environment(**variables),
        timeout=PATIENCE_S,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


@pytest.fixture
def shadowed(tmp_path: Path) -> Path:
    """Return a directory with an app, and a module beside it for each name that pools leave free.

    And ``python -m``: what that imports, it imports from there.
    """
    (tmp_path / "use.py").write_text(f"{USE}print(*sys.modules)")
    taken = {*say(tmp_path, "-m", "use").splitlines()[-1].split(), *sys.builtin_module_names}
    taken.add("__future__")  # nobody can have one of that name
    free = [name for name in sys.stdlib_module_names - taken if not FrozenImporter.find_spec(name)]
    free = [*sorted(free), "orjson"]
    for name in free:
        (tmp_path / f"{name}.py").write_text(SHADOW.format(name=name))
    assert {"_json", "dataclasses", "datetime", "fcntl", "json", "uuid", "zlib"} <= {*free}
    (tmp_path / "app.py").write_text(
        f"{USE}for name in {free}:\n    assert __import__(name).mine, name\n"
    )
    return tmp_path


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("options", [(), ("--max-size", "512k"), ("--gzip",)], ids=" ".join)
def test_a_program_sees_no_module_but_its_own(
    shadowed: Path, core: str, options: tuple[str, ...]
) -> None:
    plain = say(shadowed, "app.py")
    recorder = ("-m", "tprecord", "-q", "-o", str(shadowed / "t.jsonl"), *options)
    assert say(shadowed, *recorder, "app.py", TPRECORD_CORE=core) == plain
