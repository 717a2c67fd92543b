"""Two recordings of the same problem have the same signature: other Python, other lines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import tpanalyze
from tests.at_rest import report_at_rest
from tests.recorded import hanging
from tests.test_classics import TRACES

EDIT = '''import itertools  # for what has nothing to do with it


def unrelated(numbers):
    """Return the sums so far."""
    return list(itertools.accumulate(numbers))


'''


def signatures(path: Path) -> list[str]:
    return [finding.signature for finding in tpanalyze.analyze(path).findings]


@pytest.mark.parametrize(
    "name", ["done_callback", "two_pools", "circular_wait_with", "exit_hang_queue"]
)
def test_an_unrelated_edit_and_another_python_leave_the_signature(
    name: str, tmp_path: Path
) -> None:
    kept = json.loads((TRACES / name / "report.json").read_text())
    assert kept["program"]["python"].startswith("3.13")  # this test runs on the others too
    place = tmp_path / "elsewhere"
    place.mkdir()
    (place / "program.py").write_text(EDIT + (TRACES / name / "program.py").read_text())
    with hanging(place, "program.py") as (process, path):
        report_at_rest(process, path)
        assert signatures(path) == [finding["signature"] for finding in kept["findings"]]


PROGRAM = """
from concurrent.futures import ThreadPoolExecutor
pool = ThreadPoolExecutor(1)
def page():
    return "a page"
def {outer}():
    return pool.submit(page).result()
pool.submit({outer}).result()
"""


def test_another_function_that_waits_has_another_signature(tmp_path: Path) -> None:
    found = []
    for outer in ("book", "shelf"):
        place = tmp_path / outer
        place.mkdir()
        (place / "app.py").write_text(PROGRAM.format(outer=outer))
        with hanging(place, "app.py") as (process, path):
            report_at_rest(process, path)
            found += signatures(path)
    assert len(set(found)) == 2
