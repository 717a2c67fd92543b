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

BOOTSTRAP = "_bootstrap", "_bootstrap_inner"
"""The functions of ``threading`` that every thread of its begins and ends in."""

OURS, THRESHOLD, ELSEWHERE = range(3)
"""Where a thread is: in our ticker, about to begin or to end, or anywhere else."""


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
        me, names = get_ident(), self._names
        # Nothing here holds on to its own frame, not even for a moment: it would keep itself, and
        # with it all that has called it, until the garbage collector comes.
        frames.pop(me, None)
        if here is not None:
            frames[me] = here
        standing, all_known = int(here is None and me not in names.ended), True
        seen: dict[int, tuple[int, int]] = {}
        for ident in tuple(frames):
            if self._look_at(ident, frames.pop(ident), seen):
                standing += 1
            else:
                all_known &= ident in names.ended
        self._seen = seen
        if all_known and self._running() in (None, standing):
            self._buffer.add(CENSUS, 0)
        # else there are threads of C code, which may call Python at any time
        self.take_further()

    def _running(self) -> int | None:
        """Return how many threads the system knows, but for those that end; None: not told.

        A number of the system may have gone to a new thread: one that began after the old one said
        that it would end.
        """
        threads, ended = compat.threads_of_the_process(), self._names.ended
        if threads is None:
            return None
        for ident, (native_id, said) in tuple(ended.items()):
            if native_id not in threads:
                ended.pop(ident, None)
                continue
            began = compat.began(native_id)
            if began is None or 0 < began <= said or ident == get_ident():
                threads.discard(native_id)
        return len(threads)

    def _look_at(self, ident: int, frame: FrameType, seen: dict[int, tuple[int, int]]) -> bool:
        """Record where a thread stands; return false if it has ended, or has yet to begin.

        A thread that has said that it would end is there for a while, without anything to do.
        """
        names, at = self._names, _at(frame)
        if at == OURS:
            return True
        if at == THRESHOLD and ident not in names.idents:
            return False
        number = names.thread_by_ident(ident)
        site = names.site(frame, depth=STACK_DEPTH)
        seen[number] = found_so = site, _time_used(ident)
        if site and self._seen.get(number) != found_so:
            self._buffer.add(STACK, 0, number, site)
        return True

    def take_further(self) -> None:
        """Look at what is not a thread, if there is anything."""
        if not compat.MAY_READ_FRAMES_OF_OTHERS:
            return
        for look in tuple(self.further):
            try:
                look()
            except Exception:
                self.further.remove(look)


def _at(frame: FrameType) -> int:
    """Return `OURS` if the outermost frame is the ticker's, `THRESHOLD` if no code of the app runs.

    The latter is a thread before it runs anything, or after: in ``Thread._bootstrap``, what that
    calls, and our callbacks, alone.
    """
    nobody_s = True
    while True:
        code, back = frame.f_code, frame.f_back
        ours = code.co_filename.startswith(PACKAGE)
        nobody_s &= ours or (
            code.co_name in BOOTSTRAP and compat.is_standard_library(code.co_filename)
        )
        if back is None:
            break
        frame = back
    if ours and code.co_name == "_tick":
        return OURS
    return THRESHOLD if nobody_s and code.co_name == BOOTSTRAP[0] else ELSEWHERE


def _time_used(ident: int) -> int:
    """Return the processor time the thread has used, in the system's ticks; 0 if nobody tells.

    Of a thread that ``threading`` does not know, or where there is no ``/proc``, nobody does.
    """
    threading = sys.modules.get("threading")
    thread = None if threading is None else threading._active.get(ident)
    native_id = attribute(thread, "_native_id")
    return 0 if native_id is None else compat.processor_time(native_id)
