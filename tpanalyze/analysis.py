"""From a trace to its report: the whole way, for the command line and for programs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from os import PathLike
from typing import TYPE_CHECKING, BinaryIO

from tpanalyze.deeds import Deeds
from tpanalyze.findings import Report
from tpanalyze.kinship import Relative
from tpanalyze.reader import Trace, open_trace
from tpanalyze.replay import Replay
from tpanalyze.timeline import Collector, Timeline
from tpanalyze.verdict import analyse

if TYPE_CHECKING:
    import pandas as pd

type Source = str | PathLike[str] | BinaryIO
type OnRead = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Analysis(Report):
    """A report that shows itself: the diagram in a notebook, the words in print()."""

    @classmethod
    def of(cls, report: Report) -> Analysis:
        """Return the report as one that shows itself."""
        return cls(**{field.name: getattr(report, field.name) for field in fields(Report)})

    def __str__(self) -> str:
        from tpanalyze.render.text import render_text  # noqa: PLC0415  # for those who ask

        return render_text(self)

    def _repr_svg_(self) -> str:
        """Return the wait-for graph, for IPython's rich display."""
        from tpanalyze.render.dot import render_dot  # noqa: PLC0415
        from tpanalyze.render.graphviz_run import render  # noqa: PLC0415

        return render(render_dot(self), "svg").decode()


@dataclass(frozen=True, slots=True)
class Run:
    """A recorded run: what the analyser says of it, and what happened in it."""

    report: Analysis
    timeline: Timeline
    deeds: Deeds | None = None
    """every event, if `load` was asked to keep them"""
    family: tuple[Relative, ...] = ()
    """all processes of the same run, for its page, if several were asked about"""

    def intervals(self) -> pd.DataFrame:
        """Return every interval of the run, a row each; see `tpanalyze.frames.intervals`."""
        from tpanalyze.frames import intervals  # noqa: PLC0415  # pandas is for those who ask

        return intervals(self.timeline)

    def tasks(self) -> pd.DataFrame:
        """Return every task of a pool, a row each; see `tpanalyze.frames.tasks`."""
        from tpanalyze.frames import tasks  # noqa: PLC0415

        return tasks(self.timeline)

    def waits(self) -> pd.DataFrame:
        """Return every recorded wait, a row each; see `tpanalyze.frames.waits`."""
        from tpanalyze.frames import waits  # noqa: PLC0415

        return waits(self.timeline)

    def pool_load(self) -> pd.DataFrame:
        """Return how each pool's load changed; see `tpanalyze.frames.pool_load`."""
        from tpanalyze.frames import pool_load  # noqa: PLC0415

        return pool_load(self.timeline)


def analyze(source: Source, *, at_ns: int | None = None, on_read: OnRead | None = None) -> Analysis:
    """Return the report on a trace, at its end or at a moment (ns since the recording began).

    `on_read` is told, piece by piece, how many bytes were read.
    Raises `tpanalyze.errors.TraceError`.
    """
    with open_trace(source, on_read=on_read) as trace:
        return _replay(trace, at_ns, None)[0]


def load(
    source: Source,
    *,
    at_ns: int | None = None,
    deeds: bool = False,
    on_read: OnRead | None = None,
) -> Run:
    """Return the report on a trace and the timeline that led to it.

    With `deeds` the run also keeps every event, which stories and arrows are made of.
    `on_read` is told, piece by piece, how many bytes were read.
    Raises `tpanalyze.errors.TraceError`.
    """
    collector = Collector()
    with open_trace(source, on_read=on_read) as trace:
        kept = Deeds(trace.header.tick_ns, at_ns) if deeds else None
        report, replay = _replay(trace, at_ns, collector, kept)
    return Run(report, collector.timeline(replay), kept)


def _replay(
    trace: Trace, at_ns: int | None, collector: Collector | None, deeds: Deeds | None = None
) -> tuple[Analysis, Replay]:
    replay = Replay(trace.header.tick_ns, trace.remarks, at_ns=at_ns, sink=collector)
    for batch in trace:
        replay.feed(batch.rows, batch.first_line)
        if deeds is not None:
            deeds.feed(batch.rows)
        if replay.passed:
            break
    report = analyse(replay.snapshot(), trace.header, replay.quality(), trace.name)
    return Analysis.of(report), replay
