"""What holds for every test."""

from __future__ import annotations

import os
import re

import pytest
from hypothesis import settings

# A test must never be flaky: CI tries the same examples each time, and no machine is too slow.
settings.register_profile("here", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")

RECORDS = re.compile(r"tests\.recorded|\"tprecord\"|^(?:from|import) tprecord\b(?!\.schema)", re.M)
"""What the source of a test has that records something."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--recorder``."""
    parser.addoption("--recorder", action="store_true", help="run only the tests that record")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the tests of files that record, if those are wanted."""
    if config.getoption("recorder"):
        records = {path: bool(RECORDS.search(path.read_text())) for path in {i.path for i in items}}
        config.hook.pytest_deselected(items=[item for item in items if not records[item.path]])
        items[:] = [item for item in items if records[item.path]]


@pytest.fixture(autouse=True)
def _neutral_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away what makes programs behave differently from one developer to the next."""
    for name in ("COLUMNS", "FORCE_COLOR", "NO_COLOR", "PYTHONWARNINGS", "PYTHON_COLORS"):
        monkeypatch.delenv(name, raising=False)
