"""Arrows: the edges of the wait-for graph between what is drawn, those that coincide as one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from tpanalyze.findings import Edge, Node, Relation
from tpanalyze.model import ThreadId
from tpanalyze.render.diagram.picture import Arrow, End
from tpanalyze.render.diagram.scene import Scene, arrow_role, thread_node
from tpanalyze.render.labels import shorten, stack
from tpanalyze.render.palette import gravest

_NAMED: Final = 10

type EndOf = Callable[[Edge], tuple[End | None, End | None]]


def arrows(scene: Scene, ends: EndOf) -> tuple[Arrow, ...]:
    """Return the arrows between what is drawn; `ends` tells where the two ends of an edge are.

    What holds a pool's workers is drawn only where something needs one of them.
    """
    merged: dict[tuple[End, End, Relation, str], Arrow] = {}
    sources: defaultdict[tuple[End, End, Relation, str], set[Node]] = defaultdict(set)
    for edge in scene.edges:
        source, target = ends(edge)
        if source is None or target is None:
            continue
        if edge.relation is Relation.HELD_BY and source == target:
            continue  # a worker and its task share a card; so may a pool and its only worker
        arrow = Arrow(source, target, edge.relation, arrow_role(scene, edge), _label(edge), "")
        key = (source, target, edge.relation, arrow.label)
        if (before := merged.get(key)) is None:
            merged[key] = replace(arrow, tooltip="\n".join(_story(scene, edge)))
        else:
            merged[key] = replace(before, role=gravest((before.role, arrow.role)))
        sources[key].add(edge.source)
    needed = {a.target for a in merged.values() if a.relation is Relation.NEEDS_WORKER}
    return tuple(
        replace(arrow, times=len(sources[key]))
        for key, arrow in merged.items()
        if arrow.relation is not Relation.HELD_BY or arrow.source in needed
    )


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
    if edge.occupied_by:
        names = [_thread_name(scene, each) for each in edge.occupied_by[:_NAMED]]
        more = len(edge.occupied_by) - len(names)
        names += [f"{more:,} more"] if more else []
        story.append("the workers that could run it are occupied: " + ", ".join(names))
    return story


def _thread_name(scene: Scene, number: ThreadId) -> str:
    node = thread_node(number)
    return scene.name(node) if scene.knows(node) else f"thread {number}"
