"""The timeline as pandas' DataFrames.  Importing this imports pandas; nothing else here does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import pandas as pd

from tpanalyze.intervals import BLOCKED, BUSY, QUEUED, WIDTH, WORKER
from tpanalyze.model import Site
from tpanalyze.state import PROCESSES
from tpanalyze.timeline import IntervalState, Load, Timeline

type Integers = np.ndarray[tuple[int, ...], np.dtype[np.int64]]

type Booleans = np.ndarray[tuple[int, ...], np.dtype[np.bool_]]

_FAR_NS: Final = 1 << 62
_TASK_STATES: Final = ["queued", "running", "waiting", "ended", "unstarted", "elsewhere"]
_ENDED, _UNSTARTED, _ELSEWHERE = 3, 4, 5
_NEVER: Final = 1 << 62
"""a moment that was not seen"""


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


def tasks(timeline: Timeline) -> pd.DataFrame:
    """Return the tasks of the pools, one per row, by their numbers.

    Columns: ``task``, ``function``, ``pool``, ``pool_name``, ``worker`` (the thread that ran it),
    ``worker_name``, ``state`` at the end of the trace (queued, running, waiting, ended; unstarted:
    it left its queue and nobody ran it; elsewhere: another process has it), ``submitted_ns``,
    ``started_ns``, ``ended_ns`` (all three NA if that was not seen), ``queued_ns`` (how long in the
    queue), ``running_ns`` and ``waiting_ns`` (how long it ran, and was in a recorded wait),
    ``waits`` (how many), and ``submit_site``.  Times still going on count up to the end of the
    trace.
    """
    flat, ended = timeline.columns()
    state = timeline.state
    table = np.array(flat, dtype=np.int64).reshape(-1, WIDTH)
    still = np.arange(len(table)) >= ended
    chosen = (table[:, 3] > 0) & (table[:, 0] != WORKER)
    kind, thread, pool, task, call, start, end, _ = table[chosen].T
    still = still[chosen]
    far = _FAR_NS // state.tick_ns
    start, end = np.clip(start, -far, far), np.clip(np.maximum(start, end), -far, far)
    number, row = np.unique(task, return_inverse=True)
    count = len(number)

    def total(wanted: Booleans) -> Integers:
        sums = np.zeros(count, dtype=np.int64)
        np.add.at(sums, row[wanted], (end - start)[wanted])
        return sums * state.tick_ns

    def first(wanted: Booleans, values: Integers) -> Integers:
        least = np.full(count, _NEVER, dtype=np.int64)
        np.minimum.at(least, row[wanted], values[wanted])
        return least

    def last(wanted: Booleans, values: Integers) -> Integers:
        return np.where((found := first(wanted, -values)) == _NEVER, 0, -found)

    in_queue, at_work = kind == QUEUED, kind != QUEUED
    has_run = np.bincount(row[at_work], minlength=count) > 0
    is_open = np.bincount(row[still], minlength=count) > 0
    waits_now = np.bincount(row[still & (kind == BLOCKED)], minlength=count) > 0
    now = np.select(
        [is_open & ~has_run, waits_now, is_open, has_run], [0, 2, 1, _ENDED], _UNSTARTED
    )
    calls = np.array([(c.pool, c.function, c.site) for c in state.calls], dtype=np.int64)
    made = last(np.ones(len(row), dtype=np.bool_), call)
    home = np.maximum(calls[made, 0], 0) if count else made
    home = np.where(home > 0, home, last(at_work, pool))
    in_processes = [n for n, of in state.pools.items() if of.role == PROCESSES]
    away = (now == _UNSTARTED) & np.isin(home, in_processes)
    unread = np.isin(number, list(state.adrift))
    now = np.select([away & unread, away], [_ELSEWHERE, _ENDED], default=now)
    worker = last(at_work, thread)
    submitted, started = first(in_queue, start), first(at_work, start)
    over = np.where(has_run & ~is_open, last(at_work, end), _NEVER)
    function, site = (calls[made, at] if count else made for at in (1, 2))
    waits = np.bincount(row[kind == BLOCKED], minlength=count)
    return pd.DataFrame(
        {
            "task": number,
            "function": _names(
                function, lambda of: f.name if (f := state.functions.get(of)) else None
            ),
            "pool": _numbers(home),
            "pool_name": _names(home, lambda of: p.name if (p := state.pools.get(of)) else None),
            "worker": _numbers(worker),
            "worker_name": _names(
                worker, lambda of: t.name if (t := state.threads.get(of)) else None
            ),
            "state": _categories(now, _TASK_STATES),
            "submitted_ns": _moments(submitted, state.tick_ns),
            "started_ns": _moments(started, state.tick_ns),
            "ended_ns": _moments(over, state.tick_ns),
            "queued_ns": total(in_queue),
            "running_ns": total(kind == BUSY),
            "waiting_ns": total(kind == BLOCKED),
            "waits": waits.astype(np.int64),
            "submit_site": _names(
                site, lambda of: place(s) if (s := state.sites.get(of)) else None
            ),
        }
    )


def waits(timeline: Timeline) -> pd.DataFrame:
    """Return the recorded waits, one per row, by their begin.

    Columns: those of :func:`intervals` without ``state``, and ``length_ns``.
    """
    every = intervals(timeline)
    chosen = every[every["state"] == str(IntervalState.WAITING)].drop(columns="state")
    chosen["length_ns"] = chosen["end_ns"] - chosen["start_ns"]
    return chosen.reset_index(drop=True)


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


def _moments(ticks: Integers, tick_ns: int) -> pd.api.extensions.ExtensionArray:
    """Return a nullable column of moments."""
    unseen = ticks == _NEVER
    return pd.arrays.IntegerArray(np.where(unseen, 0, ticks) * tick_ns, unseen)


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
