"""The file of a trace: bytes to rows, many at a time, in bounded memory.

What this floor promises to those above: every row is an array of integers, each of at most 15
digits, or an object; everything else has become a remark.  What the rows mean is not its business.

A block of lines is parsed by one call, as an array with commas for the ends of the lines, which
costs a fraction of a call per line.  That each line is one value, and a flat array of integers,
follows from the block's punctuation (see :func:`_is_flat`), again in a few calls per block.  Only a
block that is not so is taken line by line.

Source: JSON Lines, https://jsonlines.org; RFC 8259; gzip, RFC 1952.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Generator, Iterable, Iterator
from os import PathLike, fspath
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol, Self

import orjson

from tpanalyze.errors import TraceError
from tpanalyze.header import parse_header
from tpanalyze.model import Header
from tpanalyze.remarks import Remarks
from tpanalyze.rows import BOUND, Batch, Row
from tpanalyze.segments import Joined, newest_segment, segments_before

BLOCK: Final = 1 << 16
"""Bytes to read at a time: rows of one block fit in the processor's caches."""

LONGEST_LINE: Final = 1 << 24
"""Bytes of the longest line that is taken; the wait for a million scattered futures has half."""

_TOO_LONG: Final = b"<a line of more than 16 MiB>"
"""Stands for such a line; is no JSON, so it becomes a remark like any other line that is none."""

_GZIP: Final = b"\x1f\x8b"
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_EVENT_BYTES: Final = b"0123456789-,"
_DIGITS_AS_ZEROS: Final = bytes.maketrans(b"123456789", b"000000000")
_TOO_MANY_DIGITS: Final = b"0" * len(str(BOUND))


