"""Record what a program does with its thread pools, to explain a hang after the fact.

From the command line: ``python -m tprecord app.py``.  From code: ``with tprecord.record(path):``.
"""

from __future__ import annotations

import sys

from tprecord.version import VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

__version__ = VERSION
__all__ = ["__version__", "record"]


class record:  # noqa: N801  # used like a function, as contextlib's own
    """Record this process while the block runs: ``with tprecord.record("trace.jsonl"):``.

    Pools and futures that are busy when it begins are recorded from then on; what was before is
    unknown to the analyser, and treated so.  A second recording at the same time is possible.
    The processes it starts meanwhile are recorded too, unless `children` is false.  With `locks`
    also ``threading.Lock`` and ``RLock``: those that are made while it records, by the name they
    have in ``threading``; who has imported the names themselves before goes on without.
    Raises OSError if the trace cannot be written, RuntimeError if sys.monitoring is taken.
    """

    def __init__(
        self,
        path: str | None = None,
        *,
        depth: int | None = None,
        children: bool = True,
        locks: bool = False,
    ) -> None:
        self._path, self._depth, self._children, self._locks = path, depth, children, locks

    def __enter__(self) -> Self:
        from tprecord.recording import DEPTH, Recording

        program = sys.argv[0] if sys.argv and sys.argv[0] else "python"
        self._recording = Recording(
            self._path,
            program,
            depth=DEPTH if self._depth is None else self._depth,
            children=self._children,
            locks=self._locks,
        )
        self._recording.start()
        return self

    @property
    def path(self) -> str:
        """The trace's absolute path."""
        return self._recording.path

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._recording.stop()
