"""The page: safe whatever the names, whole without its script, of bounded size."""

from __future__ import annotations

import base64
import html
import json
import re
import zlib
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings

import tpanalyze
from tests.hostile import HOSTILE
from tests.recorded import ROOT
from tests.timeline_samples import crawl
from tests.tracegen import TraceGen
from tpanalyze.analysis import Run
from tpanalyze.cli import run as cli
from tpanalyze.findings import Verdict
from tpanalyze.kinship import Relative
from tpanalyze.render.dot import DotOptions, render_dot
from tpanalyze.render.graphviz_run import render
from tpanalyze.render.html import HtmlOptions, render_html
from tpanalyze.render.page.functions import function_rows
from tpanalyze.render.page.lanes import MIXED, lanes
from tpanalyze.render.page.loads import loads
from tpanalyze.render.page.script_json import script_json

SAMPLES = sorted(program.parent for program in (ROOT / "traces").glob("*/program.py"))


class Outline(HTMLParser):
    """What a page is made of; stumbles over elements that are not closed."""

    VOID = frozenset({"meta", "path", "polygon", "ellipse", "rect", "polyline", "br", "line"})

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.words: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        self.tags.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)
        if "id" in known:
            self.ids.append(str(known["id"]))
        self.links += [str(known[name]) for name in ("href", "src", "xlink:href") if name in known]
        if tag == "script":
            self.scripts.append((known, ""))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            attributes, text = self.scripts[-1]
            self.scripts[-1] = (attributes, text + data)
        elif not self.open or self.open[-1] != "style":
            self.words.append(data)


def page_of(run: Run, options: HtmlOptions | None = None) -> str:
    assert run.deeds is not None
    graph = render(render_dot(run.report, DotOptions(heading=False)), "svg").decode()
    return render_html(run.report, run.timeline, run.deeds, graph, options or HtmlOptions())


def without_graph(run: Run) -> str:
    assert run.deeds is not None
    return render_html(run.report, run.timeline, run.deeds, None)


def deadlock(name: str) -> Run:
    """A pool of one starves itself; every name in the trace is `name`."""
    trace = TraceGen(program=name, platform=name)
    main = trace.thread(name, main=True)
    pool = trace.pool(1, name=name)
    site = trace.define("site", frames=[trace.define("function", name=name, file=name), 3])
    outer = trace.submit(main, pool, site=site)
    worker = trace.thread(name)
    trace.event(11, worker, pool)
    trace.event(2, worker, outer)
    inner = trace.submit(worker, pool, site=site)
    trace.wait(worker, [inner], site=site)
    trace.wait(main, [outer], site=site)
    return tpanalyze.load(BytesIO(trace.data()), deeds=True)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: str(sample.name))
def test_a_page_says_the_verdict_first_and_is_whole_without_its_script(sample: Path) -> None:
    run = tpanalyze.load(sample / "trace.jsonl", deeds=True)
    outline = Outline(page_of(run))
    for landmark in ("header", "nav", "main", "aside", "footer", "h1"):
        assert outline.tags.count(landmark) >= 1
    assert outline.tags.count("h1") == 1 and outline.tags.count("main") == 1
    words = " ".join(" ".join(outline.words).split())
    (finding,) = run.report.findings
    for said in (finding.summary, *finding.because, *(a.text for a in finding.advice)):
        assert " ".join(said.split()) in words
    assert words.index(finding.summary) < 700
    if finding.certain_by is not None:
        assert f", when {finding.certain_by.text}" in words
    for party in finding.core:
        key = f"thread{party.thread}" if party.thread is not None else f"task{party.task}"
        assert f"{key}-about" in outline.ids
        if party.thread is not None and len(finding.core) <= 6:
            assert key in outline.ids, "it can be clicked in the graph"


def test_a_page_on_a_program_without_pools_has_no_chapters_on_them() -> None:
    run = tpanalyze.load(ROOT / "traces" / "lock_order" / "trace.jsonl", deeds=True)
    outline = Outline(without_graph(run))
    assert not {"pools", "functions"} & set(outline.ids)
    assert {"#pools", "#functions"}.isdisjoint(outline.links)


def test_a_page_says_of_each_function_in_which_pool_it_is_called_and_what_is_left() -> None:
    found = {}
    for sample in ("process_pool", "threadpool_apply", "lock_and_future"):
        run = tpanalyze.load(ROOT / "traces" / sample / "trace.jsonl")
        found[sample] = [
            (row.name, row.pool, row.unfinished) for row in function_rows(run.timeline)
        ]
    assert found == {
        "process_pool": [("read_page", "ProcessPoolExecutor", 1)],
        "threadpool_apply": [("load_book", "ThreadPool", 2), ("load_page", "ThreadPool", 2)],
        "lock_and_future": [
            ("look_up", 'ThreadPoolExecutor "requests"', 1),
            ("load", 'ThreadPoolExecutor "loaders"', 1),
        ],
    }


