"""Recording in a Python that a recorded process has started.

Called by ``tprecord.pth`` while the interpreter starts, if the environment asks for it.  What has
no threads has nothing to record: until the program imports ``threading`` there is one callback on
the import system, and nothing else is imported.
"""

from __future__ import annotations

import sys

from tprecord import compat
from tprecord.family import Family

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

TRACKER = "multiprocessing.resource_tracker"
"""A process of the standard library's own, in which nothing of the app ever runs."""


def start() -> None:
    """Begin to record this process as soon as it has anything to record; never raises."""
    try:
        if not compat.is_main_interpreter():
            return
        family = Family.of_this_process()
        if family is None or not _is_of_the_app():
            return
        if "threading" in sys.modules:
            _record(family)
        else:
            _at_import("threading", lambda: _record(family))
    except Exception:  # whatever it is, the app must start
        return


def _is_of_the_app() -> bool:
    """Return false for what records itself, and for what is none of the app's business."""
    words = iter(sys.orig_argv[1:])
    for word in words:
        if word in ("-W", "-X"):
            next(words, None)
        elif word == "-m":
            return next(words, None) != "tprecord"
        elif word == "-c":
            return TRACKER not in next(words, "")
        elif not word.startswith("-"):
            break
    return True


def _at_import(name: str, then: Callable[[], None]) -> None:
    """Call `then` once, when the module has been imported."""
    monitoring = sys.monitoring
    code = sys.modules["_frozen_importlib"]._load_unlocked.__code__
    tool = compat.free_tool()
    if tool is None:
        return

    def imported(_code: object, _offset: int, module: Any) -> None:
        if getattr(module, "__name__", None) == name:
            monitoring.set_local_events(tool, code, 0)
            monitoring.register_callback(tool, monitoring.events.PY_RETURN, None)
            monitoring.free_tool_id(tool)
            then()

    monitoring.register_callback(tool, monitoring.events.PY_RETURN, imported)
    monitoring.set_local_events(tool, code, monitoring.events.PY_RETURN)


def _record(family: Family) -> None:
    from tprecord.recording import Recording

    try:
        Recording.of_child(family).start()
    except Exception:  # no tool id, no memory: the app goes on
        return
