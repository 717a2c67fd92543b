"""Folding: many alike become one card with a count, so that any picture stays readable."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from tpanalyze.findings import Node, NodeKind
from tpanalyze.render.diagram.cards import Single
from tpanalyze.render.diagram.picture import Card, Limits
from tpanalyze.render.palette import Role, gravest

NAMED: Final = 10
"""How many names a tooltip lists."""


@dataclass(frozen=True, slots=True)
class Folded:
    """The cards to draw, and which of them shows a node; what is in no card is not drawn."""

    cards: tuple[Card, ...]
    shown_by: dict[Node, str]


def fold(singles: Sequence[Single], limits: Limits, *, crowded: bool) -> Folded:
    """Return the cards with what repeats folded.

    Of a core, and of promises, the first few of their like are drawn and the rest counted.  Of
    victims, and of what moves, all are drawn; but if it is `crowded` none of a group is, and what
    is then still too much is one card that no arrow leads to.
    """
    groups: defaultdict[tuple[Hashable, ...], list[Single]] = defaultdict(list)
    for single in singles:
        groups[single.likeness].append(single)
    drawn: list[tuple[Card, list[Single]]] = []
    for alike in groups.values():
        keep = _kept(alike, limits, crowded=crowded)
        drawn += [(single.card, [single]) for single in alike[:keep]]
        if rest := alike[keep:]:
            drawn.append((_many(rest, more=keep > 0), rest))
    drawn, others = _within(drawn, limits.groups if crowded else limits.victims)
    shown_by = {single.node: card.id for card, shown in drawn for single in shown}
    cards = [card for card, _ in drawn]
    return Folded((*cards, _others(others)) if others else tuple(cards), shown_by)


def _kept(alike: Sequence[Single], limits: Limits, *, crowded: bool) -> int:
    first = alike[0]
    if first.card.role is Role.CORE or first.node.kind is not NodeKind.THREAD:
        return len(alike) if len(alike) <= limits.alike else limits.alike // 2
    return 0 if crowded and len(alike) > 1 else len(alike)


def _many(alike: Sequence[Single], *, more: bool) -> Card:
    """Return one card for several."""
    first, count = alike[0], len(alike)
    noun = first.noun if count == 1 else first.noun + "s"
    return replace(
        first.card,
        id=f"many_{first.card.id}",
        title=f"× {count:,} {'more ' if more else ''}{noun}",
        lines=first.common,
        tooltip="\n".join([_names(alike), *first.card.tooltip.splitlines()[1:]]),
        stands_for=count,
    )


def _names(singles: Sequence[Single]) -> str:
    names = [single.card.title for single in singles[:NAMED]]
    more = len(singles) - len(names)
    return ", ".join(names) + (f" and {more:,} more" if more else "")


_Drawn = list[tuple[Card, list[Single]]]


def _within(drawn: _Drawn, room: int) -> tuple[_Drawn, list[Single]]:
    """Return what there is room for beside the core, the largest groups, and all the others."""
    beside = [card for card, _ in drawn if card.role is not Role.CORE]
    if len(beside) <= room:
        return drawn, []
    beside.sort(key=lambda card: -card.stands_for)
    dropped = {card.id for card in beside[max(0, room - 1) :]}
    kept = [pair for pair in drawn if pair[0].id not in dropped]
    return kept, [single for card, shown in drawn if card.id in dropped for single in shown]


def _others(singles: Sequence[Single]) -> Card:
    return Card(
        id="others",
        role=gravest(single.card.role for single in singles),
        title=f"× {len(singles):,} others",
        lines=("not drawn one by one",),
        tooltip=_names(singles),
        stands_for=len(singles),
    )
