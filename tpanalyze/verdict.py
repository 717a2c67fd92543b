"""The verdict on a snapshot: what is dead in it, why, since when, and what to change."""

from __future__ import annotations

from dataclasses import replace
from itertools import takewhile
from typing import Final

from tpanalyze.certainty import certain_by, certain_since_ns, conditions
from tpanalyze.cores import RootCauses, root_causes
from tpanalyze.describe import Words
from tpanalyze.edges import Edges
from tpanalyze.findings import Finding, Report, Verdict
from tpanalyze.kinds import kind_of
from tpanalyze.kinds.case import Case
from tpanalyze.kinds.phrases import proof, sentence, stuck
from tpanalyze.model import Header, PoolId, PoolRole, Quality, Snapshot, Thread
from tpanalyze.parties import core_parties, victim_parties
from tpanalyze.signature import signature
from tpanalyze.stalled import stalled
from tpanalyze.starving import starving
from tpanalyze.undecided import if_all_stands_still
from tpanalyze.waitgraph import build

PROGRAM_ENDED: Final = "exit"
"""How a recording ends whose program ended in good order: nothing of it is left to wait."""


def analyse(snapshot: Snapshot, header: Header, quality: Quality, trace: str) -> Report:
    """Return the report on the snapshot; findings with most victims first, then by thread number.

    Of what is stalled or starving it is told only where no deadlock is proved.  `trace` is the
    trace's name, for people.
    """
    graph = build(snapshot)
    roots = root_causes(graph)
    edges = Edges(snapshot)
    words = Words.of(snapshot)
    cases = [Case.of(graph, words, core) for core in roots.cores]
    findings = [
        _deadlock(case, roots, number, edges, quality)
        for number, case in enumerate(cases)
        if not is_parked(case)
    ]
    findings.sort(key=lambda finding: -len(finding.victims))
    if not findings and quality.ended != PROGRAM_ENDED:
        standing = if_all_stands_still(snapshot, graph)
        findings = stalled(snapshot, graph, standing, edges)
        findings += starving(snapshot, standing, edges)
    verdict = findings[0].verdict if findings else Verdict.NONE
    return Report(trace, header, quality, snapshot, verdict, tuple(findings), edges)


def at_hand(report: Report) -> Report:
    """Return the same report with its tasks and victims made, for who goes over them repeatedly."""
    snapshot = replace(report.snapshot, tasks=dict(report.snapshot.tasks))
    findings = tuple(replace(each, victims=tuple(each.victims)) for each in report.findings)
    return replace(report, snapshot=snapshot, findings=findings, edges=Edges(snapshot))


def is_parked(case: Case) -> bool:
    """Return whether nothing in the core is owed to anybody: such a core is no finding.

    Consumers, tickers and servers block on their queues and events for good once there is nothing
    more for them to do; that is how they are built.  A deadlock it is if an unfinished task is
    among them, or somebody who waits for a result, for the end of a worker or thread, to exit, or
    for a lock that another thread has.  A lock that a helper thread has taken itself, to be woken
    by whoever releases it, is like an event.
    """
    lock = any(wait.owner != t.id or wait.scoped or t.main for t, wait in case.locks)
    owed = case.queued or case.running or case.waits or case.drains or case.joins or lock
    return not owed and all(thread.task is None for thread in case.threads)


def _deadlock(
    case: Case,
    roots: RootCauses,
    number: int,
    edges: Edges,
    quality: Quality,
) -> Finding:
    kind = kind_of(case)
    core = core_parties(case, edges)
    victims = victim_parties(case.graph, roots, number, edges)
    threads = [
        case.snapshot.threads[party.thread]
        for party in takewhile(lambda party: party.thread is not None, victims)
        if party.thread is not None
    ]
    return Finding(
        verdict=Verdict.DEADLOCK,
        kind=kind.slug,
        certain_since_ns=certain_since_ns(case),
        certain_by=certain_by(case),
        summary=sentence(kind.summary(case)),
        because=(*proof(case), *_main_too(case, threads)),
        core=core,
        victims=victims,
        pools=_pools(case, threads),
        advice=kind.advice(case),
        conditions=conditions(case, quality),
        signature=signature(kind.slug, case),
    )


def _main_too(case: Case, behind: list[Thread]) -> tuple[str, ...]:
    """Return a sentence for the main thread if it hangs behind the core."""
    return tuple(
        sentence(f"{stuck(case, thread)}, and so hangs as well") for thread in behind if thread.main
    )


def _pools(case: Case, behind: list[Thread]) -> tuple[PoolId, ...]:
    """Return the pools that have a part in it; loops and handlers are none to show."""
    threads = [thread.pool for thread in (*case.threads, *behind)]
    tasks = [task.pool for task in (*case.queued, *case.running)]
    drained = [pool for _, wait in case.drains for pool in wait.pools]
    found = {pool for pool in (*threads, *tasks, *drained) if pool is not None}
    found |= {pool.id for pool in case.pools}
    known = case.snapshot.pools
    unshown = (PoolRole.LOOP, PoolRole.HANDLER)
    threads_alone = {pool for pool in found if pool in known and known[pool].role in unshown}
    return tuple(sorted(found - threads_alone))
