"""``threading.Lock`` and ``RLock`` that remember who has them: what the app gets under ``--locks``.

What they make for the standard library (a condition, an event, a queue, logging) is the plain lock
it always was.  One for the app has a plain one inside; it remembers the instruction at which it was
taken, and tells the `Keeper` of it only when a thread finds it taken.

That needs no lock of its own, since each telling says which *turn* of the lock it is about: a turn
begins when a thread gets the lock and is over when it is released.

1. Who takes the lock enters its turn in ``_held``, and then looks whether anybody waits.
2. Who releases it first leaves in ``_held`` only the number of the turn that is over, then looks
   whether anybody waits, and says `frees` if so; only then does it really release.
3. Who waits first enters itself in ``_waiting``, and then looks at ``_held``.

So either the one who waits sees the change, or the one who makes it sees that somebody waits; and
where both tell, the later turn holds.  While somebody is told to wait, nobody who has released the
lock is told to have it.  (With the GIL, which lets all threads see these steps in one order.)
"""

from __future__ import annotations

import _thread
import sys
from _thread import LockType, _local, allocate_lock, get_ident
from types import CodeType, FrameType

from tprecord import compat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn, Protocol

    Held = tuple["Holder", int, CodeType | None, int, int]
    """who has the lock, its turn, the code and address where it took it, whether by ``with``"""

    class Keeper(Protocol):
        """What one recording is told."""

        plain: tuple[Any, Any]
        """what stands in ``threading`` when nothing is recorded: what makes plain locks"""

        def number(self) -> int:
            """Return the calling thread's number."""

        def contend(self, lock: AnyLock, here: FrameType | None, timeout: float) -> None:
            """The calling thread is about to block, `here` in the app, until it has the lock."""

        def goes_on(self, *, raised: bool = False) -> None:
            """The calling thread blocks no more."""

        def obtained(self, lock: AnyLock, here: FrameType | None) -> None:
            """The calling thread has got the lock, `here` in the app, and others wait for it."""

        def frees(self, lock: AnyLock, turn: int) -> None:
            """The calling thread is about to release the lock, for which others wait."""


PACKAGE = __file__.rpartition("locks")[0]
DEEPEST = 100
"""Frames of a call stack that are searched for the one that took a lock."""
SUSPENDS = 0x20 | 0x80 | 0x200
"""Flags of the code of generators, coroutines and asynchronous generators (``inspect``)."""
FOR_EVER = -1
"""The `timeout` of an acquire that never gives up."""

getframe = sys._getframe
make_rlock = _thread.RLock


class Holder:
    """A thread, as one who has a lock; it keeps nothing of the thread alive."""

    __slots__ = ("ident", "keeper", "number")

    def __init__(self, keeper: Keeper | None, number: int) -> None:
        self.keeper, self.number, self.ident = keeper, number, get_ident()


# ------------------------------------------------------------------------------------ state

_keeper: Keeper | None = None
"""of the recording that is on"""
_who: Any = _local()
"""``.holder`` is the calling thread, as that recording knows it"""
_own: set[str] = set()
"""files of the app, as far as they are known"""
_library: set[str] = set()
"""files of the standard library, and ours"""


def _is_library(file: str) -> bool:
    """Return true of what makes plain locks, and is no place in the app."""
    if file in _own:
        return False
    if file in _library:
        return True
    found = compat.is_standard_library(file) or file.startswith(PACKAGE)
    (_library if found else _own).add(file)
    return found


def _place(here: FrameType) -> FrameType:
    """Return the app's innermost frame from this one outwards; this one if there is none."""
    found: FrameType | None = here
    while found is not None:
        if not _is_library(found.f_code.co_filename):
            return found
        found = found.f_back
    return here


def _caller() -> FrameType | None:
    """Return the app's frame that has called a method of a lock; None if only C code has."""
    try:
        return _place(getframe(2))
    except ValueError:
        return None


def _new_holder() -> Holder:
    keeper = _keeper
    number = 0 if keeper is None else keeper.number()
    found = _who.holder = Holder(keeper, number)
    return found


def _take(lock: AnyLock, scoped: int) -> None:
    """The caller's caller has the lock: enter its turn."""
    try:
        me = _who.holder
    except AttributeError:
        me = _new_holder()
    turn = lock._turn = lock._turn + 1
    here: FrameType | None = None
    try:
        here = getframe(2)
        code = here.f_code
        if code.co_filename not in _own:
            here = _place(here)
            code = here.f_code
        lock._held = (me, turn, code, here.f_lasti, scoped)
    except ValueError:  # only C code has called
        lock._held = (me, turn, None, 0, scoped)
    if lock._waiting and _keeper is not None:
        _keeper.obtained(lock, here)


