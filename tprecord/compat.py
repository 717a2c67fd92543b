"""What differs between CPython versions, each difference with a name; nowhere else.

The facts were measured on 3.12.1, 3.13.0, 3.13.15, 3.14.7, 3.15.2 and the free-threaded builds.
"""

from __future__ import annotations

import _thread
import os
import sys
import time
from _thread import LockType, RLock, allocate_lock, get_ident
from types import CodeType

from tprecord.own import attribute, name_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

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

CAN_REBIND_LOCALS = not SNAPSHOT_LOCALS
"""What is put into ``frame.f_locals`` of a function is that variable's value from then on."""

TOOL_IDS = (3, 4)
"""The tool ids nobody owns: 0 is a debugger's, 1 coverage's, 2 a profiler's, 5 the optimizer's."""


def free_tool() -> int | None:
    """Take one of the tool ids that nobody owns; None if both are taken."""
    for tool in TOOL_IDS:
        try:
            sys.monitoring.use_tool_id(tool, "tprecord")
        except ValueError:
            continue
        return tool
    return None


FREE_THREADED = not getattr(sys, "_is_gil_enabled", lambda: True)()

THREAD_STARTER = "_start_new_thread" if VERSION < (3, 13) else "_start_joinable_thread"
"""The C function ``Thread.start`` calls, a global of ``threading``."""

JOIN_METHOD = "_wait_for_tstate_lock" if VERSION < (3, 13) else "join"
"""The method of ``threading.Thread`` that makes the C call in which a join blocks.

3.12: ``lock.acquire(block, timeout)``; from 3.13 ``_ThreadHandle.join(timeout)``.
"""

JOIN_NEVER = -1
"""The `timeout` with which 3.12's `JOIN_METHOD` never gives up; a later one has None."""


def has_ended(handle: object) -> bool:
    """Return true if joining what a join blocks on would not block.

    3.12: the thread's lock, freed when it has ended; from 3.13 its ``_ThreadHandle``.
    """
    if VERSION < (3, 13):
        locked: Callable[[], bool] | None = getattr(handle, "locked", None)
        return locked is not None and not locked()
    is_done: Callable[[], bool] | None = getattr(handle, "is_done", None)
    return is_done is not None and is_done()


def has_thread_ended(thread: Any) -> bool:
    """Return true if joining a ``Thread`` that was started would not block; false if not known.

    Its handle is called ``_handle`` in 3.13 and ``_os_thread_handle`` from 3.14.
    """
    if VERSION < (3, 13):
        lock = attribute(thread, "_tstate_lock")
        return lock is None or has_ended(lock)
    handle = attribute(thread, "_handle" if VERSION < (3, 14) else "_os_thread_handle")
    return has_ended(handle)


def joins_every_thread(callee: object) -> bool:
    """Return true for the C call in which ``threading._shutdown`` waits for all threads.

    3.12: ``lock.acquire`` of one after the other; from 3.13 ``_thread._shutdown`` for all.
    """
    return name_of(callee) == ("acquire" if VERSION < (3, 13) else "_shutdown")


def call_in_work_item(
    future: object, fn: object, args: tuple[object, ...] | None, task: object
) -> tuple[object, object, tuple[object, ...]]:
    """Return the future, function and arguments that ``_WorkItem.__init__`` was given.

    Until 3.13 by these names; from 3.14 the call is `task`, for a pool of threads a tuple.
    """
    if type(task) is tuple and len(task) == 3:
        fn, args = task[:2]
    return future, fn, args or ()


LOCK_NAME = "_thread.lock"
"""What ``pickle`` says that it cannot pickle; the type of plain locks."""


def are_plain_locks(threading: Any) -> bool:
    """Return true if ``threading.Lock`` and ``RLock`` are what this version makes them.

    Until 3.12 `Lock` is the function that makes one, from 3.13 the type; `RLock` is a function
    that makes one of ``_thread``, unless the C one is missing.
    """
    makes = allocate_lock if VERSION < (3, 13) else LockType
    rlock = getattr(threading, "RLock", None)
    own = getattr(rlock, "__module__", "") == "threading"
    return threading.Lock is makes and own and threading._CRLock is RLock


LOOP_BEGINS = "run_forever" if VERSION < (3, 13) else "_run_forever_setup"
"""The method of asyncio's ``BaseEventLoop`` that makes the loop the running one of its thread."""

LOOP_ENDS = "run_forever" if VERSION < (3, 13) else "_run_forever_cleanup"
"""The method that undoes it, in a ``finally``: by ``_set_running_loop(None)`` in each version."""


def links_to_its_source(function: Any) -> CodeType:
    """Return the code of the callback by which asyncio chains two futures.

    ``asyncio.futures._chain_future`` gives the destination a callback whose closure has the
    source.  Raises AttributeError if it does not in this version.
    """
    for constant in function.__code__.co_consts:
        if not isinstance(constant, CodeType) or constant.co_name != "_call_check_cancel":
            continue
        if "source" in constant.co_freevars:
            return constant
    raise AttributeError("_chain_future has no callback with its source")


