"""Queues: a row for each task that matters, and one for each run of tasks in between."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import groupby

from tpanalyze.model import Pool, TaskId, TaskState
from tpanalyze.render.diagram.picture import End, Limits, Queue, Row
from tpanalyze.render.diagram.scene import Scene, task_node
from tpanalyze.render.labels import function_name, place, stack, task_name
from tpanalyze.render.palette import Role, gravest

_FUNCTIONS_NAMED = 10


def queue_rows(scene: Scene, pool: Pool, limits: Limits) -> tuple[Queue, dict[TaskId, End]] | None:
    """Return the queue of a pool and the row of each of its tasks; None if it is empty.

    A long queue shows the tasks of a core and the first few others; the rest is counted where it
    stands, so that the order of the rows is that of the queue.
    """
    if not pool.queue:
        return None
    shown = _shown(scene, pool, limits.rows)
    rows: list[Row] = []
    ends: dict[TaskId, End] = {}
    for is_shown, run in groupby(enumerate(pool.queue), key=lambda pair: pair[0] in shown):
        places = list(run)
        alone = is_shown or len(places) == 1
        for part in [[pair] for pair in places] if alone else [places]:
            row = _row(scene, *part[0]) if alone else _run(scene, [task for _, task in part])
            rows.append(row)
            ends |= {task: End(f"queue{pool.id}", row.port) for _, task in part}
    title = f"queue · {len(pool.queue):,}, next first"
    return Queue(f"queue{pool.id}", gravest(row.role for row in rows), title, tuple(rows)), ends


def _shown(scene: Scene, pool: Pool, limit: int) -> frozenset[int]:
    """Return which places of the queue get a row of their own."""
    if len(pool.queue) <= limit:
        return frozenset(range(len(pool.queue)))
    core: list[int] = []
    others: list[int] = []
    for index, task in enumerate(pool.queue):
        (core if scene.role(task_node(task)) is Role.CORE else others).append(index)
    kept = core if len(core) < limit else core[: limit // 2]
    room = max(1, limit - 2 - len(kept))
    return frozenset([*kept, *others[:room]])


def _row(scene: Scene, index: int, number: TaskId) -> Row:
    task = scene.snapshot.tasks.get(number)
    site = task.submit_site if task is not None else None
    note = f"from {place(site)}" if place(site) else ""
    if task is not None and task.state is TaskState.CANCELLED:
        note = "cancelled"
    return Row(
        port=f"task{number}",
        role=scene.role(task_node(number)),
        position=f"{index + 1:,}",
        text=task_name(task, number),
        note=note,
        tooltip="\n".join([f"{task_name(task, number)}, submitted at:", *stack(site)]),
    )


def _run(scene: Scene, numbers: Sequence[TaskId]) -> Row:
    """Return the row for several tasks that follow each other."""
    functions = Counter(
        function_name(task.function) if (task := scene.snapshot.tasks.get(number)) else "?"
        for number in numbers
    ).most_common()
    return Row(
        port=f"task{numbers[0]}",
        role=gravest(scene.role(task_node(number)) for number in numbers),
        position="…",
        text=f"… {len(numbers):,} more queued",
        note=functions[0][0] if len(functions) == 1 else f"{len(functions):,} functions",
        tooltip="\n".join(f"× {times:,} {name}" for name, times in functions[:_FUNCTIONS_NAMED]),
    )
