"""The command ``tpanalyze``: what it prints, writes and exits with."""

from __future__ import annotations

import errno
import json
import os
import pty
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.recorded import PATIENCE_S, ROOT, environment
from tpanalyze.cli import run
from tpanalyze.products import PRODUCTS

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


@pytest.mark.parametrize(
    ("sample", "word", "said"),
    [
        ("threadpool_apply", "ThreadPool-1", "Pool ThreadPool-1 can never get a free worker"),
        ("threadpool_apply", "pool ThreadPool-1", "Pool ThreadPool-1 can never"),
        ("threadpool_apply", "worker Thread-1 (worker)", "Worker Thread-1 (worker), which waits"),
        (
            "process_pool",
            "process pool ProcessPoolExecutor-1",
            "Process pool ProcessPoolExecutor-1",
        ),
    ],
)
def test_what_the_report_calls_a_thing_can_be_asked_for_by_that_name(
    sample: str, word: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([str(ROOT / "traces" / sample / "trace.jsonl"), "--explain", word]) == 0
    assert capsys.readouterr().out.startswith(said)


def test_who_asks_for_nothing_there_is_told_of_threads_and_pools_before_tasks(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run([str(ROOT / "traces" / "two_pools" / "trace.jsonl"), "--explain", "xyzzy"]) == 2
    assert "there are MainThread, main, disk_0, net_0, disk, net, " in capsys.readouterr().err


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


OUTPUTS = [product.suffix for product in PRODUCTS.values()]
if find_spec("pyarrow") is None:  # then none of them is written: see test_tables
    OUTPUTS = [suffix for suffix in OUTPUTS if not suffix.endswith(".parquet")]


@pytest.mark.parametrize("suffix", OUTPUTS)
def test_every_output_spares_a_stranger_s_file_and_replaces_its_own(
    suffix: str, trace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = trace.with_name(f"mine{suffix}")
    path.write_text("my own words")
    assert run([str(trace), "-q", "-o", str(path)]) == 2
    assert path.read_text() == "my own words"
    assert "did not make" in capsys.readouterr().err
    assert run([str(trace), "-q", "-o", str(path), "--force"]) == 1
    made = path.read_bytes()
    assert run([str(trace), "-q", "-o", str(path)]) == 1
    assert path.read_bytes() == made != b"my own words"


@pytest.mark.parametrize("suffix", OUTPUTS)
def test_of_an_output_that_cannot_be_finished_nothing_is_left(
    suffix: str,
    trace: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = trace.with_name(f"mine{suffix}")
    assert run([str(trace), "-q", "-o", str(path)]) == 1
    before = path.read_bytes()

    def full(self: Path, target: Path) -> Path:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self), None, str(target))

    monkeypatch.setattr(Path, "replace", full)
    assert run([str(trace), "-q", "-o", str(path)]) == 2
    assert "No space left" in capsys.readouterr().err
    assert path.read_bytes() == before
    assert {each.name for each in trace.parent.iterdir()} == {trace.name, path.name}


def test_the_end_of_a_path_says_what_is_written(trace: Path) -> None:
    starts = {
        "report.html": b"<!doctype html>",
        "issue.md": b"### Deadlock",
        "report.txt": b"DEADLOCK  pool-starvation",
        "graph.svg": b"<?xml",
        "run.timeline.svg": b"<?xml",
        "report.json": b'{\n  "version": 1,\n  "verdict": "deadlock"',
        "run.perfetto.json": b'{"displayTimeUnit"',
        "tasks.csv": b"task,function,pool",
    }
    words = [word for name in starts for word in ("-o", str(trace.parent / name))]
    assert run([str(trace), "-q", *words]) == 1
    for name, start in starts.items():
        assert (trace.parent / name).read_bytes().startswith(start), name


def test_a_path_whose_end_says_nothing_is_refused_with_those_that_do(
    trace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("report", "report.docx", "html", "x.csv"):
        assert run([str(trace), "-o", name]) == 2
        error = capsys.readouterr().err
        assert ".timeline.svg, .txt" in error and error.count("\n") == 1
    assert run([str(trace), "--svg", "-o", "x.svg"]) == 2
    assert "two places" in capsys.readouterr().err


def on_a_desktop(programs: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the command where these are all the programs there are."""
    return subprocess.run(
        [sys.executable, "-m", "tpanalyze", *words],
        capture_output=True,
        env=environment(PATH=str(programs), BROWSER="", DISPLAY="", WAYLAND_DISPLAY=""),
        timeout=PATIENCE_S,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(("options", "name"), [([], "trace.html"), (["--svg"], "trace.svg")])
def test_open_opens_what_was_written_by_default_the_page(
    options: list[str], name: str, trace: Path
) -> None:
    programs, told = trace.parent / "programs", trace.parent / "told"
    programs.mkdir()
    for opener in ("xdg-open", "open"):
        program = programs / opener
        program.write_text(f'#!/bin/sh\nprintf %s "$1" > "{told}"\n')
        program.chmod(0o755)
    done = on_a_desktop(programs, str(trace), "-q", "--open", *options)  # until its pipes close
    assert (done.returncode, done.stderr) == (1, "")
    assert told.read_text() == str(trace.parent / name)
    assert (trace.parent / name).exists()


def test_where_nothing_opens_files_that_is_said_and_the_file_stays(trace: Path) -> None:
    programs = trace.parent / "programs"
    programs.mkdir()
    done = on_a_desktop(programs, str(trace), "--open")
    assert done.returncode == 2
    assert done.stdout.startswith("DEADLOCK")
    assert "trace.html: found no program here that opens it" in done.stderr
    assert trace.with_suffix(".html").exists()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_can_complete_the_options(shell: str) -> None:
    def tell(instruction: str, **variables: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", "from tpanalyze.cli import main; main(prog_name='tpanalyze')"],
            capture_output=True,
            env=environment(_TPANALYZE_COMPLETE=instruction, **variables),
            timeout=PATIENCE_S,
            text=True,
            check=False,
        )
        assert done.returncode == (1 if instruction.startswith("nothing") else 0), done.stderr
        return done.stdout

    assert "_TPANALYZE_COMPLETE" in tell(f"{shell}_source")
    typed = {"COMP_WORDS": "tpanalyze trace.jsonl --ti", "COMP_CWORD": "2"}
    if shell == "fish":
        typed |= {"COMP_WORDS": "tpanalyze trace.jsonl", "COMP_CWORD": "--ti"}
    assert "--timeline" in tell(f"{shell}_complete", **typed)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full: Linux has one")
@pytest.mark.parametrize("option", ["--source", "--json", "--svg=-"])
def test_a_full_disk_behind_standard_output_is_said_in_one_line(option: str) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "tpanalyze", str(DEADLOCK), option],
            stdout=full,
            stderr=subprocess.PIPE,
            env=environment(),
            timeout=PATIENCE_S,
            check=False,
        )
    assert done.returncode == 2
    assert done.stderr.startswith(b"tpanalyze: ") and b"No space left" in done.stderr
    assert done.stderr.count(b"\n") == 1


def test_a_ctrl_c_is_no_deadlock() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, str(DEADLOCK)],
        stderr=subprocess.PIPE,
        env=environment(),
    )
    _, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130
    assert errors == b"tpanalyze: interrupted\n"


INTERRUPTED = """
import signal, sys
from tpanalyze import cli, collect
def interrupt(names):
    signal.raise_signal(signal.SIGINT)
cli.traces_of = interrupt
cli.main(sys.argv[1:], prog_name="tpanalyze")
"""


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
