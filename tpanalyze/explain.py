"""Why a thread, task or pool can still get on, or never will: the chain of reasons in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tpanalyze.atoms import Atom, AtomKind
from tpanalyze.describe import Words, at
from tpanalyze.findings import Node
from tpanalyze.model import PoolId, Snapshot, TaskId, TaskOrigin, ThreadId
from tpanalyze.waitgraph import Step, build, why

_VERBS: Final[Mapping[AtomKind, str]] = {
    AtomKind.MOVES: "move",
    AtomKind.RESOLVES: "finish",
    AtomKind.TAKEN: "be taken from its queue",
    AtomKind.FREES: "get a free worker",
    AtomKind.ENDS: "end",
    AtomKind.DRAINED: "lose all its workers",
    AtomKind.RELEASED: "be released",
}


def explain(snapshot: Snapshot, node: Node) -> tuple[str, ...]:
    """Return the reasons, a sentence each; every sentence is explained by those after it.

    >>> from tpanalyze.findings import NodeKind
    >>> from tpanalyze.model import Thread, ThreadState
    >>> main = Thread(ThreadId(1), "MainThread", ThreadState.RUNNING, main=True)
    >>> explain(Snapshot(0, {main.id: main}), Node(NodeKind.THREAD, 1))
    ('The main thread can move: it runs, as far as the trace knows.',)
    """
    words = Words.of(snapshot)
    steps = why(build(snapshot), node)
    return tuple(_sentence(words, step) for step in steps if step.atom.kind in _SHOWN)


_SHOWN: Final = frozenset(_VERBS) | {AtomKind.ANYBODY}
"""The statements told of; how many of a set of futures are done is part of the thread's own."""


def _sentence(words: Words, step: Step) -> str:
    if step.atom.kind is AtomKind.ANYBODY:
        if step.possible:
            return f"There is somebody who can move: {step.reason}."
        return "No thread of the program can ever move again."
    name, verb = _name(words, step.atom), _verb(words, step.atom)
    subject = name[:1].upper() + name[1:]
    if step.possible:
        return f"{subject} can {verb}: {step.reason}."
    if not step.reason:
        return f"{subject} can never {verb}: nobody is left to make it."
    return f"{subject} can never {verb}: there is no way that {step.reason}."


def _name(words: Words, atom: Atom) -> str:
    if atom.kind is AtomKind.MOVES:
        return words.thread(ThreadId(atom.id)) + _waiting(words, ThreadId(atom.id))
    if atom.kind is AtomKind.ENDS:
        return words.thread(ThreadId(atom.id))
    if atom.kind in (AtomKind.RESOLVES, AtomKind.TAKEN):
        return words.task(TaskId(atom.id))
    if atom.kind is AtomKind.RELEASED:
        return words.object(atom.id)
    return words.pool(PoolId(atom.id))


def _waiting(words: Words, thread: ThreadId) -> str:
    known = words.snapshot.threads.get(thread)
    if known is None or known.wait is None:
        return ""
    wait = known.wait
    return f", which waits in {wait.operation}{at(wait.site)} for {words.wait(wait)},"


def _verb(words: Words, atom: Atom) -> str:
    task = words.snapshot.tasks.get(TaskId(atom.id))
    promise = task is not None and task.origin is not TaskOrigin.POOL
    return "be set" if atom.kind is AtomKind.RESOLVES and promise else _VERBS[atom.kind]
