"""``docs/notebook.ipynb``: a valid notebook, whose cells run and show what they show there."""

from __future__ import annotations

import json
from typing import Any

import nbformat
import pytest

from tools.notebook import NOTEBOOK, notebook

MEND = "python3 dev.py python -m tools.notebook"


@pytest.fixture(scope="module")
def kept() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    return found


def test_it_is_a_notebook(kept: dict[str, Any]) -> None:
    nbformat.validate(kept)


def test_its_cells_run_and_show_the_same_kinds_of_things(kept: dict[str, Any]) -> None:
    today: dict[str, Any] = json.loads(json.dumps(notebook()))
    assert len(kept["cells"]) == len(today["cells"]), MEND
    shown = set()
    for then, now in zip(kept["cells"], today["cells"], strict=True):
        assert then["source"] == now["source"], MEND
        for before, after in zip(then.get("outputs", ()), now.get("outputs", ()), strict=True):
            assert before.get("text") == after.get("text"), MEND
            assert before.get("data", {}).keys() == after.get("data", {}).keys(), MEND
            shown |= before.get("data", {}).keys()
    assert shown == {"text/plain", "text/html", "image/svg+xml"}
