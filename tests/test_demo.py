"""The demo of the README: a real deadlock, recorded, ended, explained and drawn."""

from __future__ import annotations

import os
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tools import demo
from tools.hang import NoHangError, record_until_it_hangs

README = (demo.ROOT / "README.md").read_text(encoding="utf-8")


def without_numbers(text: str) -> str:
    """Return `text` with every number replaced, since times differ from run to run."""
    return re.sub(r"\d+(\.\d+)?( [mµ]?s\b)?", "N", text)


def test_the_demo_says_what_the_readme_shows_and_draws_it(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert demo.main(tmp_path) == 0
    said = capfd.readouterr().out
    sample = README.partition("```text\n")[2].partition("```")[0]
    assert without_numbers(sample) in without_numbers(said)
    for name in demo.PICTURES:
        assert (tmp_path / name).as_uri() in said
        picture = ET.parse(tmp_path / name).getroot()  # noqa: S314  # our own
        assert picture.tag == "{http://www.w3.org/2000/svg}svg"


def test_the_process_that_hung_is_gone_afterwards(tmp_path: Path) -> None:
    trace = tmp_path / "trace.jsonl"
    arguments = ["-q", "-o", str(trace), demo.PROGRAM]
    hang = record_until_it_hangs(arguments, trace=trace, cwd=demo.ROOT)
    with pytest.raises(ProcessLookupError):
        os.kill(hang.pid, 0)


def test_a_program_that_ends_by_itself_is_said_to_have_done_so(tmp_path: Path) -> None:
    trace = tmp_path / "trace.jsonl"
    with pytest.raises(NoHangError, match="ended by itself, status 3"):
        record_until_it_hangs(
            ["-q", "-o", str(trace), "-c", "raise SystemExit(3)"], trace=trace, cwd=demo.ROOT
        )