class Readable(Protocol):
    """A binary file, as far as it is needed here."""

    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes; none at the end."""

    def close(self) -> None:
        """Close the file."""


class Trace:
    """A trace that is being read: its header, then its batches, once; a context manager."""

    def __init__(self, file: Readable, name: str) -> None:
        self.name = name
        self.remarks = Remarks()
        self._file = file
        self._lines_before = 0
        self._suspect: tuple[int, bytes] | None = None
        """a line that is no JSON, until it is known whether it is the last"""
        self._blocks = _whole_lines(self._unpacked())
        self.header, self._after_header = self._read_header()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __iter__(self) -> Iterator[Batch]:
        """Yield the rows after the header, batch by batch; remarks gather on the way."""
        if self._after_header:
            yield from self._parse(self._after_header)
            self._after_header = b""
        for block in self._blocks:
            yield from self._parse(block)
        if self._suspect is not None:
            line, text = self._suspect
            self._suspect = None
            self.remarks.notice(
                "torn-end",
                f"the last line is torn: found {excerpt(text)}; all lines before it count",
                line,
            )

    # ------------------------------------------------------------------ the bytes

    def _read(self) -> Iterator[bytes]:
        """Yield the file's bytes; an error that comes late ends them."""
        at = 0
        while True:
            try:
                data = self._file.read(BLOCK)
            except OSError as error:
                if not at:
                    raise _unreadable(self.name, error) from error
                text = f"the file cannot be read beyond byte {at}: {error.strerror or error}"
                self.remarks.loss("read-error", text)
                return
            if not data:
                return
            at += len(data)
            yield data

    def _unpacked(self) -> Iterator[bytes]:
        """Yield the trace's bytes, unpacked if the file is gzip's."""
        packed = self._read()
        first = next(packed, b"")
        while 0 < len(first) < len(_GZIP) and (more := next(packed, b"")):
            first += more
        blocks = _after(first, packed)
        if not first.startswith(_GZIP):
            yield from blocks
            return
        try:
            whole = yield from _inflate(blocks)
        except zlib.error as error:
            self.remarks.loss("corrupt-gzip", f"the rest of the file cannot be unpacked: {error}")
        else:
            if not whole:
                self.remarks.notice("torn-end", "the compressed file ends too early")

    # ------------------------------------------------------------------ the lines

    def _read_header(self) -> tuple[Header, bytes]:
        """Return the header, and what was read beyond it."""
        block = next(self._blocks, b"").removeprefix(_BYTE_ORDER_MARK)
        if not block:
            raise TraceError(
                self.name,
                None,
                found="an empty file",
                expected="a trace, whose first line is its header",
                advice="recording again: python -m tprecord app.py",
            )
        line, _, rest = block.partition(b"\n")
        self._lines_before = 1
        try:
            value: object = orjson.loads(line)
        except orjson.JSONDecodeError:
            value = None
        header = parse_header(value, excerpt(line), self.name, self.remarks)
        self.header_row: dict[str, object] = value if isinstance(value, dict) else {}
        return header, rest

    def _parse(self, block: bytes) -> Iterator[Batch]:
        """Yield the rows of some whole lines."""
        body = block.removesuffix(b"\n")
        first_line = self._lines_before + 1
        count = body.count(b"\n") + 1
        self._lines_before += count
        try:
            rows: list[Row] = orjson.loads(b"[%b]" % body.replace(b"\n", b","))
        except orjson.JSONDecodeError:
            rows = []
        if len(rows) == count and _is_flat(body, rows):
            self._clear_suspect()
            yield Batch(first_line, rows)
        else:
            yield from self._parse_each(body.split(b"\n"), first_line)

    def _parse_each(self, lines: list[bytes], first_line: int) -> Iterator[Batch]:
        """Yield what can be had of lines that are not all good."""
        good: list[Row] = []
        for at, line in enumerate(lines, first_line):
            row = self._parse_one(line, at)
            if row is not None:
                good.append(row)
            elif good:
                yield Batch(at - len(good), good)
                good = []
        if good:
            yield Batch(first_line + len(lines) - len(good), good)

    def _parse_one(self, line: bytes, at: int) -> Row | None:
        """Return the row of one line; None, with a remark, if it is none."""
        self._clear_suspect()
        try:
            row: object = orjson.loads(line)
        except orjson.JSONDecodeError:
            if line.strip():
                self._suspect = at, line[: _EXCERPT + 1]
            else:
                self.remarks.notice("blank-line", "an empty line", at)
            return None
        if isinstance(row, dict):
            return row
        if isinstance(row, list) and all(type(n) is int and -BOUND < n < BOUND for n in row):
            return row
        expected = "an array of integers of at most 15 digits, or an object"
        self.remarks.loss("bad-line", f"found {excerpt(line)}, expected {expected}; skipped", at)
        return None

    def _clear_suspect(self) -> None:
        """Another line follows: the one before it is not the torn end of the file."""
        if self._suspect is not None:
            line, text = self._suspect
            self._suspect = None
            self.remarks.loss("bad-line", f"found {excerpt(text)}, expected JSON; skipped", line)


class _Watched:
    """A file, and somebody who is told of every piece that is read."""

    def __init__(self, file: Readable, on_read: Callable[[int], None]) -> None:
        self._file, self._on_read = file, on_read

    def read(self, size: int, /) -> bytes:
        data = self._file.read(size)
        self._on_read(len(data))
        return data

    def close(self) -> None:
        self._file.close()


def open_trace(
    source: str | PathLike[str] | Readable,
    name: str | None = None,
    on_read: Callable[[int], None] | None = None,
) -> Trace:
    """Open a trace, a path or a binary file, plain or gzip, and read its header.

    `name` is what errors call it; by default the path.  `on_read` is called with the length of
    every piece that is read.  Raises TraceError.
    """
    if not isinstance(source, (str, PathLike)):
        called = name or str(getattr(source, "name", "<stream>"))
        return Trace(source if on_read is None else _Watched(source, on_read), called)
    path = fspath(source)
    try:
        file = _open(Path(path))
    except FileNotFoundError as error:
        raise TraceError(
            name or path,
            None,
            found="no such file",
            expected="a trace",
            advice="the path that tprecord printed when it began",
        ) from error
    except (OSError, ValueError) as error:
        raise _unreadable(name or path, error) from error
    try:
        return Trace(file if on_read is None else _Watched(file, on_read), name or path)
    except BaseException:
        file.close()
        raise


