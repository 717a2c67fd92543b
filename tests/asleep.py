"""Which threads sleep, for programs under test as well: so a thread is known to be in its wait.

A thread that says "now I wait" may be stopped before it does. One that sleeps is in a system call;
and if it has not been scheduled for `STILL_S`, it neither waits for the GIL, which wakes it every
5 ms, nor naps: it waits for somebody. (Where the kernel does not say, no ``/proc``, all are taken
to sleep.)
"""

from __future__ import annotations

import threading
import time
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

STILL_S = 0.1
"""More than the recorder's own thread keeps an event for, and than any nap in these tests."""


def scheduled(task: Path) -> str | None:
    """Return how often the thread with this directory was scheduled; nothing if it is awake."""
    try:
        fields = dict(line.split(":", 1) for line in (task / "status").read_text().splitlines())
    except OSError:  # it has just ended
        return None
    if fields["State"].split()[0] not in "SI":
        return None
    return fields["voluntary_ctxt_switches"] + fields["nonvoluntary_ctxt_switches"]


def until_asleep(*threads: threading.Thread | int) -> None:
    """Return when each of these threads, or native ids of threads, is in a wait that lasts."""
    ids = [thread if isinstance(thread, int) else thread.native_id for thread in threads]
    process = Path("/proc/self/task")
    before, since = list[str | None](), 0.0
    while process.exists():
        now = [scheduled(process / str(number)) for number in ids]
        if now != before or None in now:
            before, since = now, time.monotonic()
        elif time.monotonic() - since >= STILL_S:
            return
        time.sleep(0.005)


def when_asleep(act: Callable[[], object]) -> None:
    """Start a thread that acts when the calling one is in a wait that lasts."""
    waits = threading.current_thread()

    def look() -> None:
        until_asleep(waits)
        act()

    threading.Thread(target=look).start()
