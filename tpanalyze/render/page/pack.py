"""Columns of numbers as one string, small enough for hundreds of thousands of rows in a page.

Each column is taken as 32 bit integers and cut into four planes, all lowest bytes first: the high
planes are nearly all zeros and cost nothing.  Then zlib, which browsers unpack themselves
(``DecompressionStream("deflate")``), and base64.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Sequence

import numpy as np

type Integers = np.ndarray[tuple[int, ...], np.dtype[np.int64]]

MOST = (1 << 32) - 1
"""The largest number that a column can hold; larger ones become it, negative ones become 0."""


def pack(columns: Sequence[Integers]) -> str:
    """Return the columns, all of one length, as base64.

    >>> packed = pack([np.array([1, 2]), np.array([3, 700])])
    >>> zlib.decompress(base64.b64decode(packed)).hex(" ", 8)
    '0102000000000000 03bc000200000000'
    """
    planes = [
        np.clip(column, 0, MOST).astype("<u4").view(np.uint8).reshape(-1, 4).T.tobytes()
        for column in columns
    ]
    return base64.b64encode(zlib.compress(b"".join(planes), 9)).decode()
