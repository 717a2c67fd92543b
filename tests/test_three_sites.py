"""Each edge of a core has its three sites: the wait, the submit, and where the holder is.

In the words and in the JSON, of every kind of finding that the samples have.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

import tpanalyze
from tests.at_rest import report_at_rest
from tests.recorded import ROOT, hanging
from tpanalyze.cli import main
from tpanalyze.describe import INTERPRETER_EXIT
from tpanalyze.render.json_report import render_json
from tpanalyze.render.text import TextOptions, render_text

TRACES = sorted((ROOT / "traces").glob("*/trace.jsonl"))


def places(site: list[dict[str, Any]] | None) -> list[str]:
    """Return the app's own frames, as the text writes them."""
    frames = site or []
    own = [frame for frame in frames if not frame["stdlib"]] or frames
    return [f"{frame['file']}:{frame['line']} in {frame['function']}" for frame in own]


@pytest.mark.parametrize("trace", TRACES, ids=[path.parent.name for path in TRACES])
def test_each_edge_of_a_core_has_its_three_sites_in_words_and_json(trace: Path) -> None:
    report = tpanalyze.analyze(trace)
    text = render_text(report, TextOptions(width=10_000, show_alike=10_000, stack_depth=1))
    told = json.loads(render_json(report))
    threads = {thread["id"]: thread for thread in told["threads"]}
    for finding in told["findings"]:
        for party in finding["core"]:
            if party["operation"] == INTERPRETER_EXIT:
                continue  # no code of the app runs there
            site = places(party["site"] or party["stack"])
            assert site, party
            assert site[0] in text
            for target in party["waits_for"]:
                if target["kind"] == "task" and target["state"] != "pending":
                    assert places(target["submit_site"])[0] in text
                for holder in target.get("held_by", ()):
                    stands = threads[holder]["site"] or threads[holder]["stack"]
                    assert places(stands), threads[holder]
                    if finding["verdict"] == "deadlock" and len(finding["core"]) < 9:
                        assert places(stands)[0] in text


PROGRAM = """\
from concurrent.futures import ThreadPoolExecutor
pool = ThreadPoolExecutor(1)
def outer():
    inner = pool.submit(int)
    return inner.result()  # for ever
pool.submit(outer).result()
"""


def test_the_source_lines_are_shown_where_they_are_at_hand_and_unchanged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "app.py"
    program.write_text(PROGRAM)
    with hanging(tmp_path, "app.py") as (process, path):
        report_at_rest(process, path)
        kept = tmp_path / "kept.jsonl"
        kept.write_bytes(path.read_bytes())
    monkeypatch.chdir(tmp_path)

    def shown() -> str:
        with pytest.raises(SystemExit) as ended:
            main([str(kept)])
        assert ended.value.code == 1
        return capsys.readouterr().out

    text = shown()
    assert "5 │ return inner.result()  # for ever" in text
    assert "4 │ inner = pool.submit(int)" in text
    program.write_text("# another first line\n" + PROGRAM)  # it would show the wrong lines
    changed = program.stat().st_mtime + 3600
    os.utime(program, (changed, changed))
    assert "│" not in shown()
    program.unlink()  # the trace has come from elsewhere
    text = shown()
    assert "│" not in text
    assert "app.py:5 in outer" in text
