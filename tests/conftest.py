"""What holds for every test."""

from __future__ import annotations

import ast
import os
from pathlib import Path

import pytest
from hypothesis import settings

# A test must never be flaky: CI tries the same examples each time, and no machine is too slow.
settings.register_profile("here", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")

RUNNERS = {"environment", "hanging", "record", "record_source"}
"""What `tests.recorded` has to record with."""


def _records(path: Path) -> bool:
    """Return whether a file of tests runs a recorder, here or in another process."""
    text = path.read_text()
    imports = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom)]
    tools = {(node.module or "", name.name) for node in imports for name in node.names}
    runs = any(module == "tests.recorded" and name in RUNNERS for module, name in tools)
    inside = {module for module, _ in tools if module.startswith("tprecord.")} - {"tprecord.schema"}
    return runs or bool(inside) or '"-m", "tprecord"' in text


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--recorder``."""
    parser.addoption("--recorder", action="store_true", help="run only the tests that record")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the tests of files that record, if those are wanted."""
    if config.getoption("recorder"):
        records = {path: _records(path) for path in {item.path for item in items}}
        config.hook.pytest_deselected(items=[item for item in items if not records[item.path]])
        items[:] = [item for item in items if records[item.path]]


@pytest.fixture(autouse=True)
def _neutral_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away what makes programs behave differently from one developer to the next."""
    for name in ("COLUMNS", "FORCE_COLOR", "NO_COLOR", "PYTHONWARNINGS", "PYTHON_COLORS"):
        monkeypatch.delenv(name, raising=False)
