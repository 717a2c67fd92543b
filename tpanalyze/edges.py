"""The edges of the wait-for graph, for people: who waits for what, each with its three sites."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from functools import cached_property, partial
from typing import Final, overload

from tpanalyze.compact import Later, Places, Values, each_once
from tpanalyze.findings import Edge, Node, NodeKind, Relation
from tpanalyze.model import (
    DrainWait,
    FutureWait,
    LockWait,
    ObjectId,
    ObjectWait,
    Pool,
    PoolId,
    PoolRole,
    Snapshot,
    Task,
    TaskId,
    TaskState,
    Thread,
    ThreadId,
    ThreadState,
    ThreadWait,
    Wait,
)
from tpanalyze.rules.ask import is_active, is_settled, occupied_workers, threads_to_end

_SHORT: Final = {
    "Future.result": "result()",
    "Future.exception": "exception()",
    "Executor.map": "next result of map()",
    "Executor.shutdown": "shutdown()",
    "interpreter exit": "interpreter exit",
    "Thread.join": "join()",
    "Event.wait": "wait()",
    "Condition.wait": "wait()",
    "Semaphore.acquire": "acquire()",
    "Barrier.wait": "wait()",
    "Queue.get": "get()",
    "Queue.put": "put()",
    "Queue.join": "join()",
    "Lock.acquire": "acquire()",
    "RLock.acquire": "acquire()",
    "AsyncResult.get": "get()",
    "AsyncResult.wait": "wait()",
    "Pool.apply": "apply()",
    "Pool.map": "map()",
    "Pool.starmap": "starmap()",
    "IMapIterator.next": "next result of imap()",
    "Pool.join": "join()",
}


class Edges(Values[Edge]):
    """Every edge of the wait-for graph at one moment, whether it can move or not.

    Made when they are asked for: those of one node, or all of them.  Order: threads, then tasks,
    pools and locks, each by number.  A pool has edges only while tasks stand in its queue: else
    nobody needs its workers.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def leaving(self, node: Node, tasks: Container[int] | None = None) -> Sequence[Edge]:
        """Return the edges that leave the node, in their order.

        From a thread that waits for futures, with `tasks` only those to these.
        """
        found: Sequence[Edge] = ()
        if node.kind is NodeKind.THREAD and node.id in self._snapshot.threads:
            found = Later(partial(self._from_thread, ThreadId(node.id), tasks))
        elif node.kind is NodeKind.POOL and node.id in self._snapshot.pools:
            found = self._from_pools[PoolId(node.id)]
        elif node.kind is NodeKind.OBJECT and node.id in self._locks:
            found = tuple(self._from_lock(ObjectId(node.id)))
        elif node.kind is NodeKind.TASK:
            found = (*self._from_task(TaskId(node.id)), *self._from_its_place(TaskId(node.id)))
        return found

    def __len__(self) -> int:
        return len(self._all)

    @overload
    def __getitem__(self, index: int) -> Edge: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Edge, ...]: ...
    def __getitem__(self, index: int | slice) -> Edge | tuple[Edge, ...]:
        return self._all[index]

    def __iter__(self) -> Iterator[Edge]:
        return iter(self._all)

    @cached_property
    def _all(self) -> tuple[Edge, ...]:
        return tuple(self._each())

    @cached_property
    def _locks(self) -> dict[ObjectId, LockWait]:
        return locks(self._snapshot)

    @cached_property
    def _occupants(self) -> dict[PoolId, tuple[ThreadId, ...]]:
        return {
            pool.id: tuple(thread.id for thread in occupied_workers(self._snapshot, pool))
            for pool in self._snapshot.pools.values()
        }

    @cached_property
    def _from_pools(self) -> dict[PoolId, tuple[Edge, ...]]:
        pools = self._snapshot.pools
        return {
            pool: tuple(
                Edge(
                    Node(NodeKind.POOL, pool),
                    Node(NodeKind.THREAD, worker),
                    Relation.HELD_BY,
                    "occupied by",
                )
                for worker in (workers if pools[pool].queue else ())
            )
            for pool, workers in self._occupants.items()
        }

    @cached_property
    def _places(self) -> dict[PoolId, Places]:
        return {pool.id: Places(pool.queue) for _, pool in sorted(self._snapshot.pools.items())}

    def _each(self) -> Iterator[Edge]:
        for thread in sorted(self._snapshot.threads):
            yield from self._from_thread(thread)
        for task in sorted(self._snapshot.tasks):
            yield from self._from_task(task)
        for _, pool in sorted(self._snapshot.pools.items()):
            for place, task in enumerate(pool.queue):
                yield self._from_queue(task, pool, place)
            yield from self._from_pools[pool.id]
        for lock in sorted(self._locks):
            yield from self._from_lock(lock)

    def _from_thread(self, number: ThreadId, tasks: Container[int] | None = None) -> Iterator[Edge]:
        snapshot, thread = self._snapshot, self._snapshot.threads[number]
        label = "" if thread.wait is None else wait_label(thread.wait)
        if isinstance(thread.wait, FutureWait):
            for task in _awaited(snapshot, thread.wait, tasks):
                queued = task.pool is not None and _in_queue(task)
                yield Edge(
                    Node(NodeKind.THREAD, thread.id),
                    Node(NodeKind.TASK, task.id),
                    Relation.WAITS_FOR,
                    label,
                    wait_site=thread.wait.site,
                    submit_site=task.submit_site,
                    occupied_by=self._occupants.get(task.pool, ()) if queued and task.pool else (),
                )
        elif isinstance(thread.wait, DrainWait):
            for worker in joined(snapshot, thread, thread.wait):
                yield Edge(
                    Node(NodeKind.THREAD, thread.id),
                    Node(NodeKind.THREAD, worker),
                    Relation.DRAINS,
                    label,
                    wait_site=thread.wait.site,
                )
        elif isinstance(thread.wait, ThreadWait):
            for other in threads_to_end(snapshot, thread.wait):
                yield Edge(
                    Node(NodeKind.THREAD, thread.id),
                    Node(NodeKind.THREAD, other.id),
                    Relation.DRAINS,
                    label,
                    wait_site=thread.wait.site,
                )
        elif isinstance(thread.wait, ObjectWait | LockWait):
            yield Edge(
                Node(NodeKind.THREAD, thread.id),
                Node(NodeKind.OBJECT, thread.wait.object.id),
                Relation.WAITS_FOR,
                label,
                wait_site=thread.wait.site,
            )

    def _from_task(self, number: TaskId) -> Iterator[Edge]:
        snapshot, task = self._snapshot, self._snapshot.tasks.get(number)
        if task is None:
            return
        if task.state is TaskState.RUNNING and task.worker in snapshot.threads:
            yield Edge(
                Node(NodeKind.TASK, task.id),
                Node(NodeKind.THREAD, task.worker),
                Relation.HELD_BY,
                "runs on",
                submit_site=task.submit_site,
            )
        yield from _promise_edges(snapshot, task)
        yield from _result_edges(snapshot, task)

    def _from_its_place(self, task: TaskId) -> Iterator[Edge]:
        """Yield the edge from a task to the pool in whose queue it stands, if it is in one."""
        for pool, places in self._places.items():
            if (place := places.of(task)) is not None:
                yield self._from_queue(task, self._snapshot.pools[pool], place)

    def _from_queue(self, number: TaskId, pool: Pool, place: int) -> Edge:
        task = self._snapshot.tasks.get(number)
        return Edge(
            Node(NodeKind.TASK, number),
            Node(NodeKind.POOL, pool.id),
            Relation.NEEDS_WORKER,
            f"queued {ordinal(place + 1)}",
            submit_site=None if task is None else task.submit_site,
            occupied_by=self._occupants[pool.id],
        )

    def _from_lock(self, number: ObjectId) -> Iterator[Edge]:
        wait = self._locks[number]
        if wait.owner in self._snapshot.threads:
            yield Edge(
                Node(NodeKind.OBJECT, number),
                Node(NodeKind.THREAD, wait.owner),
                Relation.HELD_BY,
                "held by",
                held_site=wait.held_site,
            )


