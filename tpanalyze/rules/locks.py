"""Locks, and who can release them.

An RLock only its owner can release.  A plain Lock any thread may: nothing is said of it before no
thread at all can move, unless its owner took it by a ``with`` block.  The end of the block releases
it, so if another thread did, that would be an error of its own: a condition, told with the finding.
"""

from __future__ import annotations

from collections.abc import Iterator

from tpanalyze.atoms import ANYBODY, moves, released
from tpanalyze.horn import Rule
from tpanalyze.model import LockWait, ObjectId, Snapshot, Thread
from tpanalyze.rules.ask import is_active, is_kept_by_its_owner


def _wanted(snapshot: Snapshot) -> Iterator[LockWait]:
    """Yield a wait for each lock that somebody waits for without a timeout."""
    found: dict[ObjectId, LockWait] = {}
    for thread in snapshot.threads.values():
        if isinstance(thread.wait, LockWait) and not thread.wait.timed:
            found.setdefault(thread.wait.object.id, thread.wait)
    yield from found.values()


def _owner(snapshot: Snapshot, wait: LockWait) -> Thread | None:
    return None if wait.owner is None else snapshot.threads.get(wait.owner)


def a_wait_for_a_lock_ends_once_it_is_released(snapshot: Snapshot) -> Iterator[Rule]:
    """Whoever is quicker may get it first; but whoever gets it can release it again."""
    for thread in snapshot.threads.values():
        if isinstance(thread.wait, LockWait) and not thread.wait.timed:
            body = (released(thread.wait.object.id),)
            yield Rule(moves(thread.id), 1, body, "the lock it waits for can be released")


def a_lock_that_nobody_is_known_to_have_is_free(snapshot: Snapshot) -> Iterator[Rule]:
    """It was released just now, or who has it was not seen to take it."""
    for wait in _wanted(snapshot):
        if _owner(snapshot, wait) is None:
            yield Rule(released(wait.object.id), 0, (), "it is not known that any thread has it")


def a_lock_is_released_if_its_owner_moves(snapshot: Snapshot) -> Iterator[Rule]:
    """The owner may release it whenever it can move."""
    for wait in _wanted(snapshot):
        owner = _owner(snapshot, wait)
        if owner is not None and is_active(owner):
            reason = "the thread that has it can move"
            yield Rule(released(wait.object.id), 1, (moves(owner.id),), reason)


def a_lock_may_be_released_by_any_thread_that_moves(snapshot: Snapshot) -> Iterator[Rule]:
    """Of a plain lock every thread can do that; of an RLock whose owner is idle, the next task.

    An owner that has ended has left its ident behind, and the thread that is given it next counts
    as the owner (CPython, ``_thread.RLock``).
    """
    for wait in _wanted(snapshot):
        if not is_kept_by_its_owner(snapshot, wait):
            reason = "some thread can move, and may release it"
            yield Rule(released(wait.object.id), 1, (ANYBODY,), reason)
