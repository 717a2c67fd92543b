"""CPython's own tests, plain and recorded: a part; ``dev.py judge stdlib`` compares all of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.judges.stdlib import DIFFERENCES, compare, parts
from tpanalyze.findings import Verdict

CHOSEN = [
    ("test_queue", "*SimpleQueue*"),
    ("test_threading", "*BarrierTests*"),
    ("test_asyncio", "*RunCoroutineThreadsafeTests*"),
    ("test_concurrent_futures.test_thread_pool", "*"),
]
HERE = [(module, pattern) for module, pattern in CHOSEN if parts(module)]
"""Some releases install a part of them only: 3.12.1 has no test_concurrent_futures."""


@pytest.mark.parametrize(("module", "pattern"), HERE)
def test_what_passes_plain_passes_recorded_and_is_no_deadlock(
    tmp_path: Path, module: str, pattern: str
) -> None:
    done = compare(module, tmp_path, "-m", pattern)
    assert done.faults == []
    assert len(done.recorded.results) >= 3
    assert done.report is not None and done.report.verdict is not Verdict.DEADLOCK


def test_no_difference_is_declared() -> None:
    """Whoever declares one says here how many there are."""
    assert len(DIFFERENCES) == 0
