"""The wait-for graph of a snapshot: what can still move, and what is stuck for ever.

An AND-OR graph with thresholds: its nodes are atoms ("thread 3 can move"), its hyper-edges the
rules of :mod:`tpanalyze.rules`.  The least fixpoint of the rules is what some continuation of the
run can still bring about; every other atom stays false in every continuation (THEORY.md 2.3).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tpanalyze.alike import one_of_each
from tpanalyze.atoms import Atom, AtomKind, moves, resolves
from tpanalyze.findings import Node, NodeKind
from tpanalyze.horn import Rule, Times, by_head, least_fixpoint
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
    few: Snapshot
    """what the rules are of: the snapshot with one for all tasks that are alike"""
    members: Mapping[TaskId, Sequence[TaskId]]
    """all of these, by the first of them, which stands in for them: see :mod:`tpanalyze.alike`"""
    times: Times
    """how many an atom of the rules stands for, if for several"""

    def standing_for(self, atom: Atom) -> Atom:
        """Return the atom that rules speak of in its place: itself, or that of a stand-in."""
        if atom.kind is not AtomKind.RESOLVES or atom.id in self.few.tasks:
            return atom
        stand_ins = (one for one, alike in self.members.items() if atom.id in alike)
        return resolves(next(stand_ins, TaskId(atom.id)))

    def is_stuck(self, atom: Atom) -> bool:
        """Return whether no continuation makes the atom true."""
        return self.standing_for(atom) not in self.progress

    def hindrances(self, atom: Atom) -> tuple[Atom, ...]:
        """Return what would have to come true first, and cannot: the stuck part of its rules.

        Of those that are alike, the one that stands in for them.
        """
        rules = self.rules.get(self.standing_for(atom), ())
        return tuple(dict.fromkeys(a for rule in rules for a in rule.body if self.is_stuck(a)))

    @property
    def stuck_threads(self) -> tuple[ThreadId, ...]:
        """The threads whose wait no continuation ends, smallest number first."""
        waiting = (t.id for t in self.snapshot.threads.values() if t.state is ThreadState.WAITING)
        return tuple(sorted(thread for thread in waiting if self.is_stuck(moves(thread))))

    @property
    def stuck_tasks(self) -> tuple[TaskId, ...]:
        """The queued tasks that no continuation starts, smallest number first."""
        return tuple(sorted(task for one in self.stuck_few for task in self.all_like(one)))

    @property
    def stuck_few(self) -> tuple[TaskId, ...]:
        """The same, one for all that are alike."""
        queued = (t.id for t in self.few.tasks.values() if t.state is TaskState.QUEUED)
        return tuple(sorted(task for task in queued if self.is_stuck(resolves(task))))

    def all_like(self, task: TaskId) -> Sequence[TaskId]:
        """Return the task and those that it stands in for, smallest number first."""
        return self.members.get(task, (task,))


def build(
    snapshot: Snapshot, sources: Iterable[RuleSource] = RULES, *, one_by_one: bool = False
) -> WaitGraph:
    """Return the wait-for graph of the snapshot.  Cost: linear in the size of the snapshot.

    With `one_by_one` each task that a rule names is there, though others are like it.
    """
    few, members = one_of_each(snapshot, nameless=one_by_one)
    rules = [rule for source in sources for rule in source(few)]
    times = {resolves(task): many for task, many in few.times.items()}
    return WaitGraph(snapshot, by_head(rules), least_fixpoint(rules, times), few, members, times)


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

    The graph was built `one_by_one`: all that a step leans on is named.
    The first step speaks of the node; every atom a step leans on has a step of its own after it.
    If the node can get on, the chain ends in facts; if not, it closes upon itself.
    """
    steps: dict[Atom, Step] = {}
    agenda = [atom_of(node)]
    for atom in agenda:  # grows while it is walked
        if atom in steps:
            continue
        rule = graph.progress.get(graph.standing_for(atom))
        if rule is not None:
            steps[atom] = _step_that_follows(graph, atom, rule)
        else:
            steps[atom] = _step_that_never_follows(graph, atom)
        agenda.extend(steps[atom].of)
    return tuple(steps.values())


def _step_that_follows(graph: WaitGraph, atom: Atom, rule: Rule) -> Step:
    order = {a: i for i, a in enumerate(graph.progress)}
    own = order[graph.standing_for(atom)]
    earlier = sorted((a for a in rule.body if a in order and order[a] < own), key=order.__getitem__)
    return Step(atom, rule.reason, tuple(earlier[: rule.need]), possible=True)


def _step_that_never_follows(graph: WaitGraph, atom: Atom) -> Step:
    rules = graph.rules.get(graph.standing_for(atom), ())
    reason = ", or ".join(rule.reason for rule in rules)
    return Step(atom, reason, graph.hindrances(atom), possible=False)
