"""Barrier too wide: a pool's workers wait at a barrier for more threads than the pool may have."""

from __future__ import annotations

from typing import Final, NamedTuple

from tpanalyze.describe import at, counted, number, thing
from tpanalyze.findings import Advice
from tpanalyze.kinds.case import Case, Kind
from tpanalyze.kinds.phrases import runners
from tpanalyze.model import ObjectWait, Pool, Thread


class _Gathering(NamedTuple):
    """Workers of one pool, at a barrier that needs more than there can be."""

    wait: ObjectWait
    pool: Pool
    workers: tuple[Thread, ...]
    parties: int


def _gathering(case: Case) -> _Gathering | None:
    for thread, wait in case.blocks:
        parties = wait.object.parties
        pool = None if thread.pool is None else case.snapshot.pools.get(thread.pool)
        if parties is None or pool is None or pool.max_workers is None:
            continue
        there = tuple(t for t, w in case.blocks if w.object.id == wait.object.id)
        if pool.max_workers < parties and all(t.pool == pool.id for t in there):
            return _Gathering(wait, pool, there, parties)
    return None


def _matches(case: Case) -> bool:
    return case.anybody and _gathering(case) is not None


def _found(case: Case) -> _Gathering:
    found = _gathering(case)
    assert found is not None
    return found


def _summary(case: Case) -> str:
    wait, pool, workers, parties = _found(case)
    there = "one worker waits" if len(workers) == 1 else f"{number(len(workers))} workers wait"
    return (
        f"{thing(wait.object)} opens when {number(parties)} threads have come, but "
        f"{case.words.pool(pool.id)} may have only {counted(pool.max_workers or 0, 'worker')}: "
        f"{there} there, and nobody else can come."
    )


def _advice(case: Case) -> tuple[Advice, ...]:
    wait, pool, workers, parties = _found(case)
    name = case.words.pool(pool.id)
    who = runners(case, workers) or "the tasks"
    return (
        Advice(
            "as-many-workers",
            f"Give {name} a worker for every party: max_workers={parties} at least, and nothing "
            f"else to do while {who} gather{'s' if len(set(who.split())) == 1 else ''}"
            f"{at(wait.site)}.",
        ),
        Advice(
            "as-many-parties",
            f"Or make the barrier no wider than the pool: Barrier({pool.max_workers}), and no more "
            "tasks at a time.",
        ),
        Advice(
            "wait-for-futures",
            f"Best, do not let tasks of a pool wait for one another: let {who} return at the "
            "barrier, wait for all their futures where they are submitted, and submit what comes "
            "after the barrier as tasks of their own. That works with any number of workers.",
        ),
        Advice(
            "timeout",
            f"As a last resort, wait with a timeout{at(wait.site)}: everybody at the barrier then "
            "gets a BrokenBarrierError instead of hanging.",
        ),
    )


KIND: Final = Kind("barrier-too-wide", _matches, _summary, _advice)
