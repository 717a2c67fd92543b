"""How each pool's load changed, for the page's script: at most a few thousand steps each."""

from __future__ import annotations

from typing import Final

import numpy as np

from tpanalyze.findings import Report
from tpanalyze.model import Pool, PoolRole
from tpanalyze.render.labels import counted, other_processes, pool_name
from tpanalyze.render.page.pack import Integers, pack
from tpanalyze.render.page.script_json import Json
from tpanalyze.timeline import Load, Timeline

_STEPS: Final = 40_000
"""in all pools together"""
_POOLS: Final = 60


def loads(report: Report, timeline: Timeline, unit_ns: int) -> list[Json]:
    """Return the load of the pools that had any, those of findings first."""
    involved = {pool for finding in report.findings for pool in finding.pools}
    known = [
        (number, steps)
        for number, steps in timeline.pool_load().items()
        if steps
        and number in report.snapshot.pools
        and (report.snapshot.pools[number].role is not PoolRole.HANDLER or number in involved)
    ]
    known.sort(key=lambda pair: (pair[0] not in involved, pair[0]))
    known = known[:_POOLS]
    each = _STEPS // max(1, len(known))
    told: list[Json] = []
    for number, steps in known:
        table = _thinned(np.array(steps, dtype=np.int64), each)
        table[:, 0] = np.maximum(0, table[:, 0]) // unit_ns
        pool = report.snapshot.pools[number]
        told.append(
            {
                "id": number,
                "title": _title(pool, int(table[:, 4].max()), int(table[:, 1].max())),
                "most_queued": int(table[:, 1].max()),
                "most_workers": int(table[:, 4].max()),
                "rows": len(table),
                "packed": pack(list(table.T)),
            }
        )
    return told


def _title(pool: Pool, most_workers: int, most_queued: int) -> str:
    """Return the pool's name, and the most there was in it.

    >>> from tpanalyze.model import PoolId
    >>> _title(Pool(PoolId(1), "ThreadPoolExecutor", "io", 4), 1, 3)
    'ThreadPoolExecutor "io": at most 1 of 4 workers, at most 3 queued'
    """
    if pool.role is PoolRole.PROCESSES:
        had = other_processes(pool)
    elif pool.max_workers is None:
        had = f"at most {counted(most_workers, 'worker')}"
    else:
        had = f"at most {most_workers:,} of {counted(pool.max_workers, 'worker')}"
    return f"{pool_name(pool)}: {had}, at most {most_queued:,} queued"


def _thinned(table: Integers, most: int) -> Integers:
    """Return at most `most` steps: of those that follow closely, the most there was of each."""
    if len(table) <= most:
        return table
    first_ns, last_ns = int(table[0, 0]), int(table[-1, 0])
    bucket = (table[:, 0] - first_ns) * (most - 1) // max(1, last_ns - first_ns)
    first = np.flatnonzero(np.diff(bucket, prepend=-1))
    peaks = [np.maximum.reduceat(table[:, at], first) for at in range(1, len(Load._fields))]
    thinned: Integers = np.stack([table[first, 0], *peaks], axis=1)
    last = np.append(first[1:], len(table)) - 1
    thinned[-1, 1:] = table[last[-1], 1:]  # what holds at the end is said exactly
    return thinned
