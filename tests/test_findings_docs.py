"""``docs/findings.md``: an entry for every kind, and programs that do what it says of them."""

from __future__ import annotations

import re
import subprocess
from functools import partial
from pathlib import Path

import pytest

import tpanalyze
from tests.at_rest import is_deadlock, report_at_rest
from tests.recorded import ROOT, hanging, read, record, until
from tpanalyze.findings import Verdict
from tpanalyze.kinds import KINDS

TEXT = (ROOT / "docs" / "findings.md").read_text(encoding="utf-8")
ENTRIES = {
    entry.split("\n", 1)[0]: entry
    for entry in re.split(r"^## ", TEXT, flags=re.MULTILINE)[1:]
    if re.match(r"[a-z]+(-[a-z]+)+\n", entry)
}
PROGRAMS = [
    (kind, tag, tuple(options.split()), program)
    for kind, entry in ENTRIES.items()
    for tag, options, program in re.findall(
        r"^```python (\S+)(.*?)\n(.*?)^```", entry, re.MULTILINE | re.DOTALL
    )
]
"""kind, ``before`` or ``after``, options of the recorder, program"""


ATTEMPTS = 20
"""How often to run a program that need not hang: where it depends on the order of a set."""


def test_every_kind_has_an_entry_and_every_entry_is_a_kind() -> None:
    assert sorted(ENTRIES) == sorted(kind.slug for kind in KINDS)


@pytest.mark.parametrize("kind", sorted(ENTRIES))
def test_an_entry_says_meaning_proof_doubts_and_fix(kind: str) -> None:
    for heading in ("Meaning", "Proof", "When it can be wrong", "Fix"):
        assert f"\n**{heading}.** " in ENTRIES[kind]
    assert f"| [{kind}](#{kind}) | " in TEXT


@pytest.mark.parametrize(
    ("kind", "options", "program"),
    [(kind, options, text) for kind, tag, options, text in PROGRAMS if tag == "before"],
)
def test_the_program_before_hangs_and_is_given_its_kind(
    kind: str, options: tuple[str, ...], program: str, tmp_path: Path
) -> None:
    def is_over(process: subprocess.Popen[str], path: Path) -> bool:
        return process.poll() is not None or (
            bool(read(path).header) and is_deadlock(tpanalyze.analyze(path))
        )

    for attempt in range(ATTEMPTS):
        place = tmp_path / str(attempt)
        place.mkdir()
        # a set of threads has its order from their addresses: give them others each time
        noise = f"import threading; noise = [threading.Thread() for _ in range({attempt})]\n"
        (place / "program.py").write_text(noise + program if attempt else program)
        with hanging(place, *options, "program.py") as (process, path):
            until(partial(is_over, process, path), f"{kind} is found")
            if process.poll() is None:
                report = report_at_rest(process, path)
                assert [found.kind for found in report.findings] == [kind]
                return
    pytest.fail(f"it never hung in {ATTEMPTS} runs")


@pytest.mark.parametrize(
    ("kind", "options", "program"),
    [(kind, options, text) for kind, tag, options, text in PROGRAMS if tag == "after"],
)
def test_the_program_after_ends_and_is_given_none(
    kind: str, options: tuple[str, ...], program: str, tmp_path: Path
) -> None:
    (tmp_path / "program.py").write_text(program)
    run = record(tmp_path, *options, "program.py", cwd=tmp_path)
    assert run.status == 0, (kind, run.stderr)
    assert tpanalyze.analyze(run.trace_path).verdict is Verdict.NONE
