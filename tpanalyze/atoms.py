"""What the verdict reasons about: atoms, statements about one thing each.

"Thread 3 can move" is ``Atom(MOVES, 3)``.  An atom is true if some continuation of the run makes it
so; the rules that say when are in :mod:`tpanalyze.rules`.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final, NamedTuple

from tpanalyze.model import ObjectId, PoolId, TaskId, ThreadId


class AtomKind(IntEnum):
    """What an atom says of the thing with its number; the order is the order of explanation."""

    MOVES = 0
    """L(t): the thread can take a step of its own"""
    RESOLVES = 1
    """R(f): the future can become done, for ``result()``"""
    TAKEN = 2
    """N(f): a worker can take the cancelled task from its queue, and so tell ``wait()``"""
    FREES = 3
    """S(P): a worker of the pool can become free to take a task"""
    ENDS = 4
    """E(w): the worker can end"""
    DRAINED = 5
    """D(P): every worker of the pool can end"""
    ENOUGH = 6
    """G(n): enough of a set of futures, shared by several waits, can become done"""
    RELEASED = 7
    """K(l): the lock can be released"""
    ANYBODY = 8
    """ANY: some thread can move"""


class Atom(NamedTuple):
    """A statement about one thing; `id` is its number within its kind."""

    kind: AtomKind
    id: int


ANYBODY: Final = Atom(AtomKind.ANYBODY, 0)


def moves(thread: ThreadId) -> Atom:
    """Return L(t), see :attr:`AtomKind.MOVES`."""
    return Atom(AtomKind.MOVES, thread)


def resolves(task: TaskId) -> Atom:
    """Return R(f), see :attr:`AtomKind.RESOLVES`."""
    return Atom(AtomKind.RESOLVES, task)


def taken(task: TaskId) -> Atom:
    """Return N(f), see :attr:`AtomKind.TAKEN`."""
    return Atom(AtomKind.TAKEN, task)


def frees(pool: PoolId) -> Atom:
    """Return S(P), see :attr:`AtomKind.FREES`."""
    return Atom(AtomKind.FREES, pool)


def ends(worker: ThreadId) -> Atom:
    """Return E(w), see :attr:`AtomKind.ENDS`."""
    return Atom(AtomKind.ENDS, worker)


def drained(pool: PoolId) -> Atom:
    """Return D(P), see :attr:`AtomKind.DRAINED`."""
    return Atom(AtomKind.DRAINED, pool)


def released(lock: ObjectId) -> Atom:
    """Return K(l), see :attr:`AtomKind.RELEASED`."""
    return Atom(AtomKind.RELEASED, lock)
