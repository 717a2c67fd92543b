"""Locks that the app makes, under ``--locks``: who has one while others want it, and since where.

``threading.Lock`` and ``RLock`` are C and show nothing to monitoring.  So these two names, and
nothing else, are replaced by the classes of :mod:`tprecord.locks`, before the app can import them.
"""

from __future__ import annotations

from tprecord import compat, locks, waiting
from tprecord.schema import CONTEND, FREE, OBTAIN, OPERATION
from tprecord.timeouts import NEVER, ticks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType, ModuleType
    from typing import Any

    from tprecord.locks import AnyLock, Held
    from tprecord.monitor import Monitor


class Keeper:
    """Writes the events of locks into one recording."""

    def __init__(self, monitor: Monitor, plain: tuple[Any, Any]) -> None:
        self.monitor = monitor
        self.plain = plain
        """what stands in ``threading`` when nothing is recorded"""

    def number(self) -> int:
        """Return the calling thread's number."""
        return self.monitor.names.thread()

    def contend(self, lock: AnyLock, here: FrameType | None, timeout: float) -> None:
        """The calling thread is about to block, `here` in the app, until it has the lock."""
        monitor, names = self.monitor, self.monitor.names
        operation = OPERATION[f"{type(lock).__name__}.acquire"]
        left = NEVER if timeout == locks.FOR_EVER else ticks(timeout)
        number, site = self._number(lock), names.site(here)
        held = lock._held
        if isinstance(held, int):
            owner, since, turn, scoped = 0, 0, held, 0
        else:
            owner, since, turn, scoped = self._turn(lock, held, here)
        local = names.local
        try:
            local.wait, local.waits_in = waiting.ANNOUNCED, locks.wait.__code__
            monitor.emit(CONTEND, operation, number, left, site, owner, since, turn, scoped)
            monitor.writer.waits(local.number)
        except BaseException:
            waiting.end(monitor, raised=True)
            raise

    def goes_on(self, *, raised: bool = False) -> None:
        """The calling thread blocks no more."""
        waiting.end(self.monitor, raised=raised)

    def obtained(self, lock: AnyLock, here: FrameType | None) -> None:
        """The calling thread has got the lock, `here` in the app, and others wait for it."""
        held = lock._held
        if not isinstance(held, int):
            _, turn, *_, scoped = held
            since = self.monitor.names.site(here)
            self.monitor.emit(OBTAIN, self._number(lock), since, turn, scoped)

    def frees(self, lock: AnyLock, turn: int) -> None:
        """The calling thread is about to release the lock, for which others wait."""
        self.monitor.emit(FREE, self._number(lock), turn)

    def _number(self, lock: AnyLock) -> int:
        names = self.monitor.names
        return names.objects.get(id(lock)) or names.waited_on(lock, made=names.place(*lock._made))

    def _turn(self, lock: AnyLock, held: Held, here: FrameType | None) -> tuple[int, int, int, int]:
        """Return owner, site, turn, and whether by ``with``.

        Who took it before a fork, or in another recording, has no number in this one.  Its site has
        the callers as well where they can be known: see `locks.activation`.
        """
        names = self.monitor.names
        holder, turn, code, address, scoped = held
        owner = holder.number if holder.keeper is self else 0
        call = locks.activation(held, here) if owner else None
        if call is not None:
            since = names.place(code, address, call.f_back)
            if lock._held is held:
                return owner, since, turn, scoped
        return owner, names.place(code, address), turn, scoped


def install(monitor: Monitor, threading: ModuleType) -> None:
    """Put the classes in the place of the two that the app would import."""
    plain = threading.Lock, threading.RLock
    ours = plain == (locks.Lock, locks.RLock)
    before = locks.told()
    if ours and isinstance(before, Keeper) and before.monitor.active:
        monitor.complain("locks are recorded by another recording already; not by this one")
        return
    if compat.FREE_THREADED:
        monitor.complain("without the GIL locks are not recorded")
        return
    if not ours and not compat.are_plain_locks(threading):
        monitor.complain("threading.Lock is not Python's own here: locks are not recorded")
        return
    if ours and isinstance(before, Keeper):
        plain = before.plain
    monitor.names.add_library(locks.PACKAGE)
    keeper = Keeper(monitor, plain)
    locks.tell(keeper)
    threading.Lock, threading.RLock = locks.Lock, locks.RLock  # type: ignore[attr-defined]

    def stop() -> None:
        if locks.told() is keeper:
            locks.tell(None)
            if (threading.Lock, threading.RLock) == (locks.Lock, locks.RLock):
                threading.Lock, threading.RLock = plain  # type: ignore[attr-defined]

    monitor.at_stop.append(stop)


PROBES = (("threading", install),)
