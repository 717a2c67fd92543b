"""The turns of a lock: whatever threads do between one another's steps, the trace tells no lie.

A model of :mod:`tprecord.locks`, step by step, under all kinds of schedules: of each prefix of what
it writes the replay is asked who has the lock.  And of a prefix that begins with a checkpoint.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import orjson
from hypothesis import given, settings, strategies as st

from tests.tracegen import TraceGen, replay_of
from tpanalyze.model import LockWait
from tprecord import schema
from tprecord.ledger import Ledger

THREADS = 3
EVERYTHING = {kind: set(range(1000)) for kind in ("thread", "pool", "object", "set")}

Told = dict[int, int | None]
"""of each thread that waits for the lock: who has it"""


class Model:
    """A lock and those who use it; `told` is what the trace says so far."""

    def __init__(self) -> None:
        self.trace = TraceGen()
        self.threads = [self.trace.thread(main=not n) for n in range(THREADS)]
        self.lock = self.trace.define("object", kind="Lock")
        self.holder = 0
        """who really has it"""
        self.known = 0
        """the holder, once it has done all to make that known"""
        self.blocked: set[int] = set()
        self._held: int | tuple[int, int] = 0
        self._turn = 0
        self._waiting = 0

    def use(self, me: int, *, gives_up: Callable[[], bool]) -> Iterator[None]:
        """Take the lock and release it, for ever; other threads may act at each yield."""
        while True:
            if self.holder:
                yield from self._wait(me, gives_up)
                if self.holder != me:
                    continue
            else:
                self.holder = me
            yield
            self._turn += 1
            yield
            self._held = (me, self._turn)
            yield
            if self._waiting:
                yield
                self.trace.event(schema.OBTAIN, me, self.lock, 0, self._turn, 1)
            self.known = me
            yield
            self.known = 0
            turn = self._held = self._turn
            yield
            if self._waiting:
                yield
                self.trace.event(schema.FREE, me, self.lock, turn)
            yield
            self.holder = 0
            yield

    def _wait(self, me: int, gives_up: Callable[[], bool]) -> Iterator[None]:
        yield
        self._waiting += 1
        yield
        owner, turn = self._held if isinstance(self._held, tuple) else (0, self._held)
        yield
        self.trace.event(schema.CONTEND, me, 18, self.lock, -1, 0, owner, 0, turn, int(owner > 0))
        self.blocked.add(me)
        yield
        while self.holder and not gives_up():
            yield
        if not self.holder:
            self.holder = me
        self.blocked.discard(me)
        yield
        self.trace.wake(me)
        yield
        self._waiting -= 1


def told(data: bytes) -> Told:
    threads = replay_of(data).snapshot().threads.values()
    return {t.id: t.wait.owner for t in threads if isinstance(t.wait, LockWait)}


def from_checkpoint(lines: list[bytes]) -> bytes:
    ledger = Ledger()
    ledger.read([orjson.loads(line) for line in lines], lines)
    return b"\n".join([lines[0], ledger.checkpoint(2, EVERYTHING)])


def assert_is_true(model: Model, said: Told) -> None:
    """Nobody is told to have the lock who has released it; and who has it is told in the end."""
    for thread, owner in said.items():
        assert owner in (None, model.holder)
        if model.known and thread in model.blocked:
            assert owner == model.known


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 7), min_size=30, max_size=120))
def test_who_is_told_to_have_a_lock_has_it_and_who_has_it_is_told(schedule: list[int]) -> None:
    model = Model()
    now = 0
    using = [model.use(thread, gives_up=lambda: now in (6, 7)) for thread in model.threads]
    seen, whole, part = 0, Told(), Told()
    for now in schedule:
        next(using[now % THREADS])
        lines = model.trace.lines
        if len(lines) != seen:
            seen, whole, part = len(lines), told(model.trace.data()), told(from_checkpoint(lines))
            assert whole.keys() == part.keys()
        assert_is_true(model, whole)
        assert_is_true(model, part)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.integers(0, 7), min_size=20, max_size=80), st.integers(0, 60), st.integers(0, 60)
)
def test_after_a_checkpoint_the_trace_goes_on_to_say_the_same(
    schedule: list[int], first: int, second: int
) -> None:
    model = Model()
    now = 0
    using = [model.use(thread, gives_up=lambda: now in (6, 7)) for thread in model.threads]
    for now in schedule:
        next(using[now % THREADS])
    lines = model.trace.lines
    ledger, before, part = Ledger(), 0, b""
    for number, cut in enumerate(sorted((first, second)), start=2):
        at = min(cut, len(lines))
        ledger.read([orjson.loads(line) for line in lines[before:at]], lines[before:at])
        before, part = at, ledger.checkpoint(number, EVERYTHING)
    if before:
        data = b"\n".join([lines[0], part.strip(), *lines[before:]]) + b"\n"
        assert_is_true(model, told(data))
