"""What a recorded process tells those that descend from it, through one environment variable.

A child that is forked knows everything.  One that is a new Python (``multiprocessing`` by spawn or
forkserver, ``subprocess``) has the variable, and the line in ``tprecord.pth`` that looks for it:
see :mod:`tprecord.child`.  The app does not see the variable: it is not in ``os.environ``.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

VARIABLE = "TPRECORD_CHILDREN"

_VERSION = "2"
_QUOTED = (("%", "%25"), (":", "%3A"))


class Family:
    """What all recorded processes that descend from one have in common, and whose child it is."""

    __slots__ = ("depth", "locks", "parent", "path")

    def __init__(self, path: str, parent: int, depth: int, *, locks: bool = False) -> None:
        self.locks = locks
        """locks are recorded too"""
        self.path = path
        """the trace of the first of them; the others stand beside it"""
        self.parent = parent
        """pid of the nearest process that a child descends from and that has a trace"""
        self.depth = depth

    @classmethod
    def of_this_process(cls) -> Self | None:
        """Return what the environment said when the process began; None: it is not to be recorded.

        It is not if it has another Python installation than its parent, or was told by ``-E`` or
        ``-I`` to ignore its environment.  Other than for the children to come, it is there no more.
        """
        told = os.environ.pop(VARIABLE, "")
        words = told.split(":")
        if len(words) != 6 or words[0] != _VERSION or sys.flags.ignore_environment:
            return None
        _, parent, depth, locks, prefix, path = words
        if not (parent.isdecimal() and depth.isdecimal()) or _unquoted(prefix) != sys.prefix:
            return None
        os.putenv(VARIABLE, told)
        return cls(_unquoted(path), int(parent), int(depth), locks=locks == "1")

    @property
    def value(self) -> str:
        """The variable's value."""
        numbers = _VERSION, str(self.parent), str(self.depth), str(int(self.locks))
        return ":".join((*numbers, _quoted(sys.prefix), _quoted(self.path)))

    def tell(self) -> None:
        """Leave it for the children to come: in the process's environment, not in `os.environ`."""
        os.putenv(VARIABLE, self.value)

    @staticmethod
    def forget() -> None:
        """Leave nothing for the children to come: they are not recorded."""
        os.unsetenv(VARIABLE)


def _quoted(text: str) -> str:
    for plain, quoted in _QUOTED:
        text = text.replace(plain, quoted)
    return text


def _unquoted(text: str) -> str:
    for plain, quoted in reversed(_QUOTED):
        text = text.replace(quoted, plain)
    return text
