"""The file a trace goes to.

The app may close any descriptor it likes (``os.closerange``) and get the same number for a file of
its own.  So before each write the descriptor is compared with the file that was opened, and the
trace never lands in a file of the app.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # signal itself imports enum
import errno
import os
import stat
from _functools import partial  # type: ignore[import-not-found]
from _operator import call, delitem, setitem
from time import sleep

from tprecord import compat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

HIGH = 400
"""Descriptors from here on are tried first, out of the way of the app's low numbers."""


READER_TRIES, READER_PAUSE_S = 50, 0.02
"""How often to look whether somebody reads a pipe, and how long to wait in between."""

IGNORED = _signal.SIG_IGN
DEADLY = [getattr(_signal, name) for name in ("SIGPIPE", "SIGXFSZ") if hasattr(_signal, name)]
"""What a write can raise, and end the process with: CPython ignores them, an app may not."""


class SinkError(OSError):
    """The trace cannot be written (any further)."""


def default_path(program: str, pid: int) -> str:
    """Return a name that tells the program and the process."""
    stem = os.path.basename(program.rstrip(os.sep)).removesuffix(".py")
    safe = "".join(c if c.isalnum() or c in "._-" else "-" for c in stem).strip(".-")
    return f"{safe or 'python'}-{pid}.trace.jsonl"


PACKED = ".gz"
"""The end of a packed trace's name; what a child writes is packed if its name has it."""


def path_of_child(path: str, pid: int) -> str:
    """Return the name of a child's trace: that of the first process's with the child's pid in it.

    >>> path_of_child("/tmp/app-17.trace.jsonl", 18), path_of_child("/tmp/run", 18)
    ('/tmp/app-17.18.trace.jsonl', '/tmp/run.18.trace.jsonl')
    >>> path_of_child("run.jsonl.gz", 18)
    'run.18.trace.jsonl.gz'
    """
    unpacked = path.removesuffix(PACKED)
    stem = unpacked.removesuffix(".jsonl").removesuffix(".trace")
    return f"{stem}.{pid}.trace.jsonl{path[len(unpacked) :]}"


