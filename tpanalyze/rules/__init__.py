"""What lets a thread move, a future be resolved, a worker become free: the rules of the verdict.

One module per subject, one function per rule; this is the registry.  A rule that is missing makes
false alarms, a rule that is too generous misses deadlocks; ``tests/test_soundness.py`` drops and
loosens each in turn and must notice.

A new kind of wait is a class in :mod:`tpanalyze.model`, a module here, its name in
``threads.RULED`` and a line in ``RULES``; until then its waits count as able to end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from tpanalyze.horn import Rule
from tpanalyze.model import Snapshot
from tpanalyze.rules import (
    anybody,
    drains,
    ends,
    futures,
    joins,
    locks,
    objects,
    pools,
    threads,
    waits,
)

RuleSource = Callable[[Snapshot], Iterable[Rule]]

RULES: Final[tuple[RuleSource, ...]] = (
    threads.a_running_thread_moves,
    threads.a_wait_without_a_rule_may_end,
    threads.a_timed_wait_ends_by_itself,
    waits.a_wait_ends_when_enough_futures_are_done,
    waits.a_wait_for_an_exception_ends_when_one_may_fail,
    drains.a_drain_ends_when_all_workers_have_ended,
    joins.a_join_ends_when_all_its_threads_have_ended,
    ends.a_thread_ends_after_what_it_does,
    ends.an_idle_worker_of_a_closed_pool_ends,
    ends.an_idle_worker_ends_once_somebody_closes_its_pool,
    objects.a_wait_on_an_object_may_be_ended_by_any_thread_that_moves,
    objects.a_thread_that_was_woken_moves,
    objects.the_main_thread_may_be_called_away_by_a_signal,
    locks.a_wait_for_a_lock_ends_once_it_is_released,
    locks.a_lock_that_nobody_is_known_to_have_is_free,
    locks.a_lock_is_released_if_its_owner_moves,
    locks.a_lock_may_be_released_by_any_thread_that_moves,
    futures.a_done_future_is_done,
    futures.an_unseen_future_may_be_set_by_anyone_unseen,
    futures.a_running_task_finishes_if_its_thread_moves,
    futures.a_queued_task_finishes_if_a_worker_takes_it,
    futures.a_cancelled_task_is_counted_once_a_worker_took_it,
    futures.a_promise_may_be_set_by_any_thread_that_moves,
    futures.a_promise_of_a_loop_is_set_when_its_thread_comes_to_it,
    pools.an_idle_worker_is_free,
    pools.a_worker_about_to_come_is_free,
    pools.a_token_that_no_task_has_is_free,
    pools.a_process_is_free,
    pools.a_crew_replaces_the_workers_that_have_ended,
    pools.a_loop_that_nobody_runs_may_be_run_by_anybody,
    pools.a_pool_of_unknown_size_may_have_a_free_worker,
    pools.an_occupied_worker_becomes_free_if_it_moves,
    pools.a_submit_may_bring_one_more_worker,
    anybody.any_thread_that_moves_is_somebody,
    anybody.a_thread_the_trace_does_not_know_is_somebody,
    anybody.a_worker_about_to_come_is_somebody,
    anybody.a_result_that_is_handed_out_is_somebody,
    anybody.a_queued_task_that_starts_is_somebody,
)
