"""The report as one page that opens anywhere: no network, no server, no file beside it.

The verdict and the graph come first, then the proof and what to change, the timeline, pools,
functions, threads, and what the trace says of itself.  All that is text stands in the page as HTML
and can be read without its script; the script draws the timeline and shows, at a click on the
graph, who is meant.  A content security policy allows that one script, by its hash, and nothing
from outside.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from tpanalyze.deeds import Deeds
from tpanalyze.describe import Words, duration, moment
from tpanalyze.findings import Edge, Finding, Node, NodeKind, Report
from tpanalyze.kinship import Relative
from tpanalyze.model import PoolId, QualityGrade, TaskId, ThreadId
from tpanalyze.render.headline import badge, caption, is_proof, lane_standings, since
from tpanalyze.render.labels import counted
from tpanalyze.render.page import assets
from tpanalyze.render.page.functions import FunctionRow, function_rows
from tpanalyze.render.page.lanes import MOST_ROWS, lanes
from tpanalyze.render.page.loads import loads
from tpanalyze.render.page.people import People
from tpanalyze.render.page.pieces import element, items, text
from tpanalyze.render.page.script_json import Json, script_json
from tpanalyze.story import Story
from tpanalyze.timeline import Timeline


@dataclass(frozen=True, slots=True)
class HtmlOptions:
    """How much the page carries."""

    rows: int = MOST_ROWS
    """intervals of the timeline, before the shortest are put together"""
    findings: int = 20
    edges: int = 200
    """of the graph in words"""
    lines: int = 120
    """events of a story"""
    articles: int = 30
    """on threads and tasks; more are folded away"""


_DEFAULTS: Final = HtmlOptions()


def render_html(
    report: Report,
    timeline: Timeline,
    deeds: Deeds,
    graph: str | None,
    options: HtmlOptions = _DEFAULTS,
    *,
    family: Sequence[Relative] = (),
) -> str:
    """Return the page; `graph` is the SVG of the wait-for graph, if it could be drawn.

    `family`: all processes of the same run, if there are several.
    """
    story = Story(report, deeds, timeline.state)
    words, functions = Words.of(report.snapshot), function_rows(timeline)
    page = _Page(report, words, timeline, functions, story, graph, options, family)
    return "".join(page.parts())


@dataclass(frozen=True, slots=True)
class _Page:
    report: Report
    words: Words
    timeline: Timeline
    functions: Sequence[FunctionRow]
    story: Story
    graph: str | None
    options: HtmlOptions
    family: Sequence[Relative]

    def parts(self) -> Iterator[str]:
        people = People(self.report, self.story)
        code = assets.script()
        digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
        title = f"{self.report.verdict}: {self.report.header.program}"
        policy = (
            f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; "
            "img-src data:; base-uri 'none'; form-action 'none'"
        )
        yield '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        yield f'<meta http-equiv="Content-Security-Policy" content="{text(policy)}">\n'
        yield '<meta name="viewport" content="width=device-width,initial-scale=1">\n'
        yield '<meta name="color-scheme" content="light dark">\n'
        yield '<meta name="generator" content="tpanalyze">\n'
        yield f"<title>{text(title)}</title>\n<style>{assets.style()}</style>\n</head>\n<body>\n"
        yield '<a class="skip" href="#graph">Skip to the graph</a>\n'
        yield from self._header()
        yield "<main>\n"
        yield from self._graph()
        yield from self._findings()
        yield from self._processes()
        yield from self._timeline()
        yield from self._pools(people)
        yield from self._functions()
        yield from self._people(people)
        yield from self._trace()
        yield "</main>\n<footer>made by tpanalyze; this file needs nothing else</footer>\n"
        data = lanes(self.report, self.timeline, self.options.rows)
        unit_ns = data["unit_ns"]
        assert isinstance(unit_ns, int)
        known: Json = {"timeline": data, "pools": loads(self.report, self.timeline, unit_ns)}
        yield f'<script type="application/json" id="data">{script_json(known)}</script>\n'
        yield f"<script>{code}</script>\n</body>\n</html>\n"

    # -- the first screenful ---------------------------------------------------------------------

    def _header(self) -> Iterator[str]:
        report = self.report
        yield '<header id="top">\n'
        findings = report.findings
        if not findings:
            yield '<p class="verdict"><span class="badge none">no deadlock</span></p>'
            now = moment(report.snapshot.time_ns)
            waiting = sum(t.wait is not None for t in report.snapshot.threads.values())
            yield f"<h1>Up to {now} no deadlock was proved: {_waits(waiting)}.</h1>\n"
        for index, finding in enumerate(findings[: self.options.findings]):
            level = "h1" if index == 0 else "h2"
            for_ns = max(0, report.snapshot.time_ns - finding.certain_since_ns)
            yield (
                f'<p class="verdict"><span class="badge {finding.verdict}">'
                f"{text(badge(findings, index))}</span> <b>{text(finding.kind)}</b>, "
                f"{text(since(finding))}; for {duration(for_ns)}</p>"
                f"<{level}>{text(finding.summary)}</{level}>\n"
            )
        if (more := len(findings) - self.options.findings) > 0:
            yield f"<p>… and {counted(more, 'more finding')}.</p>\n"
        yield f'<p class="caption">{text(caption(report))}</p>\n'
        links = [
            ("graph", "Graph"),
            *([("proof", "Why, and what to change")] if findings else []),
            *([("processes", "Processes")] if self.family else []),
            ("timeline", "Timeline"),
            *([("pools", "Pools")] if report.snapshot.pools else []),
            *([("functions", "Functions")] if self.functions else []),
            ("threads", "Threads and tasks"),
            ("trace", "Environment and trace"),
        ]
        list_ = items(f'<a href="#{name}">{said}</a>' for name, said in links)
        yield f'<nav aria-label="Sections">{list_}</nav>\n</header>\n'

    def _graph(self) -> Iterator[str]:
        yield '<section id="graph" aria-labelledby="graph-title">\n'
        yield '<h2 id="graph-title">Who waits for what</h2>\n<div class="split">\n<figure>\n'
        if self.graph is None:
            yield "<p>No Graphviz here could draw the graph; its words are below.</p>"
        else:
            yield '<div class="scroll" tabindex="0" role="group" aria-label="wait-for graph">'
            yield f"{_inline(self.graph)}</div>"
        words = [self._edge(edge) for edge in self.report.edges[: self.options.edges]]
        more = len(self.report.edges) - self.options.edges
        if more > 0:
            words.append(f"… and {more:,} more")
        spoken = items(words) or "<p>Nobody waits for anything recorded.</p>"
        yield (
            '<figcaption><span class="hint">Click a worker, thread, pool or queued task to see its '
            "places and story.</span> <details><summary>The graph in words</summary>"
            f"{spoken}</details></figcaption>"
        )
        yield '</figure>\n<aside id="panel" aria-live="polite" aria-label="Details"></aside>\n'
        yield "</div>\n</section>\n"

    def _edge(self, edge: Edge) -> str:
        said = f"{self._node(edge.source)} {edge.relation} {self._node(edge.target)}"
        return text(said + (f" ({edge.label})" if edge.label else ""))

    def _node(self, node: Node) -> str:
        words = self.words
        match node.kind:
            case NodeKind.THREAD:
                return words.thread(ThreadId(node.id))
            case NodeKind.TASK:
                return words.task(TaskId(node.id))
            case NodeKind.POOL:
                return words.pool(PoolId(node.id))
            case NodeKind.OBJECT:
                return words.object(node.id)

    # -- why, and what to do ---------------------------------------------------------------------

    def _findings(self) -> Iterator[str]:
        findings = self.report.findings[: self.options.findings]
        if not findings:
            return
        yield '<section id="proof" aria-labelledby="proof-title">\n'
        why = "Why it can never end" if is_proof(self.report) else "Why"
        yield f'<h2 id="proof-title">{why}, and what to change</h2>\n'
        for index, finding in enumerate(findings):
            if len(findings) > 1:
                yield f"<h3>{text(badge(self.report.findings, index).capitalize())}</h3>\n"
            yield from self._finding(finding)
        yield "</section>\n"

    def _finding(self, finding: Finding) -> Iterator[str]:
        yield '<div class="columns"><div><h3>Why</h3>'
        yield items(map(text, finding.because), "ol")
        yield "</div><div><h3>What to change</h3>"
        yield items((text(advice.text) for advice in finding.advice), "ol")
        if finding.conditions:
            yield "<h3>What this takes for granted</h3>" + items(map(text, finding.conditions))
        yield "</div></div>\n"
        chapter = self.story.of_finding(finding, self.options.lines)
        lines = [
            f'<span class="when">{moment(line.time_ns)}</span> {text(line.words)}'
            for line in chapter.lines
        ]
        earlier = f"<p>… {chapter.earlier:,} earlier events</p>" if chapter.earlier else ""
        yield "<details><summary>How it came about, event by event</summary>"
        yield f"{earlier}{items(lines, 'ol')}</details>\n"
        signature = element("code", text(finding.signature))
        yield f'<p class="caption">signature {signature}</p>\n'

    def _processes(self) -> Iterator[str]:
        if not self.family:
            return
        yield '<section id="processes" aria-labelledby="processes-title">\n'
        yield '<h2 id="processes-title">Processes of this run</h2>\n'
        yield '<div class="scroll" tabindex="0" role="group" aria-label="Processes">'
        yield '<table class="words">'
        yield "<caption>Each process below its parent, with its page.</caption><thead><tr>"
        yield '<th scope="col">Process</th><th scope="col">Found</th></tr></thead><tbody>'
        yield from map(_relative, self.family)
        yield "</tbody></table></div>\n</section>\n"

    # -- what the script draws -------------------------------------------------------------------

    def _timeline(self) -> Iterator[str]:
        yield '<section id="timeline" aria-labelledby="timeline-title">\n'
        yield '<h2 id="timeline-title">What each thread did</h2>\n'
        buttons = [("in", "+", "zoom in"), ("out", "−", "zoom out"), ("left", "←", "earlier"),
                   ("right", "→", "later"), ("busy", "Busy part", "show the part with changes"),
                   ("all", "Whole run", "show the whole run")]  # fmt: skip
        row = "".join(
            element("button", said, type="button", data_do=what, title=title, aria_label=title)
            for what, said, title in buttons
        )
        called = lane_standings(self.report) if self.report.findings else {}
        legend = "".join(
            f'<li><span class="key {name}"></span>{said}</li>'
            for name, said in (
                ("running", "runs a task"),
                ("waiting", "waits"),
                *((str(role), words) for role, words in called.items()),
            )
        )
        yield f'<div class="bar" role="toolbar" aria-label="Timeline">{row}'
        yield f'<ul class="legend">{legend}</ul></div>\n'
        yield (
            '<div class="lanes" id="lanes" tabindex="0" role="application" '
            'aria-label="Timeline of every thread. Arrow keys move, plus and minus zoom, 0 shows '
            'the whole run."><div id="tall"></div><canvas id="chart"></canvas></div>\n'
        )
        yield '<p id="note" class="caption"></p>\n<div id="tip" role="tooltip" hidden></div>\n'
        yield "<noscript><p>The timeline is drawn by a script, which is off here.</p></noscript>\n"
        yield "</section>\n"

    def _pools(self, people: People) -> Iterator[str]:
        if not self.report.snapshot.pools:
            return
        yield '<section id="pools" aria-labelledby="pools-title">\n'
        yield '<h2 id="pools-title">Pools</h2>\n'
        yield '<p class="caption">Above the line: workers that run a task, and that are blocked. '
        yield "Below it: the length of the queue. The time is that of the timeline above.</p>\n"
        yield '<div id="loads"></div>\n<div class="articles">'
        yield from people.pools()
        yield "</div>\n</section>\n"

    def _functions(self) -> Iterator[str]:
        if not self.functions:
            return
        yield '<section id="functions" aria-labelledby="functions-title">\n'
        yield '<h2 id="functions-title">Functions</h2>\n'
        head = "".join(
            f'<th scope="col" aria-sort="none"{"" if numeric else " class=words"}>'
            f'<button type="button">{title}</button></th>'
            for title, numeric in _COLUMNS
        )
        body = "".join(map(_function, self.functions))
        yield (
            '<p class="caption">Tasks by function and pool. Taken: from start to end, waits '
            'included. <span class="hint">Click a heading to sort.</span></p>\n'
            '<div class="scroll" tabindex="0" role="group" aria-label="Functions">'
            '<table id="table">'
            f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>\n</section>\n"
        )

    def _people(self, people: People) -> Iterator[str]:
        now = moment(self.report.snapshot.time_ns)
        yield '<section id="threads" aria-labelledby="threads-title">\n'
        yield f'<h2 id="threads-title">Threads and unfinished tasks at {now}</h2>\n'
        shown = [*people.threads(), *people.tasks()]
        yield f'<div class="articles">{"".join(shown[: self.options.articles])}</div>\n'
        if others := shown[self.options.articles :]:
            yield f"<details><summary>{len(others):,} others</summary>"
            yield f'<div class="articles">{"".join(others)}</div></details>\n'
        yield "</section>\n"

    def _trace(self) -> Iterator[str]:
        header, quality = self.report.header, self.report.quality
        ends = {
            None: "no end record: the process was killed, or still runs",
            "exit": "the process ended in good order",
            "stop": "the recording was stopped",
        }
        facts = [
            ("program", f"{header.program}, process {header.pid}"),
            ("started", header.started),
            (
                "Python",
                f"{header.implementation} {header.python}"
                + (", free-threaded" if header.free_threaded else ""),
            ),
            ("platform", header.platform),
            ("processors", "not known" if header.cpus is None else str(header.cpus)),
            ("recorder", f"{header.recorder}, format {header.version}, clock {header.clock}"),
            ("trace", self.report.trace),
            ("events", f"{quality.events:,} up to {moment(self.report.snapshot.time_ns)}"),
            ("end", ends.get(quality.ended, f"ended by {quality.ended}")),
            ("lost", f"{quality.dropped:,} events" if quality.dropped else "nothing"),
        ]
        yield '<section id="trace" aria-labelledby="trace-title">\n'
        yield '<h2 id="trace-title">Environment and trace</h2>\n<dl class="facts">'
        yield "".join(f"<dt>{label}</dt><dd>{text(said)}</dd>" for label, said in facts)
        yield "</dl>\n"
        remarks = [
            ("" if r.line is None else f"line {r.line}: ")
            + ("something is missing: " if r.grade is QualityGrade.LOSS else "")
            + r.text
            for r in quality.remarks
        ]
        yield items(map(text, remarks))
        whole = "Nothing is known to be missing from the trace."
        yield f"<p>{whole if quality.complete else 'Parts of the trace are missing.'}</p>\n"
        yield "</section>\n"


def _relative(relative: Relative) -> str:
    """Return the row of a process, which leads to its page."""
    name = text(relative.name)
    if relative.page is None:
        link = f'<b aria-current="page">{name}</b>'
    else:
        link = element("a", name, href=f"./{relative.page}")  # a path, whatever it begins with
    indent = f' style="padding-left:{0.6 + 1.4 * min(relative.generation, 12):.1f}rem"'
    badge_ = f'<span class="badge {relative.verdict}">{relative.verdict}</span>'
    kinds = text(relative.outcome.partition("  ")[2])
    return f'<tr><th scope="row"{indent}>{link}</th><td>{badge_} {kinds}</td></tr>'


_COLUMNS: Final = (
    ("Function", False),
    ("Pool", False),
    ("Tasks", True),
    ("Unfinished", True),
    ("Queued p50", True),
    ("Queued max", True),
    ("Run", True),
    ("Waited", True),
    ("Taken p50", True),
    ("Taken p95", True),
    ("Taken max", True),
)


def _function(row: FunctionRow) -> str:
    cells = [
        f'<th scope="row" title="{text(row.place)}">{text(row.name)}</th>',
        f"<td>{text(row.pool)}</td>",
        _cell(row.tasks, f"{row.tasks:,}"),
        _cell(row.unfinished, f"{row.unfinished:,}"),
        *(
            _cell(-1 if spent is None else spent, "–" if spent is None else duration(spent))
            for spent in (
                row.queued_p50, row.queued_max, row.running, row.waiting, row.p50, row.p95,
                row.longest,
            )
        ),
    ]  # fmt: skip
    return f"<tr>{''.join(cells)}</tr>"


def _cell(value: int, said: str) -> str:
    return f'<td data-value="{value}">{said}</td>'


def _waits(count: int) -> str:
    if count == 0:
        return "nobody waits"
    return (
        "one thread waits, and may go on"
        if count == 1
        else f"{count:,} threads wait, and may go on"
    )


def _inline(svg: str) -> str:
    """Return the picture as a part of a page whose nodes are things of their own.

    It knows its own width, so that the page can keep its letters legible: see ``page.css``.
    """
    found = _WIDTH.search(svg)
    width = f' style="--own:{found[1]}px"' if found else ""
    start = svg.find("<svg")
    return svg[max(0, start) :].replace('role="img"', f'role="group"{width}', 1)


_WIDTH: Final = re.compile(r'<svg[^>]*? width="([0-9.]+)"')
