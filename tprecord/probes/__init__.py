"""What is recorded: one module per area of the standard library, none of which knows another.

Each has ``PROBES``: for each module it watches, a function that is called once, with the monitor
and the module, when the app has imported it.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from tprecord.monitor import Monitor

    Install = Callable[[Monitor, ModuleType], None]
