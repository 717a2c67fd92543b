"""The house is as ``CONTRIBUTING.md`` says; import-linter keeps the floors themselves."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tprecord.version import VERSION

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("traces/*.md")])


def modules() -> list[Path]:
    """Return the source files of the two packages."""
    return [
        path for name in ("tprecord", "tpanalyze") for path in sorted((ROOT / name).rglob("*.py"))
    ]


def test_contributing_says_what_lives_in_each_room() -> None:
    """A room is a module, a package, or a module of one; what is deeper is the package's own."""
    named = set(re.findall(r"`(\w+)/?`", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")))
    rooms = set()
    for path in modules():
        inside = path.relative_to(ROOT).with_suffix("").parts[1:]
        rooms |= {*inside[:2]}
    assert rooms - named - {"__init__"} == set()


def test_only_compat_asks_for_the_version_of_python() -> None:
    asking = {
        path.relative_to(ROOT).as_posix()
        for path in modules()
        if any(name in ("sys.version_info", "sys.hexversion") for name in attributes(path))
    }
    # the command line asks once, to say that the Python is too old
    assert asking <= {"tprecord/compat.py", "tprecord/command.py"}


def attributes(path: Path) -> Iterator[str]:
    """Yield every ``name.attribute`` in a source file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield f"{node.value.id}.{node.attr}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_the_links_between_documents_lead_somewhere(document: Path) -> None:
    targets = re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", document.read_text(encoding="utf-8"))
    assert [target for target in targets if not (document.parent / target).exists()] == []


def test_the_version_is_one_that_packages_can_have() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+((a|b|rc|\.dev)\d+)?", VERSION)
