"""``dev.py``: the two commands of the README must work on a machine it has never seen."""

from __future__ import annotations

import ast
import stat
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

import dev

ROOT = Path(__file__).resolve().parent.parent


def python(minor: int, flavour: str = "") -> dev.Python:
    """Return a made-up interpreter."""
    return dev.Python(f"/bin/python3.{minor}", (3, minor), f"3.{minor}.0", flavour)


def command(path: Path, script: str) -> str:
    """Make an executable of a shell script; return its path."""
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_an_old_python_can_read_the_script() -> None:
    ast.parse((ROOT / "dev.py").read_text(encoding="utf-8"), feature_version=(3, 8))


def test_the_python_that_runs_this_is_found() -> None:
    assert sys.version_info[:2] in {python.minor for python in dev.find_pythons()}


def test_a_shim_whose_python_is_absent_is_no_python(tmp_path: Path) -> None:
    shim = command(tmp_path / "python3.13", "echo 'pyenv: python3.13: command not found'; exit 127")
    assert dev.describe(shim) is None


def test_a_python_that_is_too_old_is_not_supported(tmp_path: Path) -> None:
    answer = '["/bin/python3", [3, 11], "3.11.7", true, ""]'
    assert dev.describe(command(tmp_path / "python3", f"echo '{answer}'")) is None


def test_another_implementation_is_not_supported(tmp_path: Path) -> None:
    answer = '["/bin/pypy3", [3, 12], "3.12.0", false, ""]'
    assert dev.describe(command(tmp_path / "pypy3", f"echo '{answer}'")) is None


def test_a_python_of_pyenv_is_found_though_nothing_selects_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = tmp_path / "versions" / "3.14.2" / "bin"
    directory.mkdir(parents=True)
    executable = str(directory / "python3")
    command(directory / "python3", f"""echo '["{executable}", [3, 14], "3.14.2", true, ""]'""")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    assert dev.Python(executable, (3, 14), "3.14.2", "") in dev.find_pythons()


def test_a_tenth_patch_release_is_newer_than_a_ninth() -> None:
    names = [Path("3.13.9"), Path("3.13.10"), Path("cpython-3.12.1-linux-x86_64-gnu")]
    assert max(names, key=dev.numbers_in) == Path("3.13.10")


def test_a_python_that_has_every_wheel_is_preferred_to_a_newer_one() -> None:
    assert dev.best([python(12), python(13), python(14, "t"), python(15)]) == python(13)


def test_a_python_without_every_wheel_is_tried_if_there_is_no_other() -> None:
    assert dev.best([python(14, "t"), python(15)]) == python(15)


def test_a_machine_without_a_supported_python_is_told_what_to_do() -> None:
    with pytest.raises(dev.Trouble, match=r"found no Python 3\.12 or newer.*\n.*pyenv install"):
        dev.best([])


def test_a_python_that_cannot_make_environments_says_why_and_what_to_try(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    executable = command(tmp_path / "python3", "echo 'ensurepip is not available'; exit 1")
    monkeypatch.setenv("PATH", "/nowhere")
    debian = dev.Python(executable, (3, 12), "3.12.3", "")
    with pytest.raises(dev.Trouble, match=r"ensurepip is not available\n.*python3-venv"):
        dev.make_environment(debian, tmp_path / "3.12")


def test_an_environment_is_made_once_and_filled_again_when_the_project_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = []

    def make(_: dev.Python, home: Path) -> None:
        done.append("make")
        (home / "bin").mkdir(parents=True)
        (home / "bin" / "python").touch()

    def run(arguments: Sequence[str]) -> int:
        done.append(arguments[2])
        return 0

    monkeypatch.setattr(dev, "BUILT_FROM", ("pyproject.toml", "core.c"))
    (tmp_path / "pyproject.toml").write_text("project")
    core = tmp_path / "core.c"
    core.write_text("one")
    monkeypatch.setattr(dev, "ROOT", tmp_path)
    monkeypatch.setattr(dev, "ENVIRONMENTS", tmp_path / ".venvs")
    monkeypatch.setattr(dev, "make_environment", make)
    monkeypatch.setattr(dev, "run", run)
    dev.environment(python(13))
    dev.environment(python(13))
    assert done == ["make", "pip"]
    core.write_text("two")
    assert dev.environment(python(13)) == tmp_path / ".venvs" / "3.13" / "bin" / "python"
    assert done == ["make", "pip", "pip"]


@pytest.mark.parametrize("in_python", [False, True])
def test_the_tests_fail_if_one_python_fails_with_one_core_and_the_last_line_says_which(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], in_python: bool
) -> None:
    monkeypatch.setattr(dev, "find_pythons", lambda: [python(12), python(13)])
    monkeypatch.setattr(dev, "environment", lambda found: Path(found.executable))
    monkeypatch.setattr(
        dev,
        "run",
        lambda arguments, **core: int("3.12" in arguments[0] and bool(core) is in_python),
    )
    assert dev.test([]) == 1
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == "tests: 3.12.0 failed, 3.13.0 passed, 3.14 is not here, 3.15 is not here"


def test_a_python_without_wheels_is_named_but_fails_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def environment(found: dev.Python) -> Path:
        if not found.settled:
            raise dev.Trouble("no wheels")
        return Path(found.executable)

    monkeypatch.setattr(dev, "find_pythons", lambda: [python(13), python(15)])
    monkeypatch.setattr(dev, "environment", environment)
    monkeypatch.setattr(dev, "run", lambda _, **__: 0)
    assert dev.test([]) == 0
    assert "3.15.0 not set up" in capsys.readouterr().out.splitlines()[-1]


def test_each_check_runs_even_if_another_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(dev, "find_pythons", lambda: [python(13)])
    monkeypatch.setattr(dev, "environment", lambda found: Path(found.executable))
    monkeypatch.setattr(dev, "run", lambda arguments: int("ruff" in arguments))
    assert dev.check() == 1
    assert capsys.readouterr().out.splitlines()[-1] == "check: failed: ruff, format"


def test_an_unknown_command_is_bad_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert dev.main(["tset"]) == 2
    assert "python3 dev.py test" in capsys.readouterr().err


def test_the_readme_names_the_two_commands_and_ci_runs_the_second() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for words in ("python3 dev.py demo", "python3 dev.py test"):
        assert f"\n{words}\n" in readme
    assert "\npython3 dev.py test" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
