"""Killed at any moment, the recorder has written all that matters to the verdict."""

from __future__ import annotations

import time
from pathlib import Path

from tests.consistent import judge
from tests.judges.kill import kill_many
from tests.recorded import hanging, until

KILLS = 60
"""``python3 dev.py judge kill`` does 1,000."""


def test_whenever_it_is_killed_the_trace_is_a_consistent_prefix_with_a_true_verdict(
    tmp_path: Path,
) -> None:
    outcomes = kill_many(KILLS, tmp_path)
    assert [(o.seed, o.faults[:3]) for o in outcomes if o.faults] == []
    assert sum(o.lines > 2 for o in outcomes) > KILLS / 2
    assert sum(o.hung for o in outcomes) > KILLS / 10
    assert sum(o.verdict == "none" for o in outcomes) > KILLS / 4


BURST = """
import time
from concurrent.futures import ThreadPoolExecutor
pool = ThreadPoolExecutor(1)
pool.submit(time.sleep, 3600)
for _ in range(500):
    pool.submit(int)
print("quiet", flush=True)
time.sleep(3600)
"""


def test_a_burst_of_events_before_an_hour_of_silence_is_written_in_a_moment(
    tmp_path: Path,
) -> None:
    (tmp_path / "app.py").write_text(BURST)
    with hanging(tmp_path, "app.py") as (process, path):
        assert process.stdout is not None and process.stdout.readline() == "quiet\n"
        began = time.monotonic()
        until(lambda: judge(path).events["submit"] == 501, "all submits are written")
        assert time.monotonic() - began < 10  # 50 ms, on a machine that does nothing else
