"""The diagram: who points at whom, what is folded, and names that try to break out.

Judges: Graphviz itself, which parses and draws every text, and an XML parser for what it draws.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from xml.etree import ElementTree as ET

import pygraphviz
import pytest
from hypothesis import example, given, settings, strategies as st

import tpanalyze
from tests.hostile import HOSTILE
from tests.recorded import ROOT
from tests.report_samples import (
    SAMPLES,
    cancelled_in_queue,
    crowd,
    motley_crowd,
    moving,
    named,
    nothing,
    own_pool,
    pool_with_two_of_eight_started,
    promises,
    renamed,
    report,
    two_deadlocks,
    two_pools,
)
from tests.snapshots import Builder, circular_wait, exit_hang, self_wait, site
from tpanalyze.findings import Report
from tpanalyze.render.bundled_graphviz import draw
from tpanalyze.render.diagram.compose import compose
from tpanalyze.render.diagram.picture import Card, Limits
from tpanalyze.render.dot import DotOptions, render_dot
from tpanalyze.render.dot_quote import LONGEST, html_tooltip, tooltip
from tpanalyze.render.palette import LIGHT
from tpanalyze.render.svg_finish import finish_svg

SVG = "{http://www.w3.org/2000/svg}"
REPORTS = pytest.mark.parametrize("name", SAMPLES)


@dataclass(frozen=True)
class Arrow:
    """An arrow as Graphviz read it."""

    source: str
    target: str
    style: str
    label: str
    classes: frozenset[str]


class Graph:
    """A DOT text, read by Graphviz."""

    def __init__(self, dot: str) -> None:
        self._graph = pygraphviz.AGraph(string=dot)

    @property
    def nodes(self) -> frozenset[str]:
        return frozenset(map(str, self._graph.nodes()))

    def text(self, node: str) -> str:
        """The words on a node, its tags left out."""
        return words(self._graph.get_node(node).attr["label"])

    def classes(self, node: str) -> str:
        return str(self._graph.get_node(node).attr["class"])

    def tooltip(self, node: str) -> str:
        return str(self._graph.get_node(node).attr["tooltip"])

    def within(self, cluster: str) -> frozenset[str]:
        return frozenset(map(str, self._graph.get_subgraph(f"cluster_{cluster}").nodes()))

    def title_of(self, cluster: str) -> str:
        return words(self._graph.get_subgraph(f"cluster_{cluster}").graph_attr["label"])

    @property
    def heading(self) -> str:
        return words(self._graph.graph_attr["label"])

    @property
    def arrows(self) -> frozenset[Arrow]:
        """The arrows that are drawn; one to a row or a whole pool names that."""
        return frozenset(self._arrows())

    def _arrows(self) -> Iterator[Arrow]:
        for edge in self._graph.edges():
            if edge.attr["style"] == "invis":
                continue
            source, target = map(str, edge)
            row = (edge.attr["headport"] or "").partition(":")[0]
            if pool := edge.attr["lhead"]:
                target = pool.removeprefix("cluster_")
            yield Arrow(
                source,
                f"{target}:{row}" if row else target,
                edge.attr["style"],
                words(edge.attr["label"] or ""),
                frozenset(edge.attr["class"].split()),
            )

    def pointing(self, *classes: str) -> frozenset[tuple[str, str]]:
        """Which arrows with these classes there are, from where to where."""
        return frozenset(
            (arrow.source, arrow.target) for arrow in self.arrows if arrow.classes >= set(classes)
        )


def words(label: str) -> str:
    return " ".join(re.sub("<[^>]*>", " ", label).replace("&quot;", '"').split())


def parsed(svg: bytes) -> ET.Element:
    return ET.fromstring(svg)  # noqa: S314  # we drew it


def graph(found: Report, limits: Limits | None = None) -> Graph:
    return Graph(render_dot(found, DotOptions(limits or Limits())))


# -- who points at whom ----------------------------------------------------------------------------


def test_a_worker_points_at_the_row_of_the_queue_that_it_waits_for() -> None:
    drawn = graph(own_pool(workers=2))
    assert drawn.pointing("core", "waits-for") == {
        ("thread2", "queue1:task3"),
        ("thread3", "queue1:task4"),
    }


def test_a_queue_needs_a_worker_and_a_worker_is_held_by_those_who_wait() -> None:
    drawn = graph(own_pool(workers=2))
    assert drawn.pointing("core", "needs-worker") == {("queue1", "slot1")}
    assert drawn.pointing("core", "held-by") == {("slot1", "thread2"), ("slot1", "thread3")}
    assert drawn.text("slot1") == "no worker is free"


def test_the_line_says_why_something_waits() -> None:
    styles = {(arrow.style, next(iter(arrow.classes - {"core", "victim"})))
              for arrow in graph(own_pool()).arrows}  # fmt: skip
    assert styles == {("solid", "waits-for"), ("dashed", "needs-worker"), ("dotted", "held-by")}


def test_a_queue_for_which_nobody_waits_is_drawn_without_arrows() -> None:
    b = Builder()
    pool = b.pool(2, "io")
    left, one = b.run(pool, "left")
    right, two = b.run(pool, "right")
    b.submit(pool, "late")
    b.wait(one, right)
    b.wait(two, left)
    drawn = graph(report(b.snapshot()))
    assert drawn.pointing() == {("thread2", "thread3"), ("thread3", "thread2")}
    assert drawn.nodes == {"thread2", "thread3", "queue1"}


def test_the_only_worker_of_a_pool_stands_for_a_worker_of_it() -> None:
    drawn = graph(own_pool(workers=1))
    assert drawn.pointing("needs-worker") == {("queue1", "thread2")}
    assert "slot1" not in drawn.nodes


def test_a_pool_that_started_few_of_its_workers_says_so() -> None:
    drawn = graph(pool_with_two_of_eight_started())
    assert drawn.text("slot1") == "no worker is free 2 of 8 were started"
    assert "at most 8 workers" in drawn.title_of("pool1")


def test_two_tasks_that_wait_for_each_other_point_at_each_other() -> None:
    drawn = graph(report(circular_wait()))
    assert drawn.pointing("core") == {("thread2", "thread3"), ("thread3", "thread2")}


def test_a_task_that_waits_for_itself_points_at_itself() -> None:
    drawn = graph(report(self_wait()))
    assert drawn.pointing("core") == {("thread2", "thread2")}
    assert drawn.pointing("victim") == {("thread1", "thread2")}


def test_a_shutdown_from_outside_points_at_the_whole_pool() -> None:
    drawn = graph(report(circular_wait()))
    assert drawn.pointing("victim", "drains") == {("thread1", "pool1")}
    assert [arrow.label for arrow in drawn.arrows if arrow.target == "pool1"] == ["shutdown()"]


def test_a_shutdown_from_within_points_at_the_other_workers() -> None:
    b = Builder()
    pool = b.pool(2)
    task, one = b.run(pool, "closer")
    _, two = b.run(pool, "asker")
    b.wait(two, task)
    b.drain(one, pool)
    drawn = graph(report(b.snapshot()))
    assert drawn.pointing("drains") == {("thread2", "thread3")}


def test_a_promise_stands_outside_of_the_pools_with_the_place_where_it_was_made() -> None:
    drawn = graph(report(exit_hang()))
    assert ("thread2", "task1") in drawn.pointing("core", "waits-for")
    assert drawn.text("task1") == "promise #1 made at app.py:25, not set"
    assert "task1" not in drawn.within("pool1")


def test_a_cancelled_task_in_a_queue_is_drawn_as_what_is_waited_for() -> None:
    drawn = graph(cancelled_in_queue())
    assert drawn.pointing("waits-for") == {("thread2", "queue1:task2")}
    assert "cancelled" in drawn.text("queue1")


def test_pools_that_starve_each_other_point_at_each_others_queues() -> None:
    drawn = graph(two_pools())
    assert drawn.pointing("core", "waits-for") == {
        ("thread2", "queue2:task5"),
        ("thread3", "queue2:task6"),
        ("thread4", "queue1:task7"),
        ("thread5", "queue1:task8"),
    }
    assert drawn.pointing("needs-worker") == {("queue1", "slot1"), ("queue2", "slot2")}


# -- what is written -------------------------------------------------------------------------------


def test_a_worker_shows_its_name_its_task_and_where_it_waits() -> None:
    drawn = graph(own_pool(workers=2))
    assert re.fullmatch(r"io_0 outer #1 result\(\) at app.py:13 · for 3\d\.\d+ s",
                        drawn.text("thread2"))  # fmt: skip


def test_a_worker_inside_a_task_inside_a_task_shows_both() -> None:
    b = Builder()
    pool = b.pool(1)
    _, worker = b.run(pool, "outer")
    inner = b.submit(pool, "inner", by=worker)
    b.start(worker, inner)
    b.wait(worker, inner)
    assert "inner #2 inside outer #1 result()" in graph(report(b.snapshot())).text("thread2")


def test_a_pool_is_titled_with_its_class_its_name_and_how_its_workers_fare() -> None:
    assert graph(own_pool(workers=2, behind=1)).title_of("pool1") == (
        'ThreadPoolExecutor "io" · 2/2 workers blocked · 3 queued'
    )
    assert graph(two_deadlocks()).title_of("pool2") == (
        'ThreadPoolExecutor "cpu" · 2/3 workers blocked · 1 running'
    )


def test_workers_are_inside_their_pool_and_main_is_not() -> None:
    assert graph(own_pool(workers=2)).within("pool1") == {"thread2", "thread3", "queue1", "slot1"}


def test_the_heading_has_the_sentence_of_each_finding_and_names_the_trace() -> None:
    found = two_deadlocks()
    heading = graph(found).heading
    for index, finding in enumerate(found.findings, start=1):
        assert f"DEADLOCK {index}" in heading
        assert finding.summary in heading
    assert "app.4711.jsonl" in heading
    assert "2025-01-01T00:00:00Z" in heading


def test_with_several_findings_each_member_of_a_core_says_which_it_belongs_to() -> None:
    drawn = graph(two_deadlocks())
    marks = {
        node: re.findall("deadlock ([0-9])", drawn.text(node))
        for node in ("thread1", "thread2", "thread3", "thread4")
    }
    assert marks == {"thread1": [], "thread2": ["2"], "thread3": ["1"], "thread4": ["1"]}


def test_the_legend_explains_what_is_drawn_and_nothing_else() -> None:
    assert graph(report(self_wait())).heading.endswith(
        "core of the deadlock stuck behind it waits for"
    )
    assert graph(moving()).heading.endswith("waits for needs a worker held by")


def test_tooltips_tell_whole_stacks_with_whole_paths() -> None:
    tooltip = graph(own_pool(workers=2)).tooltip("thread1")
    assert "/usr/lib/python3.13/_base.py:456 in Future.result" in tooltip
    assert "/app/app.py:32 in main" in tooltip
    assert "/app/app.py:40 in &lt;module&gt;" in tooltip


def test_long_names_lose_their_middle_but_keep_both_ends() -> None:
    name = "begin" + "x" * 500 + "end"
    text = graph(named(name)).text("thread2")
    assert re.search(r"beginx+…x+end", text)
    assert len(max(text.split(), key=len)) <= 40 + len(":31")


# -- roles and folding -----------------------------------------------------------------------------


def test_core_and_victims_are_marked_and_coloured_apart() -> None:
    drawn = graph(own_pool(workers=2, behind=1))
    assert drawn.classes("thread2") == "core"
    assert drawn.classes("thread1") == "victim"
    dot = render_dot(own_pool(workers=2, behind=1))
    assert LIGHT.core.strong in dot
    assert LIGHT.victim.strong in dot


def test_where_every_wait_can_end_nothing_has_the_colour_of_a_deadlock() -> None:
    dot = render_dot(moving())
    for tone in (LIGHT.core, LIGHT.victim):
        assert tone.strong not in dot
        assert tone.line not in dot


def test_without_findings_all_waits_are_drawn_with_what_they_wait_for() -> None:
    drawn = graph(moving())
    assert drawn.pointing("waits-for") == {
        ("thread1", "thread3"),
        ("thread1", "queue1:task3"),
        ("thread3", "thread2"),
    }
    assert "Every wait can still end." in drawn.heading
    assert "of 60.00 s" in drawn.text("thread3")


def test_where_nobody_waits_the_picture_says_so() -> None:
    drawn = graph(nothing())
    assert drawn.nodes == {"nothing"}
    assert "NO DEADLOCK Nothing waits." in drawn.heading


def test_with_a_finding_what_moves_is_a_number_in_the_title_of_its_pool() -> None:
    drawn = graph(two_deadlocks())
    assert "thread5" not in drawn.nodes
    assert "1 running" in drawn.title_of("pool2")


def test_forty_victims_are_drawn_one_by_one() -> None:
    drawn = graph(crowd(victims=39))  # and main
    assert sum(drawn.classes(node) == "victim" for node in drawn.nodes) == 40


def test_more_than_forty_victims_are_folded_by_function_and_place() -> None:
    drawn = graph(crowd(victims=40))
    folded = {drawn.text(n) for n in drawn.nodes if n.startswith("many_")}
    assert folded == {
        "× 32 workers page result() at app.py:31",
        "× 8 workers image result() at app.py:35",
    }
    assert drawn.classes("thread1") == "victim", "main is never folded"


def test_a_thousand_tasks_with_a_core_of_two_stay_readable() -> None:
    drawn = graph(crowd(victims=998))
    assert drawn.nodes == {"thread1", "thread2", "thread3", "many_thread4", "many_thread5"}
    labels = {arrow.source: arrow.label for arrow in drawn.arrows if "victim" in arrow.classes}
    assert labels == {
        "thread1": "result()",
        "many_thread4": "result() × 200",
        "many_thread5": "result() × 798",
    }


def test_a_thousand_victims_without_likeness_are_a_few_and_one_for_the_others() -> None:
    drawn = graph(motley_crowd(victims=1000))
    assert len(drawn.nodes) == 1 + Limits().groups
    assert drawn.text("others").startswith("× 990 others")
    assert "thread1" in drawn.nodes


def test_alike_members_of_a_core_are_folded_and_the_first_few_are_shown() -> None:
    drawn = graph(own_pool(workers=32))
    workers = {node for node in drawn.within("pool1") if "thread" in node}
    assert workers == {"thread2", "thread3", "thread4", "many_thread5"}
    assert drawn.text("many_thread5").startswith("× 29 more workers outer")
    assert ("slot1", "many_thread5") in drawn.pointing("held-by")


def test_a_long_queue_shows_the_tasks_of_the_core_and_counts_the_others_where_they_stand() -> None:
    b = Builder()
    pool = b.pool(1, "io")
    _, worker = b.run(pool, "outer")
    for _ in range(100):
        b.submit(pool, "before")
    inner = b.submit(pool, "inner", by=worker)
    for _ in range(50):
        b.submit(pool, "after")
    b.wait(worker, inner)
    (box,) = compose(report(b.snapshot()), Limits()).pools
    assert box.queue is not None
    assert [(row.position, row.text, row.note) for row in box.queue.rows] == [
        *((str(n), f"before #{n + 1}", f"from app.py:{n + 101}") for n in range(1, 6)),
        ("…", "… 95 more queued", "before"),
        ("101", "inner #102", "from app.py:202"),
        ("…", "… 50 more queued", "after"),
    ]


@given(
    queued=st.integers(0, 40),
    places=st.sets(st.integers(0, 39), max_size=12),
    limit=st.integers(2, 12),
)
def test_every_task_of_a_queue_is_in_just_one_row(
    queued: int, places: set[int], limit: int
) -> None:
    b = Builder()
    pool = b.pool(1, "io")
    _, worker = b.run(pool, "outer")
    tasks = [b.submit(pool, "job") for _ in range(queued)]
    awaited = [tasks[place] for place in sorted(places) if place < queued]
    if awaited:
        b.wait(worker, *awaited, need=len(awaited), operation="wait(ALL_COMPLETED)")
    shown = compose(report(b.snapshot()), Limits(rows=limit))
    rows = [row for box in shown.pools if box.queue is not None for row in box.queue.rows]
    counts = [int(m[1]) if (m := re.match("… ([0-9]+) more", row.text)) else 1 for row in rows]
    if awaited:
        assert sum(counts) == queued
        assert len(rows) <= 2 * limit + 1


def test_many_promises_made_at_one_place_are_folded() -> None:
    drawn = graph(promises(60))
    assert drawn.text("many_task4") == "× 57 more promises made at app.py:50, not set"


def test_a_thread_in_no_pool_can_be_the_core() -> None:
    b = Builder()
    b.wait(b.main, b.promise(at=site("main", 5)), at=site("main", 6))
    drawn = graph(report(b.snapshot()))
    assert drawn.pointing("core") == {("thread1", "task1")}


# -- any report ------------------------------------------------------------------------------------


@REPORTS
def test_graphviz_draws_just_the_nodes_and_arrows_that_the_picture_has(name: str) -> None:
    found = SAMPLES[name]()
    shown = compose(found, Limits())
    drawn = parsed(draw(render_dot(found), "svg"))
    groups = [group.get("class", "").split()[0] for group in drawn.iter(f"{SVG}g")
              if group.get("class")]  # fmt: skip
    nodes = len(shown.cards)
    for box in shown.pools:
        nodes += len(box.cards) + (box.queue is not None) + (box.slot is not None)
    assert groups.count("node") == nodes + shown.empty
    assert groups.count("edge") == len(shown.arrows)
    assert groups.count("cluster") == len(shown.pools)


@REPORTS
def test_every_arrow_ends_on_something_that_is_drawn(name: str) -> None:
    shown = compose(SAMPLES[name](), Limits())
    ids = {card.id for card in shown.cards} | {box.id for box in shown.pools}
    ports = set()
    for box in shown.pools:
        ids |= {card.id for card in box.cards} | ({box.slot.id} if box.slot else set())
        if box.queue is not None:
            ids.add(box.queue.id)
            ports |= {(box.queue.id, row.port) for row in box.queue.rows}
    for arrow in shown.arrows:
        for end in (arrow.source, arrow.target):
            assert end.id in ids
            assert end.port is None or (end.id, end.port) in ports


def test_the_same_report_gives_the_same_bytes_in_every_process() -> None:
    code = """if True:
        from hashlib import sha256
        from tests.report_samples import SAMPLES
        from tpanalyze.render.dot import render_dot
        text = "".join(render_dot(sample()) for sample in SAMPLES.values())
        print(sha256(text.encode()).hexdigest())
    """
    said = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=Path(__file__).parent.parent,
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(said) == 1


@settings(max_examples=15, deadline=None)
@given(places=st.integers(2, 5).flatmap(lambda n: st.permutations(range(n))))
def test_workers_stand_in_the_order_of_the_rows_they_wait_for(places: list[int]) -> None:
    b = Builder()
    pool = b.pool(len(places), "io")
    running = [b.run(pool, "outer")[1] for _ in places]
    inner = [b.submit(pool, "inner", by=worker) for worker in running]
    for worker, place in zip(running, places, strict=True):
        b.wait(worker, inner[place])
    b.wait(b.main, inner[0])
    heights = {}
    for group in parsed(draw(render_dot(report(b.snapshot())), "svg")).iter(f"{SVG}g"):
        if group.get("id", "").startswith("thread"):
            heights[group.get("id")] = min(
                float(point.split(",")[1])
                for polygon in group.iter(f"{SVG}polygon")
                for point in polygon.get("points", "").split()
            )
    column = sorted((f"thread{worker}" for worker in running), key=heights.__getitem__)
    assert column == [f"thread{running[places.index(row)]}" for row in range(len(places))]


@settings(max_examples=60, deadline=None)
@given(HOSTILE)
def test_no_name_breaks_out_of_its_place_whatever_it_holds(name: str) -> None:
    found = named(name)
    shown = compose(found, Limits())
    drawn = parsed(finish_svg(draw(render_dot(found), "svg")))
    texts = {"".join(text.itertext()) for text in drawn.iter(f"{SVG}text")}
    titles = {"".join(title.itertext()) for title in drawn.iter(f"{SVG}title")}
    cards: list[Card] = [*shown.cards]
    for box in shown.pools:
        cards += box.cards
        assert {box.title, f" · {box.detail}"} <= texts
        assert box.queue is not None
        for row in box.queue.rows:
            assert {row.text, row.note} <= texts
            assert row.tooltip in titles
    for card in cards:
        assert {card.title, *card.lines} <= texts
        assert card.tooltip in titles
    assert {arrow.tooltip for arrow in shown.arrows} <= titles


def test_what_another_process_runs_stands_in_its_pool() -> None:
    """And not beside an empty box: the pool of processes is where the main thread waits for."""
    shown = compose(tpanalyze.analyze(ROOT / "traces" / "process_pool" / "trace.jsonl"), Limits())
    (box,) = shown.pools
    assert (box.title, box.detail) == ("ProcessPoolExecutor", "1 other process")
    (card,) = box.cards
    assert (card.title, card.lines) == (
        "read_page #1",
        ("sent there, submitted at program.py:27",),
    )
    assert [card.title for card in shown.cards if card.pool is None] == ["MainThread"]
    (arrow,) = shown.arrows
    assert (arrow.source.id, arrow.target.id) == ("thread1", "task1")


def test_what_was_cancelled_stands_in_the_pool_it_was_handed_to() -> None:
    shown = compose(tpanalyze.analyze(ROOT / "traces" / "cancel_futures" / "trace.jsonl"), Limits())
    (box,) = shown.pools
    assert {card.title: card.lines for card in box.cards} == {
        "print_page #2": ("cancelled, submitted at program.py:24",),
        "print_page #3": ("cancelled, submitted at program.py:24",),
    }


def test_a_starving_queue_is_drawn_with_the_workers_that_are_busy_and_where() -> None:
    shown = compose(tpanalyze.analyze(ROOT / "traces" / "starving_queue" / "trace.jsonl"), Limits())
    (box,) = shown.pools
    (card,) = box.cards
    assert (card.title, card.lines) == ("work_0", ("report #1", "running at program.py:18"))
    (need,) = [arrow for arrow in shown.arrows if arrow.source.id != "thread1"]
    assert need.target.id == card.id, "and not a box that says no worker is free"


def test_the_labels_of_arrows_are_legible_over_arrows() -> None:
    drawn = parsed(finish_svg(draw(render_dot(SAMPLES["own-pool-1"]()), "svg")))
    labels = [
        text
        for group in drawn.iter(f"{SVG}g")
        if "edge" in group.get("class", "").split()
        for text in group.iter(f"{SVG}text")
    ]
    assert {"".join(text.itertext()) for text in labels} >= {"needs a worker"}
    assert {text.get("paint-order") for text in labels} == {"stroke"}


LONG = st.builds(
    lambda piece, times, more: piece * times + more,
    st.sampled_from(["a", "\\", '"', "<", "&", "&amp;", "漢", "\n", "\\N ", "\ud800"]),
    st.sampled_from([100, 2_000, 20_000]),
    HOSTILE,
)
"""names as nobody gives them, but a program may: a thread called by what it works on"""


LARGE = {"own-pool-32", "crowd", "motley-crowd", "many-promises"}


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(sorted(SAMPLES.keys() - LARGE)), HOSTILE | LONG, st.booleans())
@example("own-pool-2", "<" * 3_000, True)
@example("own-pool-2", "\\" * 20_000, False)
@example("own-pool-2", "漢" * 6_000, False)
def test_graphviz_draws_every_picture_whatever_the_names_in_it_are(
    sample: str, name: str, heading: bool
) -> None:
    assert drawn_ids(sample, name, heading) == drawn_ids(sample, "x", heading)


@cache
def drawn_ids(sample: str, name: str, heading: bool) -> list[str]:
    """Return what there is in the picture of a sample in which every name is `name`."""
    dot = render_dot(renamed(SAMPLES[sample](), name), DotOptions(heading=heading))
    groups = parsed(finish_svg(draw(dot, "svg"))).iter(f"{SVG}g")
    return [known for group in groups if (known := group.get("id"))]


@pytest.mark.parametrize("letter", ["a", "\\", "<", '"', "漢", "\U0001f9f5"])
def test_a_tooltip_has_as_much_of_a_long_text_as_graphviz_reads(letter: str) -> None:
    for quote in (tooltip, html_tooltip):
        said = quote(letter * 20_000)
        assert LONGEST - 20 < len(said.encode()) <= LONGEST + len('""')
        assert said.removesuffix('"').endswith("…")
        assert quote(letter * 50).count(quote(letter).strip('"')) == 50
