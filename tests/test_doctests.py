"""Every example in a docstring, and in the documents, gives what stands beside it."""

from __future__ import annotations

import doctest
import re
from importlib import import_module
from pathlib import Path

import pytest

from tests.recorded import ROOT

FOLDERS = ("tprecord", "tpanalyze", "tools")


def modules() -> list[str]:
    """Return the names of the modules with examples; no other is imported."""
    files = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
    return [_name(path) for path in files if ">>> " in path.read_text(encoding="utf-8")]


def _name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@pytest.mark.parametrize("name", modules())
def test_the_examples_of_a_module_give_what_they_say(name: str) -> None:
    found = doctest.testmod(import_module(name))
    assert found.attempted
    assert not found.failed


PAGE = (ROOT / "docs" / "reports.md").read_text(encoding="utf-8")
PROGRAMS = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(("program", "makes"), list(zip(PROGRAMS, ["tasks", "hangs"], strict=True)))
def test_the_programs_of_the_reports_page_run(
    program: str, makes: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trace = ROOT / "traces" / "pool_starvation" / "trace.jsonl"
    (tmp_path / "trace.jsonl").write_bytes(trace.read_bytes())
    monkeypatch.chdir(tmp_path)
    lines = [line for line in program.splitlines() if ".plot(" not in line]  # wants matplotlib
    names: dict[str, object] = {}
    exec(compile("\n".join(lines), "reports.md", "exec"), names)  # noqa: S102  # our own
    assert makes in names
