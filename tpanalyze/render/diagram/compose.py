"""From a report to what its diagram shows.

From any number of tasks it picks what a reader can take in:

1. With findings, only what is stuck is drawn; what moves is a number in its pool's title.  Without
   findings every wait that is going on is drawn, with what it waits for.
2. A worker and the task it runs are one card; a queue is one box with a row for each task.
3. Whatever repeats itself is folded into a count (see `folding` and `queues`).
4. Arrows between folded things are folded with them.

Everything is in an order fixed by the numbers in the trace: the same report gives the same picture.
"""

from __future__ import annotations

from collections.abc import Sequence

from tpanalyze.findings import Edge, Node, NodeKind, Relation, Report, Verdict
from tpanalyze.model import (
    ObjectId,
    Pool,
    PoolId,
    PoolRole,
    TaskId,
    TaskState,
    ThreadId,
    ThreadState,
)
from tpanalyze.render.diagram.arrows import arrows
from tpanalyze.render.diagram.cards import future_card, object_card, thread_card
from tpanalyze.render.diagram.folding import Folded, fold
from tpanalyze.render.diagram.picture import (
    Arrow,
    End,
    Limits,
    Picture,
    PoolBox,
    Queue,
    Slot,
)
from tpanalyze.render.diagram.queues import queue_rows
from tpanalyze.render.diagram.scene import Scene, thread_node
from tpanalyze.render.labels import counted, other_processes, pool_name
from tpanalyze.render.palette import RANK, Role, gravest


def compose(report: Report, limits: Limits) -> Picture:
    """Return what the diagram of `report` shows."""
    scene = Scene(report)
    threads, futures, things, pools = _chosen(scene)
    victims = sum(len(finding.victims) for finding in report.findings)
    folded = fold(
        [
            *(thread_card(scene, number) for number in threads),
            *(future_card(scene, number) for number in futures),
            *(object_card(scene, number) for number in things),
        ],
        limits,
        crowded=(victims if report.findings else len(threads)) > limits.victims,
    )
    boxes = [_Box(scene, scene.snapshot.pools[number], folded, limits) for number in pools]
    drawn = arrows(scene, _Ends(scene, folded, boxes))
    loose = tuple(card for card in folded.cards if card.pool not in pools)
    return Picture(tuple(box.finished(drawn) for box in boxes), loose, drawn)


def _chosen(
    scene: Scene,
) -> tuple[list[ThreadId], list[TaskId], list[ObjectId], list[PoolId]]:
    """Return the threads, the futures with cards of their own, objects, and the pools to draw."""
    snapshot = scene.snapshot
    if scene.findings:
        wanted = dict.fromkeys(scene.stuck())
    else:
        waiting = (t for t in snapshot.threads.values() if t.state is ThreadState.WAITING)
        wanted = dict.fromkeys(thread_node(thread.id) for thread in waiting)
    threads: set[ThreadId] = set()
    futures: set[TaskId] = set()
    things: set[ObjectId] = set()
    pools = {number for finding in scene.findings for number in finding.pools}
    for node in (*wanted, *_awaited(scene, wanted)):
        if node.kind is NodeKind.THREAD:
            threads.add(ThreadId(node.id))
            continue
        if node.kind is NodeKind.OBJECT:
            things.add(ObjectId(node.id))
            continue
        number = TaskId(node.id)
        task = snapshot.tasks.get(number)
        if number in scene.queue_of:
            if node in wanted or not scene.findings:
                pools.add(scene.queue_of[number])
        elif (worker := scene.worker_of(task)) is not None:
            if thread_node(worker) in wanted or not scene.findings:
                threads.add(worker)
        elif task is not None and (not task.done or task.state is TaskState.CANCELLED):
            futures.add(number)
            if (home := scene.home(task)) is not None:
                pools.add(home)
    for finding in scene.findings:
        if finding.verdict is Verdict.STARVING:  # the cause is what the workers do
            threads |= {worker for of in finding.pools for worker in snapshot.pools[of].workers}
    threads &= snapshot.threads.keys()
    pools |= {pool for number in threads if (pool := snapshot.threads[number].pool) is not None}

    def thread_order(number: ThreadId) -> tuple[int, int, bool, int]:
        standing = scene.standing(thread_node(number))
        not_main = not snapshot.threads[number].main
        return RANK[standing.role], standing.finding or 0, not_main, number

    def pool_order(number: PoolId) -> tuple[int, int]:
        workers = snapshot.pools[number].workers
        return RANK[gravest(scene.role(thread_node(worker)) for worker in workers)], number

    return (
        sorted(threads, key=thread_order),
        sorted(futures),
        sorted(things),
        sorted(pools & snapshot.pools.keys(), key=pool_order),
    )


def _awaited(scene: Scene, wanted: dict[Node, None]) -> dict[Node, None]:
    """Return what the wanted threads wait for."""
    return dict.fromkeys(
        edge.target
        for edge in scene.edges
        if edge.source in wanted
        and (
            edge.relation is Relation.WAITS_FOR
            or (edge.relation is Relation.DRAINS and not scene.findings)
        )
    )


