"""A core laid open: what a kind of deadlock looks at, and what it says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tpanalyze.atoms import ANYBODY, Atom, AtomKind, ends, frees, moves, released
from tpanalyze.compact import each_once
from tpanalyze.describe import Words
from tpanalyze.findings import Advice
from tpanalyze.graphs import reachable
from tpanalyze.model import (
    DrainWait,
    FutureWait,
    LockWait,
    ObjectWait,
    Pool,
    PoolId,
    PoolRole,
    Snapshot,
    Task,
    TaskId,
    TaskOrigin,
    TaskState,
    Thread,
    ThreadId,
    ThreadWait,
)
from tpanalyze.waitgraph import WaitGraph


@dataclass(frozen=True, slots=True)
class Case:
    """One core, its members by what they are; everything in order of number."""

    graph: WaitGraph
    words: Words
    core: frozenset[Atom]
    threads: tuple[Thread, ...]
    """the blocked threads"""
    queued: tuple[Task, ...]
    """tasks that no worker can take, cancelled ones included"""
    running: tuple[Task, ...]
    """unfinished tasks that one of `threads` runs"""
    promises: tuple[Task, ...]
    pools: tuple[Pool, ...]
    """the pools that never get a free worker"""
    anybody: bool
    """True if the proof leans on this: no thread at all can move"""

    @classmethod
    def of(cls, graph: WaitGraph, words: Words, core: frozenset[Atom]) -> Case:
        """Return the case for a core of the graph."""
        snapshot = graph.snapshot
        kinds = (AtomKind.RESOLVES, AtomKind.TAKEN)
        tasks = [snapshot.tasks[TaskId(atom.id)] for atom in sorted(core) if atom.kind in kinds]
        owned = [task for task in tasks if task.origin is not TaskOrigin.PROMISE]
        waiting = (TaskState.QUEUED, TaskState.CANCELLED)
        return cls(
            graph,
            words,
            core,
            tuple(
                snapshot.threads[ThreadId(atom.id)]
                for atom in sorted(core)
                if atom.kind is AtomKind.MOVES
            ),
            tuple(task for task in owned if task.state in waiting),
            tuple(task for task in owned if task.state not in waiting),
            tuple(task for task in tasks if task.origin is TaskOrigin.PROMISE),
            tuple(
                snapshot.pools[PoolId(atom.id)]
                for atom in sorted(core)
                if atom.kind is AtomKind.FREES
            ),
            any(atom.kind is AtomKind.ANYBODY for atom in core),
        )

    @property
    def snapshot(self) -> Snapshot:
        """The moment the case is about."""
        return self.graph.snapshot

    @property
    def drains(self) -> tuple[tuple[Thread, DrainWait], ...]:
        """The blocked threads that wait for workers to end."""
        return tuple((t, t.wait) for t in self.threads if isinstance(t.wait, DrainWait))

    @property
    def joins(self) -> tuple[tuple[Thread, ThreadWait], ...]:
        """The blocked threads that wait for other threads to end."""
        return tuple((t, t.wait) for t in self.threads if isinstance(t.wait, ThreadWait))

    @property
    def blocks(self) -> tuple[tuple[Thread, ObjectWait], ...]:
        """The blocked threads that wait for somebody to do something with an object."""
        return tuple((t, t.wait) for t in self.threads if isinstance(t.wait, ObjectWait))

    @property
    def locks(self) -> tuple[tuple[Thread, LockWait], ...]:
        """The blocked threads that wait for a lock."""
        return tuple((t, t.wait) for t in self.threads if isinstance(t.wait, LockWait))

    def needs_itself(self, wait: LockWait) -> bool:
        """Return whether the lock's owner waits, in the end, for somebody to get that lock.

        What anybody at all could do is no such need.
        """
        lock = released(wait.object.id)
        if wait.owner is None or lock not in self.core:
            return False
        hindrances = self.graph.hindrances
        way = reachable(
            [moves(wait.owner)],
            lambda atom: [a for a in hindrances(atom) if a in self.core and a != ANYBODY],
        )
        return lock in way

    @property
    def waits(self) -> tuple[tuple[Thread, FutureWait], ...]:
        """The blocked threads that wait for futures."""
        return tuple((t, t.wait) for t in self.threads if isinstance(t.wait, FutureWait))

    def occupants(self, pool: Pool) -> tuple[Thread, ...]:
        """Return the pool's workers among the blocked threads."""
        return tuple(thread for thread in self.threads if thread.pool == pool.id)

    def role(self, pool: PoolId | None) -> PoolRole | None:
        """Return what the pool is, if it is known."""
        known = None if pool is None else self.snapshot.pools.get(pool)
        return None if known is None else known.role

    def starves(self, pool: Pool) -> bool:
        """Return whether the pool never gets a free worker though it has workers."""
        return frees(pool.id) in self.core and bool(pool.workers)

    def awaited(self, wait: FutureWait) -> tuple[Task, ...]:
        """Return the futures of the core that the wait is for."""
        members = {task.id: task for task in (*self.queued, *self.running, *self.promises)}
        return tuple(members[f] for f in each_once(wait.futures) if f in members)

    def must_end(self, thread: ThreadId) -> bool:
        """Return whether a wait of the core is for the end of the thread."""
        return ends(thread) in self.core

    def holds(self, thread: ThreadId) -> bool:
        """Return whether the thread is of the core."""
        return moves(thread) in self.core


@dataclass(frozen=True, slots=True)
class Kind:
    """One shape of a core: how to recognise it, and what to say of it.

    `summary` gives one whole sentence, `advice` whole sentences with this case's names.
    """

    slug: str
    """an entry of this name is in docs/findings.md"""
    matches: Callable[[Case], bool]
    summary: Callable[[Case], str]
    advice: Callable[[Case], tuple[Advice, ...]]
