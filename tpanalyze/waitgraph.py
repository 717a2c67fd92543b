"""The wait-for graph of a snapshot: what can still move, and what is stuck for ever.

An AND-OR graph with thresholds: its nodes are atoms ("thread 3 can move"), its hyper-edges the
rules of :mod:`tpanalyze.rules`.  The least fixpoint of the rules is what some continuation of the
run can still bring about; every other atom stays false in every continuation (THEORY.md 2.3).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tpanalyze.atoms import Atom, AtomKind, moves, resolves
from tpanalyze.findings import Node, NodeKind
from tpanalyze.horn import Rule, by_head, least_fixpoint
from tpanalyze.model import Snapshot, TaskId, TaskState, ThreadId, ThreadState
from tpanalyze.rules import RULES, RuleSource

_NODE_KINDS: Mapping[AtomKind, NodeKind] = {
    AtomKind.MOVES: NodeKind.THREAD,
    AtomKind.ENDS: NodeKind.THREAD,
    AtomKind.RESOLVES: NodeKind.TASK,
    AtomKind.TAKEN: NodeKind.TASK,
    AtomKind.FREES: NodeKind.POOL,
    AtomKind.DRAINED: NodeKind.POOL,
    AtomKind.RELEASED: NodeKind.OBJECT,
}


@dataclass(frozen=True, slots=True)
class WaitGraph:
    """A snapshot with its rules and with all that follows from them."""

    snapshot: Snapshot
    rules: Mapping[Atom, tuple[Rule, ...]]
    """the rules of each atom that has any"""
    progress: Mapping[Atom, Rule]
    """every atom that can come true, with a rule it does so by, in an order in which it can"""

    def is_stuck(self, atom: Atom) -> bool:
        """Return whether no continuation makes the atom true."""
        return atom not in self.progress

    def hindrances(self, atom: Atom) -> tuple[Atom, ...]:
        """Return what would have to come true first, and cannot: the stuck part of its rules."""
        stuck = (a for rule in self.rules.get(atom, ()) for a in rule.body if self.is_stuck(a))
        return tuple(dict.fromkeys(stuck))

    @property
    def stuck_threads(self) -> tuple[ThreadId, ...]:
        """The threads whose wait no continuation ends, smallest number first."""
        waiting = (t.id for t in self.snapshot.threads.values() if t.state is ThreadState.WAITING)
        return tuple(sorted(thread for thread in waiting if self.is_stuck(moves(thread))))

    @property
    def stuck_tasks(self) -> tuple[TaskId, ...]:
        """The queued tasks that no continuation starts, smallest number first."""
        queued = (t.id for t in self.snapshot.tasks.values() if t.state is TaskState.QUEUED)
        return tuple(sorted(task for task in queued if self.is_stuck(resolves(task))))


def build(snapshot: Snapshot, sources: Iterable[RuleSource] = RULES) -> WaitGraph:
    """Return the wait-for graph of the snapshot.  Cost: linear in the size of the snapshot."""
    rules = [rule for source in sources for rule in source(snapshot)]
    return WaitGraph(snapshot, by_head(rules), least_fixpoint(rules))


def node_of(atom: Atom) -> Node | None:
    """Return the thing the atom speaks of; None if it speaks of no single one."""
    kind = _NODE_KINDS.get(atom.kind)
    return None if kind is None else Node(kind, atom.id)


@dataclass(frozen=True, slots=True)
class Step:
    """One step of an explanation: an atom, whether it can come true, and why (not)."""

    atom: Atom
    reason: str
    """possible: by what it comes true, "it runs"; not: what would have had to hold"""
    of: tuple[Atom, ...]
    """possible: those it leans on; not: those that never come true"""
    possible: bool


def atom_of(node: Node) -> Atom:
    """Return the atom that says of the node that it gets on."""
    kinds = {
        NodeKind.THREAD: AtomKind.MOVES,
        NodeKind.TASK: AtomKind.RESOLVES,
        NodeKind.POOL: AtomKind.FREES,
        NodeKind.OBJECT: AtomKind.RELEASED,
    }
    return Atom(kinds[node.kind], node.id)


def why(graph: WaitGraph, node: Node) -> tuple[Step, ...]:
    """Return the chain of reasons why the node can still get on, or why it never will.

    The first step speaks of the node; every atom a step leans on has a step of its own after it.
    If the node can get on, the chain ends in facts; if not, it closes upon itself.
    """
    steps: dict[Atom, Step] = {}
    agenda = [atom_of(node)]
    for atom in agenda:  # grows while it is walked
        if atom in steps:
            continue
        rule = graph.progress.get(atom)
        if rule is not None:
            steps[atom] = _step_that_follows(graph, atom, rule)
        else:
            steps[atom] = _step_that_never_follows(graph, atom)
        agenda.extend(steps[atom].of)
    return tuple(steps.values())


def _step_that_follows(graph: WaitGraph, atom: Atom, rule: Rule) -> Step:
    order = {a: i for i, a in enumerate(graph.progress)}
    earlier = sorted(
        (a for a in rule.body if a in order and order[a] < order[atom]), key=order.__getitem__
    )
    return Step(atom, rule.reason, tuple(earlier[: rule.need]), possible=True)


def _step_that_never_follows(graph: WaitGraph, atom: Atom) -> Step:
    rules = graph.rules.get(atom, ())
    reason = ", or ".join(rule.reason for rule in rules)
    return Step(atom, reason, graph.hindrances(atom), possible=False)
