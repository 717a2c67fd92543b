"""A line on the terminal for whoever waits: what is done now, and how far it is.

It is drawn by a thread of its own, a second after the command began and not before, so that what
works needs to know nothing but a function to tell how many bytes it has read.  It is wiped away
when the step is over.  Nothing is drawn where nobody looks: in pipes and files, or with ``-q``.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, TextIO

from tpanalyze.escape import terminal

PATIENCE_S: Final = 1.0
_BETWEEN_S: Final = 0.1
_BAR: Final = 24
_WIPE: Final = "\r\x1b[K"
"""ECMA-48: back to the first column, erase the line."""


class Meter:
    """How far one step is."""

    __slots__ = ("done", "label", "whole")

    def __init__(self, label: str, whole: int | None) -> None:
        self.label, self.whole = label, whole
        self.done = 0

    def read(self, count: int) -> None:
        """Take note of so many bytes more."""
        self.done += count


class Progress:
    """One command's progress on a stream; `shown` false: never drawn."""

    def __init__(
        self, stream: TextIO, *, shown: bool = True, patience_s: float = PATIENCE_S
    ) -> None:
        self._stream = stream
        self._shown = shown and stream.isatty()
        self._from_s = time.monotonic() + patience_s

    @contextmanager
    def step(self, label: str, whole: int | None = None) -> Iterator[Meter]:
        """Show one step while it lasts; `whole`: how many bytes it will read, if that is known."""
        meter = Meter(label, whole)
        if not self._shown:
            yield meter
            return
        over = threading.Event()
        artist = threading.Thread(target=self._draw, args=(meter, over), daemon=True)
        artist.start()
        try:
            yield meter
        finally:
            over.set()
            artist.join()

    def _draw(self, meter: Meter, over: threading.Event) -> None:
        if over.wait(max(0.0, self._from_s - time.monotonic())):
            return
        while True:
            width = shutil.get_terminal_size().columns
            self._write(_WIPE + line(meter.label, meter.done, meter.whole, width - 1))
            if over.wait(_BETWEEN_S):
                self._write(_WIPE)
                return

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


def line(label: str, done: int, whole: int | None, width: int) -> str:
    """Return what is shown of a step, in at most `width` letters.

    >>> line("reading app.jsonl", 3_000_000, 12_000_000, 79)
    'reading app.jsonl  [======                  ]  25%  3.0 of 12.0 MB'
    >>> line("reading -", 3_000_000, None, 79)
    'reading -  3.0 MB'
    >>> line("drawing app.html", 0, None, 79)
    'drawing app.html …'
    >>> line("reading a file with a long name", 3, 12, 20)
    'reading a file…  25%'
    """
    said = terminal(label)
    if whole:
        part = min(1.0, done / whole)
        bar = "=" * round(part * _BAR)
        more = f"  [{bar:{_BAR}}]  {part:.0%}  {done / 1e6:.1f} of {whole / 1e6:.1f} MB"
    else:
        more = f"  {done / 1e6:.1f} MB" if done else " …"
    if len(said) + len(more) > width and whole:
        more = f"  {min(1.0, done / whole):.0%}"
    room = width - len(more)
    if len(said) > room:
        said = said[: max(0, room - 1)] + "…"
    return (said + more)[: max(0, width)]
