"""The picture of a wait-for graph as plain data: boxes, queues and arrows, all text decided."""

from __future__ import annotations

from dataclasses import dataclass

from tpanalyze.findings import Relation
from tpanalyze.model import PoolId
from tpanalyze.render.palette import Role


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a picture shows before it folds."""

    victims: int = 40
    """more victims than these are folded by function and place"""
    groups: int = 12
    """of folded victims, more groups than these are one"""
    alike: int = 6
    """more members of a core, or promises, that differ in their number only are folded"""
    rows: int = 8
    """more tasks in one queue are folded"""


@dataclass(frozen=True, slots=True)
class Card:
    """A box with a title: a thread with what it runs, a promise, or many alike."""

    id: str
    role: Role
    title: str
    lines: tuple[str, ...]
    """at least one; the last is of second rank"""
    tooltip: str
    pool: PoolId | None = None
    finding: int | None = None
    """which finding it belongs to, from 0"""
    stands_for: int = 1
    """how many things it shows"""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a queue: a task, or many."""

    port: str
    role: Role
    position: str
    text: str
    note: str
    tooltip: str


@dataclass(frozen=True, slots=True)
class Queue:
    """The tasks of a pool that no worker has taken, next first."""

    id: str
    role: Role
    title: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Slot:
    """What a queued task needs: any worker of the pool."""

    id: str
    role: Role
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PoolBox:
    """A pool: its title and all that is drawn inside."""

    id: str
    role: Role
    title: str
    detail: str
    """how its workers fare, and how many tasks are queued"""
    cards: tuple[Card, ...]
    queue: Queue | None
    slot: Slot | None


@dataclass(frozen=True, slots=True)
class End:
    """Where an arrow begins or ends: a card, a row of a queue, or a whole pool."""

    id: str
    port: str | None = None
    whole_pool: bool = False


@dataclass(frozen=True, slots=True)
class Arrow:
    """One arrow, from what waits to what it waits for."""

    source: End
    target: End
    relation: Relation
    role: Role
    label: str
    tooltip: str
    times: int = 1
    """how many nodes it leads away from"""


@dataclass(frozen=True, slots=True)
class Picture:
    """All there is to draw."""

    pools: tuple[PoolBox, ...]
    cards: tuple[Card, ...]
    """what stands outside of pools"""
    arrows: tuple[Arrow, ...]

    @property
    def roles(self) -> frozenset[Role]:
        """The roles that some part of the picture has."""
        roles = {card.role for card in self.cards}
        for box in self.pools:
            roles |= {card.role for card in box.cards}
            roles |= {row.role for row in box.queue.rows} if box.queue is not None else set()
        return frozenset(roles)

    @property
    def empty(self) -> bool:
        """True if there is nothing to draw."""
        return not self.pools and not self.cards
