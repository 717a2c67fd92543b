"""Numbers for the things of the app: threads, pools, functions, sites, futures.

Each thing gets its number, and its definition in the trace, the first time it is met.  Numbers are
never used again, unlike ``id()`` and thread idents.  Nothing here keeps a thing of the app alive,
but for code objects, which are kept so that their ``id`` stays theirs.

Two threads that meet a new thing at the same moment may both define it: it then has two numbers,
which is harmless.  A definition is always in the buffer before its number is handed out.
"""

from __future__ import annotations

import os
import sys
from _functools import partial  # type: ignore[import-not-found]  # functools takes 1 ms
from _thread import _local, get_ident, get_native_id
from _weakref import ref
from itertools import count
from types import BuiltinFunctionType, CodeType, FrameType, FunctionType, MethodType

from tprecord import compat
from tprecord.own import (
    attribute,
    class_module,
    class_name,
    in_class,
    is_a,
    text,
    variables,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, Protocol, overload

    from tprecord.buffer import AnyBuffer

    Counter = Callable[[], int]
    """Each call returns the next number, from 1 on."""

    class Table(Protocol):
        """Numbers by ``id``: as much of a dictionary as is needed."""

        # the number of a key, or None, or the default
        @overload
        def get(self, key: int, /) -> int | None: ...
        @overload
        def get(self, key: int, default: int, /) -> int: ...

        def __len__(self) -> int:
            """Return how many keys there are."""

        def pop(self, key: int, default: None, /) -> int | None:
            """Remove a key, if it is there."""

        def values(self) -> Iterable[int]:
            """Return the numbers."""

        def __setitem__(self, key: int, number: int, /) -> None:
            """Enter a number."""

    Steps = dict[int, "Steps | Any"]
    """Call stacks as a tree: one step for each frame, from the innermost on, then the number.

    A step is the address of the instruction the frame is at, ``id(code) + f_lasti``: no two code
    objects share any, since a code object holds its instructions in itself.
    """

MAX_FRAMES = 24
"""No site has more frames than this, of whatever kind."""

QUEUES = ("SimpleQueue", "Queue", "LifoQueue", "PriorityQueue")
"""Classes of ``queue`` from which nothing comes but what was put in, and all of it."""

PLUMBING, FLOOR = 1, 2

TOP = 0
"""The step at the end of a call stack: nothing has called its last frame."""


def counter() -> Counter:
    """Return a new counter."""
    return count(1).__next__


class Names:
    """The numbers of one recording.

    The dictionaries are public: hot callbacks look into them first, and call the method of the
    same name, in the singular, when they find nothing.
    """

    def __init__(
        self,
        buffer: AnyBuffer,
        *,
        depth: int,
        forked: bool = False,
        table: Callable[[], Table] = dict[int, int],
        new_counter: Callable[[], Counter] = counter,
    ) -> None:
        self.depth = depth
        """frames of the app that a site has"""
        self.forked = forked
        """the process was forked off one that is recorded, and is recorded from its first step"""
        self.pools = table()
        """``id(executor)`` -> number"""
        self.queues: dict[int, int] = {}
        """``id(work queue)`` -> number of the pool"""
        self.sizes: dict[int, tuple[int | None, object, object]] = {}
        """``id(executor)`` -> its ``max_workers`` as it was last told, None: not known; and what it
        was told by: see `_seen`"""
        self.functions = table()
        """``id(code)`` -> number"""
        self._named_functions: dict[tuple[str, str], int] = {}
        """(module, name) of a function without code -> number"""
        self.steps: Steps = {}
        """the known call stacks of sites with as many frames as the user chose"""
        self.as_known: Callable[[int], object] = int
        """how `steps` has the numbers of sites: the core in Python wants them as text"""
        self._steps_by_depth: dict[int, Steps] = {0: self.steps}
        self._sites_by_line: dict[tuple[int, ...], int] = {}
        self.strata: dict[int, int] = {}
        """``id(code)`` -> `PLUMBING` or `FLOOR`; whatever is not here is the app's own"""
        self.futures = table()
        """``id(future)`` -> number of its task.  Every birth of a future is seen and overwrites
        the entry, so an entry is never another future's, and there are no more entries than
        addresses futures ever stood at."""
        self.recorded: set[int] = set()
        """``id`` of the code objects whose own futures a probe records as tasks: neither what
        they make nor what they set is a promise"""
        self._directory = os.path.join(os.getcwd(), "")
        self._libraries: tuple[str, ...] = ()
        self.launched: dict[int, int] = {}
        """``id(Thread)`` of threads that were launched -> number"""
        self.idents: dict[int, int] = {}
        """ident of each thread that is known and lives -> number"""
        self.ended: dict[int, tuple[int, int]] = {}
        """ident of each thread that has said it is about to end, until another has the ident or a
        look finds it gone -> its native id, and when it said so"""
        self.objects: dict[int, int] = {}
        """``id`` of an object threads block on -> number"""
        self.sets: set[int] = set()
        """the sets of futures that somebody still waits for, or may"""
        self.local = _local()
        """``.number`` is the calling thread's; the core in Python keeps more here"""
        self.next_future = new_counter()
        self._next = {
            kind: counter() for kind in ("thread", "pool", "function", "site", "set", "object")
        }
        self._define = buffer.definitions.append
        self._codes: dict[int, CodeType] = {}
        self._watchers: dict[int, Any] = {}
        self._main = get_ident() if forked or "threading" not in sys.modules else None

    def thread(self) -> int:
        """Return the calling thread's number."""
        try:
            number: int = self.local.number
        except AttributeError:
            number = self._new_thread()
        return number

    def _new_thread(self) -> int:
        """Define the calling thread, which nobody was seen to launch."""
        ident = get_ident()
        number = self.thread_by_ident(ident, native_id=get_native_id())
        self._is(number)
        return number

    def thread_by_ident(self, ident: int, native_id: int | None = None) -> int:
        """Return the number of a thread that runs, by its ident."""
        number = self.idents.get(ident)
        if number is not None:
            return number
        threading = sys.modules.get("threading")
        if threading is None:
            main, thread = ident == self._main, None
        else:
            main = ident == threading._main_thread._ident
            # Not current_thread(): it would make a dummy Thread for a foreign thread.
            thread = threading._active.get(ident)
        number = self._next["thread"]()
        row = {"thread": number, **_thread(thread)}
        if native_id is not None:
            row["native_id"] = native_id
        if main:
            row["name"] = row["name"] or "MainThread"
            row["main"] = True
        self._define(row)
        self.idents[ident] = number
        self.ended.pop(ident, None)
        return number

    def launch(self, thread: Any) -> int:
        """Define a thread that is about to be started, and return its number."""
        number = self._next["thread"]()
        self._define({"thread": number, **_thread(thread)})
        self._watch(thread, self.launched, number)
        return number

    def begin(self, thread: Any) -> None:
        """The calling thread is `thread`, and takes the number it was launched with."""
        self.ended.pop(get_ident(), None)
        number = self.launched.get(id(thread))
        if number is not None:
            self._is(number)
            self.idents[get_ident()] = number

    def _is(self, number: int) -> None:
        """The calling thread has this number."""
        self.local.__dict__.clear()  # what was kept for another number
        self.local.number = number

    def gone(self) -> None:
        """The calling thread is about to end."""
        ident = get_ident()
        self.ended[ident] = get_native_id(), compat.ticks_since_boot()
        self.idents.pop(ident, None)

    def waited_on(self, thing: Any, made: int = 0) -> int:
        """Return the number of something threads block on; of a lock, `made` is its site."""
        number = self.objects.get(id(thing))
        if number is None:
            number = self._next["object"]()
            row: dict[str, Any] = {"object": number, "kind": class_name(type(thing))}
            parties = attribute(thing, "_parties")
            if type(parties) is int:
                row["parties"] = parties
            if made:
                row["made"] = made
            self._define(row)
            self._watch(thing, self.objects, number)
        return number

    def pool(self, executor: Any) -> int:
        """Return the number of the pool that `executor` is."""
        number = self.pools.get(id(executor))
        if number is None:
            number = self._next["pool"]()
            has = variables(executor)
            threads, queue = has.get("_threads"), has.get("_work_queue")
            seen = _seen(executor)  # first: whoever changes it before `_size` is noticed later
            size = _size(executor)
            self.sizes[id(executor)] = size, *seen
            self._define(
                {
                    "pool": number,
                    "kind": class_name(type(executor)),
                    "name": text(has.get("_thread_name_prefix")),
                    "max_workers": size,
                    "lost" if self.forked else "unseen": len(threads)
                    if type(threads) is set
                    else 1,
                }
            )
            self._watch(executor, self.pools, number)
            if _has_a_known_queue(executor):
                self._watch(queue, self.queues, number)
        return number

    def resized(self) -> list[tuple[int, int | None]]:
        """Return the pools whose size is another than was last told, and their size now.

        It is nobody's to change, and some programs do; so do those that put a queue of their own
        into a pool: nothing is known then of when its workers come and what they take.
        """
        changed = []
        for key, (told, limit, kind) in list(self.sizes.items()):
            watcher = self._watchers.get(key)
            executor = None if watcher is None else watcher()
            has = variables(executor)
            if has.get("_max_workers") is limit and type(has.get("_work_queue")) is kind:
                continue  # each wait comes here, and most find nothing new
            number = self.pools.get(key)
            if executor is None or number is None:
                self.sizes.pop(key, None)
                continue
            seen = _seen(executor)
            size = _size(executor)
            self.sizes[key] = size, *seen
            if size != told:
                changed.append((number, size))
        return changed

    def loop(self, loop: Any) -> int:
        """Define the event loop, which was not known, and return its number."""
        return self._new_pool(loop, "loop", 1)

    def limiter(self, limiter: Any) -> int:
        """Return the number of the pool that a limiter of threads is."""
        number = self.pools.get(id(limiter))
        if number is None:
            tokens = limiter.total_tokens
            number = self._new_pool(limiter, "limiter", tokens if type(tokens) is int else None)
        return number

    def _new_pool(self, thing: Any, role: str, max_workers: int | None) -> int:
        number = self._next["pool"]()
        self._define(
            {
                "pool": number,
                "kind": class_name(type(thing)),
                "name": "",
                "max_workers": max_workers,
                "role": role,
            }
        )
        self._watch(thing, self.pools, number)
        return number

    def served_pool(
        self,
        thing: Any,
        role: str,
        max_workers: object,
        handlers: tuple[tuple[object, str], ...],
        *,
        results: bool,
        there: int,
        queue: object = None,
    ) -> tuple[int, tuple[int, ...]]:
        """Define a pool that threads of its own serve; return its number, and theirs.

        `handlers`: for each of these threads something that it alone works with, to know it by,
        and what it does; with `results`, the first one sets those of the pool's tasks.  `there`:
        how many workers, and whether the handlers, were there before the recorder saw any.
        """
        before = "lost" if self.forked else "unseen"
        number = self._next["pool"]()
        served = []
        for known_by, duty in handlers:
            handler = self._next["pool"]()
            row: dict[str, Any] = {
                "pool": handler,
                "kind": class_name(type(thing)),
                "name": duty,
                "max_workers": 1,
                "role": "handler",
                "serves": number,
            }
            if there:
                row[before] = 1
            self._define(row)
            self._watch(known_by, self.queues, handler)
            served.append(handler)
        row = {
            "pool": number,
            "kind": class_name(type(thing)),
            "name": "",
            "max_workers": max_workers if type(max_workers) is int else None,
            "role": role,
        }
        if results:
            row["results"] = served[0]
        if there and role == "crew":
            row[before] = there
        self._define(row)
        self._watch(thing, self.pools, number)
        if queue is not None:
            self._watch(queue, self.queues, number)
        return number, tuple(served)

    def _watch(self, thing: object, numbers: Table, number: int) -> None:
        """Enter `thing` into `numbers` by its ``id``, for as long as it lives."""
        key, watchers = id(thing), self._watchers

        def forget(_: object) -> None:
            numbers.pop(key, None)
            watchers.pop(key, None)

        watchers[key] = ref(thing, forget)
        numbers[key] = number

    def future(self, future: object) -> int:
        """Return the number of a future's task; one never seen before is defined as unseen."""
        number = self.futures.get(id(future))
        if number is None:
            number = self.futures[id(future)] = self.next_future()
            self._define({"future": number, "origin": "inherited" if self.forked else "unseen"})
        return number

    def living(self) -> dict[str, set[int]]:
        """Return the numbers that can still be named, by the kind of definition."""
        return {
            "thread": {*list(self.idents.values()), *list(self.launched.values())},
            "pool": {*list(self.pools.values()), *list(self.queues.values())},
            "object": set(self.objects.values()),
            "set": self.sets.copy(),
        }

    def new_set(self, ranges: list[int]) -> int:
        """Define a set of futures, given as flat ranges of task numbers, and return its number."""
        number = self._next["set"]()
        self.sets.add(number)
        self._define({"set": number, "tasks": ranges})
        return number

    def function(self, fn: Any, args: tuple[Any, ...] = ()) -> int:
        """Return the number of the function that ``fn(*args)`` runs; wrappers are seen through.

        Only objects of exactly known types are looked into: no code of the app runs in here.
        """
        for _ in range(8):
            kind = type(fn)
            if kind is MethodType:
                fn = fn.__func__
            elif kind is partial:
                fn, args = fn.func, fn.args + args
            elif _is_context_run(fn) and args:
                fn, args = args[0], args[1:]
            else:
                break
        if type(fn) is FunctionType:
            return self.code(fn.__code__, fn.__module__)
        if type(fn) is BuiltinFunctionType:
            return self._named(text(fn.__module__), text(fn.__qualname__))
        kind = fn if is_a(fn, type) else type(fn)
        call = in_class(kind, "__call__")
        if kind is not fn and type(call) is FunctionType:
            return self.code(call.__code__, call.__module__)
        return self._named(class_module(kind), class_name(kind))

    def _named(self, module: str, name: str) -> int:
        number = self._named_functions.get((module, name))
        if number is None:
            number = self._next["function"]()
            self._define({"function": number, "name": name, "module": module})
            self._named_functions[module, name] = number
        return number

    def code(self, code: CodeType, module: object = None) -> int:
        """Return the number of the function whose code object this is."""
        key = id(code)
        number = self.functions.get(key)
        if number is None:
            self._codes[key] = code
            file = code.co_filename.removeprefix(self._directory)
            number = self._next["function"]()
            row: dict[str, Any] = {"function": number, "name": code.co_qualname}
            if module := text(module):
                row["module"] = module
            row["file"] = file
            row["line"] = code.co_firstlineno
            if compat.is_standard_library(code.co_filename):
                row["file"] = code.co_filename.removeprefix(compat.STANDARD_LIBRARY)
                row["stdlib"] = True
                self.strata[key] = PLUMBING
            elif self._libraries and code.co_filename.startswith(self._libraries):
                row["file"] = self._in_library(code.co_filename)
                row["stdlib"] = True
                self.strata[key] = PLUMBING
            self._define(row)
            self.functions[key] = number
        return number

    def add_library(self, directory: str) -> None:
        """What is in `directory` is plumbing, as the standard library is."""
        self._libraries = (*self._libraries, os.path.join(directory, ""))

    def _in_library(self, file: str) -> str:
        """Return the file's path from the directory in which its library is installed.

        Nothing of ``os.path`` that asks the system: tests of coroutines replace what might block
        (``abspath``, ``stat``, ``getcwd``) by what raises, and this runs in the app's thread.
        """
        for directory in self._libraries:
            if file.startswith(directory):
                return file[directory.rindex(os.sep, 0, -1) + 1 :]
        return file

    def add_floor(self, function: Any) -> None:
        """No site has the frame of `function`, nor any frame above it."""
        code = function.__code__
        self._codes[id(code)] = code
        self.strata[id(code)] = FLOOR
        for steps in self._steps_by_depth.values():
            steps.clear()

    def site(self, frame: FrameType | None, depth: int = 0) -> int:
        """Return the number of the call stack that begins at `frame`; 0 for None.

        It goes up until it has `depth` frames of the app (0: as many as the user chose), those of
        the standard library between them included, or until it stands on the floor: what runs a
        thread, a task or the program.
        """
        here = frame
        try:
            found: Steps | int | str = self._steps_by_depth[depth]
            while isinstance(found, dict):
                if here is None:
                    found = found[TOP]
                else:
                    found = found[id(here.f_code) + here.f_lasti]
                    here = here.f_back
        except KeyError:
            return self.new_site(frame, depth)
        return found if isinstance(found, int) else int(found.strip(",]\n"))

    def new_site(self, frame: FrameType | None, depth: int = 0) -> int:
        """Return the number of a call stack that `steps` does not know yet."""
        number, path = self.find_site(frame, depth)
        steps = self._steps_by_depth.setdefault(depth, {})
        for step in path[:-1]:
            steps = steps.setdefault(step, {})
        steps[path[-1]] = self.as_known(number)
        return number

    def find_site(self, frame: FrameType | None, depth: int = 0) -> tuple[int, list[int]]:
        """Return the number of a call stack, and the steps that are enough to know it again."""
        frames, path = self._climb(frame, depth or self.depth)
        return self._site_of(frames), path

    def _climb(self, frame: FrameType | None, wanted: int) -> tuple[list[int], list[int]]:
        """Return a call stack as function and line of each frame, and the steps to know it by."""
        left, here = MAX_FRAMES, frame
        frames: list[int] = []
        path: list[int] = []
        below = 0
        while wanted and left:
            if here is None or self.strata.get(id(here.f_code)) == FLOOR:
                path.append(TOP if here is None else id(here.f_code) + here.f_lasti)
                # The code of a module runs once: what has called it then, has always called it.
                del path[below or len(path) :]
                break
            code = here.f_code
            path.append(id(code) + here.f_lasti)
            frames += (self.code(code), here.f_lineno or 0)
            if id(code) not in self.strata:
                wanted -= 1
                below = len(path) if code.co_name == "<module>" else 0
            left -= 1
            here = here.f_back
        return frames, path

    def place(self, code: CodeType | None, address: int, caller: FrameType | None = None) -> int:
        """Return the number of the site whose innermost frame is of `code`, at an instruction.

        It goes on with `caller`, or else has that frame alone.
        """
        if code is None:
            return 0
        lines = (line for start, end, line in code.co_lines() if start <= address < end)
        frames = [self.code(code), next(lines, 0) or 0]
        return self._site_of(frames + self._climb(caller, self.depth - 1)[0])

    def _site_of(self, frames: list[int]) -> int:
        number = self._sites_by_line.get(tuple(frames), 0)
        if frames and not number:
            number = self._next["site"]()
            self._define({"site": number, "frames": frames})
            self._sites_by_line[tuple(frames)] = number
        return number


def _size(executor: object) -> int | None:
    """Return how many workers a pool may have, rounded up as it does itself; None: not known."""
    if not _has_a_known_queue(executor):
        return None
    number = attribute(executor, "_max_workers")
    if type(number) is float and number < 1e9:
        return -int(-number // 1)
    return int.__index__(number) if is_a(number, int) else None


def _seen(executor: object) -> tuple[object, object]:
    """Return what the size of a pool is told by: its limit, and the class of its queue.

    What is of the app's own is not kept: other objects stand for it, which nothing is the same as.
    """
    limit = attribute(executor, "_max_workers")
    if type(limit) in (int, float) and _has_a_known_queue(executor):
        return limit, type(attribute(executor, "_work_queue"))
    return object(), object()


def _has_a_known_queue(executor: object) -> bool:
    """Return true if the pool has a queue of the standard library, not one of the app's own."""
    kind, queue = type(attribute(executor, "_work_queue")), sys.modules.get("queue")
    return queue is not None and any(kind is getattr(queue, name, None) for name in QUEUES)


def _thread(thread: object) -> dict[str, Any]:
    """Return what is told of a thread; None: of one that ``threading`` does not know."""
    has = variables(thread)
    row: dict[str, Any] = {"name": text(has.get("_name"))}
    daemon = has.get("_daemonic")
    if type(daemon) in (bool, int, str) and daemon:
        row["daemon"] = True
    return row


def _is_context_run(fn: Any) -> bool:
    if type(fn) is not BuiltinFunctionType or fn.__name__ != "run":
        return False
    contextvars = sys.modules.get("_contextvars")  # not imported: the app may have one of that name
    return contextvars is not None and type(fn.__self__) is vars(contextvars).get("Context")
