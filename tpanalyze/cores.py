"""The root causes of what is stuck: cores, and the way from every victim into one.

A set of stuck atoms is *closed* if its members keep one another false (:mod:`tpanalyze.horn`).
A **core** is a closed set from which nothing can be left out.  How they are found:

1. Take the graph of all that is stuck, an edge from each atom to each of its hindrances.
2. In each strongly connected component keep the largest closed subset.  Where it is not empty the
   component is a deadlock by itself, whatever becomes of the rest.
3. Thin it out to a *choice graph*: each atom keeps just as many hindrances as it takes to keep it
   false, those in tasks that have started first.  Every sink component of it is closed.
4. Shrink each sink to a core: leave out an atom as long as something closed remains.

Cores are as small as can be in the sense that nothing can be left out; the smallest possible
number of members is NP-hard to find.  Source: THEORY.md section 3.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from tpanalyze.atoms import Atom, AtomKind, moves, resolves
from tpanalyze.graphs import components, reachable
from tpanalyze.horn import greatest_closed_subset, support
from tpanalyze.model import TaskId, TaskState
from tpanalyze.waitgraph import WaitGraph


@dataclass(frozen=True, slots=True)
class RootCauses:
    """All cores of a graph, and how each stuck atom is stuck behind one."""

    cores: tuple[frozenset[Atom], ...]
    """disjoint; each has at least one thread; the one with the smallest thread number first"""
    core_of: Mapping[Atom, int]
    """of each stuck atom that any thread is stuck on or with: the index of the nearest core"""
    next_hop: Mapping[Atom, Atom]
    """of each stuck atom outside the cores: the next atom of a shortest path into its core"""

    def path(self, atom: Atom) -> tuple[Atom, ...]:
        """Return the shortest way from the atom into its core, both ends included."""
        way = [atom]
        while way[-1] in self.next_hop:
            way.append(self.next_hop[way[-1]])
        return tuple(way)


def root_causes(graph: WaitGraph) -> RootCauses:
    """Return the cores of all that is stuck.

    Cost: linear, but for shrinking, which takes up to the square of the size of one sink.
    """
    stuck = _stuck_atoms(graph)
    hindrances = {atom: graph.hindrances(atom) for atom in stuck}
    found: list[frozenset[Atom]] = []
    for component in components(stuck, hindrances.__getitem__):
        closed = greatest_closed_subset(component, graph.rules)
        if closed:
            found.extend(_shrink(graph, sink) for sink in _sinks(graph, closed))
    feeders = _reversed(hindrances)
    cores = sorted(_with_threads(found, feeders), key=_smallest_thread)
    core_of, next_hop = _nearest(cores, feeders)
    return RootCauses(tuple(cores), core_of, next_hop)


def _stuck_atoms(graph: WaitGraph) -> list[Atom]:
    """Return every stuck atom that a stuck thread or queued task leans on, in a fixed order."""
    starts = [moves(thread) for thread in graph.stuck_threads]
    starts += [resolves(task) for task in graph.stuck_few]
    return reachable(starts, graph.hindrances)


def _preference(graph: WaitGraph, atom: Atom) -> tuple[int, Atom]:
    """Return a key that puts what explains best first: started tasks, queued ones, promises."""
    if atom.kind is AtomKind.ANYBODY:
        return 3, atom
    if atom.kind not in (AtomKind.RESOLVES, AtomKind.TAKEN):
        return 0, atom
    state = graph.snapshot.tasks[TaskId(atom.id)].state
    return {TaskState.RUNNING: 0, TaskState.PENDING: 2}.get(state, 1), atom


def _sinks(graph: WaitGraph, closed: Collection[Atom]) -> list[list[Atom]]:
    """Return the sink components of a choice graph within the closed set; each is closed."""
    chosen: dict[Atom, list[Atom]] = {}
    for atom in sorted(closed):
        kept: dict[Atom, None] = {}
        for rule in graph.rules.get(atom, ()):
            inside = sorted(
                (a for a in rule.body if a in closed), key=lambda a: _preference(graph, a)
            )
            kept.update(dict.fromkeys(inside[: support(rule)]))
        chosen[atom] = list(kept)
    found = []
    left: dict[Atom, int] = {}
    for number, component in enumerate(components(chosen, chosen.__getitem__)):
        left.update(dict.fromkeys(component, number))
        if all(left[target] == number for atom in component for target in chosen[atom]):
            found.append(component)
    return found


def _shrink(graph: WaitGraph, closed: Iterable[Atom]) -> frozenset[Atom]:
    """Return a closed subset from which nothing can be left out.

    Where no rule has more support than it needs, leaving out one atom brings down all of a
    strongly connected set: nothing need be tried.
    """
    core = set(closed)
    if not any(
        sum(a in core for a in rule.body) > support(rule)
        for atom in core
        for rule in graph.rules.get(atom, ())
    ):
        return frozenset(core)
    for atom in sorted(core, key=lambda a: _preference(graph, a), reverse=True):
        if atom in core and (rest := greatest_closed_subset(core - {atom}, graph.rules)):
            core = rest
    return frozenset(core)


def _reversed(edges: Mapping[Atom, Iterable[Atom]]) -> dict[Atom, list[Atom]]:
    found: dict[Atom, list[Atom]] = {atom: [] for atom in edges}
    for source, targets in edges.items():
        for target in targets:
            found[target].append(source)
    return found


def _with_threads(
    found: Iterable[frozenset[Atom]], feeders: Mapping[Atom, Iterable[Atom]]
) -> list[frozenset[Atom]]:
    """Return the cores, each with a thread of its own.

    Where a closed set has none it is a resource that is lost for good, such as a pool whose last
    worker is gone; the nearest thread that is stuck on it makes a deadlock of it.  Where all such
    threads are in other cores it explains nothing more.
    """
    cores = [core for core in found if _has_thread(core)]
    used = {atom for core in cores for atom in core}
    for lost in found:
        if not _has_thread(lost) and (way := _way_from_a_thread(lost, feeders, used)):
            cores.append(lost | way)
            used |= lost | way
    return cores


def _has_thread(core: Iterable[Atom]) -> bool:
    return any(atom.kind is AtomKind.MOVES for atom in core)


def _way_from_a_thread(
    lost: frozenset[Atom], feeders: Mapping[Atom, Iterable[Atom]], used: Collection[Atom]
) -> frozenset[Atom]:
    """Return the shortest way from a stuck thread to what is lost, past all that is `used`."""
    back: dict[Atom, Atom] = {}
    agenda = deque(sorted(lost))
    while agenda:
        atom = agenda.popleft()
        if atom.kind is AtomKind.MOVES:
            way = [atom]
            while way[-1] in back:
                way.append(back[way[-1]])
            return frozenset(way)
        for feeder in sorted(feeders[atom]):
            if feeder not in back and feeder not in lost and feeder not in used:
                back[feeder] = atom
                agenda.append(feeder)
    return frozenset()


def _smallest_thread(core: frozenset[Atom]) -> int:
    return min(atom.id for atom in core if atom.kind is AtomKind.MOVES)


def _nearest(
    cores: Iterable[frozenset[Atom]], feeders: Mapping[Atom, Iterable[Atom]]
) -> tuple[dict[Atom, int], dict[Atom, Atom]]:
    core_of: dict[Atom, int] = {}
    next_hop: dict[Atom, Atom] = {}
    for number, core in enumerate(cores):
        core_of.update(dict.fromkeys(sorted(core), number))
    agenda = deque(core_of)
    while agenda:
        atom = agenda.popleft()
        for feeder in feeders[atom]:
            if feeder not in core_of:
                core_of[feeder] = core_of[atom]
                next_hop[feeder] = atom
                agenda.append(feeder)
    return core_of, next_hop
