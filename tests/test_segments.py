"""A trace of bounded size: its newest part, which says as much of what is open as the whole."""

from __future__ import annotations

import gzip
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import tpanalyze
from tests.asleep import STILL_S
from tests.at_rest import report_at_rest
from tests.recorded import PATIENCE_S, environment, until
from tpanalyze.collect import traces_of
from tpanalyze.findings import Report
from tprecord.segments import size

APP = """
import glob, sys
from concurrent.futures import *
from tests.asleep import until_asleep
pool, small = ThreadPoolExecutor(4), ThreadPoolExecutor(1)
promise = Future()
def leaf(n): return n
def dead(): return small.submit(leaf, 1).result()
stuck = small.submit(dead)
until_asleep(*small._threads)
n = 0
rounds, archives = map(int, sys.argv[1:])
while n < rounds or len(glob.glob("t.0*")) < archives:
    n += 1
    tasks = [pool.submit(leaf, k) for k in range(20)]
    if n % 3 == 0: wait(tasks)
    elif n % 3 == 1:
        for task in as_completed(tasks): task.result()
    else: [task.result() for task in tasks]
print("hangs", flush=True)
stuck.result()
"""


def start(
    tmp_path: Path, rounds: int, *options: str, name: str = "t.jsonl", archives: int = 0
) -> subprocess.Popen[str]:
    """Start the program; it goes on until there are so many rounds, and older segments."""
    (tmp_path / "app.py").write_text(APP)
    program = ["app.py", str(rounds), str(archives)]
    return subprocess.Popen(
        [sys.executable, "-m", "tprecord", "-q", "-o", name, *options, *program],
        stdout=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env=environment(),
    )


def is_the_deadlock_from_long_ago(report: Report) -> None:
    (finding,) = report.findings
    assert (report.verdict, finding.kind) == ("deadlock", "pool-starvation")
    task = finding.core[0].task
    assert task is not None
    function = report.snapshot.tasks[task].function
    assert function is not None and function.name == "dead"
    assert finding.certain_since_ns + STILL_S * 1e9 < report.snapshot.time_ns
    assert not [r for r in report.quality.remarks if r.grade == "loss"]


@pytest.mark.parametrize("options", [("--max-size", "512k"), ("--max-size", "512k", "--gzip")])
def test_a_deadlock_from_before_the_oldest_segment_is_found_in_the_newest(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    name = "t.jsonl.gz" if "--gzip" in options else "t.jsonl"
    process = start(tmp_path, 3000, *options, name=name, archives=2)
    try:
        assert process.stdout is not None and process.stdout.readline() == "hangs\n"
        report_at_rest(process, tmp_path / name)  # what came last is written
    finally:
        process.kill()
        process.communicate(timeout=PATIENCE_S)
    segments = sorted(path for path in tmp_path.iterdir() if path.name.startswith("t."))
    assert len(segments) > 2 and tmp_path / "t.0001.jsonl" not in segments
    assert sum(path.stat().st_size for path in segments) <= 512 * 1024
    assert traces_of([str(tmp_path)]) == [str(tmp_path / name)], "segments are no other runs"
    whole = tpanalyze.analyze(tmp_path / name)
    is_the_deadlock_from_long_ago(whole)
    alone = tmp_path / "elsewhere" / name
    alone.parent.mkdir()
    (tmp_path / name).rename(alone)
    newest = tpanalyze.analyze(alone)
    is_the_deadlock_from_long_ago(newest)
    assert newest.findings == whole.findings
    assert newest.quality.events < whole.quality.events


def test_killed_while_segments_change_it_leaves_the_same_verdict(tmp_path: Path) -> None:
    chance = random.Random(0)
    for number in range(8):
        directory = tmp_path / str(number)
        directory.mkdir()
        process = start(directory, 10**9, "--max-size", "512k")
        try:
            until((directory / "t.0002.jsonl").exists, "it has changed segments")
            time.sleep(chance.random() * 0.5)
        finally:
            process.send_signal(signal.SIGKILL)
            process.communicate(timeout=PATIENCE_S)
        is_the_deadlock_from_long_ago(tpanalyze.analyze(directory / "t.jsonl"))
        (directory / "t.jsonl").unlink()  # as if it had been killed between two renames
        is_the_deadlock_from_long_ago(tpanalyze.analyze(directory / "t.jsonl"))


def test_a_packed_trace_of_a_killed_process_has_all_that_was_written(tmp_path: Path) -> None:
    process = start(tmp_path, 50, "--gzip", name="t.jsonl.gz")
    try:
        assert process.stdout is not None and process.stdout.readline() == "hangs\n"
        report_at_rest(process, tmp_path / "t.jsonl.gz")
    finally:
        process.kill()
        process.communicate(timeout=PATIENCE_S)
    report = tpanalyze.analyze(tmp_path / "t.jsonl.gz")
    is_the_deadlock_from_long_ago(report)
    assert report.quality.events > 50 * 20 * 3


def test_a_packed_trace_that_ends_well_is_a_whole_gzip_file(tmp_path: Path) -> None:
    source = "from concurrent.futures import *\nwith ThreadPoolExecutor(2) as p: p.submit(int)"
    done = subprocess.run(
        [sys.executable, "-m", "tprecord", "-q", "--gzip", "-c", source],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment(),
        check=True,
    )
    (trace,) = tmp_path.glob("*.trace.jsonl.gz")
    assert (done.stdout, done.stderr) == ("", "")
    assert gzip.decompress(trace.read_bytes()).endswith(b'{"end":1,"reason":"exit"}\n')
    assert tpanalyze.analyze(trace).quality.ended == "exit"


def test_a_moment_before_the_oldest_segment_is_said_to_be_unknown(tmp_path: Path) -> None:
    process = start(tmp_path, 2000, "--max-size", "512k")
    try:
        assert process.stdout is not None and process.stdout.readline() == "hangs\n"
    finally:
        process.kill()
        process.communicate(timeout=PATIENCE_S)
    report = tpanalyze.analyze(tmp_path / "t.jsonl", at_ns=1)
    assert report.verdict == "none"
    assert [r.slug for r in report.quality.remarks if r.grade == "loss"] == ["before-begin"]


def test_a_pipe_has_no_size(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    command = [sys.executable, "-m", "tprecord", "-o", "pipe", "--max-size", "1M", "-c", "1"]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=tmp_path, env=environment(), check=False
    )
    os.close(reader)
    assert done.returncode == 2 and "only a file can have a --max-size" in done.stderr


def test_sizes_are_read_as_people_write_them() -> None:
    assert size("100MB") == size("100 MiB") == size("100m") == size("102400k") == 100 << 20
    assert size("2G") == 2 << 30 and size("1000000") == 1_000_000
    for wrong in ("", "MB", "-1M", "1T", "100", "1.5MB", "ten"):
        with pytest.raises(ValueError, match="--max-size takes"):
            size(wrong)
