"""The timeline of a run as SVG: a lane for each thread, what it did, and when it got stuck."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from tpanalyze.describe import duration
from tpanalyze.findings import Report
from tpanalyze.render.chart.blocks import Block, Cell
from tpanalyze.render.chart.compose import (
    Chart,
    ChartLimits,
    Group,
    LaneRow,
    Mark,
    QueueChart,
    compose,
)
from tpanalyze.render.chart.spans import Kind, Recording
from tpanalyze.render.chart.words import block_story, block_words, cell_story
from tpanalyze.render.headline import caption, headlines, lane_standings
from tpanalyze.render.labels import shorten
from tpanalyze.render.palette import LIGHT, Role
from tpanalyze.render.svg_pieces import (
    CHIP_HEIGHT,
    MARGIN,
    SMALL,
    chip,
    chip_width,
    document,
    fitted,
    number,
    tag,
    titled,
    words,
)
from tpanalyze.render.text_width import fit, text_width


@dataclass(frozen=True, slots=True)
class TimelineOptions:
    """How the timeline is drawn."""

    width: int = 1200
    limits: ChartLimits = field(default_factory=ChartLimits)


_DEFAULTS: Final = TimelineOptions()

_EDGE: Final = 20.0
_GUTTER: Final = 170.0
_PITCH: Final = 22.0
_BAR: Final = 17.0
_QUEUE: Final = 34.0
_TITLE: Final = 14.0
_TEXT: Final = 11.0


def render_timeline_svg(
    report: Report, recording: Recording, options: TimelineOptions = _DEFAULTS
) -> str:
    """Return the timeline of the run that `report` is about as a whole SVG file.

    However many intervals there are, it has a few thousand elements.  The same input gives the
    same text.
    """
    left, right = _EDGE + _GUTTER, options.width - _EDGE
    chart = compose(report, recording, left, right, options.limits)
    drawing = _Drawing(report, chart, options.width)
    body = drawing.body()
    title = f"timeline of {shorten(report.header.program, 80)}"
    return document(title, options.width, drawing.height, _patterns(chart), body)


class _Drawing:
    """The picture, drawn from top to bottom; `height` is how far it has got."""

    def __init__(self, report: Report, chart: Chart, width: float) -> None:
        self._report = report
        self._chart = chart
        self._scale = chart.scale
        self._width = width
        self.height = _EDGE

    def body(self) -> str:
        heading = [*self._heading(), self._legend(), *self._mark_labels()]
        axis_y = self.height + 14
        self.height = axis_y + 8
        top = self.height
        groups = [self._group(group) for group in self._chart.groups]
        if not groups:
            self.height += 34
            groups = [words("Nothing was recorded.", self._scale.left, top + 24, 12, LIGHT.muted)]
        bottom = self.height
        self.height += _EDGE - 6
        parts = [*heading, *self._grid(axis_y, top, bottom), *groups, *self._break(top, bottom)]
        parts += [self._mark_line(mark, top, bottom) for mark in self._chart.marks]
        return "\n".join(part for part in parts if part)

    # -- the heading -----------------------------------------------------------------------------

    def _heading(self) -> Iterator[str]:
        letters = int((self._width - 2 * _EDGE - 100) / (_TITLE * 0.56))
        said = headlines(self._report, "How the threads and pools spent their time.", letters)
        column = _EDGE + max(chip_width(each.badge) for each in said) + 10
        for each in said:
            tone = LIGHT.tone(each.role)
            if each.badge:
                yield chip(each.badge, _EDGE, self.height, tone.strong, tone.on_strong)
            for line in each.lines:
                yield words(line, column, self.height + 13.5, _TITLE, bold=True)
                self.height += 19
            self.height += 5
        yield words(caption(self._report), _EDGE, self.height + 10, SMALL, LIGHT.muted)
        self.height += 20

    def _legend(self) -> str:
        """Return samples of just what is drawn."""
        kinds = self._chart.kinds
        stuck = lane_standings(self._report)
        meaning = {
            Kind.RUNNING: "runs a task",
            Kind.WAITING: "waits",
            Kind.CORE: stuck[Role.CORE],
            Kind.VICTIM: stuck[Role.VICTIM],
        }
        entries = [(_FILL[kind], text) for kind, text in meaning.items() if kind in kinds]
        if any(group.queue for group in self._chart.groups):
            entries.append((LIGHT.queued, "length of the queue"))
        x, parts = _EDGE, []
        for fill, text in entries:
            parts.append(tag("rect", x=x, y=self.height, width=18, height=11, rx=2, fill=fill))
            parts.append(words(text, x + 24, self.height + 9.5, SMALL, LIGHT.muted))
            x += 24 + text_width(text, SMALL) + 20
        self.height += 24 if entries else 4
        return "".join(parts)

    def _mark_labels(self) -> Iterator[str]:
        """Yield the labels of the marks, in as many rows as keep them apart."""
        tone = LIGHT.core
        rows: list[list[tuple[float, float]]] = []
        for mark in self._chart.marks:
            width = chip_width(mark.label)
            left = min(max(mark.x - width / 2, self._scale.left), self._scale.right - width)
            free = (
                index
                for index, taken in enumerate(rows)
                if all(left > end + 4 or left + width < begin - 4 for begin, end in taken)
            )
            if (index := next(free, len(rows))) == len(rows):
                rows.append([])
            rows[index].append((left, left + width))
            y = self.height + index * (CHIP_HEIGHT + 3)
            yield chip(mark.label, left, y, tone.strong, tone.on_strong)
        self.height += len(rows) * (CHIP_HEIGHT + 3)

    # -- the axis --------------------------------------------------------------------------------

    def _grid(self, axis_y: float, top: float, bottom: float) -> Iterator[str]:
        for moment_ns, label in self._scale.ticks(apart=90):
            x = self._scale.x(moment_ns)
            yield tag("line", x1=x, y1=top - 4, x2=x, y2=bottom, stroke=LIGHT.grid)
            if x < self._scale.break_x - 30 or self._scale.break_ns is None:
                last = x > self._scale.right - 14
                half = text_width(label, SMALL) / 2
                middle = x - half if last else x
                if all(abs(mark.x - middle) > half + 3 for mark in self._chart.marks):
                    anchor = "end" if last else "middle"
                    yield words(label, x, axis_y, SMALL, LIGHT.muted, anchor=anchor)
        if self._scale.break_ns is not None:
            quiet = duration(self._scale.end_ns - self._scale.break_ns)
            middle = (self._scale.break_x + self._scale.right) / 2
            room = self._scale.right - self._scale.break_x
            text = fit(f"{quiet} without a change", room, SMALL)
            yield words(text, middle, axis_y, SMALL, LIGHT.muted, anchor="middle")

    def _break(self, top: float, bottom: float) -> Iterator[str]:
        """Yield a torn strip over all lanes where the axis is broken."""
        if self._scale.break_ns is None:
            return
        x, step = self._scale.break_x, 5.0
        count = int((bottom - top) / step) + 1
        edge = [(x + (2.0 if i % 2 else -2.0), top + i * step) for i in range(count)]
        right = [(px + 5.0, py) for px, py in reversed(edge)]
        points = " ".join(f"{number(px)},{number(py)}" for px, py in (*edge, *right))
        yield tag("polygon", points=points, fill=LIGHT.card)
        for side in (edge, right):
            line = " ".join(f"{number(px)},{number(py)}" for px, py in side)
            yield tag("polyline", points=line, fill="none", stroke=LIGHT.frame)

    def _mark_line(self, mark: Mark, top: float, bottom: float) -> str:
        return tag(
            "line",
            titled("", mark.label),
            x1=mark.x,
            y1=top - 22,
            x2=mark.x,
            y2=bottom,
            stroke=LIGHT.core.line,
            stroke_width=1.5,
            stroke_dasharray="5 3",
        )

    # -- groups and lanes ------------------------------------------------------------------------

    def _group(self, group: Group) -> str:
        top = self.height
        frame = LIGHT.pool_frame if group.role is Role.PLAIN else LIGHT.tone(group.role).line
        self.height += 26
        parts = [
            words(fit(group.title, 420, 12, bold=True), _EDGE, top + 17, 12, bold=True),
            words(
                group.detail,
                _EDGE + text_width(fit(group.title, 420, 12, bold=True), 12, bold=True) + 12,
                top + 17,
                SMALL,
                LIGHT.muted,
            ),
        ]
        parts += [self._row(row) for row in group.rows]
        if group.queue is not None:
            parts.append(self._queue(group.queue))
        self.height += 4
        box = tag(
            "rect",
            x=_EDGE - 10,
            y=top,
            width=self._width - 2 * _EDGE + 20,
            height=self.height - top,
            rx=6,
            fill=LIGHT.pool,
            stroke=frame,
        )
        self.height += 8
        return tag("g", box + "".join(parts), id=group.id)

    def _row(self, row: LaneRow) -> str:
        y = self.height
        self.height += _PITCH
        middle = y + _BAR / 2
        bold = row.role is not Role.PLAIN
        parts = [
            tag("line", x1=self._scale.left, y1=middle, x2=self._scale.right, y2=middle,
                stroke=LIGHT.grid)
        ]  # fmt: skip
        if bold:
            colour = LIGHT.tone(row.role).line
            parts.append(tag("rect", x=_EDGE - 4, y=y, width=4, height=_BAR, rx=1, fill=colour))
        name = fit(row.name, _GUTTER - 16, _TEXT, bold=bold)
        label = words(name, _EDGE + 5, y + 12.5, _TEXT, bold=bold)
        parts.append(tag("g", titled(label, row.name)))
        parts += [self._cell(cell, row, y) for cell in row.lane.cells]
        parts += [self._block(block, row, y) for block in row.lane.blocks]
        return tag("g", "".join(parts), id=row.id)

    def _cell(self, cell: Cell, row: LaneRow, y: float) -> str:
        """Return a stack of bars, the more of the time the higher; what runs is at the bottom."""
        bars = []
        bottom = y + _BAR
        for kind in Kind:
            height = cell.shares[kind] * _BAR
            if height >= 0.4:
                bottom -= height
                bars.append(
                    tag("rect", x=cell.left, y=bottom, width=cell.right - cell.left,
                        height=height, fill=_FILL[kind])
                )  # fmt: skip
        return tag("g", titled("".join(bars), cell_story(cell, row))) if bars else ""

    def _block(self, block: Block, row: LaneRow, y: float) -> str:
        span = block.span
        width = max(0.5, block.right - block.left)
        bar = tag(
            "rect", x=block.left, y=y, width=width, height=_BAR, rx=1.5, fill=_FILL[span.kind]
        )
        stuck = span.kind in (Kind.CORE, Kind.VICTIM)
        text = block_words(block, row, self._report.snapshot)
        left, right = self._room(block)
        said = fitted(text, left, right, y + 12.2, SMALL, _INK[span.kind], bold=stuck)
        if said and span.kind in _GROUND:
            # No hatching behind letters.
            plain = min(right - left, text_width(text, SMALL, bold=stuck) + 2 * MARGIN)
            ground = _GROUND[span.kind]
            bar += tag("rect", x=left, y=y, width=plain, height=_BAR, rx=1.5, fill=ground)
        return tag("g", titled(bar + said, block_story(span, row)))

    def _room(self, block: Block) -> tuple[float, float]:
        """Return where a block's words may stand: on the wider side of the break in the axis."""
        middle = self._scale.break_x
        if self._scale.break_ns is None or not block.left < middle < block.right:
            return block.left, block.right
        if middle - block.left > block.right - middle:
            return block.left, middle - 4
        return middle + 8, block.right

    def _queue(self, queue: QueueChart) -> str:
        top = self.height + 4
        self.height += _QUEUE + 8
        bottom = top + _QUEUE

        def height(queued: int) -> str:
            return number(bottom - _QUEUE * queued / queue.most)

        path = f"M{number(queue.steps[0][0])},{number(bottom)}"
        for x, queued in queue.steps:
            path += f"H{number(x)}V{height(queued)}"
        path += f"H{number(self._scale.right)}"
        area = tag("path", d=f"{path}V{number(bottom)}Z", fill=LIGHT.queued)
        line = tag("path", d=path, fill="none", stroke=LIGHT.queued_line)
        base = tag("line", x1=self._scale.left, y1=bottom, x2=self._scale.right, y2=bottom,
                   stroke=LIGHT.grid)  # fmt: skip
        name = words("queue", _EDGE + 5, bottom - 3, _TEXT, LIGHT.muted)
        most = words(f"{queue.most:,}", self._scale.left - 6, top + 8, SMALL, LIGHT.muted,
                     anchor="end")  # fmt: skip
        return tag("g", titled(base + area + line, f"at most {queue.most:,} queued")) + name + most


