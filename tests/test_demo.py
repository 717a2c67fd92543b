"""The demo of the README: a real deadlock, recorded, ended, explained and drawn."""

from __future__ import annotations

import os
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tools import demo
from tools.hang import NoHangError, record_until_it_hangs


def test_the_demo_explains_a_real_deadlock_and_draws_it(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert demo.main(tmp_path) == 0
    said = capfd.readouterr().out
    assert "DEADLOCK  pool-starvation" in said
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