def size_of(path: str) -> int | None:
    """Return how many bytes `open_trace` will read; None if that cannot be known."""
    try:
        here = Path(path) if Path(path).exists() else newest_segment(Path(path))
        if here is None or not here.is_file():
            return None
        return sum(part.stat().st_size for part in (*segments_before(here), here))
    except (OSError, ValueError):
        return None


def _open(path: Path) -> Readable:
    """Return the file of a trace, with the segments before it in front if there are any."""
    if not path.exists():
        path = newest_segment(path) or path
    elif not path.is_file():
        return path.open("rb")
    return Joined([*segments_before(path), path])


def _unreadable(name: str, error: OSError | ValueError) -> TraceError:
    what = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return TraceError(
        name,
        None,
        found=f"a file that cannot be read ({what})",
        expected="a trace",
        advice="the path of a file that you may read",
    )


_EXCERPT: Final = 48


def excerpt(line: bytes) -> str:
    r"""Return the beginning of a line in quotes, safe on any terminal.

    >>> print(excerpt(b"\x1b[31m \xff"))
    '\x1b[31m \xff'
    """
    text = line[:_EXCERPT].decode("utf-8", "backslashreplace")
    return ascii(text).replace("\\\\x", "\\x") + ("…" if len(line) > _EXCERPT else "")


def _after(first: bytes, rest: Iterable[bytes]) -> Iterator[bytes]:
    if first:
        yield first
        yield from rest


def _inflate(packed: Iterable[bytes]) -> Generator[bytes, None, bool]:
    """Yield what gzip packed, a block at a time; return whether it is whole.

    Raises zlib.error.
    """
    member = zlib.decompressobj(wbits=31)
    whole = False
    for block in packed:
        data = block
        while data:
            if member.eof:
                member = zlib.decompressobj(wbits=31)
            yield member.decompress(data, BLOCK)
            data = member.unused_data if member.eof else member.unconsumed_tail
        whole = member.eof
    if not whole:
        yield member.flush()
    return whole


def _whole_lines(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the same bytes, cut at ends of lines; only the last may end without one.

    Of a line longer than LONGEST_LINE, only that there is one remains.
    """
    begun: list[bytes] = []
    size = 0
    for block in blocks:
        cut = block.rfind(b"\n") + 1
        if not cut:
            size += len(block)
            if size <= LONGEST_LINE:
                begun.append(block)
            else:
                begun = [_TOO_LONG]
            continue
        if size + block.index(b"\n") <= LONGEST_LINE:
            yield b"".join((*begun, block[:cut]))
        else:
            yield _TOO_LONG + block[block.index(b"\n") : cut]
        begun = [block[cut:]]
        size = len(block) - cut
    rest = b"".join(begun)
    if rest:
        yield rest


def _is_flat(body: bytes, rows: list[Row]) -> bool:
    """Return True if each line is one object, or one array of integers that are not too long.

    `rows` are the values of the joined lines, as many as there are lines.  With everything that
    integers and commas are made of left out, a line with an event is ``[]``; so each such line is
    one flat array.  Lines that begin like an object are left out of that; if as many objects came
    of them as they are, no other value can hide in them.
    """
    objects = 0
    events = body
    if body.startswith(b"{") or b"\n{" in body:
        lines = body.split(b"\n")
        plain = [line for line in lines if not line.startswith(b"{")]
        objects = len(lines) - len(plain)
        if objects != sum(isinstance(row, dict) for row in rows):
            return False
        if not plain:
            return True
        events = b"\n".join(plain)
    shape = events.translate(None, _EVENT_BYTES)
    if shape != b"\n".join([b"[]"] * (len(rows) - objects)):
        return False
    return _TOO_MANY_DIGITS not in events.translate(_DIGITS_AS_ZEROS)
