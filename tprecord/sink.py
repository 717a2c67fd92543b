"""The file a trace goes to.

The app may close any descriptor it likes (``os.closerange``) and get the same number for a file of
its own.  So before each write the descriptor is compared with the file that was opened, and the
trace never lands in a file of the app.
"""

from __future__ import annotations

import os
import stat

HIGH = 400
"""Descriptors from here on are tried first, out of the way of the app's low numbers."""


class SinkError(OSError):
    """The trace cannot be written (any further)."""


def default_path(program: str, pid: int) -> str:
    """Return a name that tells the program and the process."""
    stem = os.path.basename(program.rstrip(os.sep)).removesuffix(".py")
    safe = "".join(c if c.isalnum() or c in "._-" else "-" for c in stem).strip(".-")
    return f"{safe or 'python'}-{pid}.trace.jsonl"


class Sink:
    """An open trace file, by absolute path, so that ``os.chdir`` does not matter."""

    def __init__(self, path: str, *, new: bool) -> None:
        """Open `path`.

        With `new` the file must not exist yet: a number is put into the name until it does not.
        Without, a file that is there is replaced if it is empty or a trace, and refused with
        `SinkError` if it is anything else: it may be the app.  Pipes and devices are written to.
        """
        self.path = os.path.abspath(path)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)
        if new:
            self.path, descriptor = _create(self.path, flags | os.O_EXCL)
        else:
            _refuse_foreign(self.path)
            descriptor = os.open(self.path, flags, 0o644)
            if stat.S_ISREG(os.fstat(descriptor).st_mode):
                os.ftruncate(descriptor, 0)
        self._descriptor = _move_up(descriptor)
        status = os.fstat(self._descriptor)
        self._file = status.st_dev, status.st_ino
        self._regular = stat.S_ISREG(status.st_mode)
        self._tail = b""
        self._landed = 0

    def write(self, data: bytes) -> None:
        """Append all of `data`, and whatever an interrupted call before left; or raise OSError.

        A Ctrl-C can land between the system call and the next step of this function.  The file's
        size then says how much of the tail has landed: no line is lost, none is written twice.
        """
        self._tail += data
        while self._tail:
            size = self._checked_size()
            if self._regular and size != self._landed:
                written = max(0, size - self._landed)  # less: somebody has truncated the file
                self._tail, self._landed = self._tail[written:], size
                continue
            written = os.write(self._descriptor, self._tail)
            self._tail, self._landed = self._tail[written:], self._landed + written

    def _checked_size(self) -> int:
        try:
            status = os.fstat(self._descriptor)
        except OSError:
            status = None
        if status is None or (status.st_dev, status.st_ino) != self._file:
            self._open_again()
            status = os.fstat(self._descriptor)
        return status.st_size

    def _open_again(self) -> None:
        descriptor = os.open(
            self.path, os.O_WRONLY | os.O_APPEND | getattr(os, "O_CLOEXEC", 0), 0o644
        )
        if _identity(descriptor) != self._file:
            os.close(descriptor)
            raise SinkError("the app closed the trace, and another file has taken its name")
        self._descriptor = _move_up(descriptor)

    def abandon(self) -> None:
        """Close the descriptor in a forked child; the file is the parent's."""
        self._tail = b""
        self.close()

    def close(self) -> None:
        """Close the file if it is still ours."""
        try:
            if _identity(self._descriptor) == self._file:
                os.close(self._descriptor)
        except OSError:
            pass  # the app has closed it


def _create(path: str, flags: int) -> tuple[str, int]:
    stem = path.removesuffix(".trace.jsonl")
    candidate, number = path, 1
    while True:
        try:
            return candidate, os.open(candidate, flags, 0o644)
        except FileExistsError:
            number += 1
            candidate = f"{stem}-{number}.trace.jsonl"


def _refuse_foreign(path: str) -> None:
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return
        with open(path, "rb") as file:
            start = file.read(12)
    except FileNotFoundError:
        return
    if start and not start.startswith(b'{"tprecord":'):
        raise SinkError(f"{path} exists and is not a trace")


def _identity(descriptor: int) -> tuple[int, int]:
    status = os.fstat(descriptor)
    return status.st_dev, status.st_ino


def _move_up(descriptor: int) -> int:
    """Return a descriptor of the same file with a high number, the given one closed."""
    try:
        import fcntl

        high = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, HIGH)
    except (ImportError, OSError, ValueError):
        return descriptor
    os.close(descriptor)
    return high
