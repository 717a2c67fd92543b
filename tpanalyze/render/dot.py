"""The wait-for graph of a report as DOT text, for Graphviz.

An arrow points from what waits to what it waits for, mostly from left to right; its line says why:
solid for a wait, dashed for a queued task that needs a worker, dotted for what holds the workers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from tpanalyze.describe import moment
from tpanalyze.findings import Relation, Report
from tpanalyze.render.diagram.compose import compose
from tpanalyze.render.diagram.picture import (
    Arrow,
    Card,
    End,
    Limits,
    Picture,
    PoolBox,
    Queue,
    Row,
    Slot,
)
from tpanalyze.render.dot_heading import heading, legend
from tpanalyze.render.dot_pieces import (
    SMALL,
    TEXT,
    bold,
    card_table,
    cell,
    font,
    indented,
    plain_table,
    statement,
)
from tpanalyze.render.dot_quote import html, html_tooltip, quoted, tooltip
from tpanalyze.render.headline import badge
from tpanalyze.render.labels import shorten
from tpanalyze.render.palette import FONT, LIGHT, Role


@dataclass(frozen=True, slots=True)
class DotOptions:
    """How the diagram is drawn."""

    limits: Limits = field(default_factory=Limits)
    letters: int = 92
    """the most in a line of the heading"""
    heading: bool = True
    """what was found and recorded, in words; the legend is always there"""


_DEFAULTS: Final = DotOptions()


def render_dot(report: Report, options: DotOptions = _DEFAULTS) -> str:
    """Return the wait-for graph of `report` as DOT text, ending in a line feed.

    The same report gives the same text, byte for byte.
    """
    shown = compose(report, options.limits)
    title = heading(report, shown, options.letters) if options.heading else legend(report, shown)
    body = _attributes(title)
    for box in shown.pools:
        body += _pool(box, report, shown.arrows)
    body += [_card(card, report) for card in shown.cards]
    body += [_nobody_waits(report)] if shown.empty else []
    body += _arrows(shown)
    return "\n".join([f"digraph {_name(report)} {{", *indented(body), "}", ""])


def _name(report: Report) -> str:
    """Return the graph's name, which is the picture's title."""
    return quoted(f"wait-for graph of {shorten(report.header.program, 80)}")


def _attributes(title: str) -> list[str]:
    ink = {"fontname": quoted(FONT), "fontcolor": quoted(LIGHT.ink)}
    graph = {
        "rankdir": "LR",
        "compound": "true",
        "newrank": "true",
        "nodesep": "0.22",
        "ranksep": "0.55",
        "pad": "0.28",
        "bgcolor": quoted(LIGHT.card),
        "fontsize": str(TEXT),
        "labelloc": "t",
        "labeljust": "l",
        "label": f"<{title}>",
    }
    return [
        statement("graph", {**ink, **graph}),
        statement("node", {**ink, "shape": "plain", "fontsize": str(TEXT)}),
        statement("edge", {**ink, "fontsize": str(SMALL), "arrowsize": "0.8"}),
    ]


# -- nodes -----------------------------------------------------------------------------------------


def _pool(box: PoolBox, report: Report, arrows: Sequence[Arrow]) -> list[str]:
    text = f"{box.title} · {box.detail}"
    words = bold(box.title) + font(f" · {box.detail}", LIGHT.muted, TEXT)
    frame = LIGHT.pool_frame if box.role is Role.PLAIN else LIGHT.tone(box.role).line
    attributes = {
        "label": f"<{plain_table([cell(words, text, TEXT)])}>",
        "labeljust": "l",
        "margin": "12",
        "style": quoted("rounded,filled"),
        "fillcolor": quoted(LIGHT.pool),
        "color": quoted(frame),
        **_identity(box.id, box.role, text),
    }
    inside = [statement("graph", attributes), *(_card(card, report) for card in box.cards)]
    inside += [_queue(box.queue)] if box.queue is not None else []
    inside += [_slot(box.slot), *_column(box, box.slot, arrows)] if box.slot is not None else []
    if len(inside) == 1:
        inside.append(f'{_empty(box)} [label="", shape=point, style=invis, width=0.01]')
    return [f"subgraph cluster_{box.id} {{", *indented(inside), "}"]


def _column(box: PoolBox, slot: Slot, arrows: Sequence[Arrow]) -> list[str]:
    """Return what puts the workers that the slot leads to below each other.

    They are in the order of the rows they wait for, so that no arrows cross.  With ``rankdir=LR``
    an edge within a rank leads upwards.
    """
    cards = {card.id for card in box.cards}
    held = {arrow.target.id for arrow in arrows if arrow.source.id == slot.id}
    if any({arrow.source.id, arrow.target.id} <= cards for arrow in arrows) or len(held) < 2:
        return []
    rows = [row.port for row in box.queue.rows] if box.queue is not None else []
    first = {
        arrow.source.id: rows.index(arrow.target.port)
        for arrow in reversed(arrows)
        if box.queue is not None and arrow.target.id == box.queue.id and arrow.target.port in rows
    }
    downwards = sorted((c.id for c in box.cards if c.id in held), key=lambda c: first.get(c, 0))
    return [f"{{rank=same; {' -> '.join(reversed(downwards))} [style=invis]}}"]


def _empty(box: PoolBox) -> str:
    return f"{box.id}_empty"


def _card(card: Card, report: Report) -> str:
    tone = LIGHT.tone(card.role)
    stuck = card.role is not Role.PLAIN
    ink = tone.on_strong if stuck else LIGHT.ink
    band = tone.strong if stuck else tone.tint
    words = f'<FONT COLOR="{ink}">{bold(card.title)}</FONT>' if card.title else ""
    head = cell(words, card.title, TEXT, bold=True, padding=5, more={"BGCOLOR": band})
    span = {}
    if card.finding is not None and len(report.findings) > 1 and card.role is Role.CORE:
        mark = badge(report.findings, card.finding)
        marked = font(mark, ink, SMALL)
        head += cell(marked, mark, SMALL, padding=5, more={"BGCOLOR": band, "ALIGN": "RIGHT"})
        span = {"COLSPAN": "2"}
    *first, last = card.lines
    lines = [cell(html(line), line, TEXT, padding=2) for line in first]
    lines.append(cell(font(last, LIGHT.muted, SMALL), last, SMALL, padding=2))
    # A table within one cell, since between cells the colour below would shine through.
    body = cell(plain_table(lines), "", SMALL, padding=3, more={"BGCOLOR": tone.tint, **span})
    return _node(card.id, card_table(card.role, [head, body]), card.role, card.tooltip)


def _queue(queue: Queue) -> str:
    title = font(queue.title, LIGHT.muted, SMALL)
    rows = [
        cell(title, queue.title, SMALL, padding=5, more={"COLSPAN": "3"}),
        *map(_row, queue.rows),
    ]
    # In grey: a queue is no party to anything; its rows are.
    return _node(queue.id, card_table(Role.PLAIN, rows), queue.role, queue.title)


def _row(row: Row) -> str:
    tone = LIGHT.tone(row.role)
    stuck = row.role is not Role.PLAIN
    number = cell(
        font(row.position, tone.on_strong if stuck else LIGHT.muted, SMALL),
        row.position,
        SMALL,
        padding=4,
        more={
            "PORT": row.port,
            "ALIGN": "RIGHT",
            "BGCOLOR": tone.strong if stuck else tone.tint,
        },
    )
    more = {"TOOLTIP": html_tooltip(row.tooltip), "BGCOLOR": tone.tint}
    named = {**more, "ID": row.port}
    text = cell(html(row.text), row.text, TEXT, padding=4, more=named)
    note = cell(font(row.note, LIGHT.muted, SMALL), row.note, SMALL, padding=4, more=more)
    return number + text + note


def _slot(slot: Slot) -> str:
    tone = LIGHT.tone(slot.role)
    look = {
        "label": f"<{'<BR/>'.join(map(html, slot.lines))}>",
        "shape": "hexagon",
        "style": "filled",
        "margin": quoted("0.02,0.03"),
        "fillcolor": quoted(tone.tint),
        "color": quoted(tone.line),
        "fontsize": str(SMALL),
    }
    return statement(slot.id, {**look, **_identity(slot.id, slot.role, "\n".join(slot.lines))})


def _nobody_waits(report: Report) -> str:
    text = "No thread waits for a future."
    after = f"So it was {moment(report.snapshot.time_ns)} after the recording began."
    lines = [
        cell(bold(text), text, TEXT, bold=True, padding=4),
        cell(font(after, LIGHT.muted, SMALL), after, SMALL, padding=4),
    ]
    return _node("nothing", card_table(Role.PLAIN, lines), Role.PLAIN, text)


def _node(name: str, table: str, role: Role, text: str) -> str:
    return statement(name, {"label": f"<{table}>", **_identity(name, role, text)})


def _identity(name: str, role: Role, text: str) -> dict[str, str]:
    """Return what an SVG tells of a node to style sheets and readers."""
    return {"id": quoted(name), "class": quoted(str(role)), "tooltip": tooltip(text or " ")}


# -- arrows ----------------------------------------------------------------------------------------

_STYLE: Final = {
    Relation.WAITS_FOR: "solid",
    Relation.DRAINS: "solid",
    Relation.NEEDS_WORKER: "dashed",
    Relation.HELD_BY: "dotted",
}
_WIDTH: Final = {Role.CORE: 2.0, Role.VICTIM: 1.4, Role.PLAIN: 1.0}


def _arrows(shown: Picture) -> list[str]:
    """Return the arrows, and unseen ones that keep the columns in their order.

    Within a pool the columns are: "no worker is free", the workers, the queue.  What waits outside
    of the pool stands left of all three.
    """
    boxes = {box.id: box for box in shown.pools}
    homes = {card.id: box for box in shown.pools for card in box.cards}
    lines: list[str] = []
    hints: dict[str, None] = {}
    for number, arrow in enumerate(shown.arrows, start=1):
        attributes = _arrow_attributes(arrow, number)
        head = _end(arrow.target)
        if arrow.target.whole_pool:
            head = _node_inside(boxes[arrow.target.id])
            attributes["lhead"] = f"cluster_{arrow.target.id}"
        slot = homes[head].slot if head in homes else None
        if arrow.relation is Relation.NEEDS_WORKER:
            attributes["constraint"] = "false"  # it closes the circle: it runs back to the left
        elif slot is not None and arrow.source.id not in homes and arrow.source.id != slot.id:
            attributes["constraint"] = "false"
            hints[f"{arrow.source.id} -> {slot.id}"] = None
        lines.append(statement(f"{_end(arrow.source)} -> {head}", attributes))
    joined = {(arrow.source.id, arrow.target.id) for arrow in shown.arrows}
    touched = {end for pair in joined for end in pair}
    for box in shown.pools:
        if box.queue is None or not box.cards:
            continue
        if box.queue.id not in touched:
            hints[f"{box.cards[0].id} -> {box.queue.id}"] = None
        elif box.slot is not None and not any((c.id, box.queue.id) in joined for c in box.cards):
            hints |= {f"{card.id} -> {box.queue.id}": None for card in box.cards}
    return lines + [f"{hint} [style=invis]" for hint in hints]


def _arrow_attributes(arrow: Arrow, number: int) -> dict[str, str]:
    width = _WIDTH[arrow.role] if arrow.relation is not Relation.HELD_BY else 1.0
    relation = arrow.relation.name.lower().replace("_", "-")
    attributes = {
        "color": quoted(LIGHT.tone(arrow.role).line),
        "style": _STYLE[arrow.relation],
        "penwidth": f"{width:g}",
        "id": quoted(f"arrow{number}"),
        "class": quoted(f"{arrow.role} {relation}"),
        "tooltip": tooltip(arrow.tooltip),
        "labeltooltip": tooltip(arrow.tooltip),
    }
    if arrow.label:
        label = plain_table([f"<TD>{html(_arrow_label(arrow))}</TD>"], CELLPADDING="3")
        attributes["label"] = f"<{label}>"
    return attributes


def _arrow_label(arrow: Arrow) -> str:
    if arrow.times == 1 or arrow.target.whole_pool:
        return arrow.label
    if arrow.relation is Relation.NEEDS_WORKER:
        return f"{arrow.times:,} need a worker"
    return f"{arrow.label} × {arrow.times:,}"


def _end(end: End) -> str:
    return end.id if end.port is None else f"{end.id}:{end.port}:w"


def _node_inside(box: PoolBox) -> str:
    """Return the node at which an arrow to the whole pool aims; it is cut at the pool's frame."""
    if box.slot is not None:
        return box.slot.id
    if box.cards:
        return box.cards[0].id
    return box.queue.id if box.queue is not None else _empty(box)
