"""No worker left: a task stands in the queue of a pool that has no workers and gets none.

Workers work off the queue before they leave a pool that is shut down; so these have died.
"""

from __future__ import annotations

from typing import Final

from tpanalyze.describe import at
from tpanalyze.findings import Advice
from tpanalyze.kinds.case import Case, Kind
from tpanalyze.kinds.phrases import who, with_timeout
from tpanalyze.model import Pool, Task


def _lost(case: Case) -> list[Pool]:
    return [pool for pool in case.pools if not pool.workers]


def _tasks(case: Case) -> list[Task]:
    lost = {pool.id for pool in _lost(case)}
    return [task for task in case.queued if task.pool in lost]


def _matches(case: Case) -> bool:
    return bool(_tasks(case))


def _summary(case: Case) -> str:
    tasks = _tasks(case)
    names = case.words.tasks([task.id for task in tasks])
    pools = case.words.pools([pool.id for pool in _lost(case)])
    start = "starts" if len(tasks) == 1 else "start"
    have = "has" if len(_lost(case)) == 1 else "have"
    return (
        f"{who(case, case.threads[0])} waits for {names}, which never {start}: {pools} {have} no "
        "worker left, and will have none."
    )


def _advice(case: Case) -> tuple[Advice, ...]:
    task = _tasks(case)[0]
    if forked := [pool for pool in _lost(case) if pool.lost]:
        return (_after_the_fork(case, forked), _other_start_method(), *with_timeout(case))
    return (
        Advice(
            "no-exit-in-callbacks",
            f"Find what ended the workers while {case.words.task(task.id)}, submitted"
            f"{at(task.submit_site)}, was queued: sys.exit() or another BaseException in a "
            "done-callback ends the worker that runs it, for good. Let callbacks catch what they "
            "raise, or tell the main thread to exit instead.",
        ),
        *with_timeout(case),
    )


def _after_the_fork(case: Case, pools: list[Pool]) -> Advice:
    names = case.words.pools([pool.id for pool in pools])
    them = "it" if len(pools) == 1 else "them"
    return Advice(
        "make-it-after-the-fork",
        f"Make {names} in the child: a fork copies the pool, but none of its threads. Make {them} "
        "when first used, and anew after a fork (os.register_at_fork(after_in_child=…), or the "
        "post-fork hook of your server).",
    )


def _other_start_method() -> Advice:
    return Advice(
        "spawn",
        "Or start the processes with spawn or forkserver (multiprocessing.set_start_method): these "
        "begin with a new interpreter and copy no pools, locks or queues in mid-use.",
    )


KIND: Final = Kind("no-worker-left", _matches, _summary, _advice)
