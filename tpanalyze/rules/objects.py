"""Threads that block on objects: events, conditions, semaphores, barriers and queues."""

from __future__ import annotations

from collections.abc import Iterator

from tpanalyze.atoms import ANYBODY, moves
from tpanalyze.horn import Rule
from tpanalyze.model import ObjectWait, Snapshot
from tpanalyze.rules.ask import is_called_away


def a_wait_on_an_object_may_be_ended_by_any_thread_that_moves(snapshot: Snapshot) -> Iterator[Rule]:
    """Who holds the object is not known: every thread may set, notify, release, put or get.

    Nor is it known who is still to come to a barrier; and one that comes may break it.
    """
    for thread in snapshot.threads.values():
        if isinstance(thread.wait, ObjectWait) and not thread.wait.timed:
            reason = f"some thread can move, and may do what {thread.wait.operation} waits for"
            yield Rule(moves(thread.id), 1, (ANYBODY,), reason)


def a_thread_that_was_woken_moves(snapshot: Snapshot) -> Iterator[Rule]:
    """It was woken, and has done nothing since that the trace would show."""
    for thread in snapshot.threads.values():
        if isinstance(thread.wait, ObjectWait) and thread.wait.signalled:
            yield Rule(moves(thread.id), 0, (), "it may have been woken already")


def the_main_thread_may_be_called_away_by_a_signal(snapshot: Snapshot) -> Iterator[Rule]:
    """A server parks its main thread until Ctrl-C or SIGTERM comes: that is no deadlock."""
    for thread in snapshot.threads.values():
        if is_called_away(thread):
            yield Rule(moves(thread.id), 0, (), "a signal may call it away, as programs intend")
