"""The report as Markdown, to paste into an issue: GitHub and GitLab draw the Mermaid diagram."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from tpanalyze.describe import Words, duration, frame, moment, own_frames
from tpanalyze.findings import Edge, Finding, Node, NodeKind, Party, Report, Verdict
from tpanalyze.model import PoolId, Site, TaskId, ThreadId
from tpanalyze.render.markdown_escape import code, markdown, mermaid

MOST_CHARACTERS: Final = 60_000
"""The report is never longer: GitHub takes 65,536 characters in a comment."""

_FINDINGS: Final = 5
_PARTIES: Final = 12
_VICTIMS: Final = 10
_FRAMES: Final = 4
_LONGEST_LINE: Final = 4_000


def render_markdown(report: Report) -> str:
    """Return the report as Markdown of at most `MOST_CHARACTERS` characters."""
    page = _Page(report, Words.of(report.snapshot))
    lines, left = [], MOST_CHARACTERS - 200
    for line in page.lines():
        short = line if len(line) <= _LONGEST_LINE else f"{line[:_LONGEST_LINE]}…"
        left -= len(short) + 1
        if left < 0:
            lines.append("\n*(The report is longer; this is its beginning.)*")
            break
        lines.append(short)
    return "\n".join(lines) + "\n"


@dataclass(frozen=True, slots=True)
class _Page:
    report: Report
    words: Words

    def lines(self) -> Iterator[str]:
        findings = self.report.findings
        if not findings:
            yield f"### No deadlock up to {moment(self.report.snapshot.time_ns)}"
        for finding in findings[:_FINDINGS]:
            yield from self._finding(finding)
        if len(findings) > _FINDINGS:
            yield f"\n… and {len(findings) - _FINDINGS} more findings."
        yield from self._environment()

    def _finding(self, finding: Finding) -> Iterator[str]:
        by = finding.certain_by
        since = moment(finding.certain_since_ns) + (f", when {markdown(by.text)}" if by else "")
        yield f"### {finding.verdict.capitalize()}: {markdown(finding.summary)}"
        yield ""
        proved = finding.verdict is Verdict.DEADLOCK
        when = f"{finding.kind}, certain since {since}" if proved else f"since {since}"
        yield f"*{when} · signature {code(finding.signature)}*"
        yield ""
        yield from self._diagram(finding)
        yield ""
        yield "**Who waits for what**"
        yield ""
        for party in finding.core[:_PARTIES]:
            yield from self._party(party)
        yield from _more(len(finding.core) - _PARTIES, "more of the core")
        if finding.victims:
            yield f"\n**Stuck behind it** ({len(finding.victims)})\n"
            for party in finding.victims[:_VICTIMS]:
                yield f"- {markdown(self._who(party))}{self._doing(party)}"
            yield from _more(len(finding.victims) - _VICTIMS, "more")
        yield "\n**What to change**\n"
        for number, advice in enumerate(finding.advice, 1):
            yield f"{number}. {markdown(advice.text)}"
        why = "Why it can never end" if proved else "What the trace tells"
        yield f"\n<details><summary>{why}</summary>\n"
        for number, step in enumerate(finding.because, 1):
            yield f"{number}. {markdown(step)}"
        if finding.conditions:
            yield "\nThis takes for granted:\n"
            for condition in finding.conditions:
                yield f"- {markdown(condition)}"
        yield "\n</details>\n"

    def _party(self, party: Party) -> Iterator[str]:
        yield f"- **{markdown(self._who(party))}**{self._doing(party)}"
        if party.wait is not None:
            yield from _stack("waits at", party.wait.site)
        elif party.thread is not None:
            yield from _stack("stands at", self.report.snapshot.threads[party.thread].stack)
        for target in dict.fromkeys(edge.target for edge in party.edges):
            if target.kind is not NodeKind.TASK:
                continue
            task = self.report.snapshot.tasks.get(TaskId(target.id))
            if task is not None:
                name = markdown(self.words.task(task.id))
                yield from _stack(f"{name} submitted at", task.submit_site)

    def _who(self, party: Party) -> str:
        if party.thread is None:
            return self.words.task(party.task) if party.task is not None else "a task"
        name = self.words.thread(party.thread)
        return name if party.task is None else f"{name}, in {self.words.task(party.task)}"

    def _doing(self, party: Party) -> str:
        stuck = duration(self.report.snapshot.time_ns - party.since_ns)
        if party.wait is None:
            return f": queued for {stuck}" if party.thread is None else f": no move for {stuck}"
        waited = markdown(self.words.wait(party.wait))
        return f": in {code(party.wait.operation)} for {stuck}, waiting for {waited}"

    # ------------------------------------------------------------------ the diagram

    def _diagram(self, finding: Finding) -> Iterator[str]:
        """Yield the core as a Mermaid flowchart."""
        edges = [edge for party in finding.core[:_PARTIES] for edge in party.edges]
        nodes = dict.fromkeys(node for edge in edges for node in (edge.source, edge.target))
        waiting = {node: self._place_of(node) for node in nodes}
        yield "```mermaid"
        yield "flowchart LR"
        for node in nodes:
            lines = [self._name(node), waiting[node]]
            label = "<br/>".join(mermaid(line) for line in lines if line)
            left, right = ("{{", "}}") if node.kind is NodeKind.POOL else ("[", "]")
            yield f'  {_key(node)}{left}"{label}"{right}'
        for edge in edges:
            yield f"  {_key(edge.source)} {_arrow(edge)} {_key(edge.target)}"
        yield "  classDef default fill:#fff0ea,stroke:#b3290b,color:#1c1f26"
        yield "```"

    def _name(self, node: Node) -> str:
        match node.kind:
            case NodeKind.THREAD:
                return self.words.thread(ThreadId(node.id))
            case NodeKind.TASK:
                return self.words.task(TaskId(node.id))
            case NodeKind.OBJECT:
                return self.words.object(node.id)
            case NodeKind.POOL:
                return f"{self.words.pool(PoolId(node.id))}: no worker is free"

    def _place_of(self, node: Node) -> str:
        if node.kind is not NodeKind.THREAD:
            return ""
        thread = self.report.snapshot.threads.get(ThreadId(node.id))
        if thread is None or thread.wait is None:
            return ""
        frames = own_frames(thread.wait.site)
        where = f" at {frame(frames[0])}" if frames else ""
        return f"{thread.wait.operation}{where}"

    # ------------------------------------------------------------------ the environment

    def _environment(self) -> Iterator[str]:
        header, quality = self.report.header, self.report.quality
        ended = quality.ended or "no end record: killed, or still running"
        yield "\n<details><summary>Environment and trace</summary>\n"
        child = f", child of {header.parent}" if header.parent else ""
        yield f"- program {code(header.program)}, process {header.pid}{child}"
        yield (
            f"- {markdown(header.implementation)} {markdown(header.python)} on "
            + markdown(header.platform)
            + (", free-threaded" if header.free_threaded else "")
        )
        yield f"- started {markdown(header.started)}; {quality.events} events; {markdown(ended)}"
        for remark in quality.remarks[:_VICTIMS]:
            yield f"- {markdown(remark.text)}"
        yield "\n</details>"


def _stack(label: str, site: Site | None) -> Iterable[str]:
    frames = own_frames(site)[:_FRAMES]
    if not frames:
        return []
    first, *rest = [code(frame(one)) for one in frames]
    return [f"  - {label} {first}" + "".join(f" ← {one}" for one in rest)]


def _more(count: int, what: str) -> Iterable[str]:
    return [f"- … and {count} {what}"] if count > 0 else []


def _key(node: Node) -> str:
    return f"{node.kind.value}{node.id}"


def _arrow(edge: Edge) -> str:
    line = "-.->" if edge.relation.value in ("needs a worker of", "held by") else "-->"
    label = edge.label or edge.relation.value
    return f'{line}|"{mermaid(label)}"|'
