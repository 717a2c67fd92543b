"""What differs between CPython versions, each difference with a name; nowhere else.

The facts were measured on 3.12.1, 3.13.0, 3.13.15, 3.14.7, 3.15.2 and the free-threaded builds.
"""

from __future__ import annotations

import os
import sys

VERSION = sys.version_info[:2]

OLDEST = (3, 12)
"""The first version with ``sys.monitoring`` (PEP 669)."""

NEWEST = (3, 15)
"""The newest version whose standard library this recorder was checked against."""

SNAPSHOT_LOCALS = VERSION < (3, 13)
"""``frame.f_locals`` of a function is a dictionary that stays on the frame.

It would keep futures, exceptions and executors alive for as long as a traceback keeps the frame,
so it must be emptied after it was read.  From 3.13 (PEP 667) it is a proxy that holds nothing.
"""

TOOL_IDS = (3, 4)
"""The tool ids nobody owns: 0 is a debugger's, 1 coverage's, 2 a profiler's, 5 the optimizer's."""

FREE_THREADED = not getattr(sys, "_is_gil_enabled", lambda: True)()

JOIN_METHODS = ("_wait_for_tstate_lock",) if VERSION < (3, 13) else ("join",)
"""The methods of ``threading.Thread`` that make the C call in which a join blocks.

3.12: ``lock.acquire``; from 3.13 ``_ThreadHandle.join``.
"""

SHOWS_SOURCE_OF_DASH_C = VERSION >= (3, 13)
"""A traceback shows the source lines of ``python -c``."""

STANDARD_LIBRARY = os.path.dirname(os.__file__) + os.sep


def is_standard_library(file: str) -> bool:
    """Return true if `file` (of a code object) belongs to the standard library."""
    if file.startswith("<frozen "):
        return True
    return (
        file.startswith(STANDARD_LIBRARY)
        and "site-packages" not in file
        and "dist-packages" not in file
    )
