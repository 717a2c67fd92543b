"""What each function cost the pools: how often it ran, queued, ran and waited."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from tpanalyze.frames import tasks
from tpanalyze.model import Function
from tpanalyze.render.labels import function_name, pool_label
from tpanalyze.timeline import Timeline

_MOST: Final = 500


@dataclass(frozen=True, slots=True)
class FunctionRow:
    """One function that pools were asked to call; times in ns, None where there is none."""

    name: str
    place: str
    pool: str
    tasks: int
    unfinished: int
    queued_p50: int | None
    queued_max: int | None
    running: int
    waiting: int
    p50: int | None
    p95: int | None
    longest: int | None


def function_rows(timeline: Timeline) -> list[FunctionRow]:
    """Return a row for each function in each pool, those that took most time first.

    ``p50``, ``p95`` and ``longest`` are of the time from start to end (so far) of the tasks that
    started, waits included.
    """
    every = tasks(timeline)
    every = every.assign(
        taken=every["running_ns"] + every["waiting_ns"],
        begun=every["started_ns"].notna(),
    )
    pools = {number: pool_label(of.kind, of.name) for number, of in timeline.state.pools.items()}
    every = every.assign(pool_label=every["pool"].map(pools))
    grouped = every.groupby(["function", "pool_label"], observed=True, dropna=False, sort=True)
    places = {
        function.name: f"{function.file}:{function.line}" if function.file else ""
        for function in timeline.state.functions.values()
    }
    rows = [_row(_name(name), _name(pool), group, places) for (name, pool), group in grouped]
    rows.sort(key=lambda row: (-(row.running + row.waiting), row.name, row.pool))
    return rows[:_MOST]


def _name(part: object) -> str:
    """Return a name of pandas', who says NaN where there is none."""
    return part if isinstance(part, str) else ""


def _row(name: str, pool: str, group: pd.DataFrame, places: dict[str, str]) -> FunctionRow:
    begun = group["begun"].to_numpy(dtype=bool)
    taken = group["taken"].to_numpy(dtype=np.int64)[begun]
    queued = group["queued_ns"].to_numpy(dtype=np.int64)
    unfinished = group["state"].isin(["queued", "running", "waiting", "elsewhere"])
    return FunctionRow(
        name=function_name(Function(name)) if name else "?",
        place=places.get(name, ""),
        pool=pool,
        tasks=len(group),
        unfinished=int(unfinished.sum()),
        queued_p50=_at(queued, 0.5),
        queued_max=_at(queued, 1.0),
        running=int(group["running_ns"].sum()),
        waiting=int(group["waiting_ns"].sum()),
        p50=_at(taken, 0.5),
        p95=_at(taken, 0.95),
        longest=_at(taken, 1.0),
    )


def _at(values: np.ndarray[tuple[int], np.dtype[np.int64]], share: float) -> int | None:
    """Return the value that this share of the values does not exceed."""
    if not len(values):
        return None
    return int(np.quantile(values, share, method="inverted_cdf"))
