"""The report as text for a terminal: the verdict first, then the proof, then what to do.

No input or output, no clock: the same report gives the same text.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from tpanalyze import describe
from tpanalyze.describe import Words, counted, duration, moment
from tpanalyze.findings import Finding, NodeKind, Party, Relation, Report, Verdict
from tpanalyze.model import (
    Frame,
    FutureWait,
    LockWait,
    ObjectWait,
    Pool,
    PoolId,
    PoolRole,
    QualityGrade,
    Site,
    TaskId,
    TaskState,
    ThreadId,
    ThreadState,
)
from tpanalyze.render.text_page import TextPage


@dataclass(frozen=True, slots=True)
class TextOptions:
    """How the text is laid out."""

    color: bool = False
    """colours and bold type, by ANSI escape sequences"""
    width: int = 100
    """columns; only a word that is longer goes beyond"""
    stack_depth: int = 4
    """so many of the app's own frames of each place are shown, innermost first"""
    fold_above: int = 40
    """so many victims of a finding are told one by one; more are counted by what they do"""
    show_alike: int = 3
    """so many members of a core that do the same are shown in full; the rest is counted"""
    at_ns: int | None = None
    """the moment that was asked for; by default, how things stood at the last event"""
    source: Callable[[Frame], str] = lambda _: ""
    """the source line a frame stands on, or nothing"""


_HEADLINES: Final = {
    Verdict.DEADLOCK: "DEADLOCK",
    Verdict.STALLED: "STALLED",
    Verdict.STARVING: "STARVING",
    Verdict.POTENTIAL: "POTENTIAL DEADLOCK",
    Verdict.NONE: "NO DEADLOCK",
}

_ENDS: Final = {
    None: "no end record: the process was killed, or still runs",
    "exit": "the process ended in good order",
    "stop": "the recording was stopped",
}


def render_text(report: Report, options: TextOptions | None = None) -> str:
    """Return the report as lines of text, the last one ended too."""
    return "".join(f"{line}\n" for line in _Text(report, options or TextOptions()).lines())


