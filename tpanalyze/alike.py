"""Queued tasks that are alike: what is proved of one of them is proved of all.

Of the tasks in a pool's queue, those that nobody waits for differ in nothing that a rule asks for:
each can finish if a worker of the pool becomes free, and nothing leans on it.  So the rules are
made of a snapshot that has one of them for each pool, which stands in for the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from tpanalyze.compact import Places
from tpanalyze.model import (
    FutureWait,
    Pool,
    PoolId,
    PoolRole,
    Snapshot,
    Task,
    TaskId,
    TaskOrigin,
    TaskState,
)


def one_of_each(snapshot: Snapshot) -> tuple[Snapshot, Mapping[PoolId, TaskId]]:
    """Return the snapshot without tasks that another one stands in for, and which do, by pool."""
    if all(len(pool.queue) <= 1 for pool in snapshot.pools.values()):
        return snapshot, {}
    queues = {
        pool.id: Places(pool.queue)
        for pool in snapshot.pools.values()
        if pool.role is not PoolRole.PROCESSES  # on each of its tasks leans: who can move at all
    }
    few = {
        number: task
        for number, task in snapshot.tasks.items()
        if not _only_stands_in_a_queue(task, queues)
    }
    waits = (thread.wait for thread in snapshot.threads.values())
    named = {task for wait in waits if isinstance(wait, FutureWait) for task in wait.futures}
    named.update(task for promise in few.values() for task in promise.awaits)
    stand_ins: dict[PoolId, TaskId] = {}
    pools: dict[PoolId, Pool] = {}
    for pool in snapshot.pools.values():
        queue = []
        for number in pool.queue:
            alike = number not in few and number not in named and number in snapshot.tasks
            if not alike or stand_ins.setdefault(pool.id, number) == number:
                queue.append(number)
        pools[pool.id] = replace(pool, queue=tuple(queue))
    few.update({n: snapshot.tasks[n] for n in (*named, *stand_ins.values()) if n in snapshot.tasks})
    tasks = {number: few[number] for number in snapshot.tasks if number in few}
    return replace(snapshot, tasks=tasks, pools=pools), stand_ins


def _only_stands_in_a_queue(task: Task, queues: Mapping[PoolId, Places]) -> bool:
    if task.state is not TaskState.QUEUED or task.origin is not TaskOrigin.POOL or task.passed:
        return False
    queue = None if task.pool is None else queues.get(task.pool)
    return queue is not None and queue.of(task.id) is not None
