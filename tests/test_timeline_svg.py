"""The timeline picture: lanes, what is in them, and what becomes of a million intervals."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings, strategies as st

import tpanalyze
from tests.hostile import HOSTILE
from tests.recorded import ROOT
from tests.report_samples import nothing, own_pool
from tests.snapshots import function, site
from tests.timeline_samples import RUNS, crawl, crowd, swarm
from tpanalyze.findings import Report
from tpanalyze.model import PoolId, TaskId, ThreadId, ThreadState
from tpanalyze.render.chart.blocks import Lane, lane, lane_of_many
from tpanalyze.render.chart.compose import Chart, ChartLimits, Group, LaneRow, QueueChart, compose
from tpanalyze.render.chart.scale import Scale, round_step
from tpanalyze.render.chart.spans import Kind, Span
from tpanalyze.render.palette import LIGHT, Role, adaptive_css
from tpanalyze.render.text_width import text_width
from tpanalyze.render.timeline_svg import TimelineOptions, render_timeline_svg
from tpanalyze.timeline import IntervalState, Load, Period

SVG = "{http://www.w3.org/2000/svg}"
SECOND = 1_000_000_000
MS = 1_000_000
RUNNING, WAITING = IntervalState.RUNNING, IntervalState.WAITING


@dataclass
class Tape:
    """A recording made by hand."""

    end_ns: int = SECOND
    intervals: list[Period] = field(default_factory=list)
    load: dict[PoolId, list[Load]] = field(default_factory=dict)

    def periods(self) -> Iterator[Period]:
        return iter(self.intervals)

    def pool_load(self) -> Mapping[PoolId, Sequence[Load]]:
        return self.load

    def add(
        self,
        thread: int,
        state: IntervalState,
        start_ns: int,
        end_ns: int | None = None,
        *,
        pool: int | None = 1,
        task: int | None = 1,
        name: str = "job",
    ) -> None:
        """Add an interval; it is open if it has no end."""
        self.intervals.append(
            Period(
                state,
                ThreadId(thread),
                None if pool is None else PoolId(pool),
                None if task is None else TaskId(task),
                function(name),
                start_ns,
                self.end_ns if end_ns is None else end_ns,
                site("main", 12),
                end_ns is None,
            )
        )


def chart(report: Report, tape: Tape, limits: ChartLimits | None = None) -> Chart:
    return compose(report, tape, 100, 1100, limits or ChartLimits())


def rows(shown: Chart) -> list[LaneRow]:
    return [row for group in shown.groups for row in group.rows]


def drawn(report: Report, tape: Tape) -> ET.Element:
    return parsed(render_timeline_svg(report, tape))


def parsed(svg: str) -> ET.Element:
    return ET.fromstring(svg.encode())  # noqa: S314  # we drew it


def said(root: ET.Element) -> list[str]:
    return ["".join(text.itertext()) for text in root.iter(f"{SVG}text")]


def blocks(drawn_lane: Lane) -> list[tuple[Kind, int, int]]:
    return [(b.span.kind, round(b.left), round(b.right)) for b in drawn_lane.blocks]


# -- lanes -----------------------------------------------------------------------------------------


def test_the_main_thread_comes_first_then_the_pools_with_their_workers_in_order() -> None:
    shown = compose(*crawl(), 100, 1100, ChartLimits())
    assert [(group.title, [row.name for row in group.rows]) for group in shown.groups] == [
        ("Threads", ["MainThread"]),
        ('ThreadPoolExecutor "io"', ["io_0", "io_1", "io_2", "io_3"]),
        ('ThreadPoolExecutor "cpu"', ["cpu_0", "cpu_1"]),
    ]


def test_running_and_waiting_are_blocks_apart_at_their_moments() -> None:
    tape = Tape()
    tape.add(2, RUNNING, 0, SECOND // 4)
    tape.add(2, WAITING, SECOND // 4, SECOND // 2)
    tape.add(2, RUNNING, SECOND // 2, SECOND)
    (row,) = rows(chart(nothing(), tape))
    assert blocks(row.lane) == [
        (Kind.RUNNING, 100, 350),
        (Kind.WAITING, 350, 600),
        (Kind.RUNNING, 600, 1100),
    ]


def test_a_stuck_lane_is_stuck_from_the_moment_of_the_deadlock_to_the_end() -> None:
    report, timeline = crawl(tail=0)
    shown = compose(report, timeline, 100, 1100, ChartLimits())
    (mark,) = shown.marks
    kinds = {}
    for row in rows(shown):
        stuck = [b for b in row.lane.blocks if b.span.kind in (Kind.CORE, Kind.VICTIM)]
        if stuck:
            (block,) = stuck
            assert block.left == pytest.approx(mark.x)
            assert block.right == 1100
            kinds[row.name] = (block.span.kind, row.role)
    core = (Kind.CORE, Role.CORE)
    assert kinds == {
        "MainThread": (Kind.VICTIM, Role.VICTIM),
        **dict.fromkeys(["io_0", "io_1", "io_2", "io_3"], core),
    }


def test_the_moment_of_each_deadlock_is_marked_with_a_line_and_words() -> None:
    report, timeline = crawl()
    root = parsed(render_timeline_svg(report, timeline))
    (line,) = (line for line in root.iter(f"{SVG}line") if line.get("stroke") == LIGHT.core.line)
    (finding,) = report.findings
    words = f"deadlock certain at {finding.certain_since_ns / 1e9:.3f} s"
    assert words in said(root)
    assert line.findtext(f"{SVG}title") == words
    assert line.get("x1") == line.get("x2")


def test_marks_that_are_close_get_their_words_in_rows_below_each_other() -> None:
    report = own_pool()
    (finding,) = report.findings
    twice = replace(report, findings=(finding, finding, finding))
    tape = Tape()
    tape.add(2, RUNNING, 0)
    root = drawn(twice, tape)
    heights = [text.get("y") for text in root.iter(f"{SVG}text")
               if "certain at" in "".join(text.itertext())]  # fmt: skip
    assert len(set(heights)) == 3


def test_a_worker_that_has_ended_stays_with_its_pool() -> None:
    report = nothing()
    worker = next(t for t in report.snapshot.threads.values() if t.pool is not None)
    ended = replace(worker, pool=None, state=ThreadState.ENDED)
    report.snapshot.threads[worker.id] = ended
    tape = Tape()
    tape.add(worker.id, RUNNING, 0, SECOND, pool=1)
    (group,) = chart(report, tape).groups
    assert (group.id, [row.name for row in group.rows]) == ("pool1", ["io_0"])


def test_words_in_a_block_name_the_function_if_there_is_room() -> None:
    tape = Tape()
    tape.add(2, RUNNING, 0, SECOND // 2, name="resize_images")
    tape.add(2, RUNNING, SECOND // 2, SECOND // 2 + 30 * MS, name="a_name_that_is_far_too_long")
    words = said(drawn(nothing(), tape))
    assert "resize_images" in words
    assert not any("far_too" in text for text in words)


def test_tooltips_tell_what_when_and_where() -> None:
    tape = Tape()
    tape.add(2, RUNNING, 250 * MS, 500 * MS)
    titles = {title.text for title in drawn(nothing(), tape).iter(f"{SVG}title")}
    story = "io_0: job #1\nruns 0.250 s to 0.500 s, 0.25 s\nsubmitted at:\n  "
    assert any(text and text.startswith(story) and "app.py:12 in main" in text for text in titles)


def test_where_nothing_was_recorded_the_picture_says_so() -> None:
    assert "Nothing was recorded." in said(drawn(nothing(), Tape()))


# -- queues ----------------------------------------------------------------------------------------


def queue_of(group: Group) -> QueueChart:
    assert group.queue is not None
    return group.queue


def test_the_length_of_a_queue_is_a_step_at_each_change() -> None:
    tape = Tape()
    tape.add(2, RUNNING, 0, SECOND)
    tape.load[PoolId(1)] = [
        Load(SECOND // 4, 3, 0, 0, 1), Load(SECOND // 2, 1, 1, 0, 1), Load(SECOND, 0, 1, 0, 1),
    ]  # fmt: skip
    (group,) = chart(nothing(), tape).groups
    assert queue_of(group) == QueueChart(3, ((350.0, 3), (600.0, 1), (1100.0, 0)))
    assert "at most 3 queued" in group.detail


@given(st.lists(st.tuples(st.integers(0, SECOND), st.integers(0, 99)), min_size=1, max_size=60))
def test_however_fast_a_queue_changes_its_peaks_are_seen(changes: list[tuple[int, int]]) -> None:
    tape = Tape()
    tape.add(2, RUNNING, 0, SECOND)
    changes.sort(key=lambda change: change[0])
    tape.load[PoolId(1)] = [Load(at, queued, 0, 0, 1) for at, queued in changes]
    (group,) = chart(nothing(), tape).groups
    peak = max(queued for _, queued in changes)
    if peak == 0:
        assert group.queue is None
        return
    queue = queue_of(group)
    assert queue.most == max(queued for _, queued in queue.steps) == peak
    places = [x for x, _ in queue.steps]
    assert places == sorted(places)
    assert queue.steps[-1][1] == changes[-1][1]


# -- many ------------------------------------------------------------------------------------------


def test_twenty_thousand_tasks_are_a_few_thousand_elements() -> None:
    svg = render_timeline_svg(*swarm())
    assert len(list(parsed(svg).iter(f"{SVG}rect"))) < 4500
    assert len(svg) < 600_000


@settings(max_examples=40)
@given(
    parts=st.lists(
        st.tuples(st.sampled_from(list(Kind)), st.integers(1, 60 * MS), st.integers(0, 40 * MS)),
        max_size=80,
    ),
    most=st.integers(1, 200),
)
def test_merging_neither_loses_time_nor_makes_it_up(
    parts: list[tuple[Kind, int, int]], most: int
) -> None:
    spans = []
    now = 0
    for kind, length, pause in parts:
        spans.append(Span(kind, now, now + length, None, None, None, open=False))
        now += length + pause
    scale = Scale(0, max(now, 1), 0.0, 1000.0)
    for merged in (lane(spans, scale, most), lane_of_many([spans], scale, most)):
        for kind in Kind:
            exact = sum(scale.x(s.end_ns) - scale.x(s.start_ns) for s in spans if s.kind is kind)
            shown = sum(b.right - b.left for b in merged.blocks if b.span.kind is kind)
            shown += sum(cell.shares[kind] * (cell.right - cell.left) for cell in merged.cells)
            assert shown == pytest.approx(exact, abs=1e-6)
        assert sum(cell.spans for cell in merged.cells) + len(merged.blocks) == len(spans)
        assert all(0 <= c.left < c.right <= 1000 for c in merged.cells)


@given(
    lengths=st.lists(st.integers(1, 30 * MS), min_size=1, max_size=300), most=st.integers(10, 100)
)
def test_a_lane_has_no_more_parts_than_allowed(lengths: list[int], most: int) -> None:
    spans, now = [], 0
    for length in lengths:
        spans.append(Span(Kind.RUNNING, now, now + length, None, None, None, open=False))
        now += 2 * length
    merged = lane(spans, Scale(0, now, 0.0, 1000.0), most)
    assert len(merged.blocks) + len(merged.cells) <= most


def test_more_than_sixty_lanes_are_folded_and_core_and_main_stay() -> None:
    shown = compose(*crowd(300), 100, 1100, ChartLimits())
    names = [row.name for row in rows(shown)]
    assert names[:3] == ["MainThread", "crowd_0", "crowd_1"]
    assert names[-1] == "× 286 more workers"
    assert len(names) == 3 + ChartLimits().victims + 1
    folded = rows(shown)[-1]
    assert folded.role is Role.VICTIM
    assert folded.lane.cells[-1].shares[Kind.VICTIM] == pytest.approx(1.0)


def test_of_many_threads_the_busiest_get_lanes() -> None:
    report = own_pool(workers=70)
    calm = replace(report, findings=())
    tape = Tape()
    for number in range(2, 72):
        tape.add(number, RUNNING, 0, number * MS)
    names = [row.name for row in rows(chart(calm, tape, ChartLimits(lanes=5)))]
    assert names == ["io_65", "io_66", "io_67", "io_68", "io_69", "× 65 more workers"]


# -- the axis --------------------------------------------------------------------------------------


@given(
    start=st.integers(0, 10**15),
    eventful=st.integers(0, 10**15),
    tail=st.integers(0, 10**16),
    apart=st.integers(40, 200),
)
def test_ticks_are_round_in_order_apart_and_told_apart(
    start: int, eventful: int, tail: int, apart: int
) -> None:
    scale = Scale.of(start, start + eventful, start + eventful + tail, 100.0, 1100.0)
    ticks = list(scale.ticks(apart))
    places = [scale.x(moment) for moment, _ in ticks]
    assert all(100 <= x <= scale.break_x + 1e-6 for x in places)
    assert all(b - a >= apart - 1e-6 for a, b in pairwise(places))
    labels = [label for _, label in ticks]
    assert len(set(labels)) == len(labels)


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.integers(0, 10**10))
def test_time_never_runs_backwards_on_the_axis(start: int, eventful: int, tail: int) -> None:
    scale = Scale.of(start, start + eventful, start + eventful + tail, 0.0, 1000.0)
    moments = sorted({start + part * (eventful + tail + 1) // 50 for part in range(51)})
    places = [scale.x(moment) for moment in moments]
    assert places == sorted(places)
    assert places[0] == 0.0
    assert scale.x(scale.end_ns) == pytest.approx(1000.0)


@given(st.integers(1, 10**18))
def test_a_round_step_is_not_shorter_and_at_most_a_few_times_longer(length: int) -> None:
    assert length <= round_step(length) <= max(2.5 * length, 1) or length > 43_200 * SECOND


def test_a_long_tail_without_a_change_is_shortened_behind_a_break() -> None:
    report, timeline = crawl(tail=60_000_000)
    shown = compose(report, timeline, 100, 1100, ChartLimits())
    assert shown.scale.break_ns is not None
    assert shown.scale.break_x == 860
    (mark,) = shown.marks
    assert 700 < mark.x < 860, "what happened has most of the room"
    assert any("without a change" in text for text in
               said(parsed(render_timeline_svg(report, timeline))))  # fmt: skip


def test_a_short_tail_is_drawn_as_it_was() -> None:
    shown = compose(*crawl(tail=20_000), 100, 1100, ChartLimits())
    assert shown.scale.break_ns is None


# -- any run ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", RUNS)
def test_a_timeline_is_xml_in_the_colours_that_turn_dark(name: str) -> None:
    report, timeline = RUNS[name]()
    svg = render_timeline_svg(report, timeline)
    root = parsed(svg)
    assert root.findtext(f"{SVG}title") == "timeline of app.py"
    names = {"url(#waiting)", "url(#core)", "url(#victim)", "none"}
    for element in root.iter():
        for what in ("fill", "stroke"):
            colour = element.get(what, "none")
            assert colour in names or f'[{what}="{colour}"]' in adaptive_css()
    used = set(re.findall(r"url\(#(\w+)\)", svg))
    assert used <= {pattern.get("id") for pattern in root.iter(f"{SVG}pattern")}


@pytest.mark.parametrize("name", RUNS)
def test_nothing_is_drawn_beyond_the_card(name: str) -> None:
    root = parsed(render_timeline_svg(*RUNS[name](), TimelineOptions(width=900)))
    height = float(root.get("height", ""))
    assert root.get("width") == "900"
    for rect in root.iter(f"{SVG}rect"):
        if "x" in rect.keys():  # noqa: SIM118  # an element is no dictionary
            x, y = float(rect.get("x", "")), float(rect.get("y", ""))
            assert x >= 0
            assert x + float(rect.get("width", "")) <= 900
            assert y + float(rect.get("height", "")) <= height


def test_the_same_run_gives_the_same_text() -> None:
    assert render_timeline_svg(*crawl()) == render_timeline_svg(*crawl())


@settings(max_examples=60, deadline=None)
@given(HOSTILE)
def test_no_name_breaks_out_of_its_place_whatever_it_holds(name: str) -> None:
    report = own_pool(workers=2)
    threads = report.snapshot.threads
    for number, thread in threads.items():
        threads[number] = replace(thread, name=name)
    pool = PoolId(1)
    report.snapshot.pools[pool] = replace(report.snapshot.pools[pool], name=name, kind=name)
    report = replace(report, trace=name, header=replace(report.header, program=name))
    tape = Tape()
    tape.add(2, RUNNING, 0, SECOND // 2, name=name)
    tape.add(2, WAITING, SECOND // 2, name=name)
    tape.add(3, WAITING, 0, SECOND, name=name)
    root = drawn(report, tape)
    ids = [group.get("id") for group in root.iter(f"{SVG}g") if group.get("id")]
    assert ids == ["threads", "thread1", "pool1", "thread2", "thread3"]
    assert {element.tag.removeprefix(SVG) for element in root.iter()} == {
        *("svg", "title", "style", "defs", "pattern", "rect", "path", "text", "g", "line"),
        *(("polygon", "polyline") if chart(report, tape).scale.break_ns else ()),
    }


def test_a_pool_of_processes_has_no_workers_here_and_the_picture_says_what_it_has() -> None:
    run = tpanalyze.load(ROOT / "traces" / "process_pool" / "trace.jsonl")
    shown = compose(run.report, run.timeline, 100, 1100, ChartLimits())
    assert [(group.title, group.detail) for group in shown.groups] == [
        ("Threads", ""),
        ("ProcessPoolExecutor", "1 other process · at most 1 queued"),
    ]


@pytest.mark.parametrize("sample", ["default_executor", "done_callback", "loop_and_pool"])
def test_no_moment_on_the_axis_is_crossed_out_by_a_mark(sample: str) -> None:
    run = tpanalyze.load(ROOT / "traces" / sample / "trace.jsonl")
    root = parsed(render_timeline_svg(run.report, run.timeline))
    (mark,) = [
        float(line.get("x1", ""))
        for line in root.iter(f"{SVG}line")
        if line.get("stroke-dasharray")
    ]
    moments = [
        text for text in root.iter(f"{SVG}text") if re.fullmatch(r"[0-9.]+ m?s", text.text or "")
    ]
    assert len(moments) >= 3
    for text in moments:
        half = text_width(text.text or "", 11) / 2
        assert abs(float(text.get("x", "")) - mark) > half
