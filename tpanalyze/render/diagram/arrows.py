"""Arrows: the edges of the wait-for graph between what is drawn, those that coincide as one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Final

from tpanalyze.findings import Edge, NodeKind, Relation
from tpanalyze.model import ThreadId
from tpanalyze.render.diagram.picture import Arrow, End
from tpanalyze.render.diagram.scene import Scene, arrow_role, thread_node
from tpanalyze.render.labels import shorten, stack
from tpanalyze.render.palette import gravest

_NAMED: Final = 10

type EndOf = Callable[[Edge], tuple[End | None, End | None]]


def arrows(scene: Scene, ends: EndOf) -> tuple[Arrow, ...]:
    """Return the arrows between what is drawn; `ends` tells where the two ends of an edge are.

    That a queue needs a worker is drawn only where something waits for one of its tasks; and what
    holds the workers of a pool, only where its queue needs one.
    """
    merged: defaultdict[tuple[End, End, Relation, str], list[Edge]] = defaultdict(list)
    for edge in scene.edges:
        source, target = ends(edge)
        if source is None or target is None:
            continue
        if edge.relation is Relation.HELD_BY and source == target:
            continue  # a worker and its task share a card; so may a pool and its only worker
        merged[source, target, edge.relation, _label(edge)].append(edge)
    awaited = {target.id for _, target, relation, _ in merged if relation is Relation.WAITS_FOR}
    needed = {
        target
        for source, target, relation, _ in merged
        if relation is Relation.NEEDS_WORKER and source.id in awaited
    }
    superfluous = {
        key
        for key in merged
        if (key[2] is Relation.NEEDS_WORKER and key[1] not in needed)
        or (key[2] is Relation.HELD_BY and key[0] not in needed and not _of_a_lock(merged[key]))
    }
    return tuple(
        Arrow(
            source,
            target,
            relation,
            gravest(arrow_role(scene, edge) for edge in alike),
            label,
            "\n".join(_story(scene, alike[0])),
            times=len({edge.source for edge in alike}),
        )
        for (source, target, relation, label), alike in merged.items()
        if (source, target, relation, label) not in superfluous
    )


def _of_a_lock(edges: list[Edge]) -> bool:
    return edges[0].source.kind is NodeKind.OBJECT


def _label(edge: Edge) -> str:
    match edge.relation:
        case Relation.WAITS_FOR | Relation.DRAINS:
            return shorten(edge.label)
        case Relation.NEEDS_WORKER:
            return "needs a worker"
        case Relation.HELD_BY:
            return ""


def _story(scene: Scene, edge: Edge) -> list[str]:
    """Return the tooltip's lines: the edge in words, with its three sites."""
    story = [f"{scene.name(edge.source)} {edge.relation} {scene.name(edge.target)}"]
    if edge.wait_site is not None:
        story += ["the wait is at:", *stack(edge.wait_site)]
    if edge.submit_site is not None:
        story += ["the awaited task was submitted at:", *stack(edge.submit_site)]
    if edge.held_site is not None:
        story += ["it took it at:", *stack(edge.held_site)]
    if edge.occupied_by:
        names = [_thread_name(scene, each) for each in edge.occupied_by[:_NAMED]]
        more = len(edge.occupied_by) - len(names)
        names += [f"{more:,} more"] if more else []
        story.append("the workers that could run it are occupied: " + ", ".join(names))
    return story


def _thread_name(scene: Scene, number: ThreadId) -> str:
    node = thread_node(number)
    return scene.name(node) if scene.knows(node) else f"thread {number}"
