"""Source lines of the recorded program, where its source is at hand and has not been changed."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from tpanalyze.model import Frame

MOST_BYTES = 4_000_000
"""A larger file is no source somebody wrote."""


class SourceLines:
    """Looks frames up in the files of this machine.

    A file that was written to after the recording began is not the one that ran: it is not used.
    """

    def __init__(self, directories: Iterable[Path], started: str) -> None:
        """`directories`: where the trace's relative paths may lead from, the likeliest first.

        `started`: when the recording began, ISO 8601; if it cannot be read, nothing is found.
        """
        self._directories = tuple(directories)
        try:
            self._started = datetime.fromisoformat(started).timestamp()
        except ValueError:
            self._started = float("-inf")
        self._files: dict[str, list[str]] = {}

    def __call__(self, frame: Frame) -> str:
        """Return the line the frame stands on, without its indentation; empty if not at hand."""
        file = frame.function.file
        if not file or frame.function.stdlib:
            return ""
        if file not in self._files:
            self._files[file] = self._read(file)
        lines = self._files[file]
        return lines[frame.line - 1].strip() if 0 < frame.line <= len(lines) else ""

    def _read(self, file: str) -> list[str]:
        for directory in self._directories:
            path = directory / file
            try:
                status = path.stat()
                if path.is_file() and status.st_size <= MOST_BYTES:
                    if status.st_mtime > self._started:
                        return []
                    return path.read_text("utf-8", "replace").splitlines()
            except (OSError, ValueError):
                continue
        return []
