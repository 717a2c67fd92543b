"""The command ``tpanalyze``: what it prints, writes and exits with."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.recorded import PATIENCE_S, ROOT, environment
from tpanalyze.cli import run

DEADLOCK = ROOT / "traces" / "pool_starvation" / "trace.jsonl"


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    copy = tmp_path / "trace.jsonl"
    copy.write_bytes(DEADLOCK.read_bytes())
    return copy


@pytest.fixture
def healthy(tmp_path: Path) -> Path:
    """A trace of a program that does nothing."""
    path = tmp_path / "healthy.jsonl"
    path.write_bytes(DEADLOCK.read_bytes().splitlines(keepends=True)[0])
    return path


def test_a_deadlock_is_said_first_and_the_exit_status_is_1(
    trace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([str(trace)]) == 1
    printed = capsys.readouterr().out
    assert printed.startswith("DEADLOCK  pool-starvation")
    assert "\x1b" not in printed


def test_nothing_found_is_said_and_the_exit_status_is_0(
    healthy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([str(healthy)]) == 0
    assert capsys.readouterr().out.startswith("NO DEADLOCK")


@pytest.mark.parametrize(
    ("option", "name", "start"),
    [
        ("--svg", "trace.svg", b"<?xml"),
        ("--dot", "trace.dot", b"digraph"),
        ("--png", "trace.png", b"\x89PNG"),
        ("--pdf", "trace.pdf", b"%PDF"),
        ("--timeline", "trace.timeline.svg", b"<?xml"),
    ],
)
def test_a_picture_is_written_beside_the_trace_or_to_a_path(
    trace: Path, option: str, name: str, start: bytes, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert run([str(trace), option, "-q"]) == 1
    beside = (trace.parent / name).read_bytes()
    assert beside.startswith(start)
    elsewhere = trace.parent / "elsewhere"
    assert run([str(trace), f"{option}={elsewhere}", "-q"]) == 1
    assert elsewhere.read_bytes() == beside
    capfdbinary.readouterr()
    assert run([str(trace), f"{option}=-"]) == 1
    assert capfdbinary.readouterr().out.startswith(start)


def test_the_options_may_stand_before_the_trace(trace: Path) -> None:
    assert run(["--svg", str(trace), "-q"]) == 1
    ET.parse(trace.with_suffix(".svg"))  # noqa: S314  # our own file
    assert trace.read_bytes() == DEADLOCK.read_bytes()


def test_json_goes_to_standard_output_alone(
    trace: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert run([str(trace), "--json"]) == 1
    report = json.loads(capsysbinary.readouterr().out)
    assert report["verdict"] == "deadlock"
    (finding,) = report["findings"]
    assert finding["kind"] == "pool-starvation"
    assert finding["core"][0]["function"] == "load_book"


def test_another_moment_can_be_asked_about(trace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([str(trace), "--at", "0.000001"]) == 0
    assert capsys.readouterr().out.startswith("NO DEADLOCK")
    assert run([str(trace), "--at", "100"]) == 1


def test_explain_tells_why_a_thread_cannot_move(
    trace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for word in ("main", "MainThread"):
        assert run([str(trace), "--explain", word]) == 0
        said = capsys.readouterr().out
        assert said.startswith("The main thread, which waits in Future.result")
        assert "can never move" in said
    assert run([str(trace), "--explain", "load_page"]) == 0
    assert capsys.readouterr().out.startswith("Task 2 (load_page) can never finish")


def test_explain_of_nobody_says_who_there_is(
    trace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([str(trace), "--explain", "load_pag"]) == 2
    assert "load_page" in capsys.readouterr().err


def test_a_file_of_somebody_else_is_not_replaced_but_one_of_ours_is(trace: Path) -> None:
    picture = trace.with_suffix(".svg")
    picture.write_text("my drawing")
    assert run([str(trace), "--svg", "-q"]) == 2
    assert picture.read_text() == "my drawing"
    assert run([str(trace), "--svg", "-q", "--force"]) == 1
    for option in ("--svg", "--png", "--pdf", "--dot", "--timeline", "--json=x.json"):
        option_here = option.replace("x.json", str(trace.parent / "x.json"))
        assert run([str(trace), option_here, "-q"]) == 1
        assert run([str(trace), option_here, "-q"]) == 1
    assert sorted(path.name for path in trace.parent.iterdir() if path.name.startswith(".")) == []


def test_a_directory_that_is_not_there_is_an_error_with_advice(
    trace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([str(trace), f"--svg={trace.parent}/no/where.svg"]) == 2
    error = capsys.readouterr().err
    assert "where.svg: found No such file or directory, expected" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (None, "no such file"),
        (b"", "an empty file"),
        (b"hello\n", "hello"),
        (b'{"tprecord":999}\n', "999"),
    ],
)
def test_what_is_no_trace_gives_one_clear_line_and_status_2(
    tmp_path: Path, content: bytes | None, found: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.jsonl"
    if content is not None:
        path.write_bytes(content)
    assert run([str(path)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert str(path) in error
    assert found in error
    assert "expected" in error and "try" in error


@pytest.mark.parametrize(
    "words", [[], ["--nonsense"], ["x", "--at", "soon"], ["a", "b", "--svg=c"]]
)
def test_bad_usage_exits_with_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(words) == 2
    assert "Usage: tpanalyze" in capsys.readouterr().err


def test_a_trace_can_come_through_a_pipe() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tpanalyze", "-"],
        input=DEADLOCK.read_bytes(),
        capture_output=True,
        env=environment(),
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout.startswith(b"DEADLOCK  pool-starvation")


def test_a_reader_that_goes_away_gets_no_traceback() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "tpanalyze", str(DEADLOCK)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()
    process.wait(timeout=PATIENCE_S)
    assert errors == b""


def on_a_terminal(**variables: str) -> bytes:
    """Return what the command prints on a terminal."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "tpanalyze", str(DEADLOCK)],
        stdout=theirs,
        env=environment(TERM="xterm-256color", **variables),
    )
    os.close(theirs)
    printed = b""
    try:
        while chunk := os.read(ours, 65536):
            printed += chunk
    except OSError:
        pass  # Linux: the other end is closed
    finally:
        os.close(ours)
    assert process.wait(timeout=PATIENCE_S) == 1
    return printed


def test_a_terminal_gets_colours_unless_no_color_is_set() -> None:
    assert b"\x1b[" in on_a_terminal()
    assert b"\x1b[" not in on_a_terminal(NO_COLOR="1")


def test_help_has_examples_and_the_exit_status(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    text = capsys.readouterr().out
    assert "tpanalyze trace.jsonl --svg --timeline" in text
    assert "Exit status: 0 nothing found, 1 deadlock found, 2" in text