def locks(snapshot: Snapshot) -> dict[ObjectId, LockWait]:
    """Return a wait for each lock that any thread waits for, by the lock's number."""
    found: dict[ObjectId, LockWait] = {}
    for _, thread in sorted(snapshot.threads.items()):
        if isinstance(thread.wait, LockWait):
            found.setdefault(thread.wait.object.id, thread.wait)
    return found


def _promise_edges(snapshot: Snapshot, promise: Task) -> Iterator[Edge]:
    """Yield what a promise waits for that an event loop is to set: a task, or the loop's thread."""
    if promise.loop not in snapshot.pools or promise.done:
        return
    source = Node(NodeKind.TASK, promise.id)
    awaited = [task for n in promise.awaits if (task := snapshot.tasks.get(n)) is not None]
    if awaited and not any(task.done for task in awaited):
        for task in awaited:
            target = Node(NodeKind.TASK, task.id)
            yield Edge(source, target, Relation.WAITS_FOR, "await", submit_site=task.submit_site)
        return
    loop = snapshot.pools[promise.loop]
    label = "needs its loop" if loop.role is PoolRole.LOOP else "comes from"
    for runner in loop.workers:
        yield Edge(source, Node(NodeKind.THREAD, runner), Relation.WAITS_FOR, label)


def _result_edges(snapshot: Snapshot, task: Task) -> Iterator[Edge]:
    """Yield whose thread is to hand out the task's result, if it is busy with something else."""
    pool = None if task.pool is None or task.done else snapshot.pools.get(task.pool)
    handler = None if pool is None or pool.results is None else snapshot.pools.get(pool.results)
    for worker in () if handler is None else handler.workers:
        thread = snapshot.threads.get(worker)
        if thread is not None and is_active(thread):
            yield Edge(
                Node(NodeKind.TASK, task.id),
                Node(NodeKind.THREAD, worker),
                Relation.WAITS_FOR,
                "handed out by",
                submit_site=task.submit_site,
            )


