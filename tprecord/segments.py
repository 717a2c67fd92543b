"""A trace in segments, of bounded size: the newest part of a run that never ends.

The trace is always at its own path; what was before goes to ``STEM.0001.jsonl``,
``STEM.0002.jsonl`` and so on, and the oldest are deleted.  Each segment after the first begins with
a checkpoint, so that it can be read without those before it: see :mod:`tprecord.ledger`.
"""

from __future__ import annotations

import os

from tprecord import compat
from tprecord.encode import definition_lines
from tprecord.ledger import Ledger

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from tprecord.sink import Sink

SEGMENTS = 8
"""How many there are at most."""

ROOM = 3
"""Of so many segments the room is left free for the newest: a busy machine changes it late."""

LEAST = 512 * 1024
"""Bytes a trace may at least have: below that it would be checkpoints for the most part."""

UNREAD = 1 << 20
"""Bytes the ledger may be behind."""

UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


def size(text: str) -> int:
    """Return the bytes that ``100MB``, ``2G`` or ``500000`` says.  Raises ValueError."""
    word = text.strip().lower().removesuffix("b").removesuffix("i")
    unit = word[-1:] if word[-1:] in UNITS else ""
    number = word.removesuffix(unit).strip()
    if not number.isdecimal() or int(number) * UNITS[unit] < LEAST:
        raise ValueError(f"--max-size takes a size from {LEAST // 1024}kB on, not {text!r}")
    return int(number) * UNITS[unit]


class _AsByDefault:
    """How JSON is read, told to ``_json``: the module ``json`` may be the app's own."""

    strict = True
    object_hook = object_pairs_hook = array_hook = parse_constant = None
    parse_float, parse_int = float, int


class Segments:
    """The segments of one trace."""

    def __init__(
        self,
        sink: Sink,
        header: dict[str, Any],
        max_size: int,
        living: Callable[[], dict[str, set[int]]],
    ) -> None:
        self.unread: list[bytes] = []
        """what was written and the ledger has not read yet: whole lines"""
        self._sink, self._header, self._max_size = sink, header, max_size
        self._living = living
        self._ledger = Ledger()
        self._number = 1
        self._archives: list[tuple[str, int]] = []
        self._checkpoint_size = 0
        scan = compat.standard("_json").make_scanner
        self._parse: Callable[[str, int], tuple[list[Any], int]] = scan(_AsByDefault)

    def is_due(self, *, twice: bool = False) -> bool:
        """Return whether it is time for the next segment; or whether there is enough for two."""
        least = max(self._max_size // SEGMENTS, 2 * self._checkpoint_size)
        return self._sink.size > (2 * least if twice else least)

    def catch_up(self, *, at_once: bool = True) -> None:
        """Let the ledger read what was written; or only if it is much."""
        if not at_once and sum(map(len, self.unread)) < UNREAD:
            return
        while self.unread:
            batch = self.unread.pop(0)
            text = b"[%b]" % batch[:-1].replace(b"\n", b",")
            try:
                self._ledger.read(self._parse(text.decode(), 0)[0], batch[:-1].split(b"\n"))
            except BaseException:  # the app's Ctrl-C
                self._ledger.whole = False
                raise

    def rotate(self) -> None:
        """Begin the next segment.  Raises OSError."""
        self.catch_up()
        self._number += 1
        checkpoint = self._ledger.checkpoint(self._number, self._living())
        self._checkpoint_size = len(checkpoint)
        archive = self._archive(self._number - 1)
        size = self._sink.size
        self._sink.rotate(
            definition_lines([{**self._header, "segment": self._number}]) + checkpoint, archive
        )
        self._archives.append((archive, size))
        self._delete_old()

    def _archive(self, number: int) -> str:
        path = self._sink.path
        suffix = ".jsonl.gz" if path.endswith(".jsonl.gz") else ".jsonl"
        stem = path.removesuffix(suffix)
        return f"{stem}.{number:04d}{suffix if stem != path else ''}"

    def _delete_old(self) -> None:
        left = self._max_size - ROOM * self._max_size // SEGMENTS - self._sink.size
        while self._archives and sum(size for _, size in self._archives) > left:
            path, _ = self._archives.pop(0)
            try:
                os.unlink(path)
            except OSError:
                pass  # somebody has moved it
