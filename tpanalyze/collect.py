"""Which traces the user means: files as they are, folders for all traces in them."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from tpanalyze.errors import FileProblem
from tpanalyze.segments import segments_before

_BEGINNING: Final = b'{"tprecord":'
_SUFFIXES: Final = (".jsonl", ".jsonl.gz")


def traces_of(names: Iterable[str]) -> list[str]:
    """Return the traces that are named, each once, those of a folder in order of their names.

    Raises `FileProblem` for a folder without any.
    """
    found: dict[str, None] = {}
    for name in names:
        found.update(dict.fromkeys(_in_folder(Path(name)) if Path(name).is_dir() else [name]))
    return list(found)


def children_beside(trace: str) -> list[str]:
    """Return the traces that children of a run have left beside that of its first process."""
    path = Path(trace)
    stem = path.name.removesuffix(".gz").removesuffix(".jsonl").removesuffix(".trace")
    beside = (path.parent.glob(f"*.trace{suffix}") for suffix in _SUFFIXES)
    names = (other.name for others in beside for other in others)
    return sorted(
        str(path.parent / name)
        for name in names
        if name.startswith(f"{stem}.") and name[len(stem) + 1 :].partition(".")[0].isdecimal()
    )


def _in_folder(folder: Path) -> Iterator[str]:
    traces = {
        path for path in folder.iterdir() if path.name.endswith(_SUFFIXES) and _is_trace(path)
    }
    older = {segment for path in traces for segment in segments_before(path)}
    found = sorted(map(str, traces - older))
    if not found:
        raise FileProblem(
            str(folder),
            found="a folder without traces",
            expected="one where python -m tprecord has left some",
            advice="another folder, or the path of a trace",
        )
    yield from found


def _is_trace(path: Path) -> bool:
    """Return true for what begins like a trace, whole or cut."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            return bool(file.read(len(_BEGINNING)) == _BEGINNING)
    except (OSError, EOFError):
        return False
