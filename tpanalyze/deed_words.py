"""One event of a trace in words: who did it, and what it was."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from tpanalyze.deeds import Deed
from tpanalyze.describe import Words, at, listing
from tpanalyze.model import PoolId, Snapshot, TaskId, ThreadId
from tpanalyze.state import State
from tprecord import schema

_NAMED: Final = 3
"""The most tasks that one event names."""

type _Verb = Callable[[Sequence[int]], str]


class DeedWords:
    """Words for the events of one run; `function` names the function of a task that is done."""

    def __init__(self, snapshot: Snapshot, state: State, function: Callable[[int], str]) -> None:
        self._snapshot = snapshot
        self._state = state
        self._function = function
        self._words = Words.of(snapshot)
        self._verbs: Final[Mapping[int, _Verb]] = {
            schema.SUBMIT: self._submit,
            schema.START: lambda f: f"starts {self.task(f[0])}",
            schema.FINISH: lambda f: f"finishes {self.task(f[0])}",
            schema.FAIL: lambda f: f"ends {self.task(f[0])} with an exception",
            schema.READ: lambda f: f"has the result of {self.task(f[0])}{self._at(f[1])}",
            schema.WAIT: self._wait,
            schema.WAKE: lambda f: "is torn out of its wait" if f[0] else "goes on",
            schema.IDLE: lambda _: "has no task and waits for the next",
            schema.CANCEL: lambda f: f"cancels {self.task(f[0])}",
            schema.SPAWN: lambda f: f"starts one more worker of {self._pool(f[0])}",
            schema.ENTER: lambda f: f"begins as a worker of {self._pool(f[0])}",
            schema.LEAVE: lambda _: "leaves its pool",
            schema.CLOSE: lambda f: f"shuts down {self._pool(f[0])}",
            schema.DRAIN: self._drain,
            schema.PROMISE: lambda f: f"makes {self.task(f[0])}{self._at(f[1])}",
            schema.WITHDRAW: lambda f: f"takes {self.task(f[0])} out of its queue",
            schema.BEAT: lambda _: "notes that nothing happens",
            schema.LAUNCH: lambda f: f"launches {self.who(f[0])}",
            schema.BEGIN: lambda _: "begins",
            schema.GONE: lambda _: "ends",
            schema.JOIN: self._join,
            schema.BLOCK: self._block,
            schema.SIGNAL: lambda f: f"wakes who waits on {self._thing(f[0])}",
            schema.CONTEND: self._contend,
            schema.OBTAIN: lambda f: f"has got {self._thing(f[0])}{self._at(f[1])}",
            schema.FREE: lambda f: f"releases {self._thing(f[0])}",
            schema.STACK: lambda f: f"sees {self.who(f[0])} stand still{self._at(f[1])}",
            schema.CENSUS: lambda _: "has counted every thread",
            schema.TAKE: lambda _: "takes something unknown from its queue, and begins it",
            schema.PASS: lambda f: f"has run {self.task(f[0])}, and passes its outcome on",
            schema.BREAK: lambda f: f"finds {self._pool(f[0])} broken",
            schema.UNLAUNCH: lambda f: f"could not start {self.who(f[0])}",
            schema.ADOPT: lambda f: f"is about to put {self.task(f[0])} into its executor's queue",
            schema.DELIVER: lambda f: f"leaves it to {self._pool(f[1])} to set {self.task(f[0])}",
            schema.RUN: lambda f: f"sees {self.who(f[1])} run {self._pool(f[0])}",
            schema.HALT: lambda f: f"no longer runs {self._pool(f[0])}",
            schema.RESIZE: self._resize,
            schema.AWAIT: self._await,
            schema.RESUME: lambda _: "goes on recording from here",
        }

    def who(self, thread: int) -> str:
        """Return what a thread is called; thread 0 is the recorder."""
        if not thread:
            return "the recorder"
        return self._words.thread(ThreadId(thread))

    def what(self, deed: Deed) -> str:
        """Return what was done, beginning with a verb."""
        if deed.kind == schema.START and not deed.thread:
            return self._leave(deed.fields[0])
        verb = self._verbs.get(deed.kind)
        return f"does something (event {deed.kind})" if verb is None else verb(deed.fields)

    def task(self, task: int) -> str:
        """Return what a task is called, even one that is done."""
        if TaskId(task) in self._snapshot.tasks:
            return self._words.task(TaskId(task))
        function = self._function(task)
        return f"task {task}" + (f" ({function})" if function else "")

    def _pool(self, pool: int) -> str:
        return self._words.pool(PoolId(pool)) if pool else "every pool"

    def _thing(self, number: int) -> str:
        known = self._state.objects.get(number)
        return f"object {number}" if known is None else f"{known.kind} {number}"

    def _resize(self, fields: Sequence[int]) -> str:
        pool, most = fields
        return f"lets {self._pool(pool)} have {'any number of' if most < 0 else most} workers"

    def _leave(self, task: int) -> str:
        """Nobody here has started the task."""
        known = self._snapshot.tasks.get(TaskId(task))
        away = known is not None and self._words.is_elsewhere(known)
        return f"sees {self.task(task)} leave its queue" + (" for another process" if away else "")

    def _await(self, fields: Sequence[int]) -> str:
        promise, *awaited = fields
        what = listing([self.task(task) for task in awaited[:_NAMED]]) or "something unknown"
        more = f" or {len(awaited) - _NAMED} more" if len(awaited) > _NAMED else ""
        return f"sees the coroutine behind {self.task(promise)} wait for {what}{more}"

    def _at(self, site: int) -> str:
        return at(self._state.sites.get(site))

    def _submit(self, fields: Sequence[int]) -> str:
        task, pool, _, site, *_ = fields
        return f"submits {self.task(task)} to {self._pool(pool)}{self._at(site)}"

    def _wait(self, fields: Sequence[int]) -> str:
        operation, need, timeout, site, first, last = fields
        limit = "" if timeout < 0 else ", with a timeout,"
        where = f"begins to wait in {_operation(operation)}{self._at(site)}{limit}"
        return f"{where} for {self._awaited(need, first, last)}"

    def _awaited(self, need: int, first: int, last: int) -> str:
        if first < 0:
            return f"{need} of a set of futures"
        if first == last or not last:
            return self.task(first)
        count = last - first + 1
        some = "all" if need >= count else "any" if need == 1 else str(need)
        return f"{some} of {count} futures, {self.task(first)} to {self.task(last)}"

    def _drain(self, fields: Sequence[int]) -> str:
        operation, pool, site, *_ = fields
        where = f"begins to wait in {_operation(operation)}{self._at(site)}"
        return f"{where} for the workers of {self._pool(pool)} to end"

    def _join(self, fields: Sequence[int]) -> str:
        operation, other, _, site, *_ = fields
        whom = self.who(other) if other else "every thread"
        return f"begins to wait in {_operation(operation)}{self._at(site)} for {whom} to end"

    def _block(self, fields: Sequence[int]) -> str:
        operation, thing, _, site, *_ = fields
        return f"begins to wait in {_operation(operation)}{self._at(site)}, on {self._thing(thing)}"

    def _contend(self, fields: Sequence[int]) -> str:
        _, _, _, _, owner, since, *_ = fields
        held = f", which {self.who(owner)} took{self._at(since)}" if owner else ""
        return self._block(fields) + held


def _operation(number: int) -> str:
    return schema.OPERATIONS.get(number, f"operation {number}")
