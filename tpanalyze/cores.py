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

Of tasks that are alike (:mod:`tpanalyze.alike`) one stands for all up to here; but 3 and 4 may keep
some of them only.  As they may be exchanged it suffices to count how many: those with the smallest
numbers are meant, since of two atoms that explain equally well the smaller is kept.  What a closed
set loses when one of them is left out does not depend on which; so if one cannot be spared, none
of those left can, and what is closed has all that are left of them or none.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import merge
from itertools import islice

from tpanalyze.atoms import Atom, AtomKind, moves, resolves
from tpanalyze.graphs import components, reachable
from tpanalyze.horn import Times, count, greatest_closed_subset, support
from tpanalyze.model import TaskId, TaskState
from tpanalyze.waitgraph import WaitGraph

type _Core = dict[Atom, range]
"""Atoms of the rules, each with the places of those that are meant of all that it stands for."""


@dataclass(frozen=True, slots=True)
class RootCauses:
    """All cores of a graph, and how each stuck atom is stuck behind one.

    Both mappings are of atoms that the rules speak of; what such a one says of itself holds for
    all that it stands for, but that some of these may be in a core and others not.
    """

    cores: tuple[frozenset[Atom], ...]
    """disjoint; each has at least one thread; the one with the smallest thread number first"""
    core_of: Mapping[Atom, int]
    """of each stuck atom that any thread is stuck on or with: the index of the nearest core"""
    next_hop: Mapping[Atom, Atom]
    """of each stuck atom outside the cores: the next atom of a shortest path into its core; so too
    of one that stands for several if some of these are outside"""

    def path(self, atom: Atom) -> tuple[Atom, ...]:
        """Return the shortest way from the atom into its core, both ends included."""
        way = [atom]
        while not self.holds(way[-1]) and way[-1] in self.next_hop:
            way.append(self.next_hop[way[-1]])
        return tuple(way)

    def holds(self, atom: Atom) -> bool:
        """Return whether the atom is in a core."""
        return any(atom in core for core in self.cores)

    def core_behind(self, atom: Atom) -> int | None:
        """Return the index of the core behind which those are that are outside the cores.

        Of all that the atom stands for; None if there are none, or no core is behind them.
        """
        following = self.next_hop.get(atom)
        return None if following is None else self.core_of[following]


def root_causes(graph: WaitGraph) -> RootCauses:
    """Return the cores of all that is stuck.

    Cost: linear, but for shrinking, which takes up to the square of the size of one sink.
    """
    stuck = _stuck_atoms(graph)
    hindrances = {atom: graph.hindrances(atom) for atom in stuck}
    found: list[_Core] = []
    for component in components(stuck, hindrances.__getitem__):
        closed = greatest_closed_subset(component, graph.rules, graph.times)
        if closed:
            found.extend(_shrink(graph, sink) for sink in _sinks(graph, closed))
    feeders = _reversed(hindrances)
    cores = sorted(_with_threads(found, feeders, graph.times), key=_smallest_thread)
    core_of, next_hop = _nearest(cores, feeders, graph.times)
    return RootCauses(tuple(_members(graph, core) for core in cores), core_of, next_hop)


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


def _sinks(graph: WaitGraph, closed: Collection[Atom]) -> list[dict[Atom, int]]:
    """Return the sink components of a choice graph within the closed set; each is closed.

    And how many are chosen of those that an atom stands for.
    """
    chosen: dict[Atom, dict[Atom, int]] = {}
    for atom in sorted(closed):
        chosen[atom] = {}
        for rule in graph.rules.get(atom, ()):
            inside = [a for a in rule.body if a in closed]
            _keep(chosen[atom], _first(graph, inside, support(rule, graph.times)))
    successors = {atom: list(kept) for atom, kept in chosen.items()}
    found = []
    left: dict[Atom, int] = {}
    for number, component in enumerate(components(successors, successors.__getitem__)):
        left.update(dict.fromkeys(component, number))
        if all(left[target] == number for atom in component for target in successors[atom]):
            kept = dict.fromkeys(component, 1)
            for atom in component:
                _keep(kept, chosen[atom])
            found.append(kept)
    return found


def _keep(kept: dict[Atom, int], more: Mapping[Atom, int]) -> None:
    """Of each atom keep as many as either says."""
    for atom, many in more.items():
        kept[atom] = max(many, kept.get(atom, 0))


def _first(graph: WaitGraph, atoms: Collection[Atom], many: int) -> Mapping[Atom, int]:
    """Return the atoms that explain best, so many of all that they stand for."""
    if not any(atom in graph.times for atom in atoms):
        best = sorted(atoms, key=lambda atom: _preference(graph, atom))
        return dict.fromkeys(best[:many], 1)
    found: Counter[Atom] = Counter()
    for alike in _by_preference(graph, atoms):
        in_all = count(alike, graph.times)
        if in_all <= many:
            found.update({atom: graph.times.get(atom, 1) for atom in alike})
        else:
            members = merge(*(_named(atom, _numbers(graph, atom)) for atom in alike))
            found.update(atom for _, atom in islice(members, many))
        many -= in_all
        if many <= 0:
            break
    return found


