"""Errors a user can cause, each with its place and what to try; and the exit codes."""

from __future__ import annotations

from typing import Final

EXIT_NOTHING_FOUND: Final = 0
EXIT_DEADLOCK: Final = 1
EXIT_ERROR: Final = 2
EXIT_INTERRUPTED: Final = 130


class UserError(Exception):
    """Something a user can mend.  ``str()`` is one line: where, what, and what to try."""


class FileProblem(UserError):
    """A file is not as it must be: ``path:line: found …, expected …, try …``."""

    def __init__(
        self, path: str, line: int | None = None, *, found: str, expected: str, advice: str
    ) -> None:
        self.path, self.line = path, line
        self.found, self.expected, self.advice = found, expected, advice
        where = path if line is None else f"{path}:{line}"
        super().__init__(f"{where}: found {found}, expected {expected}, try {advice}")


class TraceError(FileProblem):
    """The trace cannot be read (any further)."""


class OutputError(FileProblem):
    """A result cannot be written."""
