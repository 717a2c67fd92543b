"""The file of a trace, whatever the program does to descriptors that are not its own."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tprecord.sink import Sink


@pytest.fixture
def goes_astray(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Return what makes the next write go into a file of the app, put there a moment before."""
    write, foreign = os.write, tmp_path / "the app's own"

    def next_one() -> None:
        def astray(descriptor: int, data: bytes) -> int:
            monkeypatch.undo()
            its_own = os.open(foreign, os.O_WRONLY | os.O_CREAT)
            os.dup2(its_own, descriptor)  # closes ours
            os.close(its_own)
            return write(descriptor, data)

        monkeypatch.setattr(os, "write", astray)

    return next_one


def write(sink: Sink, line: bytes) -> None:
    sink.tail.extend(line)
    assert sink.write()
    assert not sink.is_behind()


def begun(directory: Path) -> Sink:
    """Return a trace that has its first line."""
    sink = Sink(str(directory / "trace.jsonl"), new=False)
    write(sink, b"[1]\n")
    return sink


def test_what_went_into_another_file_is_written_again_with_what_comes_next(
    tmp_path: Path, goes_astray: Callable[[], None]
) -> None:
    sink = begun(tmp_path)
    goes_astray()
    write(sink, b"[2]\n")
    assert (tmp_path / "trace.jsonl").read_bytes() == b"[1]\n"
    write(sink, b"[3]\n")
    write(sink, b"[4]\n")
    assert (tmp_path / "trace.jsonl").read_bytes() == b"[1]\n[2]\n[3]\n[4]\n"
    assert sink.size == 16
    sink.close()


def test_what_went_into_another_file_is_written_again_at_the_end(
    tmp_path: Path, goes_astray: Callable[[], None]
) -> None:
    sink = begun(tmp_path)
    goes_astray()
    write(sink, b"[2]\n")
    sink.close()
    assert (tmp_path / "trace.jsonl").read_bytes() == b"[1]\n[2]\n"


def test_what_went_into_another_file_is_written_again_before_a_new_one_begins(
    tmp_path: Path, goes_astray: Callable[[], None]
) -> None:
    sink = begun(tmp_path)
    goes_astray()
    write(sink, b"[2]\n")
    taken = sink._descriptor
    sink.rotate(b"[3]\n", str(tmp_path / "archive.jsonl"))
    os.fstat(taken)  # is the app's, and open
    write(sink, b"[4]\n")
    sink.close()
    assert (tmp_path / "archive.jsonl").read_bytes() == b"[1]\n[2]\n"
    assert (tmp_path / "trace.jsonl").read_bytes() == b"[3]\n[4]\n"
    os.close(taken)


def test_who_is_stuck_in_a_write_is_not_waited_for_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = Sink(str(tmp_path / "trace.jsonl"), new=False)
    sink.tail.extend(b"[1]\n")  # another thread is at it
    opened: list[str] = []
    monkeypatch.setattr(os, "write", opened.append)
    os.close(sink._descriptor)
    monkeypatch.setattr(os, "open", opened.append)
    sink.close()
    assert opened == []


def test_what_reached_the_file_is_not_written_again(tmp_path: Path) -> None:
    sink = begun(tmp_path)
    os.close(sink._descriptor)
    write(sink, b"[2]\n")
    os.close(sink._descriptor)
    sink.close()
    assert (tmp_path / "trace.jsonl").read_bytes() == b"[1]\n[2]\n"


def test_a_descriptor_that_is_the_app_s_now_is_neither_written_to_nor_closed(
    tmp_path: Path,
) -> None:
    sink = begun(tmp_path)
    taken = sink._descriptor
    its_own = os.open(tmp_path / "the app's own", os.O_WRONLY | os.O_CREAT)
    os.dup2(its_own, taken)
    write(sink, b"[2]\n")
    sink.close()
    assert (tmp_path / "the app's own").read_bytes() == b""
    assert (tmp_path / "trace.jsonl").read_bytes() == b"[1]\n[2]\n"
    os.fstat(taken)
    os.close(taken)
    os.close(its_own)
