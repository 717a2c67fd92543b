"""What the analyser says: findings and the report that carries them.  Values only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from tpanalyze.model import Header, PoolId, Quality, Site, Snapshot, TaskId, ThreadId, Wait


class Verdict(StrEnum):
    """The grade of a finding or report, gravest first."""

    DEADLOCK = "deadlock"
    """proved: no continuation of this run ends these waits"""
    STALLED = "stalled"
    """blocked without a timeout on something the trace cannot see"""
    STARVING = "starving"
    """queued long behind workers that still move"""
    POTENTIAL = "potential"
    """this run passed; another schedule or a smaller pool would deadlock"""
    NONE = "none"


class Relation(StrEnum):
    """Why one node of the wait-for graph cannot move before another does."""

    WAITS_FOR = "waits for"
    """a blocked thread -> the future it waits for, the object it blocks on"""
    NEEDS_WORKER = "needs a worker of"
    """a queued task -> its pool"""
    HELD_BY = "held by"
    """a pool -> a worker that is occupied; an unfinished task -> the thread that runs it; a lock ->
    the thread that has it"""
    DRAINS = "waits for the end of"
    """a thread in a drain or join -> a worker of the pool, the thread it joins"""


class NodeKind(StrEnum):
    """What a node of the wait-for graph stands for."""

    THREAD = "thread"
    TASK = "task"
    POOL = "pool"
    OBJECT = "object"


@dataclass(frozen=True, slots=True, order=True)
class Node:
    """A node of the wait-for graph, by kind and number."""

    kind: NodeKind
    id: int


@dataclass(frozen=True, slots=True)
class Edge:
    """One edge of the wait-for graph with its three sites."""

    source: Node
    target: Node
    relation: Relation
    label: str
    """a few words for a diagram: ``result()``, ``any of 3``, ``queued 2nd``"""
    wait_site: Site | None = None
    """where the wait is"""
    submit_site: Site | None = None
    """where the awaited task was submitted"""
    occupied_by: tuple[ThreadId, ...] = ()
    """the workers that occupy the pool the awaited task needs, if it is queued"""
    held_site: Site | None = None
    """from a lock: where the thread that has it took it"""


@dataclass(frozen=True, slots=True)
class Party:
    """One participant of a finding.

    A blocked thread with the task it runs, if any; or (thread None) a task no worker can start.
    """

    thread: ThreadId | None
    task: TaskId | None
    wait: Wait | None
    since_ns: int
    """since when it is stuck where it is: the wait's begin, or the submit"""
    edges: Sequence[Edge]
    """the way from here to what it is stuck on; together the edges of a core's parties are the
    whole picture of the core, each edge in one party only"""
    path: tuple[Node, ...] = ()
    """of a victim: the nodes on a shortest way from it into the core, both ends included"""


@dataclass(frozen=True, slots=True)
class Advice:
    """One thing to change, made for this case."""

    slug: str
    text: str
    """a whole sentence with this case's names, numbers and places"""


class StepKind(StrEnum):
    """What happened when something became certain."""

    WAIT = "wait"
    """a thread began to wait"""
    SUBMIT = "submit"
    """a task was submitted"""
    CANCEL = "cancel"
    """a task was cancelled"""
    FINISH = "finish"
    """a task finished"""
    IDLE = "idle"
    """a worker was done with its last task"""
    END = "end"
    """a thread ended"""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the run."""

    kind: StepKind
    thread: ThreadId | None
    task: TaskId | None
    """of a wait: the task that the thread runs"""
    text: str
    """what follows on "when", as ``task 17 (outer) began to wait``"""


@dataclass(frozen=True, slots=True)
class Finding:
    """One independent root cause and everything that is stuck behind it."""

    verdict: Verdict
    kind: str
    """slug, with an entry of that name in docs/findings.md"""
    certain_since_ns: int
    """the moment from which no continuation could end it; of what is not proved: since when it has
    been as it is"""
    summary: str
    """one sentence: what waits for what, and why it can never end"""
    because: tuple[str, ...]
    """the steps of the proof, a sentence each"""
    core: tuple[Party, ...]
    """the smallest set that explains it"""
    victims: Sequence[Party]
    """what is stuck behind the core: threads, then queued tasks"""
    pools: tuple[PoolId, ...]
    advice: tuple[Advice, ...]
    conditions: tuple[str, ...] = ()
    """what the proof takes for granted, a sentence each; empty: nothing"""
    certain_by: Step | None = None
    """the step by which it became certain; None: not known, or nothing is"""
    signature: str = ""
    """the same for two reports of the same problem: kind, functions, places without numbers"""


@dataclass(frozen=True, slots=True)
class Report:
    """All a renderer gets."""

    trace: str
    """name of the trace, for people"""
    header: Header
    quality: Quality
    snapshot: Snapshot
    """the state at the moment asked about"""
    verdict: Verdict
    findings: tuple[Finding, ...]
    edges: Sequence[Edge] = ()
    """the whole wait-for graph at that moment, moving parts included"""
