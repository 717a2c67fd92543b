"""The report as JSON, for programs: everything the text says, and the numbers behind it.

Version 1 of the form.  Times are integers in nanoseconds since the recording began; what is not
known is ``null``.  The keys:

* ``version``: of this form; it grows by adding keys.
* ``verdict``: ``deadlock``, ``stalled``, ``starving``, ``potential`` or ``none``.
* ``at_ns``: the moment the verdict is about.
* ``findings``: independent root causes, those with most victims first.
* ``threads``: every thread, each with ``id``, ``name``, ``state`` (``running``, ``waiting``,
  ``idle`` or ``ended``), ``main``, ``daemon``, ``pool``, ``tasks`` (outermost first), ``function``
  of the innermost, what its wait has (see below), ``site`` of the wait, ``waits_for``,
  ``since_ns``, and ``stack``: where it stood when the recorder last looked.
* ``pools``: every pool.
* ``trace``: the trace's name; ``program``: what was recorded, by ``name``, ``pid``, ``parent``,
  ``process``, ``started``, ``python``, ``implementation``, ``free_threaded``, ``platform``,
  ``cpus``, and by which ``recorder`` and ``format``.
* ``quality``: ``events``, ``ended`` (``exit``, ``stop``, or null: killed or still running),
  ``dropped``, ``complete`` and ``remarks``, each with ``grade``, ``slug``, ``text`` and ``line``.

A finding has

* ``verdict``, ``kind`` (an entry in ``docs/findings.md``), ``signature`` (the same for two reports
  of the same problem), ``certain_since_ns``, ``certain_by`` (the step by which it became so, if
  that is known: ``kind``, ``thread``, ``task`` and ``text``), ``summary``, ``because`` (the proof,
  a sentence each) and ``conditions`` (what it takes for granted);
* ``core`` and ``victims``: parties, blocked threads first, then tasks that no worker starts;
* ``pools``: each with ``id``, ``name``, ``kind``, ``role``, ``max_workers``, the counts
  ``workers``, ``waiting``, ``running``, ``idle``, ``starting``, ``unseen`` and ``lost``, the
  threads ``occupied_by``, the tasks ``queued`` in order, and ``closed``;
* ``advice``: each with ``slug`` and ``text``.

A party has ``thread``, ``thread_name``, ``main``, ``pool`` (whose worker it is), ``task``,
``function``, ``callback`` (of the task, if its thread waits in a done-callback: its name),
what its wait has, ``site`` (where it waits; of a task, where it was submitted), ``stack``,
``since_ns``, ``stuck_ns``, ``waits_for`` and ``path`` (of a victim: the way into the core, each
step with ``kind`` and ``id``).  A task that no worker starts has no thread.

Each of ``waits_for`` has ``kind`` (``task``, ``thread``, ``pool`` or ``object``), ``id`` and
``label``, and of a task ``function``, ``state``, ``pool``, ``worker`` and ``submit_site``.
A task or pool is ``held_by`` the threads that stand in the way: the one that runs the task, or
those that occupy the workers which a queued task needs; where they are stands in ``threads``.

A wait has ``operation``, ``timed`` (it ends by itself) and ``timeout_ns``, ``need`` and ``of`` (so
many of so many futures), and ``object`` (that the thread blocks on, with ``id``, ``kind``,
``parties``, ``waiting``, the number of threads that do, and ``woken_by``, the threads that woke
others there; of a lock also ``made_site``, ``owner``, the thread that has it, ``held_site``, where
that took it, and ``scoped``, whether by a ``with`` block).

A site is a list of frames, innermost first, each with ``file``, ``line``, ``function`` and
``stdlib`` (it belongs to the standard library).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

import orjson

from tpanalyze.compact import each_once
from tpanalyze.describe import waits_in_callback
from tpanalyze.findings import Edge, Finding, Node, NodeKind, Party, Report, Step
from tpanalyze.model import (
    FutureWait,
    LockWait,
    ObjectWait,
    Pool,
    PoolId,
    Quality,
    Site,
    Snapshot,
    TaskId,
    TaskState,
    Thread,
    ThreadState,
    Wait,
)
from tpanalyze.rules.ask import occupied_workers

REPORT_VERSION: Final = 1
_LAYOUT: Final = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE

type Json = bool | int | float | str | list[Json] | dict[str, Json] | None


def render_json(report: Report) -> bytes:
    """Return the report as indented JSON in UTF-8, the last line ended."""
    return orjson.dumps(_escaped(as_json(report)), option=_LAYOUT)


def render_json_of_several(reports: Iterable[Report]) -> bytes:
    """Return an array of reports, in the same form."""
    return orjson.dumps([_escaped(as_json(report)) for report in reports], option=_LAYOUT)


def as_json(report: Report) -> dict[str, Json]:
    """Return the report as plain values, as documented at the top of this module."""
    header = report.header
    return {
        "version": REPORT_VERSION,
        "verdict": report.verdict.value,
        "at_ns": report.snapshot.time_ns,
        "findings": [_finding(report.snapshot, finding) for finding in report.findings],
        "threads": _threads(report),
        "pools": [_pool(report.snapshot, p) for _, p in sorted(report.snapshot.pools.items())],
        "quality": _quality(report.quality),
        "trace": report.trace,
        "program": {
            "name": header.program,
            "pid": header.pid,
            "parent": header.parent,
            "process": header.process,
            "started": header.started,
            "python": header.python,
            "implementation": header.implementation,
            "free_threaded": header.free_threaded,
            "platform": header.platform,
            "cpus": header.cpus,
            "recorder": header.recorder,
            "format": header.version,
        },
    }


def _finding(snapshot: Snapshot, finding: Finding) -> Json:
    return {
        "verdict": finding.verdict.value,
        "kind": finding.kind,
        "signature": finding.signature,
        "certain_since_ns": finding.certain_since_ns,
        "certain_by": _step(finding.certain_by),
        "summary": finding.summary,
        "because": list(finding.because),
        "core": [_party(snapshot, party) for party in finding.core],
        "victims": [_party(snapshot, party) for party in finding.victims],
        "pools": [_pool(snapshot, snapshot.pools[pool]) for pool in finding.pools],
        "advice": [{"slug": advice.slug, "text": advice.text} for advice in finding.advice],
        "conditions": list(finding.conditions),
    }


def _step(step: Step | None) -> Json:
    if step is None:
        return None
    kind = step.kind.value
    return {"kind": kind, "thread": step.thread, "task": step.task, "text": step.text}


def _threads(report: Report) -> Json:
    leaving: defaultdict[Node, list[Edge]] = defaultdict(list)
    for edge in report.edges:
        leaving[edge.source].append(edge)
    return [
        _thread(report.snapshot, thread, leaving[Node(NodeKind.THREAD, number)])
        for number, thread in sorted(report.snapshot.threads.items())
    ]


def _thread(snapshot: Snapshot, thread: Thread, edges: Sequence[Edge]) -> Json:
    wait = thread.wait
    task = None if thread.task is None else snapshot.tasks.get(thread.task)
    return {
        "id": thread.id,
        "name": thread.name,
        "state": thread.state.value,
        "main": thread.main,
        "daemon": thread.daemon,
        "pool": thread.pool,
        "tasks": list(thread.tasks),
        "function": None if task is None or task.function is None else task.function.name,
        "callback": waits_in_callback(thread) or None,
        **_wait(snapshot, wait),
        "site": _site(None if wait is None else wait.site),
        "since_ns": thread.since_ns,
        "stack": _site(thread.stack),
        "waits_for": [_target(snapshot, edge) for edge in edges],
    }


def _wait(snapshot: Snapshot, wait: Wait | None) -> dict[str, Json]:
    futures = wait if isinstance(wait, FutureWait) else None
    return {
        "operation": None if wait is None else wait.operation,
        "timed": None if wait is None else wait.timed,
        "timeout_ns": None if wait is None else wait.timeout_ns,
        "need": None if futures is None else futures.need,
        "of": None if futures is None else len(each_once(futures.futures)),
        "object": _object(snapshot, wait),
    }


def _party(snapshot: Snapshot, party: Party) -> Json:
    thread = None if party.thread is None else snapshot.threads[party.thread]
    task = None if party.task is None else snapshot.tasks.get(party.task)
    wait = party.wait
    site = None if wait is None else wait.site
    if thread is None and task is not None:
        site = task.submit_site
    source = (
        Node(NodeKind.THREAD, party.thread)
        if party.thread is not None
        else Node(NodeKind.TASK, party.task or 0)
    )
    return {
        "thread": party.thread,
        "thread_name": None if thread is None else thread.name,
        "main": thread is not None and thread.main,
        "pool": None if thread is None else thread.pool,
        "task": party.task,
        "function": None if task is None or task.function is None else task.function.name,
        "callback": (waits_in_callback(thread) or None) if thread is not None else None,
        **_wait(snapshot, wait),
        "site": _site(site),
        "stack": _site(None if thread is None else thread.stack),
        "since_ns": party.since_ns,
        "stuck_ns": snapshot.time_ns - party.since_ns,
        "waits_for": [_target(snapshot, edge) for edge in party.edges if edge.source == source],
        "path": [_node(node) for node in party.path],
    }


def _object(snapshot: Snapshot, wait: Wait | None) -> Json:
    if isinstance(wait, LockWait):
        waits = (thread.wait for thread in snapshot.threads.values())
        alike = [w for w in waits if isinstance(w, LockWait) and w.object.id == wait.object.id]
        return {
            "id": wait.object.id,
            "kind": wait.object.kind,
            "parties": None,
            "waiting": len(alike),
            "woken_by": list(wait.released_by),
            "made_site": _site(wait.object.made),
            "owner": wait.owner,
            "held_site": _site(wait.held_site),
            "scoped": wait.scoped,
        }
    if not isinstance(wait, ObjectWait):
        return None
    return {
        "id": wait.object.id,
        "kind": wait.object.kind,
        "parties": wait.object.parties,
        "waiting": wait.waiting,
        "woken_by": list(wait.woken_by),
    }


def _target(snapshot: Snapshot, edge: Edge) -> Json:
    found: dict[str, Json] = {**_node(edge.target), "label": edge.label}
    if edge.target.kind in (NodeKind.TASK, NodeKind.POOL):
        found["held_by"] = list(edge.occupied_by)
    if edge.target.kind is NodeKind.TASK:
        task = snapshot.tasks[TaskId(edge.target.id)]
        found |= {
            "function": None if task.function is None else task.function.name,
            "state": task.state.value,
            "pool": task.pool,
            "worker": task.worker,
            "submit_site": _site(edge.submit_site),
        }
        if task.state is TaskState.RUNNING and task.worker is not None:
            found["held_by"] = [task.worker]
    return found


def _node(node: Node) -> dict[str, Json]:
    return {"kind": node.kind.value, "id": node.id}


def _site(site: Site | None) -> Json:
    if site is None:
        return None
    return [
        {
            "file": frame.function.file,
            "line": frame.line,
            "function": frame.function.name,
            "stdlib": frame.function.stdlib,
        }
        for frame in site.frames
    ]


def _pool(snapshot: Snapshot, pool: Pool) -> Json:
    states = [snapshot.threads[w].state for w in pool.workers if w in snapshot.threads]
    return {
        "id": PoolId(pool.id),
        "name": pool.name,
        "kind": pool.kind,
        "role": pool.role.value,
        "max_workers": pool.max_workers,
        "workers": len(pool.workers),
        "waiting": states.count(ThreadState.WAITING),
        "running": states.count(ThreadState.RUNNING),
        "idle": states.count(ThreadState.IDLE),
        "starting": pool.starting,
        "unseen": pool.unseen,
        "lost": pool.lost,
        "occupied_by": [thread.id for thread in occupied_workers(snapshot, pool)],
        "queued": list(pool.queue),
        "closed": pool.closed,
    }


def _quality(quality: Quality) -> Json:
    return {
        "events": quality.events,
        "ended": quality.ended,
        "dropped": quality.dropped,
        "complete": quality.complete,
        "remarks": [
            {"grade": r.grade.value, "slug": r.slug, "text": r.text, "line": r.line}
            for r in quality.remarks
        ],
    }


def _escaped(value: Json) -> Json:
    """Return the value with lone surrogates, which UTF-8 cannot hold, shown as escapes."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, list):
        return [_escaped(item) for item in value]
    if isinstance(value, dict):
        return {key: _escaped(item) for key, item in value.items()}
    return value
