"""What can be made of a trace: one line in `PRODUCTS` for each, by the name of its option.

The end of a path says what belongs there just as well: see `made_at`.

What draws is imported where it is used: a verdict in words does not pay for it.
"""

from __future__ import annotations

import gzip
import io
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from pathlib import PurePath
from typing import TYPE_CHECKING, Final

from tpanalyze.errors import OutputError
from tpanalyze.escape import terminal
from tpanalyze.findings import Report

if TYPE_CHECKING:
    from tpanalyze.analysis import Run
    from tpanalyze.render.graphviz_run import Format


class Needs(IntEnum):
    """How much of a trace must be kept."""

    REPORT = 0
    RUN = 1
    """the intervals too"""
    DEEDS = 2
    """and every event"""


@dataclass(frozen=True, slots=True)
class Product:
    """One kind of output."""

    suffix: str
    """what stands in the place of the trace's own suffix where the path is not given"""
    needs: Needs
    made_of: Callable[[Report, Run | None], bytes]
    """what makes it, of the report and of a run that holds what it `needs`"""


def _text(report: Report, _run: Run | None) -> bytes:
    from tpanalyze.render.text import render_text  # noqa: PLC0415

    return f"{render_text(report)}\nby tpanalyze, from {terminal(report.trace)}\n".encode()


def _json(report: Report, _run: Run | None) -> bytes:
    from tpanalyze.render.json_report import render_json  # noqa: PLC0415

    return render_json(report)


def _dot(report: Report, _run: Run | None) -> bytes:
    from tpanalyze.render.dot import render_dot  # noqa: PLC0415

    return render_dot(report).encode()


def _drawn(output_format: Format) -> Callable[[Report, Run | None], bytes]:
    def draw(report: Report, run: Run | None) -> bytes:
        from tpanalyze.render.graphviz_run import render  # noqa: PLC0415

        return render(_dot(report, run).decode(), output_format)

    return draw


def _timeline(report: Report, run: Run | None) -> bytes:
    from tpanalyze.render.timeline_svg import render_timeline_svg  # noqa: PLC0415

    assert run is not None
    return render_timeline_svg(report, run.timeline).encode()


def _html(report: Report, run: Run | None) -> bytes:
    from tpanalyze.render.dot import DotOptions, render_dot  # noqa: PLC0415
    from tpanalyze.render.graphviz_run import GraphvizError, render  # noqa: PLC0415
    from tpanalyze.render.html import render_html  # noqa: PLC0415

    assert run is not None
    assert run.deeds is not None
    try:
        graph = render(render_dot(report, DotOptions(heading=False)), "svg").decode()
    except GraphvizError as error:
        sys.stderr.write(f"tpanalyze: the page has no picture of the graph: {error}\n")
        graph = None
    return render_html(report, run.timeline, run.deeds, graph, family=run.family).encode()


def _markdown(report: Report, _run: Run | None) -> bytes:
    from tpanalyze.render.markdown import render_markdown  # noqa: PLC0415

    return render_markdown(report).encode()


def _perfetto(report: Report, run: Run | None) -> bytes:
    from tpanalyze.render.perfetto import render_perfetto  # noqa: PLC0415

    assert run is not None
    assert run.deeds is not None
    return render_perfetto(report, run.timeline, run.deeds)


def _packed(report: Report, run: Run | None) -> bytes:
    packed = io.BytesIO()
    # The name in it is its mark.  Source: RFC 1952, 2.3.1 (FNAME).
    with gzip.GzipFile("made by tpanalyze.json", "wb", 6, packed, mtime=0) as file:
        file.write(_perfetto(report, run))
    return packed.getvalue()


def _story(report: Report, run: Run | None) -> bytes:
    from tpanalyze.story import Story, told  # noqa: PLC0415

    assert run is not None
    assert run.deeds is not None
    lines = told(report, Story(report, run.deeds, run.timeline.state))
    text = "".join(f"{terminal(line)}\n" for line in lines)
    return f"{text}told by tpanalyze from {terminal(report.trace)}\n".encode()


def _table(name: str, suffix: str) -> Callable[[Report, Run | None], bytes]:
    def write(_report: Report, run: Run | None) -> bytes:
        from tpanalyze.tables import as_csv, as_parquet  # noqa: PLC0415

        assert run is not None
        table = {"tasks": run.tasks, "waits": run.waits, "intervals": run.intervals}[name]()
        return as_csv(table) if suffix == ".csv" else as_parquet(table)

    return write


_TABLES: Final = ("tasks", "waits", "intervals")

PRODUCTS: Final[Mapping[str, Product]] = {
    "text": Product(".txt", Needs.REPORT, _text),
    "svg": Product(".svg", Needs.REPORT, _drawn("svg")),
    "png": Product(".png", Needs.REPORT, _drawn("png")),
    "pdf": Product(".pdf", Needs.REPORT, _drawn("pdf")),
    "dot": Product(".dot", Needs.REPORT, _dot),
    "timeline": Product(".timeline.svg", Needs.RUN, _timeline),
    "html": Product(".html", Needs.DEEDS, _html),
    "json": Product(".json", Needs.REPORT, _json),
    "markdown": Product(".md", Needs.REPORT, _markdown),
    "perfetto": Product(".perfetto.json", Needs.DEEDS, _perfetto),
    "perfetto.gz": Product(".perfetto.json.gz", Needs.DEEDS, _packed),
    "story": Product(".story.txt", Needs.DEEDS, _story),
    **{
        f"{name}{suffix}": Product(f".{name}{suffix}", Needs.RUN, _table(name, suffix))
        for name in _TABLES
        for suffix in (".csv", ".parquet")
    },
}
"""By the name of the option."""

_OTHER_ENDS: Final = {".htm": "html", ".markdown": "markdown", ".gv": "dot"}
"""What else a path may end in."""


def made_at(path: str) -> str:
    """Return the name of the product that belongs to a path, by the end of the path.

    The longest end counts: ``x.timeline.svg`` is the timeline.  Raises `OutputError`.

    >>> made_at("a/report.html"), made_at("x.timeline.svg"), made_at("tasks.csv")
    ('html', 'timeline', 'tasks.csv')
    """
    ends = {product.suffix: name for name, product in PRODUCTS.items()} | _OTHER_ENDS
    called = f".{PurePath(path).name}".lower()
    fitting = [
        end for end in ends if called.endswith(end) and (called != end or end.count(".") > 1)
    ]
    if fitting:
        return ends[max(fitting, key=len)]
    raise OutputError(
        path,
        found="a name that does not tell what to write",
        expected=f"one that ends in {', '.join(sorted(ends))}",
        advice="report.html",
    )
