"""The tables: tasks, waits and intervals as DataFrames and as files."""

from __future__ import annotations

import io
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import pytest

import tpanalyze
from tests.recorded import ROOT
from tests.timeline_samples import crawl
from tpanalyze import frames
from tpanalyze.cli import run as cli
from tpanalyze.errors import UserError
from tpanalyze.tables import as_csv, as_parquet

TRACE = ROOT / "traces/pool_starvation/trace.jsonl"


def test_a_task_has_its_moments_its_worker_and_its_times() -> None:
    tasks = tpanalyze.load(TRACE).tasks().set_index("task")
    book, page = tasks.loc[1], tasks.loc[2]
    assert (book["function"], book["state"], book["worker"], book["waits"]) == (
        "load_book", "waiting", 2, 1,
    )  # fmt: skip
    assert book["started_ns"] - book["submitted_ns"] == book["queued_ns"]
    assert (page["function"], page["state"]) == ("load_page", "queued")
    assert page[["worker", "started_ns", "ended_ns"]].isna().all()


def test_the_tasks_account_for_every_interval() -> None:
    _, timeline = crawl(pages=300)
    tasks, intervals = frames.tasks(timeline), frames.intervals(timeline)
    lengths = (intervals["end_ns"] - intervals["start_ns"])[intervals["task"].notna()]
    by_state = lengths.groupby(intervals["state"], observed=True).sum()
    assert tasks["queued_ns"].sum() == by_state["queued"]
    assert tasks["running_ns"].sum() == by_state["running"]
    assert tasks["waiting_ns"].sum() == by_state["waiting"]
    assert len(frames.waits(timeline)) == (intervals["state"] == "waiting").sum()
    ended = tasks[tasks["state"] == "ended"]
    assert (ended["ended_ns"] >= ended["started_ns"]).all()


def test_csv_comes_back_as_it_was() -> None:
    tasks = tpanalyze.load(TRACE).tasks()
    back = pd.read_csv(io.BytesIO(as_csv(tasks)))
    assert list(back.columns) == list(tasks.columns)
    assert back["submitted_ns"].tolist() == tasks["submitted_ns"].tolist()


def test_no_name_is_a_formula_for_a_spreadsheet() -> None:
    table = pd.DataFrame({"name": pd.Categorical(["=1+1", "@x", "plain"])})
    assert as_csv(table) == b"name\n'=1+1\n'@x\nplain\n"


def test_an_empty_run_has_empty_tables() -> None:
    header = TRACE.read_bytes().split(b"\n")[0] + b"\n"
    run = tpanalyze.load(io.BytesIO(header))
    assert len(run.tasks()) == len(run.waits()) == len(run.intervals()) == 0


def test_the_command_writes_three_tables_and_may_write_them_again(tmp_path: Path) -> None:
    trace = tmp_path / "app.jsonl"
    trace.write_bytes(TRACE.read_bytes())
    for _ in range(2):
        assert cli([str(trace), "--csv", "-q"]) == 1
    written = sorted(path.name for path in tmp_path.glob("*.csv"))
    assert written == ["app.intervals.csv", "app.tasks.csv", "app.waits.csv"]


def test_parquet_is_written_where_pyarrow_is_and_refused_with_advice_elsewhere() -> None:
    tasks = tpanalyze.load(TRACE).tasks()
    if find_spec("pyarrow") is None:
        with pytest.raises(UserError, match="pip install pyarrow"):
            as_parquet(tasks)
    else:
        data = as_parquet(tasks)
        assert pd.read_parquet(io.BytesIO(data))["task"].tolist() == tasks["task"].tolist()
        assert b"tpanalyze" in data[-4096:]
