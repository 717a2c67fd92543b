"""A trace without what tells whose it is: paths, hosts, users and, if asked, functions.

Every text becomes ``WORD-N``, the same text the same word each time, so that the verdict, and who
waits for whom, stay as they were.  What may stay is listed here; all else is taken for private, as
is any text of a kind of line that is not known.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import orjson

from tpanalyze.reader import Trace

_OPEN: Final = {
    "tprecord": ("recorder", "python", "implementation", "platform", "started", "clock"),
    "pool": ("role",),
    "future": ("origin",),
    "end": ("reason",),
}
"""By kind of line: the fields whose texts are nobody's secret."""

_NAMES_OF_CODE: Final = {"pool": ("kind",), "object": ("kind",), "function": ("name",)}
"""By kind of line: the fields that hold names from the program's code."""

_WORDS: Final = {
    "file": "file",
    "module": "module",
    "program": "program",
    "process": "process",
    "text": "note",
    "kind": "class",
}
_WORKER: Final = re.compile(r"(.+)_(\d+)")
_DEFAULT: Final = re.compile(r"MainThread|ThreadPoolExecutor-\d+|Thread-\d+")
_PLACES: Final = re.compile(r"<\w+>")
"""What CPython calls code without a name: ``<module>``, ``<lambda>``."""


class Redactor:
    """Remembers what it has called each text."""

    def __init__(self, *, functions: bool = False) -> None:
        self._functions = functions
        self._words: dict[tuple[str, str], str] = {}
        self._counts: dict[str, int] = {}

    def line(self, row: dict[str, object]) -> dict[str, object]:
        """Return an object of the trace without its secrets."""
        kind = next(iter(row), "")
        free = _OPEN.get(kind, ())
        if row.get("stdlib") is True:
            return row
        if not self._functions:
            free += _NAMES_OF_CODE.get(kind, ())
        return {
            key: value if key in free else self._value(kind, key, value)
            for key, value in row.items()
        }

    def _value(self, kind: str, key: str, value: object) -> object:
        if isinstance(value, str):
            return self._text(kind, key, value)
        if isinstance(value, list) and all(type(item) is int for item in value):
            return value
        return value if value is None or isinstance(value, (int, float)) else None

    def _text(self, kind: str, key: str, text: str) -> str:
        """Return what stands for a text; what names nothing, and what CPython names, is itself."""
        if not text or _PLACES.fullmatch(text):
            return text
        if key == "name" and kind in ("thread", "pool"):
            return self._thread_name(text)
        return self._word(_WORDS.get(key, kind if key == "name" else "text"), text)

    def _thread_name(self, text: str) -> str:
        """Return a thread's or pool's name; that of a worker begins with its pool's."""
        if _DEFAULT.fullmatch(text):
            return text
        worker = _WORKER.fullmatch(text)
        if worker is not None:
            return f"{self._thread_name(worker[1])}_{worker[2]}"
        return self._word("name", text)

    def _word(self, word: str, text: str) -> str:
        found = self._words.get((word, text))
        if found is None:
            self._counts[word] = number = self._counts.get(word, 0) + 1
            suffix = ".py" if word in ("file", "program") else ""
            found = self._words[word, text] = f"{word}-{number}{suffix}"
        return found


def redacted(trace: Trace, *, functions: bool = False) -> Iterator[bytes]:
    """Yield the lines of a trace without its secrets; lines that are none are left out."""
    redactor = Redactor(functions=functions)
    header = redactor.line(trace.header_row)
    yield orjson.dumps({**header, "redacted": "by tpanalyze"}) + b"\n"
    for batch in trace:
        lines = [redactor.line(row) if isinstance(row, dict) else row for row in batch.rows]
        yield b"".join(orjson.dumps(line) + b"\n" for line in lines)