class _Text:
    """The pieces of one report, as lines."""

    def __init__(self, report: Report, options: TextOptions) -> None:
        self._report = report
        self._snapshot = report.snapshot
        self._options = options
        self._words = Words.of(report.snapshot)
        self._page = TextPage(options.width, options.color)

    def lines(self) -> Iterator[str]:
        findings = self._report.findings
        if not findings:
            yield from self._nothing_found()
        if len(findings) > 1:
            yield self._page.paint(
                "bad", f"{_capital(counted(len(findings), 'independent finding'))}"
            )
            yield ""
            told = [f"{finding.summary} [{finding.kind}]" for finding in findings]
            yield from self._page.items(told, numbered=True)
            yield ""
        for number, finding in enumerate(findings, start=1):
            yield from self._finding(finding, f"{number}. " if len(findings) > 1 else "")
        yield from self._trace()

    def _nothing_found(self) -> Iterator[str]:
        page, now = self._page, self._snapshot.time_ns
        when = "at" if self._options.at_ns == now else "last event at"
        yield f"{page.paint('good', _HEADLINES[Verdict.NONE])}  {when} {moment(now)}"
        yield ""
        waiting = [t.id for _, t in sorted(self._snapshot.threads.items()) if t.wait is not None]
        shown = [self._doing(thread) for thread in waiting[: self._options.fold_above]]
        if len(waiting) > len(shown):
            shown.append(f"{len(waiting) - len(shown)} more")
        if not waiting:
            yield from page.paragraph("No thread waits for a future, or for workers to end.")
        elif len(waiting) == 1:
            yield from page.paragraph("One thread waits, and its wait may still end.")
        else:
            count = _capital(counted(len(waiting), "thread"))
            yield from page.paragraph(f"{count} wait, and each of the waits may still end.")
        yield ""
        if waiting:
            yield from page.items(shown)
            yield ""
        yield from self._pools(tuple(sorted(self._snapshot.pools)))

    def _finding(self, finding: Finding, which: str) -> Iterator[str]:
        page = self._page
        for_ns = self._snapshot.time_ns - finding.certain_since_ns
        proved = finding.verdict is Verdict.DEADLOCK
        by = "" if finding.certain_by is None else f", when {finding.certain_by.text}"
        yield from page.headline(
            which,
            _HEADLINES[finding.verdict],
            (f"{finding.kind}, certain " if proved else "")
            + f"since {moment(finding.certain_since_ns)}{by}: for {duration(for_ns)}",
        )
        yield ""
        yield from page.paragraph(finding.summary)
        yield ""
        why = "Why it can never end" if proved else "What the trace tells"
        yield from self._section(why, finding.because, numbered=True)
        yield page.title("Who waits for what")
        yield from self._core(finding.core)
        yield from self._victims(finding.victims)
        yield from self._pools(finding.pools)
        advice = [advice.text for advice in finding.advice]
        yield from self._section("What to change", advice, numbered=True)
        yield from self._section("What this takes for granted", finding.conditions)

    def _section(
        self, title: str, texts: Iterable[str], *, numbered: bool = False
    ) -> Iterator[str]:
        if told := list(texts):
            yield self._page.title(title)
            yield from self._page.items(told, numbered=numbered)
            yield ""

    # -- the core --------------------------------------------------------------------------------

    def _core(self, parties: Sequence[Party]) -> Iterator[str]:
        tasks = {party.task for party in parties if party.thread is None}
        for group in self._alike(parties):
            few = len(group) <= self._options.show_alike + 1
            shown = group if few else group[: self._options.show_alike]
            for party in shown:
                if party.thread is None:
                    yield from self._queued_party(party)
                else:
                    yield from self._thread_party(party, party.thread, tasks)
            if not few:
                noun = "tasks" if group[0].thread is None else "threads"
                yield from self._page.item(f"{len(group) - len(shown)} more {noun} do the same")
        yield ""

    def _queued_party(self, party: Party) -> Iterator[str]:
        assert party.task is not None
        task = self._snapshot.tasks[party.task]
        stuck = duration(self._snapshot.time_ns - party.since_ns)
        name = _capital(self._words.task(task.id))
        yield from self._page.item(f"{name} is {self._words.whereabouts(task)}, for {stuck}")
        yield from self._place("submitted at", task.submit_site)
        if task.pool is not None:
            busy = [
                self._holder(ThreadId(edge.target.id))
                for edge in party.edges
                if edge.relation is Relation.HELD_BY
            ]
            held = f", held by {describe.listing(busy)}" if busy else ""
            yield from self._page.row("needs", f"a worker of {self._words.pool(task.pool)}{held}")

    def _holder(self, thread: ThreadId) -> str:
        """Return what occupies a worker: the thread, and where it is."""
        known = self._snapshot.threads.get(thread)
        site = None if known is None else known.stack if known.wait is None else known.wait.site
        return self._words.thread(thread) + describe.at(site)

    def _thread_party(
        self, party: Party, thread: ThreadId, tasks: set[TaskId | None]
    ) -> Iterator[str]:
        words, wait = self._words, party.wait
        task = words.task_of(thread)
        who = _capital(words.thread(thread)) + (f" runs {task}" if task else "")
        stuck = duration(self._snapshot.time_ns - party.since_ns)
        if wait is None:
            yield from self._page.item(f"{who}, not seen to move for {stuck}")
            yield from self._place("stands at", self._snapshot.threads[thread].stack)
            return
        yield from self._page.item(f"{who}, stuck for {stuck} in {wait.operation}")
        if wait.operation != describe.INTERPRETER_EXIT:
            yield from self._place("waits at", wait.site)
        if isinstance(wait, ObjectWait) and wait.woken_by:
            wakers = describe.listing([words.thread(waker) for waker in wait.woken_by])
            yield from self._page.row("before, by", f"{wakers} ({describe.did(wait)})")
        single = isinstance(wait, FutureWait) and len(wait.futures) == 1
        if not single:
            yield from self._page.row("waits for", words.wait(wait))
        if isinstance(wait, LockWait) and wait.owner is not None:
            yield from self._page.row("held by", words.thread(wait.owner))
            yield from self._place("  taken at", wait.held_site)
        for edge in party.edges:
            if edge.source.kind is not NodeKind.THREAD or edge.target.kind is not NodeKind.TASK:
                continue
            awaited = self._snapshot.tasks[TaskId(edge.target.id)]
            where = f"{words.task(awaited.id)}, {words.whereabouts(awaited)}"
            yield from self._page.row("waits for" if single else "of these", where)
            if awaited.id not in tasks:  # those are told of on their own
                yield from self._place(words.origin(awaited), edge.submit_site)

    def _place(self, label: str, site: Site | None) -> Iterator[str]:
        frames = describe.own_frames(site)[: self._options.stack_depth]
        for number, frame in enumerate(frames):
            text = f"{frame.function.file or '?'}:{frame.line} in {frame.function.name}"
            yield from self._page.row(label if number == 0 else "  called from", text, "place")
            if line := self._options.source(frame):
                yield from self._page.row("", f"{frame.line} │ {line}")

    # -- the victims -----------------------------------------------------------------------------

    def _victims(self, victims: Sequence[Party]) -> Iterator[str]:
        if not victims:
            return
        yield self._page.title(f"Stuck behind it: {counted(len(victims), 'victim')}")
        if len(victims) <= self._options.fold_above:
            yield from self._page.items([self._victim(party) for party in victims])
        else:
            first: dict[tuple[str, ...], Party] = {}
            count: Counter[tuple[str, ...]] = Counter()
            for party in victims:
                likeness = self._likeness(party)
                first.setdefault(likeness, party)
                count[likeness] += 1
            for likeness, party in first.items():
                more = count[likeness] - 1
                rest = f"; {more} more do the same" if more else ""
                yield from self._page.item(self._victim(party) + rest)
        yield ""

    def _victim(self, party: Party) -> str:
        if party.thread is not None:
            return self._doing(party.thread)
        assert party.task is not None
        task = self._snapshot.tasks[party.task]
        submitted = f"submitted{describe.at(task.submit_site)}, "
        return f"{_capital(self._words.task(task.id))}, {submitted}{self._words.whereabouts(task)}"

    def _doing(self, thread: ThreadId) -> str:
        """Return what a waiting thread does."""
        words, wait = self._words, self._snapshot.threads[thread].wait
        assert wait is not None
        task = words.task_of(thread)
        who = _capital(words.thread(thread)) + (f", in {task}," if task else "")
        stuck = duration(self._snapshot.time_ns - wait.since_ns)
        what = words.wait(wait)
        if wait.operation == describe.INTERPRETER_EXIT:
            return f"{who} has finished its work; at interpreter exit it waits for {what}: {stuck}"
        where = describe.at(wait.site)
        timed = "" if not wait.timed else " with a timeout"
        what += words.elsewhere(wait)
        return f"{who} waits in {wait.operation}{where}{timed} for {what}: {stuck}"

    def _alike(self, parties: Iterable[Party]) -> list[list[Party]]:
        """Return the parties in groups that do the same at the same place, in order."""
        groups: defaultdict[tuple[str, ...], list[Party]] = defaultdict(list)
        for party in parties:
            groups[self._likeness(party)].append(party)
        return list(groups.values())

    def _likeness(self, party: Party) -> tuple[str, ...]:
        function = "" if party.task is None else self._words.function_of(party.task)
        if party.wait is not None:
            return "thread", function, party.wait.operation, describe.place(party.wait.site)
        site = None if party.task is None else self._snapshot.tasks[party.task].submit_site
        return "task", function, describe.place(site)

    # -- pools and the trace ---------------------------------------------------------------------

    def _pools(self, pools: Sequence[PoolId]) -> Iterator[str]:
        known = [self._snapshot.pools[pool] for pool in pools if pool in self._snapshot.pools]
        yield from self._section("Pools", [self._pool(pool) for pool in known])

    def _pool(self, pool: Pool) -> str:
        threads = self._snapshot.threads
        states = [threads[worker].state for worker in pool.workers if worker in threads]
        at_most = "" if pool.max_workers is None else f" of at most {pool.max_workers}"
        parts = [f"{len(pool.workers)}{at_most} workers"]
        if pool.role is PoolRole.PROCESSES:
            parts = self._processes(pool)
        for state, word in (
            (ThreadState.WAITING, "blocked"),
            (ThreadState.RUNNING, "running"),
            (ThreadState.IDLE, "idle"),
        ):
            if states.count(state):
                parts.append(f"{states.count(state)} {word}")
        if pool.starting + pool.unseen:
            parts.append(f"{pool.starting + pool.unseen} not seen yet")
        if pool.role is not PoolRole.PROCESSES:
            parts.append(f"{len(pool.queue)} queued")
        if pool.lost:
            parts.append(f"{pool.lost} left behind by a fork")
        if pool.closed:
            parts.append("shut down")
        return f"{_capital(self._words.pool(pool.id))} ({pool.kind}): {', '.join(parts)}"

    def _processes(self, pool: Pool) -> list[str]:
        """Return the numbers of a pool whose workers are other processes."""
        most = "other processes"
        if pool.max_workers is not None:
            most = counted(pool.max_workers, "other process", "other processes")
        states: Counter[TaskState] = Counter()
        for _, task in self._snapshot.tasks.items():  # noqa: PERF102  # `values` looks each up
            if task.pool == pool.id and not task.done:
                states[task.state] += 1
        if pool.results is None:
            return [most, f"{counted(states.total(), 'task')} sent there and not back"]
        away = states[TaskState.RUNNING]
        sent = f"{counted(away, 'task')} sent there and not back"
        return [most, sent, f"{len(pool.queue)} queued"]

    def _trace(self) -> Iterator[str]:
        header, quality = self._report.header, self._report.quality
        process = f"{header.program}, process {header.pid}"
        if header.process:
            process += f" ({header.process})"
        if header.parent:
            process += f", child of {header.parent}"
        python = f"{header.implementation} {header.python} on {header.platform}"
        end = _ENDS.get(quality.ended, f"ended by {quality.ended}")
        told = [
            f"{self._report.trace}: {process}, {python}",
            f"{quality.events} events up to {moment(self._snapshot.time_ns)}; {end}",
        ]
        if quality.dropped:
            told.append(f"the recorder lost {counted(quality.dropped, 'event')}")
        for remark in quality.remarks:
            line = "" if remark.line is None else f"line {remark.line}: "
            loss = "something is missing: " if remark.grade is QualityGrade.LOSS else ""
            told.append(f"{line}{loss}{remark.text} [{remark.slug}]")
        yield self._page.title("The trace")
        yield from self._page.items(told)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
