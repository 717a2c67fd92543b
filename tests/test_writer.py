"""The writer's own thread, and how a trace ends."""

from __future__ import annotations

import gzip
import sys
import threading
import time
import traceback
from pathlib import Path

import orjson
import pytest

from tests.recorded import PATIENCE_S, until
from tprecord.buffer import Buffer
from tprecord.look import Look
from tprecord.names import Names
from tprecord.schema import BEAT, GONE, STACK
from tprecord.sink import LateSink, Sink
from tprecord.writer import Writer


class Parts:
    """A writer with what it needs, and no recording around it."""

    def __init__(self, path: Path, *, packed: bool = False) -> None:
        self.path, self.complaints = path, list[str]()
        self.buffer = Buffer(time.perf_counter_ns())
        self.names = Names(self.buffer, depth=4)
        self.look = Look(self.buffer, self.names)
        self.sink = Sink(str(path), new=False, packed=packed)
        self.writer = Writer(
            self.buffer, self.sink, look=self.look, complain=self.complaints.append
        )

    def rows(self) -> list[object]:
        return [orjson.loads(line) for line in self.path.read_bytes().splitlines()]


@pytest.fixture
def parts(tmp_path: Path) -> Parts:
    return Parts(tmp_path / "trace.jsonl")


def test_there_is_one_ticker_at_a_time(parts: Parts) -> None:
    writer = parts.writer
    with writer._ticking:  # one is at it
        writer._ticker = 42
        other = threading.Thread(target=writer._tick)
        other.start()
        other.join(10)
        assert not other.is_alive()
        assert writer._ticker == 42


def test_a_ticker_that_goes_looks_again_for_who_saw_it_at_work(parts: Parts) -> None:
    writer, buffer = parts.writer, parts.buffer
    rounds = []

    def tick_on() -> None:
        rounds.append(1)
        if len(rounds) == 1:  # it has decided to go, and does not see this any more
            buffer.tell = None
            buffer.add(GONE, 1)
        else:
            writer._flush_here()

    writer._tick_on = tick_on  # type: ignore[method-assign]
    writer._tick()
    assert rounds == [1, 1]
    assert not buffer and buffer.tell is not None
    assert writer._ticker == 0 and not writer._ticking.locked()


def test_events_after_quiet_times_are_written_each_time(parts: Parts) -> None:
    writer, buffer = parts.writer, parts.buffer
    writer.threads(+1)
    for _ in range(20):
        buffer.add(GONE, 7)
        until(lambda: not buffer, "the ticker has written it")
    until(lambda: not writer._ticking.locked(), "the ticker has gone")
    writer.close("stop")
    assert sum(row[0] == GONE for row in parts.rows() if isinstance(row, list)) == 20


def test_our_own_thread_is_none_of_the_program_s(parts: Parts) -> None:
    writer, buffer = parts.writer, parts.buffer
    writer.threads(+1)
    waiting, go_on = threading.Event(), threading.Event()
    looked = threading.Event()

    def wait() -> None:
        waiting.set()
        go_on.wait()

    there: list[str] = []
    thread = threading.Thread(target=wait, name="theirs")
    thread.start()
    waiting.wait()
    writer._waiting.add(7)
    taken = parts.look.take

    def take(here: None) -> None:
        known = {thread.ident: thread.name for thread in threading.enumerate()}
        for ident, innermost in sys._current_frames().items():
            (*_, (outermost, _)) = traceback.walk_stack(innermost)
            if outermost.f_code is not Writer._tick.__code__:  # nor are those of other recordings
                there.append(known.get(ident, ""))
        taken(here)
        looked.set()

    parts.look.take = take  # type: ignore[method-assign,assignment]
    buffer.add(GONE, 7)
    assert looked.wait(60)
    go_on.set()
    thread.join()
    writer.close("stop")
    rows = parts.rows()
    names = [row["name"] for row in rows if isinstance(row, dict) and "thread" in row]
    assert "theirs" in there and sorted(names) == sorted(there)
    assert sum(row[0] == STACK for row in rows if isinstance(row, list)) == len(names)


def test_who_comes_a_moment_too_late_writes_nothing_after_the_last_line(parts: Parts) -> None:
    """It has seen that there is something to write, and gets to it when the trace has ended."""
    parts.buffer.add(GONE, 1)
    parts.writer.close("exit")
    at_the_end = parts.path.read_bytes()
    assert parts.rows()[-1] == {"end": 1, "reason": "exit"}
    parts.buffer.add(GONE, 2)
    parts.writer._is_behind = lambda: True  # type: ignore[method-assign]
    parts.writer.flush()
    assert parts.path.read_bytes() == at_the_end


def test_a_write_that_does_not_come_back_ends_the_trace_without_its_last_line(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tprecord.writer.STUCK_S", 0.01)
    parts.writer.flush()
    before = parts.path.read_bytes()
    with parts.writer._writing:  # somebody is at it, and stays
        for _ in range(3):
            parts.buffer.add(GONE, 1)
        parts.writer.close("exit")
        assert parts.complaints == ["the trace is not whole: at least 3 events are missing"]
    parts.writer.flush()
    parts.sink.tail.extend(b"[1]\n")
    parts.sink.write()  # it comes back after all
    assert parts.path.read_bytes() == before


def test_a_late_file_does_not_come_to_be_after_the_end(tmp_path: Path) -> None:
    sink = LateSink(str(tmp_path / "child.jsonl"), lambda _: b"{}\n")
    sink.close()
    sink.tail.extend(b"[1,2,3]\n")
    assert sink.write()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_nothing_is_written_after_the_last_line(
    tmp_path: Path, packed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tprecord.writer.STUCK_S", PATIENCE_S)  # who is slow is not stuck
    parts = Parts(tmp_path / "trace.jsonl", packed=packed)
    stop = threading.Event()

    def chatter() -> None:
        while not stop.wait(0.0001):  # a file that cannot keep up is another matter
            parts.buffer.add(BEAT, 0)

    threads = [threading.Thread(target=chatter) for _ in range(3)]
    parts.writer.threads(+3)
    for thread in threads:
        thread.start()
    until(lambda: parts.sink.size > 1000, "they are at it")
    parts.writer.close("exit")
    at_the_end = parts.path.read_bytes()
    parts.buffer.add(BEAT, 0)
    parts.writer.flush()
    stop.set()
    for thread in threads:
        thread.join()
    assert parts.path.read_bytes() == at_the_end
    lines = gzip.decompress(at_the_end) if packed else at_the_end
    assert lines.endswith(b'{"end":1,"reason":"exit"}\n')
