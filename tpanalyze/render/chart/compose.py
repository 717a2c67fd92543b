"""From a report and its recording to what the timeline shows: lanes, queues and marks in place.

The main thread comes first, then other threads, then the pools, each with its workers and below
them the length of its queue.  Of more lanes than there is room for, those of the main thread, of
cores, of a few victims and of the busiest threads stay; the others of each group are one lane.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from tpanalyze.describe import moment
from tpanalyze.findings import Report, Verdict
from tpanalyze.model import PoolId, PoolRole, Thread, ThreadId, ThreadState
from tpanalyze.render.chart.blocks import Lane, lane, lane_of_many
from tpanalyze.render.chart.scale import Scale
from tpanalyze.render.chart.spans import Kind, Recording, Span, Spans
from tpanalyze.render.headline import badge
from tpanalyze.render.labels import ThreadNames, counted, other_processes, pool_name
from tpanalyze.render.palette import RANK, Role, gravest
from tpanalyze.timeline import Load


@dataclass(frozen=True, slots=True)
class ChartLimits:
    """How much the timeline draws."""

    lanes: int = 60
    """more threads than these are folded"""
    victims: int = 12
    """of which so many victims"""
    parts: int = 4000
    """blocks and cells in all lanes together"""


@dataclass(frozen=True, slots=True)
class LaneRow:
    """A lane with its name."""

    id: str
    name: str
    role: Role
    lane: Lane
    threads: tuple[ThreadId, ...]
    """those it shows"""


@dataclass(frozen=True, slots=True)
class QueueChart:
    """The length of a queue over time: from each place on, the most that were queued."""

    most: int
    steps: tuple[tuple[float, int], ...]


@dataclass(frozen=True, slots=True)
class Group:
    """The lanes of a pool, or of the threads that are in none."""

    id: str
    title: str
    detail: str
    role: Role
    rows: tuple[LaneRow, ...]
    queue: QueueChart | None


@dataclass(frozen=True, slots=True)
class Mark:
    """The moment from which a finding was certain."""

    x: float
    label: str


@dataclass(frozen=True, slots=True)
class Chart:
    """All there is to draw."""

    scale: Scale
    groups: tuple[Group, ...]
    marks: tuple[Mark, ...]

    @property
    def kinds(self) -> frozenset[Kind]:
        """What some thread does somewhere."""
        found: set[Kind] = set()
        for group in self.groups:
            for row in group.rows:
                found |= {block.span.kind for block in row.lane.blocks}
                for cell in row.lane.cells:
                    found |= {kind for kind in Kind if cell.shares[kind]}
        return frozenset(found)


@dataclass(frozen=True, slots=True)
class _Stuck:
    kind: Kind
    since_ns: int


def compose(
    report: Report, recording: Recording, left: float, right: float, limits: ChartLimits
) -> Chart:
    """Return what the timeline of a run shows, between two places of the picture."""
    spans = Spans(recording)
    stuck = _stuck(report)
    quiet_ns = max(spans.quiet_ns, *(each.since_ns for each in stuck.values()), spans.start_ns)
    scale = Scale.of(spans.start_ns, min(quiet_ns, spans.end_ns), spans.end_ns, left, right)
    threads = {
        number: _with_pool(thread, spans)
        for number, thread in report.snapshot.threads.items()
        if number in spans.threads or number in stuck
    }
    shown = _shown(threads, spans, stuck, limits)
    most = max(24, limits.parts // max(1, len(shown)))
    loads = recording.pool_load()
    groups: list[Group] = []
    called = ThreadNames(report.snapshot)
    for pool in _groups(report, threads, loads):
        members = sorted(n for n, t in threads.items() if t.pool == pool)
        members.sort(key=lambda number: not threads[number].main)
        rows = [
            _row(threads[n], called(threads[n]), spans, stuck, scale, most)
            for n in members
            if n in shown
        ]
        if others := [number for number in members if number not in shown]:
            noun = "thread" if pool is None else "worker"
            name = f"× {counted(len(others), f'more {noun}' if rows else noun)}"
            rows.append(_many(f"many{pool or 0}", name, others, spans, stuck, scale, most))
        groups.append(
            _group(
                report, pool, rows, _queue(loads.get(pool, ()) if pool is not None else (), scale)
            )
        )
    return Chart(scale, tuple(groups), tuple(_marks(report, scale)))


def _with_pool(thread: Thread, spans: Spans) -> Thread:
    """Return the thread with the pool it worked for: a worker that has ended is in none."""
    if thread.pool is None and thread.state is ThreadState.ENDED:
        return replace(thread, pool=spans.pool(thread.id))
    return thread


def _stuck(report: Report) -> dict[ThreadId, _Stuck]:
    stuck: dict[ThreadId, _Stuck] = {}
    for finding in report.findings:
        for party in finding.core:
            if party.thread is not None:
                stuck[party.thread] = _Stuck(Kind.CORE, finding.certain_since_ns)
    for finding in report.findings:
        for party in finding.victims:
            if party.thread is not None:
                stuck.setdefault(party.thread, _Stuck(Kind.VICTIM, finding.certain_since_ns))
    return stuck


def _shown(
    threads: Mapping[ThreadId, Thread],
    spans: Spans,
    stuck: Mapping[ThreadId, _Stuck],
    limits: ChartLimits,
) -> frozenset[ThreadId]:
    """Return the threads that get a lane of their own."""
    if len(threads) <= limits.lanes:
        return frozenset(threads)
    kinds = {number: each.kind for number, each in stuck.items()}
    busiest = sorted(threads, key=lambda n: (-spans.busy_ns(n), n))
    wanted = [number for number in threads if threads[number].main]
    wanted += [number for number in threads if kinds.get(number) is Kind.CORE]
    wanted += [n for n in busiest if kinds.get(n) is Kind.VICTIM][: limits.victims]
    wanted += [number for number in busiest if number not in kinds]
    return frozenset(list(dict.fromkeys(wanted))[: limits.lanes])


def _groups(
    report: Report,
    threads: Mapping[ThreadId, Thread],
    loads: Mapping[PoolId, Sequence[Load]],
) -> list[PoolId | None]:
    """Return the pools that have lanes or had a queue, in order; None for threads in no pool."""
    pools = {thread.pool for thread in threads.values()}
    known = {thread.pool for thread in threads.values() if thread.pool is not None}
    known |= {pool for pool, load in loads.items() if any(step.queued for step in load)}
    return [None] * (None in pools) + sorted(known & report.snapshot.pools.keys())


def _row(
    thread: Thread,
    name: str,
    spans: Spans,
    stuck: Mapping[ThreadId, _Stuck],
    scale: Scale,
    most: int,
) -> LaneRow:
    own = stuck.get(thread.id)
    drawn = lane(_with_end(spans.of(thread.id), own), scale, most)
    return LaneRow(f"thread{thread.id}", name, _role(own), drawn, (thread.id,))


def _many(
    name_id: str,
    name: str,
    numbers: Sequence[ThreadId],
    spans: Spans,
    stuck: Mapping[ThreadId, _Stuck],
    scale: Scale,
    most: int,
) -> LaneRow:
    own = [_with_end(spans.of(number), stuck.get(number)) for number in numbers]
    role = min((_role(stuck.get(number)) for number in numbers), key=RANK.__getitem__)
    return LaneRow(name_id, name, role, lane_of_many(own, scale, most), tuple(numbers))


def _role(stuck: _Stuck | None) -> Role:
    if stuck is None:
        return Role.PLAIN
    return Role.CORE if stuck.kind is Kind.CORE else Role.VICTIM


def _with_end(spans: Iterable[Span], stuck: _Stuck | None) -> Iterator[Span]:
    """Yield the spans; of the wait that never ends, what comes after its certainty is stuck."""
    for span in spans:
        if stuck is None or not span.open or span.kind is not Kind.WAITING:
            yield span
            continue
        since_ns = min(max(span.start_ns, stuck.since_ns), span.end_ns)
        if since_ns > span.start_ns:
            yield span._replace(end_ns=since_ns)
        yield span._replace(start_ns=since_ns, kind=stuck.kind)


def _group(
    report: Report, number: PoolId | None, rows: Sequence[LaneRow], queue: QueueChart | None
) -> Group:
    role = gravest(row.role for row in rows)
    if number is None:
        return Group("threads", "Threads", "", role, tuple(rows), None)
    pool = report.snapshot.pools[number]
    workers = sum(len(row.threads) for row in rows)
    detail = [counted(workers, "worker")]
    if pool.role is PoolRole.PROCESSES:
        detail = [other_processes(pool)]
    elif pool.max_workers is not None and pool.max_workers != workers:
        detail[0] += f" of {pool.max_workers:,}"
    if queue is not None:
        detail.append(f"at most {queue.most:,} queued")
    return Group(f"pool{number}", pool_name(pool), " · ".join(detail), role, tuple(rows), queue)


def _queue(load: Sequence[Load], scale: Scale) -> QueueChart | None:
    """Return the queue's length, one step for each pixel: the most there was in it."""
    most = max((step.queued for step in load), default=0)
    if most == 0:
        return None
    steps: list[tuple[float, int]] = []
    peak, last = 0, 0
    column = -1
    for step in load:
        x = scale.x(step.time_ns)
        if int(x) != column:
            if peak > last:
                steps.append((float(column + 1), last))
            steps.append((x, step.queued))
            column, peak = int(x), step.queued
        elif step.queued > peak:
            peak = step.queued
            steps[-1] = (steps[-1][0], peak)
        last = step.queued
    if peak > last:
        steps.append((min(float(column + 1), scale.right), last))
    return QueueChart(most, tuple(steps))


def _marks(report: Report, scale: Scale) -> Iterator[Mark]:
    for index, finding in enumerate(report.findings):
        when = "certain at" if finding.verdict is Verdict.DEADLOCK else "since"
        label = f"{badge(report.findings, index)} {when} {moment(finding.certain_since_ns)}"
        yield Mark(scale.x(finding.certain_since_ns), label)