def _by_preference(graph: WaitGraph, atoms: Iterable[Atom]) -> list[list[Atom]]:
    """Return the atoms in groups, best first, in each of which the smallest number is best."""
    groups: defaultdict[tuple[int, AtomKind], list[Atom]] = defaultdict(list)
    for atom in atoms:
        groups[_preference(graph, atom)[0], atom.kind].append(atom)
    return [sorted(groups[key]) for key in sorted(groups)]


def _numbers(graph: WaitGraph, atom: Atom) -> Sequence[int]:
    """Return the numbers of all that the atom stands for, ascending."""
    return graph.all_like(TaskId(atom.id)) if atom in graph.times else (atom.id,)


def _named(atom: Atom, numbers: Iterable[int]) -> Iterator[tuple[int, Atom]]:
    """Yield each of the numbers with the atom that stands for it."""
    for number in numbers:
        yield number, atom


def _members(graph: WaitGraph, core: _Core) -> frozenset[Atom]:
    return frozenset(
        Atom(atom.kind, _numbers(graph, atom)[place])
        for atom, places in core.items()
        for place in places
    )


def _shrink(graph: WaitGraph, closed: Mapping[Atom, int]) -> _Core:
    """Return a closed subset from which nothing can be left out.

    Where no rule has more support than it needs, leaving out one atom brings down all of a
    strongly connected set: nothing need be tried.
    """
    core = dict(closed)
    if any(
        count([a for a in rule.body if a in core], core) > support(rule, graph.times)
        for atom in core
        for rule in graph.rules.get(atom, ())
    ):
        needed: set[Atom] = set()
        for atom in _worst_first(graph, closed):
            if atom not in core or atom in needed:
                continue
            less = {**core, atom: core[atom] - 1}
            tried = [a for a in less if less[a]]
            rest = greatest_closed_subset(tried, graph.rules, graph.times, less)
            if rest:
                core = {a: many for a, many in less.items() if a in rest}
            else:
                needed.add(atom)
    return {atom: range(many) for atom, many in core.items()}


def _worst_first(graph: WaitGraph, atoms: Mapping[Atom, int]) -> Iterator[Atom]:
    """Yield the atoms, each as often as is said, the last by preference first."""
    for alike in reversed(_by_preference(graph, atoms)):
        ways = (_named(a, _numbers(graph, a)[: atoms[a]][::-1]) for a in alike)
        yield from (atom for _, atom in merge(*ways, reverse=True))


def _reversed(edges: Mapping[Atom, Iterable[Atom]]) -> dict[Atom, list[Atom]]:
    found: dict[Atom, list[Atom]] = {atom: [] for atom in edges}
    for source, targets in edges.items():
        for target in targets:
            found[target].append(source)
    return found


def _with_threads(
    found: Collection[_Core], feeders: Mapping[Atom, Iterable[Atom]], times: Times
) -> list[_Core]:
    """Return the cores, each with a thread of its own.

    Where a closed set has none it is a resource that is lost for good, such as a pool whose last
    worker is gone; the nearest thread that is stuck on it makes a deadlock of it.  Where all such
    threads are in other cores it explains nothing more.
    """
    cores = [core for core in found if _has_thread(core)]
    if len(cores) == len(found):
        return cores
    used = Counter({atom: len(places) for core in cores for atom, places in core.items()})
    for lost in found:
        if _has_thread(lost):
            continue
        spent = {atom for atom, many in used.items() if many >= times.get(atom, 1)}
        if way := _way_from_a_thread(lost, feeders, spent):
            core = lost | {atom: range(used[atom], used[atom] + 1) for atom in way - lost.keys()}
            cores.append(core)
            used.update({atom: len(places) for atom, places in core.items()})
    return cores


def _has_thread(core: Iterable[Atom]) -> bool:
    return any(atom.kind is AtomKind.MOVES for atom in core)


def _way_from_a_thread(
    lost: Collection[Atom], feeders: Mapping[Atom, Iterable[Atom]], used: Collection[Atom]
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


def _smallest_thread(core: Iterable[Atom]) -> int:
    return min(atom.id for atom in core if atom.kind is AtomKind.MOVES)


def _nearest(
    cores: Iterable[_Core], feeders: Mapping[Atom, Iterable[Atom]], times: Times
) -> tuple[dict[Atom, int], dict[Atom, Atom]]:
    core_of: dict[Atom, int] = {}
    next_hop: dict[Atom, Atom] = {}
    inside: dict[Atom, int] = {}
    for number, core in enumerate(cores):
        for atom in sorted(core):
            core_of.setdefault(atom, number)
            inside[atom] = inside.get(atom, 0) + len(core[atom])
    agenda = deque(core_of)
    while agenda:
        atom = agenda.popleft()
        for feeder in feeders[atom]:
            if feeder not in core_of:
                core_of[feeder] = core_of[atom]
                next_hop[feeder] = atom
                agenda.append(feeder)
            elif feeder not in next_hop and 0 < inside.get(feeder, 0) < times.get(feeder, 1):
                next_hop[feeder] = atom  # of those that are outside
    return core_of, next_hop
