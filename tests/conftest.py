"""What holds for every test."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

# A test must never be flaky: CI tries the same examples each time, and no machine is too slow.
settings.register_profile("here", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")


@pytest.fixture(autouse=True)
def _neutral_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away what makes programs behave differently from one developer to the next."""
    for name in ("COLUMNS", "FORCE_COLOR", "NO_COLOR", "PYTHONWARNINGS", "PYTHON_COLORS"):
        monkeypatch.delenv(name, raising=False)
