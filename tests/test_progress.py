"""The line for whoever waits: on terminals only, after a second, and gone when the step is over."""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

import tpanalyze
from tests.recorded import PATIENCE_S, ROOT, environment
from tpanalyze.progress import Progress, line
from tpanalyze.reader import size_of

TRACE = ROOT / "traces" / "pool_starvation" / "trace.jsonl"


class Terminal(io.StringIO):
    """A terminal that remembers all that was ever written to it."""

    def isatty(self) -> bool:
        return True


def until_drawn(terminal: Terminal, what: str) -> None:
    """Wait, without a limit but the whole test's, until the line shows something."""
    while what not in terminal.getvalue():
        pass


def test_a_step_that_lasts_is_drawn_and_wiped_away() -> None:
    terminal = Terminal()
    with Progress(terminal, patience_s=0).step("reading app.jsonl", 2_000_000) as meter:
        until_drawn(terminal, " 0%")
        meter.read(1_000_000)
        until_drawn(terminal, " 50%  1.0 of 2.0 MB")
    assert terminal.getvalue().endswith("\r\x1b[K")


def test_a_quick_step_and_a_quiet_command_and_a_pipe_show_nothing() -> None:
    terminal, pipe = Terminal(), io.StringIO()
    for progress in (
        Progress(terminal, patience_s=3600),
        Progress(terminal, shown=False, patience_s=0),
        Progress(pipe, patience_s=0),
    ):
        with progress.step("reading app.jsonl", 2) as meter:
            meter.read(1)
    assert terminal.getvalue() == pipe.getvalue() == ""


@pytest.mark.parametrize("whole", [None, 0, 10**9])
@pytest.mark.parametrize("width", [0, 1, 7, 20, 40, 80])
def test_the_line_fits_and_no_name_controls_the_terminal(whole: int | None, width: int) -> None:
    shown = line("reading \x1b[2J" + "猫" * 5 + "x" * 60, 5 * 10**8, whole, width)
    assert len(shown) <= width
    assert "\x1b" not in shown


def test_all_bytes_of_a_trace_are_told_of_in_pieces() -> None:
    told: list[int] = []
    tpanalyze.load(TRACE, on_read=told.append)
    assert sum(told) == TRACE.stat().st_size == size_of(str(TRACE))


def test_the_size_of_what_is_no_file_is_not_known(tmp_path: Path) -> None:
    assert size_of("-") is None
    assert size_of(str(tmp_path)) is None
    assert size_of(str(tmp_path / "none.jsonl")) is None


def shown_while_waiting(*options: str) -> bytes:
    """Return what a terminal shows of a command whose trace comes late through a pipe."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "tpanalyze", "-", *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=theirs,
        env=environment(TERM="xterm"),
    )
    os.close(theirs)
    assert process.stdin is not None
    data = TRACE.read_bytes()
    process.stdin.write(data[:100])
    process.stdin.flush()
    shown = b""
    while b"reading" not in shown:
        shown += os.read(ours, 65536)
    process.stdin.write(data[100:])
    process.stdin.close()
    try:
        while more := os.read(ours, 65536):
            shown += more
    except OSError:
        pass  # Linux: the other end is closed
    finally:
        os.close(ours)
    assert process.wait(timeout=PATIENCE_S) == 1
    return shown


def test_on_a_terminal_one_sees_that_it_waits_for_standard_input() -> None:
    shown = shown_while_waiting()
    assert re.fullmatch("(\r\x1b\\[Kreading - …)+\r\x1b\\[K", shown.decode()), shown
