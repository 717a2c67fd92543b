"""Functions whose ``try`` covers every one of their steps, for what a Ctrl-C may land in.

It lands most often where a function begins or a loop jumps back, and in CPython no ``try`` of the
function's own reaches its first step, nor (in 3.12) the jump.  So the table of exceptions gets the
entries that are missing.  Source: ``Objects/exception_handling_notes.txt`` (3.12),
``InternalDocs/exception_handling.md``: an entry is start, length, target, and depth with a flag, in
groups of six bits; the first byte of an entry is marked, and so is each group but a number's last.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType

FIRST, MORE, SIX = 128, 64, 63


def covered_throughout(code: CodeType) -> CodeType:
    """Return the code with its outermost handler in charge of all that stands before it.

    For a function that is one `try`, and begins it with a statement that is none.  The code is
    returned as it is if its table is not of the kind that is known.
    """
    entries = _entries(code.co_exceptiontable)
    if not entries or entries[0][3] != 0:
        return code
    target = entries[0][2]
    whole = []
    covered = 0
    for entry in entries:
        start, length = entry[:2]
        if start > covered and covered < target:
            whole.append((covered, min(start, target) - covered, target, 0))
        whole.append(entry)
        covered = start + length
    return code.replace(co_exceptiontable=b"".join(map(_packed, whole)))


def _entries(table: bytes) -> list[tuple[int, int, int, int]]:
    numbers, number = [], 0
    for byte in table:
        number = number << 6 | byte & SIX
        if not byte & MORE:
            numbers.append(number)
            number = 0
    return list(zip(*[iter(numbers)] * 4, strict=False))


def _packed(entry: tuple[int, int, int, int]) -> bytes:
    packed = bytearray()
    for number in entry:
        groups = [number & SIX]
        while number := number >> 6:
            groups.append(number & SIX | MORE)
        packed += bytes(reversed(groups))
    packed[0] |= FIRST
    return bytes(packed)
