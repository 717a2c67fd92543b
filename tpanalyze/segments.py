"""The segments of a trace that was recorded with a largest size, as one file.

``trace.jsonl`` is the newest; ``trace.0001.jsonl``, ``trace.0002.jsonl`` and so on are what was
before it, as far as it is still there.
"""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Final

import orjson

_SUFFIXES: Final = (".jsonl.gz", ".jsonl", "")
_GZIP: Final = b"\x1f\x8b"
_LOOKED_AT: Final = 1 << 16
_OF_THE_RUN: Final = ("pid", "started", "program")


def segments_before(path: Path) -> list[Path]:
    """Return the older segments of the same run, oldest first; none if it is in one piece.

    Raises OSError if the trace cannot be read.
    """
    newest = _header(path)
    segment = newest.get("segment")
    if not isinstance(segment, int):
        return []
    found = []
    for number, other in _archives(path):
        header = _header(other)
        if header.get("segment") == number < segment and all(
            header.get(fact) == newest.get(fact) for fact in _OF_THE_RUN
        ):
            found.append((number, other))
    return [other for _, other in sorted(found)]


def newest_segment(path: Path) -> Path | None:
    """Return what stands for a trace that is not there: the last of its older segments."""
    return max(_archives(path), default=(0, None))[1]


def _archives(path: Path) -> list[tuple[int, Path]]:
    suffix = next(suffix for suffix in _SUFFIXES if path.name.endswith(suffix))
    stem = path.name.removesuffix(suffix)
    found = []
    for other in path.parent.iterdir() if path.parent.is_dir() else ():
        number = other.name.removeprefix(stem + ".").removesuffix(suffix)
        if other.name == f"{stem}.{number}{suffix}" and number.isdecimal() and number.isascii():
            found.append((int(number), other))
    return found


def _header(path: Path) -> dict[str, object]:
    with path.open("rb") as file:
        start = file.read(_LOOKED_AT)
    if start.startswith(_GZIP):
        try:
            start = zlib.decompressobj(wbits=31).decompress(start, _LOOKED_AT)
        except zlib.error:
            return {}
    try:
        header: object = orjson.loads(start.partition(b"\n")[0])
    except orjson.JSONDecodeError:
        return {}
    return header if isinstance(header, dict) else {}


class Joined:
    """Several files, read as one; a line that one leaves torn ends where the next begins."""

    def __init__(self, paths: list[Path]) -> None:
        """Open the first.  Raises OSError."""
        self._paths = paths[1:]
        self._file = paths[0].open("rb")
        self._last = b"\n"

    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes; none at the end.  Raises OSError."""
        while True:
            data = self._file.read(size)
            if data or not self._paths:
                self._last = data[-1:]
                return data
            packed = self._file.name.endswith(".gz")
            self._file.close()
            self._file = self._paths.pop(0).open("rb")
            if self._last not in (b"\n", b"") and not packed:
                self._last = b"\n"
                return b"\n"

    def close(self) -> None:
        """Close the file that is open."""
        self._file.close()