class Sink:
    """An open trace file, by absolute path, so that ``os.chdir`` does not matter."""

    def __init__(self, path: str, *, new: bool, packed: bool = False) -> None:
        """Open `path`.

        With `new` the file must not exist yet: a number is put into the name until it does not.
        Without, a file that is there is replaced if it is empty or a trace, and refused with
        `SinkError` if it is anything else: it may be the app.  Pipes and devices are written to as
        they take it: the app never waits for who reads them.  `packed`: written with gzip.
        """
        self.path = os.path.abspath(path)
        self.tail = bytearray()
        """what is to be written: put it here, and call `write`"""
        self.size = 0
        """bytes in the file"""
        self._packer = Packer() if packed else None
        self._out = bytearray() if packed else self.tail
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)
        flags |= getattr(os, "O_NONBLOCK", 0)
        if new:
            self.path, descriptor = _create(self.path, flags | os.O_EXCL)
        else:
            _refuse_foreign(self.path)
            descriptor = _open(self.path, flags)
            if stat.S_ISREG(os.fstat(descriptor).st_mode) and not _is_descriptor(self.path):
                os.ftruncate(descriptor, 0)
        self._descriptor = _move_up(descriptor)
        status = os.fstat(self._descriptor)
        self._file = status.st_dev, status.st_ino
        self.regular = stat.S_ISREG(status.st_mode)
        self._written = b""
        """what was written last"""
        self._abandoned = False

    def is_behind(self) -> bool:
        """Return whether something is still to be written."""
        return bool(self.tail) or bool(self._out)

    def write(self) -> bool:
        """Append the tail to the file; return false if not all of it can be taken now.

        Raises OSError if none of it ever can; then there is no tail any more.  A Ctrl-C can land
        anywhere in here: no byte of the tail is lost by it, none is written twice.
        """
        if self._packer is not None:
            self._packer.pack(self.tail, self._out)
        try:
            while self._out and not self._abandoned:
                self._check()
                try:
                    self._write()
                except BlockingIOError:
                    return False
                except OSError as error:
                    if error.errno != errno.EBADF:
                        raise
                    # the app has closed it since it was checked: once more, with a check
        except OSError:
            self.tail.clear()
            self._out.clear()
            raise
        if self._abandoned:
            self.tail.clear()
            self._out.clear()
        return True

    def rotate(self, begin: bytes, archive: str) -> None:
        """Go on in a new file at the same path that begins so; the old one is then `archive`.

        Nothing may be left to be written.  At every moment there is a whole file at the path, or
        at `archive`.  Raises OSError, and then nothing has changed.
        """
        self._check()  # what was written last may be missing
        self.write()
        new = self.path + ".new"
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_TRUNC | getattr(os, "O_CLOEXEC", 0)
        if self._packer is not None:
            self._packer.end(self._out)
            self.write()
            self.tail.extend(begin)
            self._packer.pack(self.tail, self._out)
            begin = bytes(self._out)
            self._out.clear()
        descriptor = _open(new, flags)
        try:
            written = 0
            while written < len(begin):
                written += os.write(descriptor, begin[written:])
            try:
                os.link(self.path, archive)
            except OSError:
                os.rename(self.path, archive)
            os.replace(new, self.path)
        except BaseException:
            os.close(descriptor)
            raise
        old = self._descriptor, self._file
        self._descriptor = _move_up(descriptor)
        self._file = _identity(self._descriptor)
        self._written, self.size = b"", len(begin)
        _close(*old)

    def _write(self) -> None:
        """Write what can be, and take it off the tail."""
        deadly = [s for s in DEADLY if _signal.getsignal(s) is not IGNORED]
        if not deadly or not hasattr(_signal, "pthread_sigmask"):
            self._write_now()
            return
        # The app wants to be told by these signals what becomes of its own writes, not of ours.
        before = _signal.pthread_sigmask(_signal.SIG_BLOCK, deadly)
        try:
            self._write_now()
        except OSError as error:
            if error.errno in (errno.EPIPE, errno.EFBIG) and not before.intersection(deadly):
                _signal.sigtimedwait(deadly, 0)
            raise
        finally:
            _signal.pthread_sigmask(_signal.SIG_SETMASK, before)

    def _write_now(self) -> None:
        out, data = self._out, bytes(self._out)
        # C code calls C code: a Ctrl-C lands before both steps or after them.
        next(map(delitem, (out,), map(slice, map(os.write, (self._descriptor,), (data,)))))
        self._written = data[: len(data) - len(out)]
        self.size += len(self._written)

    def _check(self) -> None:
        """See that the descriptor is still our file's, and that the file still has a name."""
        try:
            status = os.fstat(self._descriptor)
        except OSError:
            status = None
        if status is None or (status.st_dev, status.st_ino) != self._file:
            if not self._abandoned:
                self._go_on_with(self._open_again())
        elif self.regular and not status.st_nlink:
            raise SinkError("somebody has deleted the file")

    def _open_again(self) -> int:
        flags = os.O_WRONLY | os.O_APPEND | getattr(os, "O_CLOEXEC", 0)
        descriptor = _open(self.path, flags | getattr(os, "O_NONBLOCK", 0))
        if _identity(descriptor) != self._file:
            os.close(descriptor)
            raise SinkError("the app closed the trace, and another file has taken its name")
        return _move_up(descriptor)

    def _go_on_with(self, descriptor: int) -> None:
        """Write to this one from here on: the app has closed the old one.

        If it did so between the last check and the last write, that went into whatever has the
        number now: it is missing in the file, and is to be written again.  Until something more is
        written, or the file is closed, it stays missing.
        """
        missing = self.size - os.fstat(descriptor).st_size if self.regular else 0
        back = self._written[-missing:] if missing > 0 else b""
        steps = (
            partial(setitem, self._out, slice(0, 0), back),
            partial(setattr, self, "size", self.size - len(back)),
            partial(setattr, self, "_written", b""),
            partial(setattr, self, "_descriptor", descriptor),
        )
        list(map(call, steps))  # C code calls C code: a Ctrl-C lands before all of it or after

    @property
    def opened(self) -> bool:
        """True if there is a file."""
        return True

    @property
    def can_have_siblings(self) -> bool:
        """True if traces of children can stand beside it: it is a file, and no pipe or device."""
        return self.regular and not _is_descriptor(self.path)

    def abandon(self) -> None:
        """Let go of the file in a forked child: it is the parent's.

        A signal handler may have forked while its thread was writing, and that goes on here.  So
        the descriptor is not closed, but leads nowhere.
        """
        self._abandoned = True
        self._packer = None
        try:
            if _identity(self._descriptor) == self._file:
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, self._descriptor, inheritable=False)
                os.close(nowhere)
        except OSError:
            self.close()

    def close(self) -> None:
        """Close the file if it is still ours; what is written afterwards goes nowhere."""
        try:
            if not self._out:  # else another thread is at it, and may be stuck there
                if self.regular:
                    self._check()
                if self._packer is not None:
                    self._packer.end(self._out)
                self.write()
        except OSError:
            pass  # nothing more can be written
        self._abandoned = True
        _close(self._descriptor, self._file)


