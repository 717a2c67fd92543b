"""Threads that wait for other threads to end: in ``Thread.join``, and at interpreter exit."""

from __future__ import annotations

from collections.abc import Iterator

from tpanalyze.atoms import ends, moves
from tpanalyze.horn import Rule
from tpanalyze.model import Snapshot
from tpanalyze.rules.ask import joins, threads_to_end


def a_join_ends_when_all_its_threads_have_ended(snapshot: Snapshot) -> Iterator[Rule]:
    """All that are known must end; an unknown thread is taken to end by itself.

    Interpreter exit waits for every thread that is no daemon: for those that live, and after them
    for what they have started meanwhile.
    """
    for thread, wait in joins(snapshot):
        body = tuple(ends(other.id) for other in threads_to_end(snapshot, wait))
        yield Rule(moves(thread.id), len(body), body, "every thread it waits for can end")