_FILL: Final = {
    Kind.RUNNING: LIGHT.running,
    Kind.WAITING: "url(#waiting)",
    Kind.VICTIM: "url(#victim)",
    Kind.CORE: "url(#core)",
}
_GROUND: Final = {
    Kind.WAITING: LIGHT.waiting,
    Kind.VICTIM: LIGHT.victim.strong,
    Kind.CORE: LIGHT.core.strong,
}
"""what is hatched, without its hatching"""
_INK: Final = {
    Kind.RUNNING: LIGHT.on_running,
    Kind.WAITING: LIGHT.ink,
    Kind.VICTIM: LIGHT.victim.on_strong,
    Kind.CORE: LIGHT.core.on_strong,
}


def _patterns(chart: Chart) -> str:
    """Return the hatchings in use: all that waits is hatched."""
    looks = {
        Kind.WAITING: ("waiting", LIGHT.waiting_line, 1.6),
        Kind.VICTIM: ("victim", LIGHT.victim.tint, 0.8),
        Kind.CORE: ("core", LIGHT.core.tint, 0.8),
    }
    return "".join(
        tag(
            "pattern",
            tag("rect", width=7, height=7, fill=_GROUND[kind])
            + tag("path", d="M0,7L7,0M-1,1L1,-1M6,8L8,6", stroke=line, stroke_width=width),
            id=name,
            width=7,
            height=7,
            patternUnits="userSpaceOnUse",
        )
        for kind, (name, line, width) in looks.items()
        if kind in chart.kinds
    )
