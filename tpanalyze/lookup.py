"""What a user means by a word: a task by its number or function, a thread or pool by its name."""

from __future__ import annotations

from difflib import get_close_matches

from tpanalyze.errors import UserError
from tpanalyze.findings import Node, NodeKind
from tpanalyze.model import Snapshot


def find(snapshot: Snapshot, word: str) -> Node:
    """Return the one thread, task or pool that `word` names.

    ``17`` and ``task 17`` are a task, ``main`` is the main thread; otherwise the name of a thread,
    of a pool, or of the function of just one task.  Raises `UserError`.
    """
    known = _names(snapshot)
    found = known.get(word) or known.get(word.lower().removeprefix("task ").strip(), [])
    if len(found) == 1:
        return found[0]
    if found:
        numbers = ", ".join(str(node.id) for node in found[:8])
        raise UserError(f"{word!r} names several, say which by number: {numbers}")
    alike = get_close_matches(word, known, n=3) or sorted(known)[:8]
    raise UserError(
        f"nothing at this moment is called {word!r}; there are {', '.join(alike) or 'no names'}"
    )


def _names(snapshot: Snapshot) -> dict[str, list[Node]]:
    names: dict[str, list[Node]] = {}
    for thread in snapshot.threads.values():
        node = Node(NodeKind.THREAD, thread.id)
        names.setdefault(thread.name, []).append(node)
        if thread.main:
            names["main"] = [node]
    for pool in snapshot.pools.values():
        names.setdefault(pool.name, []).append(Node(NodeKind.POOL, pool.id))
    for task in snapshot.tasks.values():
        node = Node(NodeKind.TASK, task.id)
        names[str(task.id)] = [node]
        if task.function is not None:
            names.setdefault(task.function.name, []).append(node)
    return names