WITH_IS_A_CALL = VERSION >= (3, 14)
"""A with block looks ``__enter__`` up in one instruction and calls it in the next, as any function.

Before, one instruction, BEFORE_WITH, does both, and nothing else.
"""


class _Seen:
    """Sees by which instructions a with block enters."""

    steps = b""

    def __enter__(self) -> None:
        caller = sys._getframe(1)
        self.steps = _steps(caller.f_code, caller.f_lasti)

    def __exit__(self, *_: object) -> None: ...


def _steps(code: CodeType, address: int) -> bytes:
    """Return the instructions that call, at an address, without their arguments."""
    return code.co_code[address - 2 * WITH_IS_A_CALL : address + 1 : 2]


def is_with(code: CodeType, address: int) -> bool:
    """Return true if the instruction is that by which a with block calls ``__enter__``."""
    seen = _Seen()
    with seen:
        pass
    return _steps(code, address) == seen.steps


MAY_READ_FRAMES_OF_OTHERS = not FREE_THREADED
"""Another thread's frame can be read while that thread may run.

Free-threaded builds: use after free on 3.13 (gh-152355), undefined later (gh-145183).
"""

SHOWS_SOURCE_OF_DASH_C = VERSION >= (3, 13)
"""A traceback shows the source lines of ``python -c``."""

STANDARD_LIBRARY = os.path.dirname(os.__file__) + os.sep

_close, _listdir, _open, _read = os.close, os.listdir, os.open, os.read
# as they are before the app: tests of coroutines replace what might block by what raises

_CLOCK: int | None = getattr(time, "CLOCK_BOOTTIME", None)
_TICKS_PER_S = os.sysconf("SC_CLK_TCK") if _CLOCK is not None else 100


def is_main_interpreter() -> bool:
    """Return false in a subinterpreter, which has a monitoring of its own in the same process.

    ``InterpreterPoolExecutor`` (from 3.14) runs tasks in such: its threads, queue and futures are
    those of a pool of threads, and seen where it was made.
    """
    is_main: Callable[[], bool] | None = getattr(_thread, "_is_main_interpreter", None)
    return is_main is None or is_main()


def threads_are_greenlets() -> bool:
    """Return true if somebody has put coroutines in the place of threads.

    gevent and eventlet replace ``get_ident`` wherever they find it; ours is the one from before.
    """
    threading = sys.modules.get("threading")
    return threading is not None and threading.get_ident is not get_ident


def threads_of_the_process() -> set[int] | None:
    """Return the system's numbers of the threads it knows; None where it does not tell."""
    try:
        return set(map(int, _listdir("/proc/self/task")))
    except OSError:
        return None


def is_standard_library(file: str) -> bool:
    """Return true if `file` (of a code object) belongs to the standard library."""
    if file.startswith("<frozen "):
        return True
    return (
        file.startswith(STANDARD_LIBRARY)
        and "site-packages" not in file
        and "dist-packages" not in file
    )


def standard(name: str) -> Any:
    """Return a module in C of the standard library, whatever the app has of this name beside it.

    It is not entered into ``sys.modules``: an app that imports one of this name gets what it would
    have got.  Raises ImportError.
    """
    loaded = sys.modules.get(name)
    if loaded is not None and is_standard_library(getattr(loaded, "__file__", "<frozen >")):
        return loaded
    bootstrap = sys.modules["_frozen_importlib"]
    spec = bootstrap.BuiltinImporter.find_spec(name)
    if spec is None:
        directories = [entry for entry in sys.path if is_standard_library(os.path.join(entry, ""))]
        finder = sys.modules["_frozen_importlib_external"].PathFinder
        spec = finder.find_spec(name, directories)
    if spec is None:
        return __import__(name)
    module = bootstrap.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def processor_time(native_id: int) -> int:
    """Return the processor time a thread of this process has used, in ticks; 0 if it is not told.

    Source: proc(5), fields 14 and 15 of ``stat``.
    """
    told = _stat(native_id)
    return 0 if told is None else told[11] + told[12]


def ticks_since_boot() -> int:
    """Return the moment in the ticks that `began` is told in; -1 where there is no such clock."""
    return -1 if _CLOCK is None else time.clock_gettime_ns(_CLOCK) * _TICKS_PER_S // 10**9


def began(native_id: int) -> int | None:
    """Return when a thread of this process began, in ticks since boot; None if there is none.

    Source: proc(5), field 22 of ``stat``.
    """
    told = _stat(native_id)
    return None if told is None else told[19]


def _stat(native_id: int) -> list[int] | None:
    """Return what the system tells of a thread, from the third field on; None if nothing.

    Source: proc(5); the second field is a name in parentheses, which may hold anything, and the
    third is a letter, here 0.
    """
    try:
        file = _open(f"/proc/self/task/{native_id}/stat", os.O_RDONLY)
        try:
            fields = _read(file, 1024).rpartition(b")")[2].split()
        finally:
            _close(file)
        return [0, *map(int, fields[1:20])] if len(fields) >= 20 else None
    except (OSError, ValueError):
        return None
