"""What a user means by a word: a task by its number or function, a thread or pool by its name."""

from __future__ import annotations

from difflib import get_close_matches

from tpanalyze.describe import Words
from tpanalyze.errors import UserError
from tpanalyze.findings import Node, NodeKind
from tpanalyze.model import Snapshot

_KINDS = ("task", "promise", "future", "thread", "worker", "pool", "process")
"""What a report may put before a name."""
_TOLD = 8
"""Names that are told to who asks for one that there is not."""


def find(snapshot: Snapshot, word: str) -> Node:
    """Return the one thread, task or pool that `word` names.

    ``17`` and ``task 17`` are a task, ``main`` is the main thread; otherwise the name of a thread,
    of a pool, as the report writes it, or of the function of just one task.  Raises `UserError`.
    """
    known = _names(snapshot)
    kind, _, name = word.strip().partition(" ")
    bare = name.strip() if kind.lower() in _KINDS else word.strip()
    found = known.get(word) or known.get(bare) or known.get(bare.removeprefix("pool "), [])
    if len(found) == 1:
        return found[0]
    if found:
        numbers = ", ".join(str(node.id) for node in found[:8])
        raise UserError(f"{word!r} names several, say which by number: {numbers}")
    alike = get_close_matches(word, known, n=3) or [name for name in known if name][:_TOLD]
    more = ", ..." if len(alike) == _TOLD < len(known) else ""
    raise UserError(
        f"nothing at this moment is called {word!r}; "
        f"there are {', '.join(alike) or 'no names'}{more}"
    )


def _names(snapshot: Snapshot) -> dict[str, list[Node]]:
    """Return what each name means: threads, then pools, functions, and tasks by their numbers."""
    words = Words.of(snapshot)
    names: dict[str, list[Node]] = {}
    for thread in snapshot.threads.values():
        node = Node(NodeKind.THREAD, thread.id)
        names.setdefault(thread.name, []).append(node)
        if thread.main:
            names["main"] = [node]
    for pool in snapshot.pools.values():
        node = Node(NodeKind.POOL, pool.id)
        said = words.pool(pool.id)
        said = said.removeprefix("process ").removeprefix("pool ")
        for name in dict.fromkeys((said, pool.name)):
            names.setdefault(name, []).append(node)
    for task in snapshot.tasks.values():
        if task.function is not None:
            names.setdefault(task.function.name, []).append(Node(NodeKind.TASK, task.id))
    for number in snapshot.tasks:
        names[str(number)] = [Node(NodeKind.TASK, number)]
    return names
