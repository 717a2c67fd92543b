"""Why a thread, task or pool can still get on, or never will: the chain of reasons in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from tpanalyze.atoms import Atom, AtomKind
from tpanalyze.describe import Words, at, listing
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
    steps = {step.atom: step for step in why(build(snapshot, one_by_one=True), node)}
    told: dict[Atom, None] = {}
    sentences = []
    for step in steps.values():
        if step.atom.kind in _SHOWN:
            told[step.atom] = None
            back = [] if step.possible else _shown_below(steps, step)
            closed = bool(back) and all(atom in told for atom in back)
            sentences.append(_sentence(words, step) + (_back(words, back, told) if closed else ""))
    return tuple(sentences)


def _shown_below(steps: Mapping[Atom, Step], step: Step) -> list[Atom]:
    """Return what the sentence of a step leans on, where some statements have no sentence."""
    found: dict[Atom, None] = {}
    seen: set[Atom] = set()
    agenda = list(step.of)
    for atom in agenda:  # grows while it is walked
        if atom.kind in _SHOWN:
            found[atom] = None
        elif atom not in seen:
            seen.add(atom)
            agenda.extend(steps[atom].of)
    return list(found)


def _back(words: Words, atoms: Sequence[Atom], told: Mapping[Atom, None]) -> str:
    """Return the sentence that closes a chain which has come back to what was told before."""
    first = next(iter(told))
    names = [_thing(words, atom) for atom in atoms if atom.kind is not AtomKind.ANYBODY]
    if not names or len(names) > _NAMED:
        return " And so we are back at what was said above."
    began = ", where we began" if list(atoms) == [first] else ""
    return f" And so we are back at {listing(names)}{began}."


_NAMED: Final = 3
"""The most things a closing sentence names."""

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
        return _thing(words, atom) + _waiting(words, ThreadId(atom.id))
    return _thing(words, atom)


def _thing(words: Words, atom: Atom) -> str:
    if atom.kind in (AtomKind.MOVES, AtomKind.ENDS):
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
