"""Findings of the grade *starving*: a task is queued long behind workers that still move.

A long queue alone is none: a pool that works it off is healthy.  It starves if for at least
`LONG_NS` no worker has taken anything from it, because each of them is busy with one task.
"""

from __future__ import annotations

from tpanalyze.atoms import frees
from tpanalyze.describe import Words, at, counted, duration, listing, moment
from tpanalyze.edges import Edges
from tpanalyze.findings import Advice, Finding, Node, NodeKind, Party, Relation, Verdict
from tpanalyze.model import FutureWait, Pool, Snapshot, Task, TaskState, Thread, ThreadState
from tpanalyze.parties import thread_party
from tpanalyze.signature import digest
from tpanalyze.undecided import LONG_NS
from tpanalyze.waitgraph import WaitGraph

KIND = "starving"


def starving(snapshot: Snapshot, standing: WaitGraph, edges: Edges) -> list[Finding]:
    """Return a finding for each pool whose queue starves, by number.

    `standing` is the wait-for graph in which what stands still does so for ever.
    """
    hungry = [
        (pool, task)
        for _, pool in sorted(snapshot.pools.items())
        if (task := _hungry(snapshot, standing, pool)) is not None
    ]
    words = Words.of(snapshot)
    return [_finding(snapshot, words, edges, pool, task) for pool, task in hungry]


def _workers(snapshot: Snapshot, pool: Pool) -> list[Thread]:
    return [snapshot.threads[worker] for worker in pool.workers if worker in snapshot.threads]


def _hungry(snapshot: Snapshot, graph: WaitGraph, pool: Pool) -> Task | None:
    """Return the task that is next in the queue, if the pool starves."""
    queue = (snapshot.tasks.get(task) for task in pool.queue)
    first = next((task for task in queue if task and task.state is TaskState.QUEUED), None)
    if first is None or first.submitted_ns is None or pool.starting or pool.unseen:
        return None
    workers = _workers(snapshot, pool)
    if not workers or len(workers) < len(pool.workers) or graph.is_stuck(frees(pool.id)):
        return None
    begun = [first.submitted_ns]
    for worker in workers:
        task = None if worker.task is None else snapshot.tasks.get(worker.task)
        if worker.state is ThreadState.IDLE or task is None or task.started_ns is None:
            return None
        begun.append(task.started_ns)
    return first if snapshot.time_ns - max(begun) >= LONG_NS else None


def _finding(snapshot: Snapshot, words: Words, edges: Edges, pool: Pool, task: Task) -> Finding:
    since_ns = task.submitted_ns or 0
    waiting = [
        thread
        for thread in snapshot.threads.values()
        if isinstance(thread.wait, FutureWait)
        and not thread.wait.timed
        and task.id in thread.wait.futures
    ]
    workers = _workers(snapshot, pool)
    own = edges.leaving(Node(NodeKind.TASK, task.id))
    held = [
        e for e in edges.leaving(Node(NodeKind.POOL, pool.id)) if e.relation is Relation.HELD_BY
    ]
    return Finding(
        verdict=Verdict.STARVING,
        kind=KIND,
        certain_since_ns=since_ns,
        summary=_summary(snapshot, words, pool, task),
        because=tuple(_because(snapshot, words, pool, task)),
        core=(Party(None, task.id, None, since_ns, (*own, *held)),),
        victims=tuple(
            thread_party(snapshot, t.id, edges.leaving(Node(NodeKind.THREAD, t.id)))
            for t in waiting
        ),
        pools=(pool.id,),
        advice=_advice(snapshot, words, pool, task),
        signature=digest(
            KIND,
            [
                (words.function_of(task.id), "queued", task.submit_site),
                *((words.task_function(worker), "runs", None) for worker in workers),
            ],
        ),
    )


def _summary(snapshot: Snapshot, words: Words, pool: Pool, task: Task) -> str:
    spent = duration(snapshot.time_ns - (task.submitted_ns or 0))
    workers = _workers(snapshot, pool)
    runs = listing(list(dict.fromkeys(words.task_function(worker) for worker in workers)))
    who = "that one" if len(workers) == 1 else "one of them"
    busy = "its only worker is" if len(workers) == 1 else f"all {len(workers)} workers are"
    more = len(pool.queue) - 1
    rest = f" ({counted(more, 'more task')} behind it)" if more else ""
    name = words.task(task.id)
    return (
        f"{name[:1].upper()}{name[1:]} has been queued in {words.pool(pool.id)} for {spent}{rest}, "
        f"and {busy} busy with {runs}. It will start as soon as {who} is done."
    )


def _because(snapshot: Snapshot, words: Words, pool: Pool, task: Task) -> list[str]:
    name = words.task(task.id)
    submitted = f"submitted{at(task.submit_site)} at {moment(task.submitted_ns or 0)}"
    told = [f"{name[:1].upper()}{name[1:]}, {submitted}, is {words.whereabouts(task)}."]
    for worker in _workers(snapshot, pool):
        run = None if worker.task is None else snapshot.tasks.get(worker.task)
        if run is None or run.started_ns is None:
            continue
        who = words.thread(worker.id)
        stands = f", and was last seen{at(worker.stack)}" if worker.stack is not None else ""
        wait = worker.wait
        waits = "" if wait is None else f", and waits in {wait.operation}{at(wait.site)}"
        spent = duration(snapshot.time_ns - run.started_ns)
        told.append(
            f"{who[:1].upper()}{who[1:]} has been running {words.task(run.id)} since "
            f"{moment(run.started_ns)}, for {spent}{stands}{waits}."
        )
    told.append("They can still move, as far as the trace knows, so this is no deadlock.")
    return told


def _advice(snapshot: Snapshot, words: Words, pool: Pool, task: Task) -> tuple[Advice, ...]:
    runs = [words.task_function(worker) for worker in _workers(snapshot, pool)]
    long, short = listing(list(dict.fromkeys(runs))), words.function_of(task.id)
    found = []
    if short not in runs:
        found.append(
            Advice(
                "second-pool",
                f"Submit {short}{at(task.submit_site)} to a pool of its own, so that it never "
                f"stands behind {long}.",
            )
        )
    return (
        *found,
        Advice(
            "more-workers",
            f"Give {words.pool(pool.id)} more workers than there are long tasks at a time "
            f"({pool.max_workers} now), if they wait for something outside more than they compute.",
        ),
        Advice(
            "smaller-tasks",
            f"Let {long} do its work in smaller tasks that are submitted one after the other: "
            "what came in between then gets its turn.",
        ),
    )
