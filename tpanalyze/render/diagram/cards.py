"""Cards: a thread with what it runs and waits in, or a future that nothing else shows."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from tpanalyze.describe import duration, waits_in_callback
from tpanalyze.findings import Node
from tpanalyze.model import (
    Function,
    ObjectId,
    TaskId,
    TaskOrigin,
    Thread,
    ThreadId,
    ThreadState,
)
from tpanalyze.render.diagram.picture import Card
from tpanalyze.render.diagram.scene import Scene, object_node, task_node, thread_node
from tpanalyze.render.labels import (
    at,
    counted,
    doing,
    function_name,
    object_name,
    operation,
    shorten,
    stack,
    task_name,
)


@dataclass(frozen=True, slots=True)
class Single:
    """A card as it is if it is drawn by itself, and what it has in common with others."""

    node: Node
    card: Card
    likeness: tuple[Hashable, ...]
    """cards of equal likeness may be drawn as one"""
    noun: str
    """what to call many of them: ``worker``"""
    common: tuple[str, ...]
    """the lines of a card for many of them"""


def thread_card(scene: Scene, number: ThreadId) -> Single:
    """Return the card of a thread."""
    thread = scene.snapshot.threads[number]
    standing = scene.standing(thread_node(number))
    task = scene.running(thread)
    lines, common = [], []
    if thread.task is not None:
        lines.append(task_name(task, thread.task))
        common.append(function_name(task.function) if task is not None else "?")
        if callback := waits_in_callback(thread):
            lines.append(f"done-callback {function_name(Function(callback))}")
            common.append(lines[-1])
    if len(thread.tasks) > 1:
        outer = (task_name(scene.snapshot.tasks.get(n), n) for n in thread.tasks[-2::-1])
        lines.append("inside " + shorten(", ".join(outer)))
    now = _standing(thread) if thread.wait is None else doing(thread.wait)
    common.append(now)
    card = Card(
        id=f"thread{number}",
        role=standing.role,
        title=scene.thread_name(thread) + (" (main)" if _is_hidden_main(thread) else ""),
        lines=(*lines, now + _spent(scene, thread)),
        tooltip="\n".join(_story(scene, thread)),
        pool=thread.pool,
        finding=standing.finding,
    )
    likeness = (standing.role, standing.finding, thread.pool, *common)
    return Single(
        thread_node(number),
        card,
        (*likeness, number) if thread.main else likeness,
        "thread" if thread.pool is None else "worker",
        tuple(common),
    )


def _is_hidden_main(thread: Thread) -> bool:
    return thread.main and thread.name != "MainThread"


def _standing(thread: Thread) -> str:
    """Return what a thread does that is in no recorded wait, and where it was last seen."""
    running = thread.state is ThreadState.RUNNING
    return f"{thread.state}{at(thread.stack)}" if running else str(thread.state)


def _spent(scene: Scene, thread: Thread) -> str:
    if thread.wait is None:
        return ""
    spent = duration(max(0, scene.snapshot.time_ns - thread.wait.since_ns))
    limit = thread.wait.timeout_ns
    return f" · for {spent}" + ("" if limit is None else f" of {duration(limit)}")


def _story(scene: Scene, thread: Thread) -> list[str]:
    """Return the tooltip's lines: the thread, its wait and its tasks, with whole stacks."""
    story = [scene.thread_name(thread, 200)]
    if thread.wait is not None:
        story += [f"waits in {operation(thread.wait)}:", *stack(thread.wait.site)]
    elif thread.stack is not None:
        story += ["stands at:", *stack(thread.stack)]
    for number in reversed(thread.tasks):
        task = scene.snapshot.tasks.get(number)
        story.append(f"runs {task_name(task, number)}")
        if task is not None and task.submit_site is not None:
            story += ["submitted at:", *stack(task.submit_site)]
    return story


def object_card(scene: Scene, number: ObjectId) -> Single:
    """Return the card of something that threads block on."""
    thing = scene.objects[number]
    standing = scene.standing(object_node(number))
    line = "of " + counted(thing.parties, "party") if thing.parties is not None else "not signalled"
    line = line.replace("partys", "parties")
    tooltip = [object_name(thing)]
    if (wait := scene.locks.get(number)) is not None:
        line = f"taken{at(wait.held_site)}" if wait.owner is not None else "free, or not known"
        tooltip += ["made at:", *stack(thing.made), "taken at:", *stack(wait.held_site)]
    card = Card(
        id=f"object{number}",
        role=standing.role,
        title=object_name(thing),
        lines=(line,),
        tooltip="\n".join(tooltip),
        finding=standing.finding,
    )
    likeness = (standing.role, standing.finding, thing.kind, line)
    return Single(object_node(number), card, (*likeness, number), "object", (line,))


def future_card(scene: Scene, number: TaskId) -> Single:
    """Return the card of a future that neither a worker nor a queue shows: mostly a promise."""
    task = scene.snapshot.tasks[number]
    standing = scene.standing(task_node(number))
    line = {
        TaskOrigin.PROMISE: f"made{at(task.submit_site)}, not set",
        TaskOrigin.UNSEEN: "made before the recording began",
        TaskOrigin.POOL: f"{task.state}, submitted{at(task.submit_site)}",
    }[task.origin]
    home = scene.home(task)
    if home is not None and not task.done:
        line = f"sent there, submitted{at(task.submit_site)}"
    card = Card(
        id=f"task{number}",
        role=standing.role,
        title=task_name(task, number),
        lines=(line,),
        tooltip="\n".join([task_name(task, number), *stack(task.submit_site)]),
        pool=home,
        finding=standing.finding,
    )
    noun = "promise" if task.origin is TaskOrigin.PROMISE else "future" if home is None else "task"
    likeness = (standing.role, standing.finding, task.origin, home, line)
    return Single(task_node(number), card, likeness, noun, (line,))