class LateSink:
    """A trace file that comes to be with its first event, in a child that may never have one."""

    can_have_siblings = True

    def __init__(self, path: str, opens: Callable[[str], bytes]) -> None:
        """`opens` is called with the file's path when it is made, and returns its first line."""
        self.path = os.path.abspath(path)
        self._opens = opens
        self._tail = bytearray()
        self._held = bytearray()
        self._sink: Sink | None = None
        self._abandoned = False

    @property
    def opened(self) -> bool:
        """True if there is a file."""
        return self._sink is not None

    @property
    def tail(self) -> bytearray:
        """What is to be written: put it here, and call `write`."""
        return self._tail if self._sink is None else self._sink.tail

    def is_behind(self) -> bool:
        """As `Sink.is_behind`."""
        return bool(self._tail) if self._sink is None else self._sink.is_behind()

    def write(self) -> bool:
        """As `Sink.write`; as long as there is no event the tail is only kept."""
        if self._sink is not None:
            return self._sink.write()
        self._held += self._tail
        self._tail.clear()
        if self._abandoned or not _has_event(self._held):
            return True
        sink = Sink(self.path, new=True, packed=self.path.endswith(PACKED))
        self.path = sink.path
        sink.tail += self._opens(sink.path) + self._held
        self._held.clear()
        self._sink = sink
        return sink.write()

    def abandon(self) -> None:
        """The process has forked, and this is the child: the file is the parent's."""
        self._abandoned = True
        if self._sink is not None:
            self._sink.abandon()

    def close(self) -> None:
        """Close the file if there is one; none comes to be any more."""
        self._abandoned = True
        if self._sink is not None:
            self._sink.close()


def _has_event(lines: bytearray) -> bool:
    return lines.startswith(b"[") or b"\n[" in lines


class Packer:
    """Packs with gzip, a block for each write, so that a killed process leaves all it wrote."""

    def __init__(self) -> None:
        self._zlib = compat.standard("zlib")
        self._begin()

    def _begin(self) -> None:
        self._stream = self._zlib.compressobj(wbits=31)
        self._is_empty = True

    def pack(self, data: bytearray, out: bytearray) -> None:
        """Move what is in `data` to `out`, packed; a Ctrl-C lands before all of that or after."""
        if data:
            stream = self._stream
            self._is_empty = False
            packed = map(out.extend, map(stream.compress, (data,)))
            flushed = map(out.extend, map(stream.flush, (self._zlib.Z_SYNC_FLUSH,)))
            list(map(call, (partial(list, packed), partial(list, flushed), data.clear)))

    def end(self, out: bytearray) -> None:
        """Append what makes the file a whole one; what comes then begins another."""
        if not self._is_empty:
            out.extend(self._stream.flush())
            self._begin()


def _open(path: str, flags: int) -> int:
    """Return a descriptor; of a pipe that nobody reads yet after waiting a moment for a reader."""
    for _ in range(READER_TRIES):
        try:
            return os.open(path, flags, 0o644)
        except OSError as error:
            if error.errno != errno.ENXIO or not _is_pipe(path):
                raise
            sleep(READER_PAUSE_S)
    raise SinkError(errno.ENXIO, "nobody reads this pipe", path)


def _is_pipe(path: str) -> bool:
    return stat.S_ISFIFO(os.stat(path).st_mode)


def _is_descriptor(path: str) -> bool:
    """Return true for names of what the app has open, like ``/dev/stdout``: not ours to empty."""
    return path.startswith(("/dev/", "/proc/"))


def _create(path: str, flags: int) -> tuple[str, int]:
    stem, suffix, packed = path.rpartition(".trace.jsonl")
    if not suffix:
        stem, suffix, packed = path, ".trace.jsonl", ""
    candidate, number = path, 1
    while True:
        try:
            return candidate, os.open(candidate, flags, 0o644)
        except FileExistsError:
            number += 1
            candidate = f"{stem}-{number}{suffix}{packed}"


def _refuse_foreign(path: str) -> None:
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return
        with open(path, "rb") as file:
            start = file.read(256)
    except FileNotFoundError:
        return
    if start.startswith(b"\x1f\x8b"):
        zlib = compat.standard("zlib")
        try:
            start = zlib.decompressobj(wbits=31).decompress(start)
        except zlib.error:
            pass
    if start and not start.startswith(b'{"tprecord":') and not _is_descriptor(path):
        raise SinkError(f"{path} exists and is not a trace")


def _identity(descriptor: int) -> tuple[int, int]:
    status = os.fstat(descriptor)
    return status.st_dev, status.st_ino


def _close(descriptor: int, file: tuple[int, int]) -> None:
    """Close a descriptor if it is still this file's."""
    try:
        if _identity(descriptor) == file:
            os.close(descriptor)
    except OSError:
        pass  # the app has closed it


def _move_up(descriptor: int) -> int:
    """Return a descriptor of the same file with a high number, the given one closed."""
    try:
        fcntl = compat.standard("fcntl")
        high: int = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, HIGH)
    except (ImportError, OSError, ValueError):
        return descriptor
    os.close(descriptor)
    return high
