"""Which core records: the callbacks and the buffer in C, where they were built, or in Python.

Both write the same trace.  The environment variable ``TPRECORD_CORE`` chooses: ``python`` or ``c``.
"""

from __future__ import annotations

import os

from tprecord import buffer, compat, core, names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from tprecord.buffer import AnyBuffer
    from tprecord.core import AnyCallbacks
    from tprecord.names import Counter, Table

VARIABLE = "TPRECORD_CORE"


class CoreError(RuntimeError):
    """The core that was asked for is not there."""


class Core:
    """What differs between the two."""

    __slots__ = ("buffer", "counter", "make_callbacks", "name", "table")

    def __init__(
        self,
        name: str,
        buffer: Callable[[int], AnyBuffer],
        table: Callable[[], Table],
        counter: Callable[[], Counter],
        make_callbacks: Callable[..., AnyCallbacks],
    ) -> None:
        self.name = name
        """for people"""
        self.buffer, self.table, self.counter = buffer, table, counter
        self.make_callbacks = make_callbacks


def choose() -> Core:
    """Return the core that the environment asks for, or else the quicker one.

    Raises `CoreError` if there is no such core.
    """
    wanted = os.environ.get(VARIABLE, "")
    if wanted == "python":
        return _in_python(f"{VARIABLE}=python")
    if wanted not in ("", "c"):
        raise CoreError(f"{VARIABLE} is python or c, not {wanted!r}")
    try:
        from tprecord import _core as in_c
    except ImportError:
        missing = "the core in C was not built"
        if compat.FREE_THREADED:
            missing = "the core in C needs the GIL"
        if wanted == "c":
            raise CoreError(f"{VARIABLE}=c, but {missing}") from None
        return _in_python(missing)
    return Core("C", in_c.Buffer, in_c.Table, in_c.Counter, in_c.Callbacks)


def _in_python(why: str) -> Core:
    return Core(
        f"Python ({why})", buffer.Buffer, dict[int, int], names.counter, core.make_callbacks
    )
