"""Reading the local variables of the function that is being watched."""

from __future__ import annotations

from tprecord import compat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any


def local_values(frame: FrameType, *wanted: str) -> list[Any]:
    """Return the values of local variables, None for one that is not set.

    Nothing stays behind on the frame: see ``compat.SNAPSHOT_LOCALS``.
    """
    values = frame.f_locals
    found = [values.get(name) for name in wanted]
    if compat.SNAPSHOT_LOCALS:
        values.clear()
    return found
