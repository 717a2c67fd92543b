"""What a report says of each node of its wait-for graph, ready to be asked."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tpanalyze.describe import Words
from tpanalyze.edges import locks
from tpanalyze.findings import Edge, Finding, Node, NodeKind, Party, Relation, Report
from tpanalyze.model import (
    LockWait,
    Object,
    ObjectId,
    ObjectWait,
    PoolId,
    Snapshot,
    Task,
    TaskId,
    TaskState,
    Thread,
    ThreadId,
)
from tpanalyze.render.labels import ThreadNames, object_name, pool_name, task_name
from tpanalyze.render.palette import RANK, Role


@dataclass(frozen=True, slots=True)
class Standing:
    """What the findings make of a node."""

    role: Role
    finding: int | None = None
    """from 0"""


_PLAIN: Final = Standing(Role.PLAIN)


class Scene:
    """A report, indexed for drawing.

    ``edges`` has every edge once, those of the cores first; all of them join known nodes.
    """

    def __init__(self, report: Report) -> None:
        self.snapshot: Final[Snapshot] = report.snapshot
        self.findings: Final[tuple[Finding, ...]] = report.findings
        self._words = Words.of(report.snapshot)
        self.thread_name: Final = ThreadNames(report.snapshot)
        self.queue_of: Final[dict[TaskId, PoolId]] = {
            task: pool.id for pool in report.snapshot.pools.values() for task in pool.queue
        }
        waits = (thread.wait for thread in report.snapshot.threads.values())
        self.objects: Final[dict[ObjectId, Object]] = {
            wait.object.id: wait.object for wait in waits if isinstance(wait, ObjectWait | LockWait)
        }
        self.locks: Final[dict[ObjectId, LockWait]] = locks(report.snapshot)
        self.edges: Final[tuple[Edge, ...]] = self._all_edges(report)
        self._parties = _standings(report.findings)
        self._awaited = self._standings_of_awaited()
        self._hungry = {
            self.queue_of[party.task]
            for finding in report.findings
            for party in finding.core
            if party.thread is None and party.task in self.queue_of
        }

    def standing(self, node: Node) -> Standing:
        """Return what the findings make of a thread or task: a running task is as its thread."""
        if node in self._parties:
            return self._parties[node]
        if node.kind is NodeKind.TASK:
            worker = self.worker_of(self.snapshot.tasks.get(TaskId(node.id)))
            if worker is not None:
                return self._parties.get(thread_node(worker), _PLAIN)
        if node.kind in (NodeKind.TASK, NodeKind.OBJECT):
            return self._awaited.get(node, _PLAIN)
        return _PLAIN

    def role(self, node: Node) -> Role:
        """Return the role of a thread, task or pool.

        A pool is of the core if the core needs one of its workers.
        """
        if node.kind is not NodeKind.POOL:
            return self.standing(node).role
        number = PoolId(node.id)
        if number in self._hungry:
            return Role.CORE
        pool = self.snapshot.pools[number]
        stuck = any(thread_node(worker) in self._parties for worker in pool.workers)
        return Role.VICTIM if stuck else Role.PLAIN

    def stuck(self) -> tuple[Node, ...]:
        """Return every thread and queued task that a finding names and the snapshot knows."""
        return tuple(node for node in self._parties if self.knows(node))

    def worker_of(self, task: Task | None) -> ThreadId | None:
        """Return the thread that is occupied with the task."""
        thread = self.snapshot.threads.get(task.worker) if task and task.worker else None
        return thread.id if thread and task and task.id in thread.tasks else None

    def home(self, task: Task) -> PoolId | None:
        """Return the pool in which to draw a task that neither a worker nor a queue shows.

        Another process has it, and has not brought its result; or it was cancelled.
        """
        gone = task.state is TaskState.CANCELLED or self._words.is_elsewhere(task)
        return task.pool if gone and task.pool in self.snapshot.pools else None

    def running(self, thread: Thread) -> Task | None:
        """Return the innermost task of the thread, if more than its number is known."""
        return None if thread.task is None else self.snapshot.tasks.get(thread.task)

    def knows(self, node: Node) -> bool:
        """Return True if the snapshot has the node."""
        match node.kind:
            case NodeKind.THREAD:
                return node.id in self.snapshot.threads
            case NodeKind.TASK:
                return node.id in self.snapshot.tasks or node.id in self.queue_of
            case NodeKind.POOL:
                return node.id in self.snapshot.pools
            case NodeKind.OBJECT:
                return node.id in self.objects

    def name(self, node: Node) -> str:
        """Return what a known node is called in a sentence."""
        match node.kind:
            case NodeKind.THREAD:
                return self.thread_name(self.snapshot.threads[ThreadId(node.id)])
            case NodeKind.TASK:
                return task_name(self.snapshot.tasks.get(TaskId(node.id)), TaskId(node.id))
            case NodeKind.POOL:
                return pool_name(self.snapshot.pools[PoolId(node.id)])
            case NodeKind.OBJECT:
                return object_name(self.objects[ObjectId(node.id)])

    def _all_edges(self, report: Report) -> tuple[Edge, ...]:
        edges: dict[tuple[Node, Node, Relation], Edge] = {}
        parties = (p for finding in report.findings for p in (*finding.core, *finding.victims))
        for edge in (*(edge for party in parties for edge in party.edges), *report.edges):
            if self.knows(edge.source) and self.knows(edge.target):
                edges.setdefault((edge.source, edge.target, edge.relation), edge)
        return tuple(edges.values())

    def _standings_of_awaited(self) -> dict[Node, Standing]:
        """Return for what has neither worker nor queue the gravest standing of those who wait."""
        waiting: defaultdict[Node, list[Standing]] = defaultdict(list)
        for edge in self.edges:
            if edge.relation is Relation.WAITS_FOR and edge.source in self._parties:
                waiting[edge.target].append(self._parties[edge.source])
        return {
            node: min(standings, key=lambda each: RANK[each.role])
            for node, standings in waiting.items()
            if node.kind is NodeKind.OBJECT or node.id not in self.queue_of
        }


def thread_node(number: ThreadId) -> Node:
    """Return the node of a thread."""
    return Node(NodeKind.THREAD, number)


def task_node(number: TaskId) -> Node:
    """Return the node of a task."""
    return Node(NodeKind.TASK, number)


def object_node(number: ObjectId) -> Node:
    """Return the node of something threads block on."""
    return Node(NodeKind.OBJECT, number)


def arrow_role(scene: Scene, edge: Edge) -> Role:
    """Return CORE for an edge within a core, VICTIM for one among what is stuck."""
    source, target = scene.role(edge.source), scene.role(edge.target)
    if source is target is Role.CORE:
        return Role.CORE
    return Role.PLAIN if Role.PLAIN in (source, target) else Role.VICTIM


def _standings(findings: Sequence[Finding]) -> dict[Node, Standing]:
    """Return the standing of each party; a core outranks a victim."""
    standings: dict[Node, Standing] = {}

    def note(parties: Sequence[Party], standing: Standing) -> None:
        for party in parties:
            if party.thread is not None:
                standings.setdefault(thread_node(party.thread), standing)
            elif party.task is not None:
                standings.setdefault(task_node(party.task), standing)

    for index, finding in enumerate(findings):
        note(finding.core, Standing(Role.CORE, index))
    for index, finding in enumerate(findings):
        note(finding.victims, Standing(Role.VICTIM, index))
    return standings
