"""The report as text: what a developer reads who has never seen the tool."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace

import pytest
from hypothesis import given, strategies as st

from tests import snapshots
from tests.snapshots import HEADER, QUALITY, Builder, function, site
from tpanalyze.describe import basename, duration, listing
from tpanalyze.escape import terminal
from tpanalyze.findings import Report
from tpanalyze.model import Quality, QualityGrade, Remark, Snapshot
from tpanalyze.render.text import TextOptions, render_text
from tpanalyze.render.text_page import TextPage
from tpanalyze.verdict import analyse


def report(snapshot: Snapshot, quality: Quality = QUALITY) -> Report:
    return analyse(snapshot, HEADER, quality, "app.4711.jsonl")


def text(snapshot: Snapshot, options: TextOptions | None = None) -> str:
    return render_text(report(snapshot), options)


STARVED = """\
DEADLOCK  pool-starvation, certain since 0.006 s, when task 1 (outer) began to wait: for 1.00 s

  The only worker of pool ThreadPoolExecutor-0 runs task 1 (outer), which waits for task 2 (inner),
  which is queued in that same pool: no worker will ever be free to start it.

Why it can never end
  1. Worker ThreadPoolExecutor-0_0 runs task 1 (outer), which waits in Future.result (app.py:13 in
     outer), without a timeout, for task 2 (inner).
  2. Task 2 (inner), submitted at app.py:12 in outer, is queued 1st in pool ThreadPoolExecutor-0 and
     finishes only if a worker starts it.
  3. Pool ThreadPoolExecutor-0 has one worker, and it is blocked; it may not have more.
  4. So it waits for something that can happen only after its wait has ended: never.
  5. The main thread waits in Future.result (app.py:31 in main), without a timeout, for task 1
     (outer), and so hangs as well.

Who waits for what
  - Worker ThreadPoolExecutor-0_0 runs task 1 (outer), stuck for 1.00 s in Future.result
      waits at      /app/app.py:13 in outer
      waits for     task 2 (inner), queued 1st in pool ThreadPoolExecutor-0
  - Task 2 (inner) is queued 1st in pool ThreadPoolExecutor-0, for 1.00 s
      submitted at  /app/app.py:12 in outer
      needs         a worker of pool ThreadPoolExecutor-0, held by worker ThreadPoolExecutor-0_0 at
                    app.py:13 in outer

Stuck behind it: one victim
  - The main thread waits in Future.result at app.py:31 in main for task 1 (outer): 1.00 s

Pools
  - Pool ThreadPoolExecutor-0 (ThreadPoolExecutor): 1 of at most 1 workers, 1 blocked, 1 queued