class _Box:
    """A pool to draw, before its arrows are known."""

    def __init__(self, scene: Scene, pool: Pool, folded: Folded, limits: Limits) -> None:
        self.pool = pool
        self._scene = scene
        self._cards = tuple(card for card in folded.cards if card.pool == pool.id)
        found = queue_rows(scene, pool, limits)
        self._queue: Queue | None = found[0] if found else None
        self.rows: dict[TaskId, End] = found[1] if found else {}
        self.slot = End(f"slot{pool.id}")
        """what stands for "one of its workers": of a pool with one worker that is the worker"""
        if len(pool.workers) == 1 == len(self._cards) and not pool.starting + pool.unseen:
            self.slot = End(self._cards[0].id)

    def finished(self, arrows: Sequence[Arrow]) -> PoolBox:
        """Return the box with its slot, if an arrow leads there."""
        touching = [arrow.role for arrow in arrows if self.slot in (arrow.source, arrow.target)]
        own_slot = self.slot.id == f"slot{self.pool.id}" and bool(touching)
        roles = [card.role for card in self._cards]
        if self._queue is not None:
            roles.append(self._queue.role)
        return PoolBox(
            id=f"pool{self.pool.id}",
            role=gravest(roles),
            title=pool_name(self.pool),
            detail=" · ".join(self._counts()),
            cards=self._cards,
            queue=self._queue,
            slot=Slot(self.slot.id, gravest(touching), self._slot_lines()) if own_slot else None,
        )

    def _slot_lines(self) -> tuple[str, ...]:
        live, most = len(self.pool.workers), self.pool.max_workers
        if not live:
            return ("no worker is left" if self.pool.closed else "no worker yet",)
        free = self._scene.role(Node(NodeKind.POOL, self.pool.id)) is Role.PLAIN
        head = "any worker" if free else "no worker is free"
        return (head,) if most is None or live >= most else (head, f"{live} of {most} were started")

    def _counts(self) -> list[str]:
        pool, threads = self.pool, self._scene.snapshot.threads
        states = [threads[number].state for number in pool.workers if number in threads]
        live = len(pool.workers)
        blocked = states.count(ThreadState.WAITING)
        counts = [f"{blocked:,}/{counted(live, 'worker')} blocked" if live else "no worker"]
        if pool.role is PoolRole.PROCESSES:
            counts = [other_processes(pool)]
        for number, word in (
            (states.count(ThreadState.RUNNING), "running"),
            (states.count(ThreadState.IDLE), "idle"),
            (pool.starting, "starting"),
            (pool.unseen, "unseen"),
            (len(pool.queue), "queued"),
        ):
            if number:
                counts.append(f"{number:,} {word}")
        if pool.closed:
            counts.append("shut down")
        elif pool.role is PoolRole.PROCESSES:
            pass  # it is said already
        elif pool.max_workers is not None and live < pool.max_workers:
            counts.append(f"at most {counted(pool.max_workers, 'worker')}")
        return counts


class _Ends:
    """Tells where on the picture an edge begins and ends."""

    def __init__(self, scene: Scene, folded: Folded, boxes: Sequence[_Box]) -> None:
        self._scene = scene
        self._shown_by = folded.shown_by
        self._slots = {box.pool.id: box.slot for box in boxes}
        self._rows = {task: row for box in boxes for task, row in box.rows.items()}

    def __call__(self, edge: Edge) -> tuple[End | None, End | None]:
        """Return the two ends; None for one that is not drawn."""
        source, target = self._end(edge.source), self._end(edge.target)
        if edge.relation is Relation.NEEDS_WORKER and source is not None:
            source = End(source.id)  # the whole queue: whoever is next needs the worker
        if edge.relation is Relation.DRAINS and target is not None:
            target = self._drained(edge) or target
        return source, target

    def _end(self, node: Node) -> End | None:
        match node.kind:
            case NodeKind.THREAD:
                shown = self._shown_by.get(node)
                return None if shown is None else End(shown)
            case NodeKind.POOL:
                return self._slots.get(PoolId(node.id))
            case NodeKind.OBJECT:
                shown = self._shown_by.get(node)
                return None if shown is None else End(shown)
            case NodeKind.TASK:
                if (row := self._rows.get(TaskId(node.id))) is not None:
                    return row
                worker = self._scene.worker_of(self._scene.snapshot.tasks.get(TaskId(node.id)))
                shown = self._shown_by.get(node if worker is None else thread_node(worker))
                return None if shown is None else End(shown)

    def _drained(self, edge: Edge) -> End | None:
        """Return the whole pool for a drain from outside of it."""
        threads = self._scene.snapshot.threads
        own, other = (threads[ThreadId(node.id)].pool for node in (edge.source, edge.target))
        return None if other is None or own == other else End(f"pool{other}", whole_pool=True)