def _in_queue(task: Task) -> bool:
    if task.state is TaskState.CANCELLED:
        return not task.notified
    return task.state is TaskState.QUEUED


def _awaited(snapshot: Snapshot, wait: FutureWait, among: Container[int] | None) -> Iterator[Task]:
    for number in each_once(wait.futures):
        task = snapshot.tasks.get(number) if among is None or number in among else None
        if task is not None and not is_settled(task, wait):
            yield task


def joined(snapshot: Snapshot, thread: Thread, wait: DrainWait) -> tuple[ThreadId, ...]:
    """Return the workers whose end the drain waits for: all that live.

    But not itself, unless it is one of a crew: see :mod:`tpanalyze.rules.drains`.
    """
    found: dict[ThreadId, None] = {}
    for number in wait.pools:
        pool = snapshot.pools.get(number)
        for worker in pool.workers if pool is not None else ():
            state = snapshot.threads[worker].state if worker in snapshot.threads else None
            itself = worker == thread.id and pool is not None and pool.role is not PoolRole.CREW
            if not itself and state not in (None, ThreadState.ENDED):
                found[worker] = None
    return tuple(found)


def wait_label(wait: Wait) -> str:
    """Return a few words for what is waited for: ``result()``, ``any of 3``, ``2 of 5``.

    >>> wait_label(FutureWait("wait(ALL_COMPLETED)", (1, 2), 2, None, None, 0))
    'all of 2'
    """
    if wait.operation in _SHORT or not isinstance(wait, FutureWait):
        return _SHORT.get(wait.operation, wait.operation)
    several = len(each_once(wait.futures))
    if wait.operation == "wait(FIRST_EXCEPTION)":
        return f"first failure of {several}"
    if wait.need >= several:
        return "all of " + str(several) if several > 1 else wait.operation
    return f"any of {several}" if wait.need == 1 else f"{wait.need} of {several}"


def ordinal(number: int) -> str:
    """Return the number as a rank.

    >>> [ordinal(n) for n in (1, 2, 3, 4, 11, 12, 13, 21, 112)]
    ['1st', '2nd', '3rd', '4th', '11th', '12th', '13th', '21st', '112th']
    """
    if number % 100 in (11, 12, 13):
        return f"{number}th"
    return f"{number}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th') }"
