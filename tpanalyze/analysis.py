"""From a trace to its report: the whole way, for the command line and for programs."""

from __future__ import annotations

from dataclasses import dataclass, fields
from os import PathLike
from typing import TYPE_CHECKING, BinaryIO

from tpanalyze.findings import Report
from tpanalyze.reader import open_trace
from tpanalyze.replay import Replay
from tpanalyze.timeline import Collector, Timeline
from tpanalyze.verdict import analyse

if TYPE_CHECKING:
    import pandas as pd

type Source = str | PathLike[str] | BinaryIO


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

    def intervals(self) -> pd.DataFrame:
        """Return every interval of the run, a row each; see `tpanalyze.frames.intervals`."""
        from tpanalyze.frames import intervals  # noqa: PLC0415  # pandas is for those who ask

        return intervals(self.timeline)

    def pool_load(self) -> pd.DataFrame:
        """Return how each pool's load changed; see `tpanalyze.frames.pool_load`."""
        from tpanalyze.frames import pool_load  # noqa: PLC0415

        return pool_load(self.timeline)


def analyze(source: Source, *, at_ns: int | None = None) -> Analysis:
    """Return the report on a trace, at its end or at a moment (ns since the recording began).

    Raises `tpanalyze.errors.TraceError`.
    """
    return _replay(source, at_ns, None)[0]


def load(source: Source, *, at_ns: int | None = None) -> Run:
    """Return the report on a trace and the timeline that led to it.

    Raises `tpanalyze.errors.TraceError`.
    """
    collector = Collector()
    report, replay = _replay(source, at_ns, collector)
    return Run(report, collector.timeline(replay))


def _replay(
    source: Source, at_ns: int | None, collector: Collector | None
) -> tuple[Analysis, Replay]:
    with open_trace(source) as trace:
        replay = Replay(trace.header.tick_ns, trace.remarks, at_ns=at_ns, sink=collector)
        for batch in trace:
            replay.feed(batch.rows, batch.first_line)
            if replay.passed:
                break
    report = analyse(replay.snapshot(), trace.header, replay.quality(), trace.name)
    return Analysis.of(report), replay
