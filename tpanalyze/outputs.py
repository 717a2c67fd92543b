"""Files and streams the analyser writes to.

A file is written beside its place and moved there when it is whole, so a half-written one is never
left.  A file that is there already is replaced only if the analyser made it: each of its formats
has room for a mark.
"""

from __future__ import annotations

import contextlib
import os
import struct
import sys
import tempfile
import zlib
from pathlib import Path
from typing import Final

from tpanalyze.errors import OutputError

STDOUT: Final = "-"
MARK: Final = b"tpanalyze"
_LOOKED_AT: Final = 4096

_COMMENTS: Final = {
    b"%PDF": b"% made by tpanalyze\n",
    b"<": b"<!-- made by tpanalyze -->\n",
    b"digraph": b"// made by tpanalyze\n",
    b"#": b"\n<!-- made by tpanalyze -->\n",
}
"""How each of our formats begins, and a comment in it, to be added at the end."""

_JSON: Final = b'"verdict":'
"""JSON has no comments; our reports have this near their beginning."""

_TABLES: Final = (b"task,function,pool,pool_name,", b"thread,thread_name,pool,pool_name,")
"""Nor has CSV; so begin our tables."""


def write(data: bytes, path: str, *, force: bool = False) -> None:
    """Write `data` to `path`, or to standard output for ``-``.  Raises `OutputError`."""
    if path == STDOUT:
        _to_stdout(data)
        return
    target = Path(path)
    try:
        if not force and target.is_file() and not _is_ours(target):
            raise OutputError(
                path,
                found="a file that tpanalyze did not make",
                expected="a free name",
                advice="another name, or --force to replace it",
            )
        if target.exists() and not target.is_file():
            _write_in_place(data, target)
        else:
            _replace(marked(data), target)
    except OSError as error:
        raise OutputError(
            path,
            found=error.strerror or str(error),
            expected="a place to write to",
            advice="another path",
        ) from None


def _to_stdout(data: bytes) -> None:
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(
            "standard output",
            found=error.strerror or str(error),
            expected="a place to write to",
            advice="another place",
        ) from None


def marked(data: bytes) -> bytes:
    """Return `data` with the mark in it, put where its format allows."""
    if MARK in data[:_LOOKED_AT] or MARK in data[-_LOOKED_AT:]:
        return data
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return _with_png_text(data)
    for start, comment in _COMMENTS.items():
        if data.startswith(start):
            return data + comment
    return data


def _with_png_text(data: bytes) -> bytes:
    """Return a PNG with a tEXt chunk behind its header (PNG specification, 11.3.3)."""
    body = b"tEXtSoftware\0" + MARK
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    end_of_header = 8 + 4 + 4 + 13 + 4
    return data[:end_of_header] + chunk + data[end_of_header:]


def _is_ours(path: Path) -> bool:
    with path.open("rb") as file:
        start = file.read(_LOOKED_AT)
        file.seek(max(0, os.fstat(file.fileno()).st_size - _LOOKED_AT))
        end = file.read(_LOOKED_AT)
    return not start or MARK in start or MARK in end or _is_known(start)


def _is_known(start: bytes) -> bool:
    return start.startswith(_TABLES) or (start[:1] == b"{" and _JSON in start)


def _write_in_place(data: bytes, target: Path) -> None:
    with target.open("wb") as file:  # a pipe or device
        file.write(data)


def _replace(data: bytes, target: Path) -> None:
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        umask = os.umask(0)
        os.umask(umask)
        Path(name).chmod(0o666 & ~umask)
        Path(name).replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
