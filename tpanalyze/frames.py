"""The timeline as pandas' DataFrames.  Importing this imports pandas; nothing else here does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import pandas as pd

from tpanalyze.intervals import BLOCKED, WIDTH, WORKER
from tpanalyze.model import Site
from tpanalyze.timeline import IntervalState, Load, Timeline

type Integers = np.ndarray[tuple[int, ...], np.dtype[np.int64]]

_FAR_NS: Final = 1 << 62


def intervals(timeline: Timeline) -> pd.DataFrame:
    """Return the intervals, one per row, by their begin.

    Columns: ``thread`` (NA while the task is queued), ``thread_name``, ``pool``, ``pool_name``,
    ``task`` (NA for a wait outside any task), ``function``, ``state`` (queued, running, waiting),
    ``start_ns``, ``end_ns``, ``site`` (``file:line in function`` of the wait, or of the submit),
    ``open`` (had not ended when the trace did).
    """
    flat, ended = timeline.columns()
    state = timeline.state
    table = np.array(flat, dtype=np.int64).reshape(-1, WIDTH)
    is_open = np.arange(len(table)) >= ended
    chosen = np.flatnonzero(table[:, 0] != WORKER)
    chosen = chosen[np.argsort(table[chosen, 5], kind="stable")]
    kind, thread, pool, task, call, start, end, wait_site = table[chosen].T
    calls = np.array([(c.pool, c.function, c.site) for c in state.calls], dtype=np.int64)
    pool = np.where(pool > 0, pool, np.maximum(calls[call, 0], 0))
    site = np.where(kind == BLOCKED, wait_site, calls[call, 2])
    far = _FAR_NS // state.tick_ns
    start = np.clip(start, -far, far)
    end = np.clip(np.maximum(start, end), -far, far)
    return pd.DataFrame(
        {
            "thread": _numbers(thread),
            "thread_name": _names(thread, lambda number: state.threads[number].name),
            "pool": _numbers(pool),
            "pool_name": _names(pool, lambda number: state.pools[number].name),
            "task": _numbers(task),
            "function": _names(
                calls[call, 1],
                lambda number: f.name if (f := state.functions.get(number)) else None,
            ),
            "state": _categories(kind - 1, [str(name) for name in IntervalState]),
            "start_ns": start * state.tick_ns,
            "end_ns": end * state.tick_ns,
            "site": _names(
                site, lambda number: place(s) if (s := state.sites.get(number)) else None
            ),
            "open": is_open[chosen],
        }
    )


def pool_load(timeline: Timeline) -> pd.DataFrame:
    """Return how the pools were loaded, one row per change, by pool and time.

    Columns: ``pool``, ``time_ns``, and from then on: ``queued`` tasks, workers ``running`` a task,
    workers ``waiting`` in a recorded wait, ``workers`` that live.
    """
    steps = [(pool, *load) for pool, loads in timeline.pool_load().items() for load in loads]
    table = np.array(steps, dtype=np.int64).reshape(-1, 1 + len(Load._fields))
    return pd.DataFrame(table, columns=["pool", *Load._fields])


def place(site: Site) -> str:
    """Return ``file:line in function`` of a site: its innermost frame outside the library."""
    own = (frame for frame in site.frames if not frame.function.stdlib)
    frame = next(own, site.frames[0])
    return f"{frame.function.file or '?'}:{frame.line} in {frame.function.name}"


def _numbers(numbers: Integers) -> pd.api.extensions.ExtensionArray:
    """Return a nullable column, 0 being NA."""
    return pd.arrays.IntegerArray(numbers.copy(), numbers == 0)


def _names(numbers: Integers, name: Callable[[int], str | None]) -> pd.Categorical[int]:
    """Return the names of things by number, 0 and what has no name being NA."""
    distinct, at = np.unique(numbers, return_inverse=True)
    names = [name(int(number)) if number else None for number in distinct]
    categories = sorted({text for text in names if text is not None})
    code = {text: index for index, text in enumerate(categories)}
    codes = np.array([-1 if text is None else code[text] for text in names], dtype=np.int64)
    return _categories(codes[at], categories)


def _categories(codes: Integers, names: list[str]) -> pd.Categorical[int]:
    return pd.Categorical.from_codes(codes, dtype=pd.CategoricalDtype(names))