def test_charts_of_pools_leave_out_the_threads_that_serve_other_pools() -> None:
    run = tpanalyze.load(ROOT / "traces" / "threadpool_apply" / "trace.jsonl")
    shown = [pool for pool in loads(run.report, run.timeline, 1000) if isinstance(pool, dict)]
    assert [pool["title"] for pool in shown] == [
        "ThreadPool: at most 2 of 2 workers, at most 2 queued"
    ]


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: str(sample.name))
def test_a_page_names_nothing_outside_itself_and_each_of_its_links_leads_somewhere(
    sample: Path,
) -> None:
    outline = Outline(page_of(tpanalyze.load(sample / "trace.jsonl", deeds=True)))
    assert len(outline.ids) == len(set(outline.ids))
    assert all(link.startswith("#") for link in outline.links)
    assert {link[1:] for link in outline.links} <= set(outline.ids)


@given(HOSTILE)
@settings(max_examples=60)
def test_no_name_becomes_markup_or_ends_a_script(name: str) -> None:
    run = deadlock(name.encode("utf-8", "replace").decode())
    assert run.report.findings
    page, plain = without_graph(run), Outline(without_graph(deadlock("x")))
    outline = Outline(page)
    assert outline.tags == plain.tags
    data, code = outline.scripts
    assert data[0]["type"] == "application/json" and code[0] == {}
    assert json.loads(data[1])["timeline"]["rows"] == 3
    assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e]", html.unescape(page))


@given(HOSTILE)
def test_json_in_a_script_is_what_it_was_and_holds_nothing_that_html_would_see(name: str) -> None:
    said = script_json({name: [name, None, 1]})
    assert said.isascii() and not set("<>&") & set(said)
    assert json.loads(said) == {name: [name, None, 1]}


def test_a_run_of_many_intervals_is_thinned_and_no_time_is_lost() -> None:
    report, timeline = crawl(pages=3000)
    whole, thin = lanes(report, timeline), lanes(report, timeline, 1500)
    assert (whole["merged"], whole["rows"]) == (0, _rows(whole))
    assert thin["merged"] > 0 and _rows(thin) <= 1500  # type: ignore[operator]
    for number in range(len(whole["lanes"])):  # type: ignore[arg-type]
        exact, rough = _spent(whole, number), _spent(thin, number)
        assert rough == pytest.approx(exact, rel=0.02, abs=60)


def _rows(data: object) -> int:
    assert isinstance(data, dict)
    return int(data["rows"])


def _unpacked(data: object) -> list[list[int]]:
    assert isinstance(data, dict)
    planes = np.frombuffer(zlib.decompress(base64.b64decode(data["packed"])), dtype=np.uint8)
    columns = planes.reshape(6, 4, data["rows"]).astype(np.int64)
    weights = np.array([1, 1 << 8, 1 << 16, 1 << 24])
    table: list[list[int]] = (columns * weights[:, None]).sum(axis=1).T.tolist()
    return table


def _spent(data: object, lane: int) -> float:
    """Return for how long something is drawn in a lane."""
    total = 0.0
    for number, _, length, kind, label, _ in _unpacked(data):
        if number == lane:
            total += length * ((label >> 8) + (label & 255)) / 255 if kind == MIXED else length
    return total


def test_the_command_writes_the_page_and_knows_it_again_as_its_own(tmp_path: Path) -> None:
    trace = tmp_path / "app.trace.jsonl"
    trace.write_bytes((ROOT / "traces/self_wait/trace.jsonl").read_bytes())
    for _ in range(2):
        assert cli([str(trace), "--html", "-q"]) == 1
    assert (tmp_path / "app.html").read_text().startswith("<!doctype html>")
    (tmp_path / "app.html").write_text("<p>mine</p>")
    assert cli([str(trace), "--html", "-q"]) == 2
    assert (tmp_path / "app.html").read_text() == "<p>mine</p>"


@given(HOSTILE)
@settings(max_examples=30)
def test_no_name_of_a_process_breaks_out_of_the_table_of_processes(name: str) -> None:
    run = tpanalyze.load(SAMPLES[0] / "trace.jsonl", deeds=True)
    assert run.deeds is not None
    family = (
        Relative("main (1)", 0, Verdict.NONE, "none", None),
        Relative(name, 1, Verdict.DEADLOCK, f"DEADLOCK  {name}", f"{name}.html"),
    )
    page = Outline(render_html(run.report, run.timeline, run.deeds, None, family=family))
    (link,) = (link for link in page.links if link.endswith(".html"))
    assert link.startswith("./")
