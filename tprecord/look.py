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
        names, add = self._names, self._buffer.add
        frames = sys._current_frames()
        seen: dict[int, tuple[int, int]] = {}
        me = get_ident()
        frame: FrameType | None = None
        for ident in frames:
            frame = here if ident == me else frames[ident]
            if frame is None or _is_ours(frame):
                continue
            number = names.thread_by_ident(ident)
            site = names.site(frame, depth=STACK_DEPTH)
            seen[number] = found_so = site, _time_used(ident)
            if site and self._seen.get(number) != found_so:
                add(STACK, 0, number, site)
        self._seen = seen
        if compat.threads_of_the_process() in (None, len(frames)):
            add(CENSUS, 0)
        # else there are threads of C code, which may call Python at any time
        frames.clear()
        frame = None  # it may be this very frame, and would keep its callers alive
        self.take_further()

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
