"""The kinds of deadlock, by the shape of their core; the first that matches names it.

A new kind is a module here, a line in ``KINDS``, an entry in ``docs/findings.md`` and a sample
trace.
"""

from __future__ import annotations

from typing import Final

from tpanalyze.kinds import (
    abandoned_lock,
    abandoned_promise,
    barrier_too_wide,
    blocked_handler,
    blocked_loop,
    circular_wait,
    drain_cycle,
    exit_hang,
    lock_cycle,
    lock_future,
    no_worker_left,
    nobody_signals,
    pool_starvation,
    self_drain,
    self_lock,
    self_wait,
    thread_join_cycle,
    unheard_cancel,
)
from tpanalyze.kinds.case import Case, Kind

KINDS: Final[tuple[Kind, ...]] = (
    self_lock.KIND,
    lock_cycle.KIND,
    lock_future.KIND,
    abandoned_lock.KIND,
    barrier_too_wide.KIND,
    exit_hang.KIND,
    blocked_loop.KIND,
    blocked_handler.KIND,
    self_wait.KIND,
    unheard_cancel.KIND,
    no_worker_left.KIND,
    pool_starvation.KIND,
    abandoned_promise.KIND,
    nobody_signals.KIND,
    thread_join_cycle.KIND,
    self_drain.KIND,
    drain_cycle.KIND,
    circular_wait.KIND,
)


def kind_of(case: Case) -> Kind:
    """Return the kind of the case; every core has one."""
    return next(kind for kind in KINDS if kind.matches(case))
