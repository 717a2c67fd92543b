"""Who takes part in a finding, and by which edges: the members of its core and its victims."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from functools import cache, partial
from heapq import merge

from tpanalyze.atoms import Atom, moves, released, resolves, taken
from tpanalyze.compact import Ascending, Each
from tpanalyze.cores import RootCauses
from tpanalyze.edges import Edges
from tpanalyze.findings import Edge, Node, NodeKind, Party, Relation
from tpanalyze.kinds.case import Case
from tpanalyze.model import ObjectId, Snapshot, Task, TaskId, Thread, ThreadId
from tpanalyze.waitgraph import WaitGraph, node_of

Drawn = set[tuple[Node, Node]]


def core_parties(case: Case, edges: Edges) -> tuple[Party, ...]:
    """Return the blocked threads of the core, then its queued tasks.

    Together their edges are the picture of the core, each edge once: from a thread to what it
    waits for and on to the thread that runs that; from a queued task to its pool and on to the
    workers that occupy it.
    """
    drawn: Drawn = set()
    entered: set[Node] = set()
    awaited = {task.id for task in (*case.queued, *case.running, *case.promises)}
    threads = [_thread_party(case, thread, edges, awaited, drawn) for thread in case.threads]
    tasks = [
        _task_party(task, _from_queue(case, task, edges, entered), drawn) for task in case.queued
    ]
    return (*threads, *tasks)


def _thread_party(
    case: Case, thread: Thread, edges: Edges, awaited: Collection[TaskId], drawn: Drawn
) -> Party:
    own = edges.leaving(Node(NodeKind.THREAD, thread.id), awaited)
    found: list[Edge] = []
    for edge in own:
        if _in_core(case, edge.target):
            found.append(edge)
            found.extend(_on_to_its_thread(edge, edges))
    return thread_party(case.snapshot, thread.id, _new(found, drawn))


def _in_core(case: Case, node: Node) -> bool:
    if node.kind is NodeKind.THREAD:
        return case.holds(ThreadId(node.id)) or case.must_end(ThreadId(node.id))
    if node.kind is NodeKind.OBJECT:
        return case.anybody or released(ObjectId(node.id)) in case.core
    task = TaskId(node.id)
    return resolves(task) in case.core or taken(task) in case.core


def _on_to_its_thread(edge: Edge, edges: Edges) -> list[Edge]:
    """Return the edges from a running task to its thread, from a promise to what it needs.

    And from a lock to the thread that has it.
    """
    if edge.target.kind not in (NodeKind.TASK, NodeKind.OBJECT):
        return []
    on = (Relation.HELD_BY, Relation.WAITS_FOR)  # the latter from a promise of an event loop
    return [e for e in edges.leaving(edge.target) if e.relation in on]


def _from_queue(case: Case, task: Task, edges: Edges, entered: set[Node]) -> list[Edge]:
    """Return the edge to the task's pool, and from there on if no task before it `entered` it."""
    found = []
    for edge in edges.leaving(Node(NodeKind.TASK, task.id)):
        found.append(edge)
        if edge.target not in entered:
            entered.add(edge.target)
            found += [e for e in edges.leaving(edge.target) if _in_core(case, e.target)]
    return found


def _new(edges: Iterable[Edge], drawn: Drawn) -> tuple[Edge, ...]:
    fresh = []
    for edge in edges:
        if (key := (edge.source, edge.target)) not in drawn:
            drawn.add(key)
            fresh.append(edge)
    return tuple(fresh)


def thread_party(snapshot: Snapshot, thread: ThreadId, edges: Sequence[Edge]) -> Party:
    """Return the party of a blocked thread."""
    known = snapshot.threads[thread]
    since_ns = known.since_ns if known.wait is None else known.wait.since_ns
    return Party(thread, known.task, known.wait, since_ns, edges)


def _task_party(task: Task, edges: Iterable[Edge], drawn: Drawn) -> Party:
    return Party(None, task.id, None, task.submitted_ns or 0, _new(edges, drawn))


def victim_parties(graph: WaitGraph, roots: RootCauses, core: int, edges: Edges) -> Sequence[Party]:
    """Return what is stuck behind the core with this index: the main thread, threads, tasks.

    The edges of a victim are the way it is stuck on: its wait, as far as it lies on the shortest
    path into the core, and on to the thread that runs what it waits for.
    """
    snapshot = graph.snapshot
    inside = roots.cores[core]
    threads = [
        thread
        for thread in graph.stuck_threads
        if roots.core_of[moves(thread)] == core and moves(thread) not in inside
    ]
    threads.sort(key=lambda thread: (not snapshot.threads[thread].main, thread))
    drawn: Drawn = set()
    parties = []
    for thread in threads:
        way = path(graph, roots, moves(thread), inside)
        node = Node(NodeKind.THREAD, thread)
        own = edges.leaving(node, {on.id for on in way if on.kind is NodeKind.TASK})
        found = [edge for edge in own if edge.target in way[1:]] or list(edges.leaving(node)[:1])
        found += [e for edge in tuple(found) for e in _on_to_its_thread(edge, edges)]
        parties.append(_with_path(thread_party(snapshot, thread, _new(found, drawn)), way))
    queued = merge(
        *(
            (task for task in graph.all_like(one) if not roots.holds(resolves(task)))
            for one in graph.stuck_few
            if roots.core_behind(resolves(one)) == core
        )
    )
    way_on = cache(partial(path, graph, roots, core=inside))

    def party(number: TaskId) -> Party:
        task, node = snapshot.tasks[number], Node(NodeKind.TASK, number)
        own = (e for e in edges.leaving(node) if (e.source, e.target) not in drawn)
        way = way_on(roots.next_hop[graph.standing_for(resolves(number))])
        return Party(None, number, None, task.submitted_ns or 0, tuple(own), (node, *way))

    return Each(parties, Ascending(queued), party)


def _with_path(party: Party, way: tuple[Node, ...]) -> Party:
    return Party(party.thread, party.task, party.wait, party.since_ns, party.edges, way)


def path(
    graph: WaitGraph, roots: RootCauses, atom: Atom, core: frozenset[Atom]
) -> tuple[Node, ...]:
    """Return the things on the shortest way from the atom to a thread, task or pool of the core."""
    steps = list(roots.path(atom))
    while node_of(steps[-1]) is None:
        steps.append(next(a for a in graph.hindrances(steps[-1]) if a in core))
    return tuple(dict.fromkeys(node for step in steps if (node := node_of(step))))
