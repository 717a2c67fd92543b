"""The story: what the threads and tasks of a core did, and where it became certain."""

from __future__ import annotations

from pathlib import Path

import pytest

import tpanalyze
from tests.recorded import ROOT
from tpanalyze.cli import run as cli
from tpanalyze.deed_words import DeedWords
from tpanalyze.deeds import Deed, Deeds
from tpanalyze.model import TaskId, ThreadId
from tpanalyze.story import Story, told
from tprecord import schema

TRACE = ROOT / "traces/pool_starvation/trace.jsonl"


def story_of(path: Path) -> tuple[tpanalyze.Run, Story]:
    run = tpanalyze.load(path, deeds=True)
    assert run.deeds is not None
    return run, Story(run.report, run.deeds, run.timeline.state)


def test_a_story_tells_submit_start_and_wait_in_order_and_when_it_became_certain() -> None:
    run, story = story_of(TRACE)
    text = "\n".join(told(run.report, story))
    steps = [
        "the main thread submits task 1 (load_book) to pool",
        "_0 starts task 1 (load_book)",
        "the main thread begins to wait in Future.result at program.py:31",
        "_0 submits task 2 (load_page) to pool",
        "_0 begins to wait in Future.result at program.py:25 in load_book for task 2 (load_page)",
        "== from here on it can never end ==",
    ]
    places = [text.index(step) for step in steps]
    assert places == sorted(places)


def test_each_thread_and_task_has_its_own_story() -> None:
    _, story = story_of(TRACE)
    worker, task = "worker ThreadPoolExecutor-0_0", "task 2 (load_page)"
    assert [line.words for line in story.of_task(TaskId(2))] == [
        f"{worker} submits {task} to pool ThreadPoolExecutor-0 at program.py:23 in load_book",
        f"{worker} begins to wait in Future.result at program.py:25 in load_book for {task}",
    ]
    assert story.of_thread(ThreadId(2))[-1].words.startswith("begins to wait in Future.result")
    assert story.of_thread(ThreadId(999)) == [] and story.of_task(TaskId(999)) == []


def test_a_long_story_begins_with_how_much_is_left_out() -> None:
    run, story = story_of(TRACE)
    (finding,) = run.report.findings
    chapter = story.of_finding(finding, 2)
    assert len(chapter.lines) == 2
    assert chapter.earlier == len(story.of_finding(finding, 1000).lines) - 2


def test_deeds_stop_at_the_moment_asked_about() -> None:
    deeds = Deeds(1000, at_ns=5000)
    deeds.feed([[1, 3, 1, 7], {"thread": 2}, [2, 2, 1, 7], [3, 1, 1, 7]])
    assert [(deed.ticks, deed.kind, deed.fields[0]) for deed in deeds] == [(3, 1, 7), (5, 2, 7)]


def test_there_are_words_for_every_event_of_the_format() -> None:
    run, _ = story_of(TRACE)
    words = DeedWords(run.report.snapshot, run.timeline.state, lambda _: "")
    for event in schema.EVENTS:
        said = words.what(
            Deed(
                0,
                event.number,
                1,
                (1,) * 6 if event.number == schema.WAIT else (1,) * max(1, len(event.fields)),
            )
        )
        assert said.split()[0].isalpha() and "does something" not in said, event.name


def test_the_command_tells_it_on_standard_output(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert cli([str(TRACE), "--story"]) == 1
    assert b"== from here on it can never end ==" in capfdbinary.readouterr().out


def test_a_task_that_goes_to_another_process_is_started_by_nobody_here() -> None:
    run, story = story_of(ROOT / "traces" / "process_pool" / "trace.jsonl")
    (task,) = run.report.snapshot.tasks
    submitted, left, _ = [line.words for line in story.of_task(task)]
    assert submitted.startswith("the main thread submits task 1 (read_page) to process pool")
    assert left == "the recorder sees task 1 (read_page) leave its queue for another process"
