"""The timeline for the page's script: every interval of every thread, or nearly so.

A row has a lane, a begin (as the distance from the row before it), a length, a kind, a label and a
task (as the signed distance from that of the row before).  Of more rows than a page should carry,
the shortest neighbours of each lane become one row that says how much of it was run and waited.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from tpanalyze.findings import Report
from tpanalyze.intervals import BLOCKED, BUSY, WIDTH
from tpanalyze.model import PoolId, Thread, ThreadId
from tpanalyze.render.headline import is_proof
from tpanalyze.render.labels import ThreadNames, function_name, place, pool_name
from tpanalyze.render.page.pack import MOST, Integers, pack
from tpanalyze.render.page.script_json import Json
from tpanalyze.render.palette import Role
from tpanalyze.timeline import Timeline

MOST_ROWS: Final = 250_000
"""About ten bytes each, in the page."""

RUNNING, WAITING, VICTIM, CORE, MIXED = range(5)
OPEN: Final = 8
"""added to the kind of a row that had not ended when the trace did"""

_LANE, _START, _END, _KIND, _LABEL, _TASK = range(6)
_LABELS_AT_MOST: Final = 20_000


@dataclass(frozen=True, slots=True)
class Stuck:
    """What a finding says of a thread."""

    role: Role
    since_ns: int
    finding: int


def stuck_threads(report: Report) -> dict[ThreadId, Stuck]:
    """Return the threads that take part in a finding; of several, the gravest part."""
    found: dict[ThreadId, Stuck] = {}
    for index, finding in enumerate(report.findings):
        for role, parties in ((Role.CORE, finding.core), (Role.VICTIM, finding.victims)):
            for party in parties:
                if party.thread is None:
                    continue
                if party.thread not in found or role is Role.CORE:
                    since = max(finding.certain_since_ns, party.since_ns)
                    found[party.thread] = Stuck(role, since, index)
    return found


def lanes(report: Report, timeline: Timeline, most: int = MOST_ROWS) -> dict[str, Json]:
    """Return the lanes and their rows; times are counted in ``unit_ns`` from the beginning."""
    unit_ns = max(timeline.state.tick_ns, -(-max(timeline.end_ns, 1) // MOST))
    stuck = stuck_threads(report)
    order = _order(report, timeline)
    rows, labels = _rows(timeline, order, stuck, unit_ns)
    rows, merged = _thinned(rows, most)
    changes = rows[:, (_START, _END)][rows[:, _KIND] < OPEN]
    quiet = int(changes.max()) if len(changes) else 0
    begins = rows[:, _START][rows[:, _KIND] >= OPEN]
    quiet = max(quiet, int(begins.max()) if len(begins) else 0)
    return {
        "unit_ns": unit_ns,
        "end": -(-timeline.end_ns // unit_ns),
        "first": int(rows[:, _START].min()) if len(rows) else 0,
        "quiet": quiet,
        "merged": merged,
        "lanes": list(_named(report, order, stuck)),
        "labels": labels,
        "rows": len(rows),
        "packed": pack(_columns(rows)),
        "proved": is_proof(report),
        "marks": [
            {"at": -(-finding.certain_since_ns // unit_ns), "finding": index + 1}
            for index, finding in enumerate(report.findings)
        ],
    }


def _order(report: Report, timeline: Timeline) -> list[ThreadId]:
    """Return the threads from top to bottom: main, those in no pool, then pool by pool."""
    flat, _ = timeline.columns()
    seen = np.unique(np.array(flat[1::WIDTH], dtype=np.int64))
    known = report.snapshot.threads
    numbers = {ThreadId(int(number)) for number in seen if int(number) in known}
    numbers |= {thread.id for thread in known.values() if thread.wait is not None or thread.main}
    roles = stuck_threads(report)
    rank = {Role.CORE: 0, Role.VICTIM: 1}

    def key(thread: Thread) -> tuple[bool, bool, int, int, int]:
        part = roles.get(thread.id)
        return (
            not thread.main,
            thread.pool is not None,
            thread.pool or 0,
            2 if part is None else rank[part.role],
            thread.id,
        )

    return [t.id for t in sorted((known[number] for number in numbers), key=key)]


def _named(report: Report, order: list[ThreadId], stuck: dict[ThreadId, Stuck]) -> Iterator[Json]:
    name = ThreadNames(report.snapshot)
    for number in order:
        thread = report.snapshot.threads[number]
        part = stuck.get(number)
        yield {
            "id": number,
            "name": name(thread),
            "pool": "" if thread.pool is None else _pool(report, thread.pool),
            "role": "plain" if part is None else str(part.role),
        }


def _pool(report: Report, number: PoolId) -> str:
    pool = report.snapshot.pools.get(number)
    return f"pool {number}" if pool is None else pool_name(pool)


def _lanes(threads: Integers, order: list[ThreadId]) -> Integers:
    """Return the place of each thread in `order`, -1 for one that is not there.

    A number may be of any size, so nothing here is as long as one is great.
    """
    if not order:
        return np.full(len(threads), -1, dtype=np.int64)
    numbers = np.array(order, dtype=np.int64)
    by_number = np.argsort(numbers)
    at = np.minimum(np.searchsorted(numbers, threads, sorter=by_number), len(order) - 1)
    places = by_number[at]
    return np.where(numbers[places] == threads, places, -1)


def _rows(
    timeline: Timeline,
    order: list[ThreadId],
    stuck: dict[ThreadId, Stuck],
    unit_ns: int,
) -> tuple[Integers, list[Json]]:
    """Return the rows, six numbers each, by lane and begin; and the texts of their labels."""
    flat, ended = timeline.columns()
    state = timeline.state
    table = np.array(flat, dtype=np.int64).reshape(-1, WIDTH)
    still = np.arange(len(table)) >= ended
    lane = _lanes(table[:, 1], order)
    chosen = ((table[:, 0] == BUSY) | (table[:, 0] == BLOCKED)) & (lane >= 0)
    kind, _, _, task, call, start, end, site = table[chosen].T
    still = still[chosen]
    calls = np.array([(c.function, c.site) for c in state.calls], dtype=np.int64)
    names = calls[call, 0] if len(table) else call
    sites = np.where(kind == BLOCKED, site, calls[call, 1] if len(table) else call)
    pairs, label = np.unique(np.stack([names, sites], axis=1), axis=0, return_inverse=True)
    scale = state.tick_ns
    limit = (1 << 62) // scale
    start = np.clip(start, 0, limit) * scale // unit_ns
    end = np.maximum(np.clip(end, 0, limit) * scale // unit_ns, start)
    rows = np.stack(
        [
            lane[chosen],
            start,
            end,
            np.where(kind == BUSY, RUNNING, WAITING) + OPEN * still,
            np.minimum(label.reshape(-1), _LABELS_AT_MOST),
            task,
        ],
        axis=1,
    )
    rows = _with_ends(rows, order, stuck, unit_ns)
    texts: list[Json] = [
        [
            function_name(state.functions[int(name)]) if int(name) in state.functions else "",
            place(state.sites.get(int(where))),
        ]
        for name, where in pairs[:_LABELS_AT_MOST]
    ]
    texts.append(["", ""])
    return rows[np.lexsort((rows[:, _END], rows[:, _START], rows[:, _LANE]))], texts


def _with_ends(
    rows: Integers, order: list[ThreadId], stuck: dict[ThreadId, Stuck], unit_ns: int
) -> Integers:
    """Return the rows; of the waits that never end, what comes after certainty is of its kind."""
    more = []
    for index in np.flatnonzero(rows[:, _KIND] == WAITING + OPEN):
        part = stuck.get(order[rows[index, _LANE]])
        if part is None:
            continue
        since = part.since_ns // unit_ns
        since = int(min(max(since, rows[index, _START]), rows[index, _END]))
        kind = (CORE if part.role is Role.CORE else VICTIM) + OPEN
        if since > rows[index, _START]:
            more.append([*rows[index, :_END], since, WAITING, *rows[index, _LABEL:]])
        rows[index, _START] = since
        rows[index, _KIND] = kind
    return np.vstack([rows, np.array(more, dtype=np.int64)]) if more else rows


def _thinned(rows: Integers, most: int) -> tuple[Integers, int]:
    """Return at most about `most` rows, and how short is what was put together (0: nothing)."""
    if len(rows) <= most:
        return rows, 0
    span = max(1, int(rows[:, _END].max() - rows[:, _START].min()))
    short = max(1, span // (1 << 20))
    while True:
        fewer = _merged(rows, short)
        if len(fewer) <= most or short > span:
            return fewer, short
        short *= 2


def _merged(rows: Integers, short: int) -> Integers:
    """Return the rows with neighbours that are shorter than `short` put together.

    What is put together begins within four times that length, so nothing longer is hidden.
    """
    lane, start, end, kind = (rows[:, at] for at in (_LANE, _START, _END, _KIND))
    small = (end - start < short) & (kind < OPEN)
    bucket = start // (4 * short)
    same = small[1:] & small[:-1] & (lane[1:] == lane[:-1]) & (bucket[1:] == bucket[:-1])
    first = np.flatnonzero(np.concatenate([[True], ~same]))
    many = np.diff(np.append(first, len(rows))) > 1
    length = end - start
    run = np.add.reduceat(np.where(kind == RUNNING, length, 0), first)
    wait = np.add.reduceat(np.where(kind == WAITING, length, 0), first)
    last = np.maximum.reduceat(end, first)
    kept = rows[first].copy()
    whole = np.maximum(1, last - kept[:, _START])
    shares = (np.minimum(255, 255 * run // whole) << 8) | np.minimum(255, 255 * wait // whole)
    kept[:, _END] = last
    kept[many, _KIND] = MIXED
    kept[many, _LABEL] = shares[many]
    count = np.diff(np.append(first, len(rows)))
    kept[many, _TASK] = count[many]
    return kept


def _columns(rows: Integers) -> list[Integers]:
    start, task = rows[:, _START], rows[:, _TASK]
    fresh = np.diff(rows[:, _LANE], prepend=-1) != 0
    from_last = np.where(fresh, start, np.diff(start, prepend=0))
    change = np.diff(task, prepend=0)
    signed = np.where(change < 0, -2 * change - 1, 2 * change)
    length = rows[:, _END] - start
    return [rows[:, _LANE], from_last, length, rows[:, _KIND], rows[:, _LABEL], signed]