What to change
"""


def test_a_starvation_reads_from_the_verdict_to_the_advice() -> None:
    assert text(snapshots.starved_pool()).startswith(STARVED)


def test_the_report_ends_with_the_trace_it_was_made_from() -> None:
    assert text(snapshots.starved_pool()).endswith(
        "The trace\n"
        "  - app.4711.jsonl: app.py, process 4711, CPython 3.13.0 on Linux x86_64\n"
        "  - 100 events up to 1.007 s; no end record: the process was killed, or still runs\n"
    )


def test_a_place_shows_the_callers_of_the_app_and_not_the_standard_library() -> None:
    b = Builder()
    own, worker = b.run(b.pool(1), "narcissus")
    b.wait(worker, own, at=site("narcissus", 9, ("helper", 20), ("outer", 30)))
    shown = text(b.snapshot())
    assert (
        "      waits at      /app/app.py:9 in narcissus\n"
        "        called from /app/app.py:20 in helper\n"
        "        called from /app/app.py:30 in outer\n"
    ) in shown
    assert "_base.py" not in shown


def test_the_depth_of_the_stacks_can_be_chosen() -> None:
    b = Builder()
    own, worker = b.run(b.pool(1), "narcissus")
    b.wait(worker, own, at=site("narcissus", 9, ("helper", 20), ("outer", 30)))
    assert "helper" not in text(b.snapshot(), TextOptions(stack_depth=1))


def test_main_at_interpreter_exit_is_said_to_have_finished_its_work() -> None:
    b = Builder()
    own, worker = b.run(b.pool(1), "narcissus")
    b.wait(worker, own)
    b.exit()
    assert (
        "  - The main thread has finished its work; at interpreter exit it waits for every worker "
        "of pool\n"
    ) in text(b.snapshot())


def test_no_deadlock_tells_what_waits_all_the_same() -> None:
    assert text(snapshots.busy()).startswith(
        "NO DEADLOCK  last event at 0.506 s\n"
        "\n"
        "  One thread waits, and its wait may still end.\n"
        "\n"
        "  - The main thread waits in wait(ALL_COMPLETED) at app.py:201 in main for all of task 1"
    )


def test_a_moment_that_was_asked_for_is_not_called_the_last_event() -> None:
    now = snapshots.busy().time_ns
    assert text(snapshots.busy(), TextOptions(at_ns=now)).startswith("NO DEADLOCK  at 0.506 s\n")
    beyond = text(snapshots.busy(), TextOptions(at_ns=now + 1))
    assert beyond.startswith("NO DEADLOCK  last event at 0.506 s\n")


def test_no_deadlock_of_a_program_that_does_not_wait() -> None:
    shown = text(Builder().snapshot())
    assert "  No thread waits for a future, or for workers to end.\n" in shown


def test_several_findings_are_listed_before_they_are_told() -> None:
    b = Builder()
    p = b.pool(9)
    for name in ("echo", "narcissus"):
        own, worker = b.run(p, name)
        b.wait(worker, own)
    shown = text(b.snapshot())
    assert shown.startswith(
        "Two independent findings\n"
        "\n"
        "  1. Task 1 (echo) waits for its own result, which is there only after it has returned. "
        "[self-wait]\n"
        "  2. Task 2 (narcissus) waits"
    )
    assert "\n1. DEADLOCK  self-wait" in shown
    assert "\n2. DEADLOCK  self-wait" in shown


def crowd(victims: int) -> Snapshot:
    b = Builder()
    p = b.pool(1)
    outer, worker = b.run(p, "outer")
    b.wait(worker, b.submit(p, "inner", by=worker), at=site("outer", 13))
    for _ in range(victims - 1):
        b.submit(p, "work", at=site("main", 30))
    b.wait(b.main, outer)
    return b.snapshot()


def test_forty_victims_are_told_one_by_one() -> None:
    shown = text(crowd(40))
    assert "Stuck behind it: 40 victims" in shown
    assert shown.count("submitted at app.py:30 in main") == 39


def test_more_than_forty_victims_are_folded_by_what_they_do() -> None:
    shown = text(crowd(1_000))
    assert "Stuck behind it: 1000 victims" in shown
    assert shown.count("submitted at app.py:30 in main") == 1
    assert re.search("; 998 more do the same", " ".join(shown.split()))
    assert len(shown.splitlines()) < 60


def test_members_of_a_core_that_do_the_same_are_folded() -> None:
    shown = text(snapshots.starved_pool(100))
    assert "  - 97 more threads do the same\n" in shown
    assert "  - 97 more tasks do the same\n" in shown
    assert len(shown.splitlines()) < 90


def test_what_is_missing_from_the_trace_is_told() -> None:
    remark = Remark(QualityGrade.LOSS, "torn-line", "the last line is torn", 17)
    quality = Quality(100, "stop", dropped=3, remarks=(remark,))
    shown = render_text(report(snapshots.starved_pool(), quality))
    assert "up to 1.007 s; the recording was stopped\n" in shown
    assert "  - the recorder lost three events\n" in shown
    assert "  - line 17: something is missing: the last line is torn [torn-line]\n" in shown
    assert "What this takes for granted\n" in shown


@pytest.mark.parametrize("width", [60, 80, 100])
def test_lines_keep_to_the_width(width: int) -> None:
    for snapshot in (snapshots.starved_pool(5), snapshots.exit_hang(), snapshots.busy()):
        for line in text(snapshot, TextOptions(width=width)).splitlines():
            assert len(line) <= width or line.strip().count(" ") <= 3, line


def test_colour_adds_nothing_but_escape_sequences() -> None:
    for snapshot in (snapshots.starved_pool(5), snapshots.exit_hang(), snapshots.busy()):
        coloured = text(snapshot, TextOptions(color=True))
        assert "\x1b[1;3" in coloured
        assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == text(snapshot)


def test_without_colour_there_is_no_escape_sequence() -> None:
    assert "\x1b" not in text(snapshots.starved_pool())


# -- names may hold anything -----------------------------------------------------------------------


def named(name: str) -> Snapshot:
    """Return a self-wait in which everything has this name."""
    b = Builder()
    p = b.pool(1, name)
    own, worker = b.run(p, name)
    b.wait(worker, own, at=site(name, 9, file=name))
    b.threads[worker] = replace(b.threads[worker], name=name)
    b.tasks[own] = replace(b.tasks[own], function=function(name, file=name))
    return b.snapshot()


def test_a_name_cannot_send_escape_sequences_to_the_terminal() -> None:
    shown = text(named("\x1b]0;owned\x07\x1b[2J"))
    assert "\x1b" not in shown
    assert r"\x1b]0;owned\x07\x1b[2J" in shown


def test_a_name_cannot_forge_a_line_of_the_report() -> None:
    assert "\nNO DEADLOCK" not in text(named("x\nNO DEADLOCK\r\u2028\x85"))


@given(st.text(min_size=1))
def test_no_name_brings_control_characters_into_the_report(name: str) -> None:
    shown = render_text(report(named(name)), TextOptions(color=False))
    for character in shown.replace("\n", ""):
        assert unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Zl", "Zp"}, name
    shown.encode()


@given(st.text())
def test_escaped_text_is_escaped_once(raw: str) -> None:
    assert terminal(terminal(raw)) == terminal(raw)


def test_the_base_of_a_path_of_any_system() -> None:
    assert [basename(p) for p in ("/a/b.py", r"C:\a\b.py", "b.py")] == ["b.py"] * 3


@pytest.mark.parametrize(
    ("time_ns", "words"),
    [(0, "0 µs"), (999, "1 µs"), (5_000_000, "5 ms"), (119_000_000_000, "119.00 s")],
)
def test_a_length_of_time_has_a_unit_that_fits(time_ns: int, words: str) -> None:
    assert duration(time_ns) == words


@given(st.lists(st.sampled_from("abc"), max_size=9), st.integers(2, 5))
def test_a_listing_counts_what_it_leaves_out(words: list[str], limit: int) -> None:
    told = listing(words, limit)
    left_out = re.search(r"(\d+) more$", told)
    shown = [w for w in re.split(r", | and ", told) if w in ("a", "b", "c")]
    assert len(shown) + (int(left_out[1]) if left_out else 0) == len(words)


def test_no_line_ends_between_a_number_and_its_unit() -> None:
    page = TextPage(width=30, color=False)
    for count in range(12, 40):
        text = " ".join(["word" * (count // 4), "x" * (count % 4 + 1), "waits for 3.12 s in all"])
        assert not any(line.rstrip().endswith("3.12") for line in page.paragraph(text))
    assert page.paragraph("a 3.12 s\ue000") == ["  a 3.12 s\\ue000"]
