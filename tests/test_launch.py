"""The app sees what plain ``python`` would show it."""

from __future__ import annotations

import py_compile
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.at_rest import until_at_rest
from tests.recorded import PATIENCE_S, environment, hanging, until
from tprecord.sink import Sink, default_path


def run(tmp_path: Path, *command: str, recorded: bool, stdin: str = "") -> tuple[int, str, str]:
    prefix = ["-m", "tprecord", "-q", "-o", str(tmp_path / "t.jsonl")] if recorded else []
    done = subprocess.run(
        [sys.executable, *prefix, *command],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment(),
        input=stdin,
        timeout=PATIENCE_S,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def both(tmp_path: Path, *command: str) -> tuple[int, str, str]:
    """Run the command plainly and recorded; fail if anyone could tell the difference."""
    plain = run(tmp_path, *command, recorded=False)
    assert run(tmp_path, *command, recorded=True) == plain
    return plain


LOOK_AROUND = """
import sys, __main__
print(sys.argv, sys.path[0], sorted(vars(__main__)), __name__)
print(globals().get("__file__"), __spec__ and __spec__.name, __package__, type(__loader__).__name__)
print(__builtins__, sys.modules["__main__"] is __main__, __doc__)
"""


def test_a_script_sees_its_own_argv_path_and_main(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "app.py").write_text(f'"""Its doc."""\n{LOOK_AROUND}')
    both(tmp_path, "sub/app.py", "-o", "x", "--", "-m")


def test_a_script_behind_a_link_gets_the_directory_of_the_real_file(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "app.py").write_text(LOOK_AROUND)
    (tmp_path / "link.py").symlink_to(tmp_path / "sub" / "app.py")
    both(tmp_path, "link.py")


def test_a_module_sees_its_own_argv_path_and_main(tmp_path: Path) -> None:
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text("")
    (tmp_path / "package" / "__main__.py").write_text(LOOK_AROUND)
    (tmp_path / "package" / "other.py").write_text(LOOK_AROUND)
    both(tmp_path, "-m", "package", "-x")
    both(tmp_path, "-m", "package.other", "a", "b")


def test_code_sees_its_own_argv_path_and_main(tmp_path: Path) -> None:
    both(tmp_path, "-c", LOOK_AROUND, "-c", "1")


def test_a_directory_and_a_zip_file_run_their_main(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "__main__.py").write_text(LOOK_AROUND)
    with zipfile.ZipFile(tmp_path / "app.zip", "w") as archive:
        archive.writestr("__main__.py", LOOK_AROUND)
    both(tmp_path, "folder", "1")
    both(tmp_path, "app.zip", "1")


def test_a_compiled_script_runs(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("print('compiled', __name__)")
    py_compile.compile(str(tmp_path / "app.py"), str(tmp_path / "app.pyc"))
    assert both(tmp_path, "app.pyc")[1] == "compiled __main__\n"


@pytest.mark.parametrize(
    ("statement", "status"),
    [
        ("raise SystemExit", 0),
        ("raise SystemExit(3)", 3),
        ("raise SystemExit('no')", 1),
        ("sys.exit(None)", 0),
        ("os._exit(5)", 5),
        ("raise ValueError('x')", 1),
        ("1/0", 1),
        ("raise KeyboardInterrupt", -signal.SIGINT),
        ("raise BaseException('b')", 1),
        ("os.kill(os.getpid(), signal.SIGTERM)", -signal.SIGTERM),
        ("os.kill(os.getpid(), signal.SIGINT)", -signal.SIGINT),
        ("os.abort()", -signal.SIGABRT),
    ],
)
def test_the_process_ends_as_it_would_have(tmp_path: Path, statement: str, status: int) -> None:
    source = "import atexit, os, signal, sys\natexit.register(print, 'at exit')\n"
    source += f"def f():\n    {statement}\ndef g():\n    f()\ng()\n"
    (tmp_path / "app.py").write_text(source)
    (tmp_path / "mod.py").write_text(source)
    if status == -signal.SIGABRT:  # faulthandler shows all frames, the launcher's as well
        assert run(tmp_path, "app.py", recorded=True)[0] == status
        return
    assert both(tmp_path, "app.py")[0] == status
    assert both(tmp_path, "-m", "mod")[0] == status
    assert both(tmp_path, "-c", source)[0] == status


def test_a_chain_of_exceptions_and_notes_is_shown_as_ever(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        "def a():\n    try:\n        {}['k']\n    except KeyError as e:\n"
        "        e.add_note('note')\n        raise RuntimeError('r') from e\na()\n"
    )
    assert "During" not in both(tmp_path, "app.py")[2]


def test_a_script_with_a_syntax_error_is_reported_as_ever(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("x = = 1\n")
    assert both(tmp_path, "app.py")[0] == 1


def test_a_missing_script_or_module_is_reported_as_ever(tmp_path: Path) -> None:
    assert both(tmp_path, "nowhere.py")[0] == 2
    assert both(tmp_path, "-m", "nowhere.at.all")[0] == 1


def test_an_excepthook_of_the_app_is_called_with_the_app_s_frames(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        "import sys, traceback\n"
        "def hook(kind, error, tb):\n"
        "    print(kind, [f.name for f in traceback.extract_tb(tb)], sys.excepthook is hook)\n"
        "    print(tb is error.__traceback__ is sys.last_traceback, sys.last_exc is error)\n"
        "sys.excepthook = hook\n"
        "def f(): raise OSError\n"
        "f()\n"
    )
    assert both(tmp_path, "app.py")[1].count("True") == 3


def test_the_encoding_line_and_future_imports_of_a_script_are_its_own(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_bytes(
        "# coding: latin-1\nprint('\u00e9')\ndef f(x: nowhere): pass\n".encode("latin-1")
    )
    assert both(tmp_path, "app.py")[0] == 1  # annotations are evaluated: NameError


def test_standard_input_and_output_are_the_app_s(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("import sys; print(sys.stdin.read().upper(), end='')")
    assert run(tmp_path, "app.py", recorded=True, stdin="abc") == (0, "ABC", "")


def test_the_app_can_pickle_what_its_main_defines(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        "import pickle\nclass C: pass\nprint(type(pickle.loads(pickle.dumps(C()))).__module__)\n"
    )
    assert both(tmp_path, "app.py")[1] == "__main__\n"


def test_a_warning_at_the_top_names_the_app_s_line(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("import warnings\nwarnings.warn('careful')\n")
    assert "app.py:2" in both(tmp_path, "app.py")[2]


def test_where_the_trace_goes_is_said_once_on_stderr(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("print('out')")
    done = subprocess.run(
        [sys.executable, "-m", "tprecord", "app.py"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment(),
        timeout=PATIENCE_S,
        check=True,
    )
    (trace,) = tmp_path.glob("app-*.trace.jsonl")
    assert done.stdout == "out\n"
    assert done.stderr == f"tprecord: recording to {trace.name}\n"


def test_a_default_name_is_never_one_that_exists(tmp_path: Path) -> None:
    name = str(tmp_path / default_path("some/dir/my app.py", 12))
    assert Path(name).name == "my-app-12.trace.jsonl"
    paths = []
    for _ in range(3):
        sink = Sink(name, new=True)
        paths.append(Path(sink.path).name)
        sink.close()
    assert paths == [
        "my-app-12.trace.jsonl",
        "my-app-12-2.trace.jsonl",
        "my-app-12-3.trace.jsonl",
    ]


def test_a_file_that_is_no_trace_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("print(1)")
    done = subprocess.run(
        [sys.executable, "-m", "tprecord", "-o", "app.py", "app.py"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment(),
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 2
    assert "is not a trace" in done.stderr
    assert (tmp_path / "app.py").read_text() == "print(1)"


@pytest.mark.parametrize(
    "words",
    [[], ["-o"], ["--depth", "0", "x"], ["--depth", "many", "x"], ["--what"], ["-m"], ["-o", "x"]],
)
def test_a_wrong_command_line_says_so_and_exits_with_2(tmp_path: Path, words: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tprecord", *words],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment(),
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("python -m tprecord: ")
    assert "usage: " in done.stderr
    assert not list(tmp_path.iterdir())


def test_ctrl_c_in_a_hung_program_ends_it_as_it_would_have(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        "from concurrent.futures import Future\nprint('now', flush=True)\nFuture().result()\n"
    )
    with hanging(tmp_path, "app.py") as (process, path):
        assert process.stdout is not None
        assert process.stdout.readline() == "now\n"
        until(lambda: b"\n[6," in path.read_bytes(), "main waits")
        until_at_rest(process)  # a signal just before it sleeps would not be noticed by CPython
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == -signal.SIGINT
    assert errors.splitlines()[-1] == "KeyboardInterrupt"
    assert "tprecord" not in errors and "runpy" not in errors


def test_of_a_script_that_is_not_there_no_trace_is_begun(tmp_path: Path) -> None:
    status, out, error = run(tmp_path, "nosuch.py", recorded=True)
    assert (status, out) == (2, "")
    assert error == run(tmp_path, "nosuch.py", recorded=False)[2]
    assert list(tmp_path.iterdir()) == []
