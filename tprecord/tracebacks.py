"""Tracebacks without frames of ours: what users read is what they would read without us.

An exception of the app (Ctrl-C, what a signal handler raises) can land in a callback, and comes out
of it with our frames in its traceback.  It is mended in the first frame of the app it reaches.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

PACKAGE = __file__.rpartition("tracebacks")[0]
"""The directory whose files have our frames, with its separator."""

LONGEST_CHAIN = 100
"""Exceptions in a chain of contexts that are looked at."""


def is_ours(traceback: TracebackType) -> bool:
    """Return true if the entry's frame is one of this package."""
    return traceback.tb_frame.f_code.co_filename.startswith(PACKAGE)


def innermost(traceback: TracebackType | None) -> TracebackType | None:
    """Return the entry of the frame in which it was raised."""
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    return traceback


def take_out_ours(error: BaseException) -> None:
    """Unlink our frames from an exception, and the exceptions that were ours from its context."""
    error.__traceback__ = _without_ours(error.__traceback__)
    for _ in range(LONGEST_CHAIN):
        context = error.__context__
        if context is None or context is error:
            return
        raised_at = innermost(context.__traceback__)
        if raised_at is not None and is_ours(raised_at):
            error.__context__ = context.__context__  # we were handling it
            continue
        context.__traceback__ = _without_ours(context.__traceback__)
        error = context


def _without_ours(traceback: TracebackType | None) -> TracebackType | None:
    while traceback is not None and is_ours(traceback):
        traceback = traceback.tb_next
    here = traceback
    while here is not None:
        following = here.tb_next
        if following is not None and is_ours(following):
            here.tb_next = following.tb_next
        else:
            here = following
    return traceback
