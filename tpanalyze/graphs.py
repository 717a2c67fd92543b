"""Plain graph algorithms, iterative, so that a long chain cannot exhaust the stack."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Sequence


def reachable[N: Hashable](starts: Iterable[N], successors: Callable[[N], Iterable[N]]) -> list[N]:
    """Return every node a path leads to from `starts`, nearest first, starts included."""
    seen = dict.fromkeys(starts)
    agenda = deque(seen)
    while agenda:
        for target in successors(agenda.popleft()):
            if target not in seen:
                seen[target] = None
                agenda.append(target)
    return list(seen)


def components[N: Hashable](
    nodes: Iterable[N], successors: Callable[[N], Sequence[N]]
) -> list[list[N]]:
    """Return the strongly connected components of the graph `nodes` span; sinks come first.

    `successors` names only nodes of the graph.  Cost: O(V + E).
    Source: Tarjan 1972.
    """
    index: dict[N, int] = {}
    low: dict[N, int] = {}
    on_stack: set[N] = set()
    stack: list[N] = []
    found: list[list[N]] = []
    for start in nodes:
        if start in index:
            continue
        work: list[tuple[N, int]] = [(start, 0)]
        while work:
            node, position = work.pop()
            if position == 0:
                index[node] = low[node] = len(index)
                stack.append(node)
                on_stack.add(node)
            targets = successors(node)
            if position:
                low[node] = min(low[node], low[targets[position - 1]])
            for step in range(position, len(targets)):
                target = targets[step]
                if target not in index:
                    work.append((node, step + 1))
                    work.append((target, 0))
                    break
                if target in on_stack:
                    low[node] = min(low[node], index[target])
            else:
                if low[node] == index[node]:
                    component: list[N] = []
                    while not component or component[-1] != node:
                        component.append(stack.pop())
                        on_stack.remove(component[-1])
                    found.append(component)
    return found
