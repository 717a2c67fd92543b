"""A look at a silent program: where each of its threads stands.

It is taken by the ticker when threads have waited for a while, by the process's end, and by a
signal if the user chose one.  It finds the threads nobody was seen to start, and so makes the list
of threads complete: what no thread on it can do, nobody can.
"""

from __future__ import annotations

import sys
from _thread import get_ident

from tprecord import compat
from tprecord.own import attribute
from tprecord.schema import CENSUS, STACK
from tprecord.tracebacks import PACKAGE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from tprecord.buffer import AnyBuffer
    from tprecord.names import Names

STACK_DEPTH = 16
"""Frames of the app in the stack of a thread; a wait's site has fewer."""


class Look:
    """Looks at the threads of this process, and records what has changed since the last time.

    A thread that is found where it was, but has used the processor meanwhile, is recorded again: it
    moves in circles.
    """

    def __init__(self, buffer: AnyBuffer, names: Names) -> None:
        self._buffer, self._names = buffer, names
        self._seen: dict[int, tuple[int, int]] = {}
        """of each thread: its site, and the processor time it had used, at the last look"""
        self.further: list[Callable[[], object]] = []
        """what else is looked at, each by a call; one that fails is not called again"""

    def take(self, here: FrameType | None) -> None:
        """Append where each thread stands; the calling one in `here`, or left out for None.

        Where frames of others must not be read nothing is appended, and so nothing is claimed.
        """
        if not compat.MAY_READ_FRAMES_OF_OTHERS:
            return
        frames = sys._current_frames()
        there_are, me = len(frames), get_ident()
        # Nothing here holds on to its own frame, not even for a moment: it would keep itself, and
        # with it all that has called it, until the garbage collector comes.
        frames.pop(me, None)
        if here is not None:
            frames[me] = here
        seen: dict[int, tuple[int, int]] = {}
        for ident in tuple(frames):
            self._look_at(ident, frames.pop(ident), seen)
        self._seen = seen
        if compat.threads_of_the_process() in (None, there_are):
            self._buffer.add(CENSUS, 0)
        # else there are threads of C code, which may call Python at any time
        self.take_further()

    def _look_at(self, ident: int, frame: FrameType, seen: dict[int, tuple[int, int]]) -> None:
        if _is_ours(frame):
            return
        number = self._names.thread_by_ident(ident)
        site = self._names.site(frame, depth=STACK_DEPTH)
        seen[number] = found_so = site, _time_used(ident)
        if site and self._seen.get(number) != found_so:
            self._buffer.add(STACK, 0, number, site)

    def take_further(self) -> None:
        """Look at what is not a thread, if there is anything."""
        if not compat.MAY_READ_FRAMES_OF_OTHERS:
            return
        for look in tuple(self.further):
            try:
                look()
            except Exception:
                self.further.remove(look)


def _is_ours(frame: FrameType) -> bool:
    """Return true if the thread is one of ours: its outermost frame is the ticker's."""
    outermost: FrameType | None = frame
    while outermost is not None:
        frame, outermost = outermost, outermost.f_back
    code = frame.f_code
    return code.co_name == "_tick" and code.co_filename.startswith(PACKAGE)


def _time_used(ident: int) -> int:
    """Return the processor time the thread has used, in the system's ticks; 0 if nobody tells.

    Of a thread that ``threading`` does not know, or where there is no ``/proc``, nobody does.
    """
    threading = sys.modules.get("threading")
    thread = None if threading is None else threading._active.get(ident)
    native_id = attribute(thread, "_native_id")
    return 0 if native_id is None else compat.processor_time(native_id)