def wait(lock: AnyLock, timeout: float = FOR_EVER) -> bool:
    """Block until the lock, which is taken, can be had, or the time is up."""
    keeper = _keeper
    if keeper is None:
        plainly: bool = lock._lock.acquire(True, timeout)
        return plainly
    others = lock._waiting
    others.append(None)
    try:
        keeper.contend(lock, _caller(), timeout)
        got: bool = lock._lock.acquire(True, timeout)
    except BaseException:
        keeper.goes_on(raised=True)
        others.pop()
        raise
    try:
        keeper.goes_on()
    finally:
        others.pop()
    return got


def _acquire(lock: AnyLock, blocking: object, timeout: float) -> bool:
    """Acquire in one of the less usual ways; wrong arguments are complained of as ever."""
    waits = type(timeout) in (int, float) and (
        timeout == FOR_EVER or 0 < timeout <= _thread.TIMEOUT_MAX
    )
    if blocking and waits:
        return lock._lock.acquire(False) or wait(lock, timeout)
    got: bool = lock._lock.acquire(blocking, timeout)
    return got


def _release(lock: AnyLock, held: Held) -> None:
    """Release a lock that is held."""
    turn = lock._held = held[1]
    try:
        if lock._waiting and _keeper is not None:
            _keeper.frees(lock, turn)
    finally:
        lock._lock.release()


# ------------------------------------------------------------------------------------ the locks


class _Kind(type):
    """The plain locks that are made for others count as instances too."""

    _plain: type

    def __instancecheck__(cls, instance: object) -> bool:
        return type.__instancecheck__(cls, instance) or isinstance(instance, cls._plain)

    def __new__(cls, name: str, bases: tuple[type, ...], space: dict[str, Any]) -> Any:
        """Make one of the two classes here, and no subclass of them."""
        if bases:
            raise TypeError(f"type '{bases[0].__name__}' is not an acceptable base type")
        return super().__new__(cls, name, bases, space)


class Lock(metaclass=_Kind):
    """``threading.Lock``: not reentrant, and any thread may release it."""

    __module__ = "threading"
    __slots__ = ("__weakref__", "_held", "_lock", "_made", "_turn", "_waiting")
    _plain = LockType
    _lock: Any
    _made: tuple[CodeType, int]
    _held: Held | int
    _turn: int
    _waiting: list[None]

    def __new__(cls) -> Any:
        """Return a lock for the app, or the plain one for anybody else."""
        return _make(cls, allocate_lock)

    def acquire(self, blocking: bool = True, timeout: float = FOR_EVER) -> bool:
        """As that of ``threading.Lock``."""
        if blocking is True and timeout == FOR_EVER:
            got = self._lock.acquire(False) or wait(self)
        else:
            got = _acquire(self, blocking, timeout)
        if got:
            _take(self, 0)
        return got

    def __enter__(self) -> bool:
        if not self._lock.acquire(False):
            wait(self)
        _take(self, 1)
        return True

    def release(self) -> None:
        """As that of ``threading.Lock``."""
        held = self._held
        if isinstance(held, int):
            self._lock.release()  # raises, mostly
        else:
            _release(self, held)

    def __exit__(self, *_: object) -> None:
        held = self._held
        if isinstance(held, int):
            self._lock.release()
        else:
            _release(self, held)

    def locked(self) -> bool:
        """As that of ``threading.Lock``."""
        locked: bool = self._lock.locked()
        return locked

    acquire_lock, release_lock, locked_lock = acquire, release, locked

    def _at_fork_reinit(self) -> None:
        _reinit(self)

    def __repr__(self) -> str:
        return repr(self._lock)

    def __reduce_ex__(self, _protocol: object) -> NoReturn:
        raise TypeError(f"cannot pickle {compat.LOCK_NAME!r} object")


