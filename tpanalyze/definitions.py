"""The objects of a trace: what its events refer to by number.

A definition that cannot be believed in part is taken for the rest of it, since an event that
refers to nothing says less than one that refers to a thing without a name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tpanalyze.model import Frame, Function, Site
from tpanalyze.remarks import Remarks
from tpanalyze.rows import BOUND
from tpanalyze.state import (
    EXECUTOR,
    LAST_TASK,
    NO_POOL,
    UNSEEN,
    Call,
    ObjectRecord,
    PoolRecord,
    State,
    ThreadRecord,
    birth,
)

type Definition = dict[str, object]

NO_NAME: Final = "?"


def text(definition: Definition, key: str) -> str | None:
    """Return the value of `key` if it is a text."""
    value = definition.get(key)
    return value if isinstance(value, str) else None


def number(definition: Definition, key: str) -> int | None:
    """Return the value of `key` if it is an integer from 0 on, of at most 15 digits."""
    value = definition.get(key)
    return value if type(value) is int and 0 <= value < BOUND else None


def flag(definition: Definition, key: str) -> bool:
    """Return True if the value of `key` is."""
    return definition.get(key) is True


def numbers(definition: Definition, key: str) -> list[int] | None:
    """Return the value of `key` if it is a list of integers, in pairs."""
    value = definition.get(key)
    if not isinstance(value, list) or not value or len(value) % 2:
        return None
    return value if all(type(item) is int and 0 <= item < BOUND for item in value) else None


class Definer:
    """Enters the definitions of a trace into its state."""

    def __init__(self, state: State, remarks: Remarks) -> None:
        self._state = state
        self._remarks = remarks
        self._kinds: Final[dict[str, Callable[[int, Definition], str | None]]] = {
            "thread": self._thread,
            "pool": self._pool,
            "function": self._function,
            "site": self._site,
            "set": self._set,
            "future": self._future,
            "object": self._object,
            "checkpoint": self._checkpoint,
        }

    def define(self, definition: Definition, line: int) -> None:
        """Take one definition in; never fails, but may remark that it could not."""
        kind = next(iter(definition), "")
        if kind == "note":
            self._note(definition, line)
        elif kind == "end":
            self._state.ended = text(definition, "reason") or NO_NAME
        elif kind == "tprecord":
            pass  # the header of the next segment
        elif kind not in self._kinds:
            self._remarks.notice(
                "unknown-definition",
                f"an object that begins with {kind[:40]!r} is none this version knows; skipped",
                line,
            )
        else:
            at = number(definition, kind)
            if not at:
                problem: str | None = "it has no number"
            else:
                problem = self._kinds[kind](at, definition)
            if problem:
                self._remarks.loss("bad-definition", f"{kind} {at or NO_NAME}: {problem}", line)

    # Each of these returns what is wrong with the definition.

    def _thread(self, at: int, definition: Definition) -> str | None:
        known = self._state.threads.get(at)
        if known is not None and not known.made_up:
            return _AGAIN
        name = text(definition, "name")
        record = known or ThreadRecord(at, "")
        record.name = f"thread {at}" if name is None else name
        record.native_id = number(definition, "native_id")
        record.main = flag(definition, "main")
        record.daemon = flag(definition, "daemon")
        record.made_up = False
        self._state.threads[at] = record
        return "its name is not a text" if name is None else None

    def _pool(self, at: int, definition: Definition) -> str | None:
        if at in self._state.pools:
            return _AGAIN
        kind, name = text(definition, "kind"), text(definition, "name")
        role = text(definition, "role") or EXECUTOR
        self._state.pools[at] = PoolRecord(
            at,
            NO_NAME if kind is None else kind,
            f"pool {at}" if name is None else name,
            number(definition, "max_workers"),
            unseen=number(definition, "unseen") or 0,
            lost=number(definition, "lost") or 0,
            closed=self._state.all_closed and role == EXECUTOR,
            role=role,
            serves=number(definition, "serves") or 0,
            results=number(definition, "results") or 0,
        )
        return "its kind and name are not both texts" if kind is None or name is None else None

    def _function(self, at: int, definition: Definition) -> str | None:
        if at in self._state.functions:
            return _AGAIN
        name = text(definition, "name")
        self._state.functions[at] = Function(
            NO_NAME if name is None else name,
            file=text(definition, "file"),
            line=number(definition, "line"),
            module=text(definition, "module"),
            stdlib=flag(definition, "stdlib"),
        )
        return "its name is not a text" if name is None else None

    def _site(self, at: int, definition: Definition) -> str | None:
        if at in self._state.sites:
            return _AGAIN
        flat = numbers(definition, "frames")
        if flat is None:
            return "its frames are not a list of functions and lines"
        functions = self._state.functions
        self._state.sites[at] = Site(
            tuple(
                Frame(functions.get(function, _NO_FUNCTION), line)
                for function, line in zip(flat[::2], flat[1::2], strict=True)
            )
        )
        missing = [function for function in flat[::2] if function and function not in functions]
        return f"function {missing[0]} of its frames is not defined" if missing else None

    def _set(self, at: int, definition: Definition) -> str | None:
        if at in self._state.sets:
            return _AGAIN
        flat = numbers(definition, "tasks")
        if flat is None:
            return "its tasks are not a list of ranges"
        # whether they exist is asked by the first wait: a set may stand before their submits
        size = sum(flat[1::2]) - sum(flat[::2]) + len(flat) // 2
        self._state.sets[at] = (size, tuple(flat))
        return None

    def _future(self, at: int, definition: Definition) -> str | None:
        state = self._state
        if at > LAST_TASK:
            return "its number is too high"
        if not state.created.add(at):
            return _AGAIN
        if text(definition, "origin") == "inherited":
            if _INHERITED not in state.call_births:
                state.call_births[_INHERITED] = birth(0, 0, len(state.calls))
                state.calls.append(_INHERITED)
            state.promises[at] = state.call_births[_INHERITED]
        else:
            state.unknown[at] = birth(0, 0, UNSEEN)
        return None

    def _object(self, at: int, definition: Definition) -> str | None:
        if at in self._state.objects:
            return _AGAIN
        kind = text(definition, "kind")
        parties = number(definition, "parties")
        made = number(definition, "made") or 0
        self._state.objects[at] = ObjectRecord(at, kind or NO_NAME, parties, made=made)
        return None if kind else "its kind is not a text"

    def _checkpoint(self, _at: int, definition: Definition) -> str | None:
        ranges = numbers(definition, "tasks")
        if ranges is None and definition.get("tasks") == []:
            ranges = []
        whole = ranges is not None and _is_ascending(ranges)
        partial = flag(definition, "partial") or not whole
        self._state.restart(ranges if ranges and whole else [], partial=partial)
        return None if whole else "its tasks are not a list of ascending ranges"

    def _note(self, definition: Definition, line: int) -> None:
        dropped = number(definition, "dropped") or 0
        self._state.dropped += dropped
        if dropped:
            self._state.lose_track()
        said = text(definition, "text") or NO_NAME
        if dropped:
            lost = f"the recorder lost {dropped} events: {said}"
            self._remarks.loss("dropped", lost, line)
        else:
            self._remarks.notice("note", said, line)


def _is_ascending(ranges: list[int]) -> bool:
    """Return True if these are disjoint ranges of numbers that tasks can have."""
    before = 0
    for first, last in zip(ranges[::2], ranges[1::2], strict=True):
        if not before < first <= last <= LAST_TASK:
            return False
        before = last
    return True


_AGAIN: Final = "it is defined a second time; the first holds"
_INHERITED: Final = Call(pool=NO_POOL)
"""How futures came to be that were there before a fork: whoever is on this side may set them."""
_NO_FUNCTION: Final = Function(NO_NAME)
