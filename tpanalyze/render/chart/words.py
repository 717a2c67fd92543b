"""What the parts of a timeline say: the words in a block, and the tooltips."""

from __future__ import annotations

from typing import Final

from tpanalyze.describe import duration, moment
from tpanalyze.model import Snapshot
from tpanalyze.render.chart.blocks import Block, Cell
from tpanalyze.render.chart.compose import LaneRow
from tpanalyze.render.chart.spans import Kind, Span
from tpanalyze.render.labels import counted, doing, function_name, place, stack

_DOES: Final = {
    Kind.RUNNING: "runs",
    Kind.WAITING: "waits",
    Kind.VICTIM: "is stuck behind the core,",
    Kind.CORE: "is stuck in the core,",
}
_SHARE: Final = {
    Kind.RUNNING: "running",
    Kind.WAITING: "waiting",
    Kind.VICTIM: "stuck behind the core",
    Kind.CORE: "stuck in the core",
}


def block_words(block: Block, row: LaneRow, snapshot: Snapshot) -> str:
    """Return what is written into a block, if there is room."""
    span = block.span
    if span.kind is Kind.RUNNING:
        return function_name(span.function) if span.function is not None else _task(span)
    where = place(span.site)
    if span.kind is Kind.WAITING:
        return f"waits at {where}" if where else "waits"
    thread = snapshot.threads[row.threads[0]]
    now = "stuck" if thread.wait is None else doing(thread.wait)
    return f"{_task(span)} · {now}" if span.task is not None else now


def block_story(span: Span, row: LaneRow) -> str:
    """Return the tooltip of a block."""
    end = "the end of the trace" if span.open else moment(span.end_ns)
    story = [
        f"{row.name}: {_task(span) or 'no task'}",
        f"{_DOES[span.kind]} {moment(span.start_ns)} to {end}, {duration(span.length_ns)}",
    ]
    if span.site is not None:
        story.append("submitted at:" if span.kind is Kind.RUNNING else "at:")
        story += stack(span.site)
    return "\n".join(story)


def cell_story(cell: Cell, row: LaneRow) -> str:
    """Return the tooltip of a cell."""
    shares = [
        f"{_SHARE[kind]} {cell.shares[kind]:.0%}" for kind in Kind if cell.shares[kind] >= 0.005
    ]
    return f"{row.name}: " + ", ".join([counted(cell.spans, "short interval"), *shares])


def _task(span: Span) -> str:
    return "" if span.task is None else f"{function_name(span.function)} #{span.task}"
