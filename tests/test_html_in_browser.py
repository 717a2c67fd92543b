"""The page in a real browser: it draws, answers, and asks nobody for anything."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import tpanalyze
from tests.browser import Browser, browser, needs_browser
from tests.recorded import ROOT
from tests.test_html import page_of
from tests.timeline_samples import crawl
from tpanalyze.analysis import Analysis, Run
from tpanalyze.deeds import Deeds

pytestmark = needs_browser

CHART = "document.getElementById('chart').dataset"
PANEL = "document.getElementById('panel')"


@pytest.fixture(scope="module")
def tab() -> Iterator[Browser]:
    with browser() as opened:
        opened.size(1300, 1000)
        yield opened


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pages")


def opened(tab: Browser, place: Path, sample: str) -> None:
    run = tpanalyze.load(ROOT / "traces" / sample / "trace.jsonl", deeds=True)
    page = place / f"{sample}.html"
    page.write_text(page_of(run), encoding="utf-8")
    tab.open(page)


@pytest.mark.parametrize(
    "sample", sorted(program.parent.name for program in (ROOT / "traces").glob("*/program.py"))
)
def test_every_sample_opens_without_a_complaint_and_without_a_request(
    sample: str, tab: Browser, place: Path
) -> None:
    opened(tab, place, sample)
    assert tab.complaints == []
    assert tab.requests == [(place / f"{sample}.html").as_uri()]
    assert int(tab.value(f"{CHART}.parts")) > 0
    badge = "document.querySelector('.badge').getBoundingClientRect().bottom"
    graph = "document.querySelector('#graph svg').getBoundingClientRect().top"
    assert tab.value(badge) < 200 and tab.value(graph) < 500, "both in the first screenful"


def test_a_click_on_a_worker_or_a_queued_task_shows_its_places_and_story(
    tab: Browser, place: Path
) -> None:
    opened(tab, place, "pool_starvation")
    tab.click_on("#thread1")
    said = tab.value(f"{PANEL}.innerText")
    assert "the main thread" in said and "program.py:31" in said
    assert "submits task 1 (load_book)" in said
    tab.click_on("#task2")
    said = tab.value(f"{PANEL}.innerText")
    assert "load_page #2" in said and "program.py:23" in said
    tab.click_on("#panel a[data-about=thread2]")
    assert tab.value(f"{PANEL}.dataset.shows") == "thread2"


def test_the_keyboard_reaches_the_graph_and_the_timeline(tab: Browser, place: Path) -> None:
    opened(tab, place, "pool_starvation")
    tab.value("document.getElementById('thread1').focus()")
    tab.press("Enter")
    assert tab.value(f"{PANEL}.dataset.shows") == "thread1"
    tab.value("document.getElementById('lanes').focus()")
    before = view(tab)
    tab.press("+")
    tab.until(f"Number({CHART}.to) - Number({CHART}.from) < {0.6 * (before[1] - before[0])}")


def view(tab: Browser) -> tuple[float, float]:
    first, last = tab.value(f"[Number({CHART}.from), Number({CHART}.to)]")
    return first, last


def test_the_timeline_zooms_moves_and_tells_what_is_under_the_mouse(
    tab: Browser, place: Path
) -> None:
    opened(tab, place, "crowd")
    first, last = view(tab)
    tab.click_on("[data-do=in]")
    tab.until(f"Number({CHART}.to) - Number({CHART}.from) < {0.6 * (last - first)}")
    narrow = view(tab)
    tab.click_on("[data-do=right]")
    tab.until(f"Number({CHART}.from) > {narrow[0]}")
    tab.click_on("[data-do=all]")
    tab.until(f"Number({CHART}.from) === 0 && Number({CHART}.to) > {last}")
    tab.value("document.getElementById('chart').scrollIntoView({behavior: 'instant'})")
    left, top, width = tab.value(
        "(() => { const r = document.getElementById('chart').getBoundingClientRect();"
        " return [r.left, r.top, r.width]; })()"
    )
    tab.hover(left + 0.8 * width, top + 80)
    tip = tab.value("document.getElementById('tip').innerText")
    assert "is stuck in the core" in tip and "at program.py:" in tip


def test_the_table_sorts_by_number_and_by_name(tab: Browser, place: Path) -> None:
    opened(tab, place, "crowd")
    names = "[...document.querySelectorAll('#table tbody tr')].map((r) => r.cells[0].innerText)"
    tasks = (
        "[...document.querySelectorAll('#table tbody tr')].map((r) => +r.cells[2].dataset.value)"
    )
    tab.click_on("#table th:nth-child(3) button")
    assert tab.value(tasks) == sorted(tab.value(tasks), reverse=True)
    tab.click_on("#table th:nth-child(3) button")
    assert tab.value(tasks) == sorted(tab.value(tasks))
    tab.click_on("#table th:nth-child(1) button")
    assert tab.value(names) == sorted(tab.value(names))
    assert tab.value("document.querySelector('#table th').getAttribute('aria-sort')") == "ascending"


def test_a_hundred_thousand_intervals_move_without_stutter(tab: Browser, place: Path) -> None:
    report, timeline = crawl(pages=40_000, workers=12)
    run = Run(Analysis.of(report), timeline, Deeds(1000))
    page = place / "large.html"
    page.write_text(page_of(run), encoding="utf-8")
    assert page.stat().st_size < 5_000_000
    tab.open(page)
    assert tab.value("JSON.parse(document.getElementById('data').textContent).timeline.rows") > 1e5
    spent = []
    for what in ("all", "in", "in", "right", "left", "out", "busy"):
        before = tab.value(f"{CHART}.drawn")
        tab.click_on(f"[data-do={what}]")
        tab.until(f"{CHART}.drawn !== '{before}'")
        spent.append(float(tab.value(f"{CHART}.ms")))
        assert int(tab.value(f"{CHART}.parts")) < 12_000, "bars for pixels, not for intervals"
    assert sorted(spent)[len(spent) // 2] < 50, spent


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_nothing_is_wider_than_a_phone_and_every_text_can_be_told_from_its_ground(
    dark: bool, tab: Browser, place: Path
) -> None:
    tab.size(390, 844, dark=dark)
    try:
        opened(tab, place, "pool_starvation_with")
        assert tab.value("document.documentElement.scrollWidth") <= 390
        drawn = "document.querySelector('#graph svg')"
        own = tab.value(f"Number({drawn}.getAttribute('width'))")
        assert tab.value(f"{drawn}.getBoundingClientRect().width") >= 0.8 * own, "legible"
        ground = tab.value("getComputedStyle(document.documentElement).backgroundColor")
        assert ground == ("rgb(13, 17, 23)" if dark else "rgb(255, 255, 255)")
        assert tab.value(CONTRAST) >= 4.5
    finally:
        tab.size(1300, 1000)


CONTRAST = """(() => {
  const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = (colour) => {
    const [r, g, b] = parts(colour).slice(0, 3).map((c) => {
      c /= 255;
      return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (e) => {
    for (; e; e = e.parentElement) {
      const colour = getComputedStyle(e).backgroundColor;
      if (parts(colour).length < 4 || parts(colour)[3] > 0) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  let least = 21;
  for (const e of document.querySelectorAll("body *:not(svg *):not(script):not(.skip)")) {
    if (![...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim())) continue;
    const a = light(getComputedStyle(e).color), b = light(ground(e));
    least = Math.min(least, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05));
  }
  return least;
})()"""


def test_it_prints_with_the_timeline_and_without_buttons(tab: Browser, place: Path) -> None:
    opened(tab, place, "pool_starvation")
    sheet = tab.printed()
    assert sheet.startswith(b"%PDF") and len(sheet) > 20_000


def test_no_heading_of_the_printed_table_breaks_within_a_word(tab: Browser, place: Path) -> None:
    opened(tab, place, "threadpool_apply")
    tab.size(720, 1000)
    tab.call("Emulation.setEmulatedMedia", media="print")
    try:
        lines = tab.value(
            "[...document.querySelectorAll('#table thead button')].map((e) => {"
            " const range = document.createRange(); range.selectNodeContents(e);"
            " return [e.textContent, range.getClientRects().length]; })"
        )
    finally:
        tab.call("Emulation.setEmulatedMedia", media="")
    assert len(lines) == 11
    for heading, count in lines:
        assert count <= len(heading.split()), heading
