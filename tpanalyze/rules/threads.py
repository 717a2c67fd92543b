"""Threads that move without anybody's help."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tpanalyze.atoms import moves
from tpanalyze.horn import Rule
from tpanalyze.model import DrainWait, FutureWait, LockWait, ObjectWait, Snapshot, ThreadWait
from tpanalyze.rules.ask import is_active

RULED: Final[tuple[type, ...]] = (FutureWait, DrainWait, ThreadWait, ObjectWait, LockWait)
"""The kinds of wait that have a rule of their own."""


def a_running_thread_moves(snapshot: Snapshot) -> Iterator[Rule]:
    """What runs, or blocks in something the trace does not record, can move."""
    for thread in snapshot.threads.values():
        if is_active(thread) and thread.wait is None:
            yield Rule(moves(thread.id), 0, (), "it runs, as far as the trace knows")


def a_wait_without_a_rule_may_end(snapshot: Snapshot) -> Iterator[Rule]:
    """Of a kind of wait that no rule speaks of nothing is proved."""
    for thread in snapshot.threads.values():
        if thread.wait is not None and not isinstance(thread.wait, RULED):
            yield Rule(moves(thread.id), 0, (), "no rule speaks of its kind of wait")


def a_timed_wait_ends_by_itself(snapshot: Snapshot) -> Iterator[Rule]:
    """A wait with a timeout ends when the time is up, however long that may be."""
    for thread in snapshot.threads.values():
        if thread.wait is not None and thread.wait.timed:
            yield Rule(moves(thread.id), 0, (), "its wait has a timeout")
