"""Who is there when the recorder looks: a thread that ends, and one that has yet to begin."""

from __future__ import annotations

import threading
from _thread import start_new_thread
from pathlib import Path

import pytest

import tpanalyze
from tests.recorded import hanging, read, until
from tests.test_writer import Parts
from tpanalyze.findings import Verdict
from tprecord import compat, writer as writer_module
from tprecord.schema import CENSUS

ENDING = """
import threading, time
from concurrent.futures import Future
from tprecord import recording, writer as module
writer, hold = recording._active[0]._writer, threading.Lock()
space = {"said": writer.threads, "hold": hold}
exec(compile('''
def threads(change):
    said(change)
    if change < 0:
        hold.acquire()
''', module.__file__, "exec"), space)  # a step of the recorder's own, that takes for ever
hold.acquire()
writer.threads = space["threads"]
threading.Thread(target=int).start()
while writer._threads:
    time.sleep(0.001)
def forever():
    Future().result()
forever()
"""


def test_a_thread_that_has_said_it_ends_is_nobody_who_could_end_a_wait(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(ENDING)
    with hanging(tmp_path, "app.py") as (process, path):
        until(lambda: bool(read(path).of("census")), "the look is written")
        assert process.poll() is None
        trace, report = read(path), tpanalyze.analyze(path)
    assert len(trace.definitions["thread"]) == 2
    (finding,) = report.findings
    assert (finding.verdict, finding.kind) == (Verdict.DEADLOCK, "abandoned-promise")
    (party,) = finding.core
    (edge,) = party.edges
    assert edge.wait_site is not None
    assert edge.wait_site.frames[0].function.name == "forever"


@pytest.fixture
def parts(tmp_path: Path) -> Parts:
    return Parts(tmp_path / "trace.jsonl")


@pytest.fixture
def alone(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> Parts:
    """Return a recorder's parts, for which the system knows the calling thread alone."""
    me = threading.get_native_id()
    monkeypatch.setattr(compat, "threads_of_the_process", lambda: {me})
    monkeypatch.setattr("sys._current_frames", dict)
    return parts


def looks(parts: Parts) -> list[int]:
    """Return the kinds of event that a look appends."""
    parts.look.take(None)
    parts.writer.flush()
    return [row[0] for row in parts.rows() if isinstance(row, list)]


def test_one_thread_is_all(alone: Parts) -> None:
    assert looks(alone) == [CENSUS]


def test_a_thread_of_which_the_system_alone_still_knows_is_not_there(
    alone: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    me = threading.get_native_id()
    thread = threading.Thread(target=alone.names.gone)
    thread.start()
    thread.join()
    assert thread.native_id is not None
    threads = {me, thread.native_id}
    monkeypatch.setattr(compat, "threads_of_the_process", threads.copy)
    assert looks(alone) == [CENSUS]


@pytest.mark.parametrize(
    ("began", "counted"),
    [(3999, [CENSUS]), (4001, []), pytest.param(0, [], id="not told")],
)
def test_a_new_thread_with_the_system_s_number_of_an_old_one_is_there(
    alone: Parts, monkeypatch: pytest.MonkeyPatch, began: int, counted: list[int]
) -> None:
    me, other = threading.get_native_id(), 1
    alone.names.ended[12345] = other, 4000
    monkeypatch.setattr(compat, "threads_of_the_process", {me, other}.copy)
    monkeypatch.setattr(compat, "began", {other: began}.get)
    assert looks(alone) == counted


def test_the_thread_that_looks_may_be_the_one_that_ends(
    alone: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compat, "began", lambda _: 0)  # where the system does not tell
    alone.names.gone()
    assert looks(alone) == [CENSUS]


def test_a_thread_began_before_now_where_the_system_tells() -> None:
    began = compat.began(threading.get_native_id())
    assert began is None or 0 < began <= compat.ticks_since_boot()


def test_an_ident_that_is_used_again_is_a_new_thread_s(parts: Parts) -> None:
    """A look at a thread of C code that got the ident of one which has ended numbers it."""
    up, go_on, ident = threading.Event(), threading.Event(), []

    def other() -> None:
        ident.append(threading.get_ident())
        parts.names.ended[ident[0]] = threading.get_native_id(), compat.ticks_since_boot()
        up.set()
        go_on.wait(60)

    thread = threading.Thread(target=other)
    thread.start()
    up.wait(60)
    try:
        parts.look.take(None)
        assert ident[0] in parts.names.idents
        assert ident[0] not in parts.names.ended
    finally:
        go_on.set()
        thread.join()


def test_a_thread_that_has_yet_to_begin_is_not_numbered_and_nothing_is_claimed(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    up, go_on, over = threading.Lock(), threading.Lock(), threading.Lock()
    for lock in (up, go_on, over):
        lock.acquire()

    def _bootstrap_inner(_: threading.Thread) -> None:
        up.release()
        go_on.acquire()
        over.release()

    _bootstrap_inner.__code__ = _bootstrap_inner.__code__.replace(
        co_filename=writer_module.__file__  # as if it were in one of our callbacks
    )
    monkeypatch.setattr(threading.Thread, "_bootstrap_inner", _bootstrap_inner)
    parts.look.take(None)  # who is there besides: a worker of the tests has a thread of its own
    before = len(parts.names.idents)
    start_new_thread(threading.Thread(target=int)._bootstrap, ())  # type: ignore[attr-defined]
    assert up.acquire(timeout=60)
    try:
        assert CENSUS not in looks(parts)
        assert len(parts.names.idents) == before
    finally:
        go_on.release()
        assert over.acquire(timeout=60)
