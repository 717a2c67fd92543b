"""A trace to send away: the same verdict, and nothing that tells whose it is."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given

import tpanalyze
from tests.random_rows import ROWS, trace_of
from tests.recorded import ROOT
from tests.tracegen import TraceGen
from tpanalyze.cli import run
from tpanalyze.reader import open_trace
from tpanalyze.redact import redacted
from tpanalyze.rows import Row

SAMPLES = sorted((ROOT / "traces").rglob("*.jsonl"))


def without_secrets(data: bytes, *, functions: bool = False) -> bytes:
    with open_trace(io.BytesIO(data), "trace") as trace:
        return b"".join(redacted(trace, functions=functions))


@pytest.mark.parametrize("functions", [False, True])
@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: str(path.relative_to(ROOT / "traces")))
def test_the_verdict_is_the_same(path: Path, functions: bool) -> None:
    data = path.read_bytes()
    whole = tpanalyze.analyze(io.BytesIO(data))
    part = tpanalyze.analyze(io.BytesIO(without_secrets(data, functions=functions)))
    assert part.verdict == whole.verdict
    for ours, theirs in zip(part.findings, whole.findings, strict=True):
        assert (ours.kind, ours.certain_since_ns) == (theirs.kind, theirs.certain_since_ns)
        assert [(p.thread, p.task) for p in ours.core] == [(p.thread, p.task) for p in theirs.core]
    assert part.quality.events == whole.quality.events


def test_paths_names_of_threads_pools_and_programs_become_words_the_same_each_time() -> None:
    trace = TraceGen(program="secret.py")
    trace.define("thread", name="secret-user_7", native_id=1)
    trace.define("pool", kind="ThreadPoolExecutor", name="secret-user", max_workers=1)
    trace.define("function", name="work", file="/srv/secret/app.py", module="secret.app", line=1)
    trace.define("function", name="rest", file="/srv/secret/app.py", module="secret.app", line=9)
    trace.define("function", name="wait", file="threading.py", line=9, stdlib=True)
    trace.define("note", text="a bug in /home/secret", dropped=2)
    data = without_secrets(trace.data())
    assert b"secret" not in data
    assert data.count(b'"file":"file-1.py","module":"module-1"') == 2
    assert b'"name":"name-1_7"' in data and b'"name":"name-1","max_workers":1' in data
    assert b'"name":"work"' in data and b'"file":"threading.py"' in data
    assert b'"dropped":2' in data
    assert b'"work"' not in without_secrets(trace.data(), functions=True)


@given(ROWS)
def test_of_lines_of_anything_no_text_is_left_that_is_not_known_to_be_open(
    rows: list[Row],
) -> None:
    secret = "tell nobody"  # noqa: S105
    for row in rows:
        if isinstance(row, dict):
            row["name"], row["more"], row["deep"] = secret, secret, [[secret]]
            row.pop("stdlib", None)
    data = without_secrets(trace_of(rows).data(), functions=True)
    assert secret.encode() not in data
    tpanalyze.analyze(io.BytesIO(data))


def test_the_command_writes_beside_the_trace_and_spares_files_that_are_not_its_own(
    tmp_path: Path,
) -> None:
    trace = TraceGen(program="secret.py")
    (tmp_path / "t.jsonl").write_bytes(trace.data())
    assert run(["redact", str(tmp_path / "t.jsonl")]) == 0
    out = tmp_path / "t.redacted.jsonl"
    assert b"secret" not in out.read_bytes()
    assert run(["redact", str(tmp_path / "t.jsonl"), "--functions"]) == 0  # its own: replaced
    (tmp_path / "mine").write_text("mine")
    assert run(["redact", str(tmp_path / "t.jsonl"), "-o", str(tmp_path / "mine")]) == 2
    assert (tmp_path / "mine").read_text() == "mine"
    assert run(["redact", str(tmp_path / "absent.jsonl")]) == 2
    assert run([str(out)]) == 0