class RLock(metaclass=_Kind):
    """``threading.RLock``: reentrant, and only the thread that has it may release it."""

    __module__ = "threading"
    __slots__ = ("__weakref__", "_depth", "_held", "_lock", "_made", "_turn", "_waiting")
    _plain = make_rlock
    _lock: Any
    _made: tuple[CodeType, int]
    _held: Held | int
    _turn: int
    _waiting: list[None]
    _depth: int
    """how often its thread has it; never more than is true"""

    def __new__(cls, *arguments: object, **named: object) -> Any:
        """Return a lock for the app, or the plain one for anybody else.

        Arguments do nothing but call for a warning, or an error, each version its own.
        """
        if (arguments or named) and _keeper is not None:
            return _keeper.plain[1](*arguments, **named)
        lock = _make(cls, make_rlock)
        if type(lock) is cls:
            lock._depth = 0
        return lock

    def acquire(self, blocking: bool = True, timeout: float = FOR_EVER) -> bool:
        """As that of ``threading.RLock``."""
        if blocking is True and timeout == FOR_EVER:
            got = self._lock.acquire(False) or wait(self)
        else:
            got = _acquire(self, blocking, timeout)
        if got:
            depth = self._depth
            self._depth = depth + 1
            if not depth:
                _take(self, 0)
        return got

    def __enter__(self) -> bool:
        if not self._lock.acquire(False):
            wait(self)
        depth = self._depth
        self._depth = depth + 1
        if not depth:
            _take(self, 1)
        return True

    def release(self) -> None:
        """As that of ``threading.RLock``."""
        depth, held = self._depth, self._held
        if not self._lock._is_owned():
            self._lock.release()  # raises
        elif depth > 1 or isinstance(held, int):
            self._depth = depth - 1 if depth else 0
            self._lock.release()
        else:
            self._depth = 0
            _release(self, held)

    def __exit__(self, *_: object) -> None:
        self.release()

    def _is_owned(self) -> bool:
        owned: bool = self._lock._is_owned()
        return owned

    def _release_save(self) -> object:
        """Release it altogether, for ``Condition.wait``."""
        held, self._depth = self._held, 0
        if not isinstance(held, int) and self._lock._is_owned():
            self._held = held[1]
            if self._waiting and _keeper is not None:
                _keeper.frees(self, held[1])
        return self._lock._release_save()

    def _acquire_restore(self, state: tuple[int, int]) -> None:
        """Take it back as often as it was released."""
        if not self._lock.acquire(False):
            wait(self)
        count, _ = state
        for _again in range(count - 1):
            self._lock.acquire()
        self._depth = count
        _take(self, 0)

    def _at_fork_reinit(self) -> None:
        _reinit(self)
        self._depth = 0

    def __repr__(self) -> str:
        return repr(self._lock)

    def __reduce_ex__(self, _protocol: object) -> NoReturn:
        raise TypeError("cannot pickle '_thread.RLock' object")


AnyLock = Lock | RLock


def _pass_on(name: str) -> None:
    """Give `RLock` a method that the plain one has in this version."""

    def method(self: RLock) -> object:
        return getattr(self._lock, name)()

    method.__name__ = name
    method.__qualname__ = f"RLock.{name}"
    setattr(RLock, name, method)


for _name in ("_recursion_count", "locked"):
    if hasattr(make_rlock, _name):
        _pass_on(_name)


def _make(cls: type, plain: Any) -> Any:
    """Return a lock of this class if the app's own code has called it, else a plain one."""
    try:
        here = getframe(2)
    except ValueError:
        return plain()
    code = here.f_code
    if _keeper is None or (code.co_filename not in _own and _is_library(code.co_filename)):
        return plain()
    lock: Any = object.__new__(cls)
    lock._lock, lock._made = plain(), (code, here.f_lasti)
    lock._held, lock._turn, lock._waiting = 0, 0, []
    return lock


def _reinit(lock: AnyLock) -> None:
    """Make it a free one, as in the child after a fork."""
    lock._lock._at_fork_reinit()
    lock._held, lock._turn, lock._waiting = 0, 0, []


# ------------------------------------------------------------------------------------ where


def activation(held: Held, here: FrameType | None) -> FrameType | None:
    """Return the call in which the lock was taken by a with block, and which is in it still.

    None if that is not certain: the lock was taken in another way, or in a generator, whose callers
    change, or its function is on the stack of its thread more than once.  `here`: a frame of the
    calling thread.  The frame is that call's only if the lock is held after this as before.
    """
    holder, _, code, address, scoped = held
    if not scoped or code is None or code.co_flags & SUSPENDS or not compat.is_with(code, address):
        return None
    mine = holder.ident == get_ident()
    # Not our own frame: it would keep itself until the garbage collector comes.
    frame = here if mine else sys._current_frames().pop(holder.ident, None)
    found = None
    for _ in range(DEEPEST):
        if frame is None:
            return found
        if frame.f_code is code:
            if found is not None:
                return None
            found = frame
        frame = frame.f_back
    return None


# ------------------------------------------------------------------------------------ whom to tell


def tell(keeper: Keeper | None) -> None:
    """Tell this one from now on; None: nobody, and make plain locks."""
    global _keeper, _who  # a lock has no other way to the recording
    _keeper, _who = keeper, _local()


def told() -> Keeper | None:
    """Return who is told."""
    return _keeper
