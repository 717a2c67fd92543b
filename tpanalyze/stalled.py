"""Findings of the grade *stalled*: what stands still, who waits for it, and where it stands.

Nothing is proved: bytes may come, an event be set, in the next moment.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from tpanalyze.atoms import ANYBODY
from tpanalyze.compact import Each, Later
from tpanalyze.describe import Words, at, duration, frame, listing, place
from tpanalyze.edges import Edges
from tpanalyze.findings import Advice, Edge, Finding, Node, NodeKind, Party, Relation, Verdict
from tpanalyze.model import (
    FutureWait,
    LockWait,
    ObjectWait,
    PoolId,
    Site,
    Snapshot,
    TaskId,
    Thread,
)
from tpanalyze.parties import thread_party
from tpanalyze.signature import digest
from tpanalyze.undecided import Standstill, standstills
from tpanalyze.waitgraph import WaitGraph

KIND = "stalled"


def stalled(
    snapshot: Snapshot, graph: WaitGraph, standing: WaitGraph, edges: Edges
) -> list[Finding]:
    """Return a finding for each standstill, those with most victims first.

    `graph` is the wait-for graph of the snapshot, in which no thread is stuck; `standing` the one
    in which what stands still does so for ever.
    """
    found = standstills(snapshot, standing)
    stalls = [_Stalled(snapshot, graph, edges, each) for each in found]
    findings = [stall.finding() for stall in stalls if not stall.has_just_begun]
    return sorted(findings, key=lambda finding: -len(finding.victims))


class _Stalled:
    """One standstill, in words."""

    def __init__(
        self, snapshot: Snapshot, graph: WaitGraph, edges: Edges, found: Standstill
    ) -> None:
        self._snapshot, self._graph, self._edges = snapshot, graph, edges
        self._words = Words.of(snapshot)
        self._found = found
        waiting = [t for t in found.behind if self._is_for_a_promise(snapshot.threads[t])]
        still = [snapshot.threads[t] for t in found.still]
        still.sort(key=lambda thread: (thread.task is None, thread.id))
        self._core = (*still, *(snapshot.threads[t] for t in waiting))
        core = {thread.id for thread in self._core}
        self._behind = [snapshot.threads[t] for t in found.behind if t not in core]
        self._behind.sort(key=lambda thread: (not thread.main, thread.id))

    def _is_for_a_promise(self, thread: Thread) -> bool:
        wait = thread.wait
        return isinstance(wait, FutureWait) and not set(self._found.promises).isdisjoint(
            wait.futures
        )

    @property
    def has_just_begun(self) -> bool:
        """True if nobody has waited for long for what it all hangs on: a promise, then."""
        return not self._core

    def finding(self) -> Finding:
        """Return the finding."""
        return Finding(
            verdict=Verdict.STALLED,
            kind=KIND,
            certain_since_ns=max(_since_ns(thread) for thread in self._core),
            summary=self._summary(),
            because=tuple(self._because()),
            core=tuple(self._party(thread) for thread in self._core),
            victims=Each(
                tuple(self._party(thread) for thread in self._behind),
                self._found.queued,
                self._queued,
            ),
            pools=self._pools(),
            advice=self._advice(),
            signature=digest(
                KIND,
                [(self._words.task_function(t), _operation(t), _where(t)) for t in self._core],
            ),
        )

    # -- what it says ----------------------------------------------------------------------------

    def _summary(self) -> str:
        thread = self._core[0]
        spent = duration(self._snapshot.time_ns - _since_ns(thread))
        more = len(self._core) - 1
        rest = f", as do {more} more" if more > 1 else ", as does one more" if more else ""
        who = _capital(self._who(thread))
        if thread.wait is None:
            stands = place(thread.stack)
            doing = f"has stood at {stands} for {spent}{rest}"
        else:
            away = self._words.elsewhere(thread.wait)
            away = f"{away}," if away else ""
            doing = f"has waited for {self._words.wait(thread.wait)}{away} for {spent}{rest}"
        behind = listing([self._who(each) for each in self._behind])
        verb = "waits" if len(self._behind) == 1 else "wait"
        waits = f"; {behind} {verb} for that" if behind else ""
        return f"{who} {doing}{waits}. Whether it will go on, the trace cannot tell."

    def _who(self, thread: Thread) -> str:
        return self._words.task_of(thread.id) or self._words.thread(thread.id)

    def _because(self) -> Iterator[str]:
        for thread in (*self._core, *self._behind):
            yield self._does(thread)
        yield self._why_not_a_deadlock()

    def _does(self, thread: Thread) -> str:
        words, task = self._words, self._words.task_of(thread.id)
        who = _capital(words.thread(thread.id)) + (f" runs {task}, which" if task else "")
        if thread.wait is not None:
            where, what = at(thread.wait.site), words.wait(thread.wait)
            what += words.elsewhere(thread.wait)
            return f"{who} waits in {thread.wait.operation}{where}, without a timeout, for {what}."
        inside = _innermost(thread.stack)
        seen = duration((self._snapshot.looked_ns or 0) - (thread.stack_ns or 0))
        return (
            f"{who} stands{at(thread.stack)}{inside}: so two looks found it that were {seen} "
            "apart, and nothing at all has happened in between or since."
        )

    def _why_not_a_deadlock(self) -> str:
        if self._pools_away():
            return (
                "What the other processes do, this trace does not show. So this is no proof of a "
                "deadlock."
            )
        if all(thread.wait is None for thread in self._core):
            return (
                "What it does there is not recorded: a socket, a file, a lock or a C extension may "
                "let it go on at any moment. So this is no proof of a deadlock."
            )
        rule = self._graph.progress.get(ANYBODY)
        why = "" if rule is None else f": {rule.reason}"
        return f"Somebody may still end this wait{why}. So this is no proof of a deadlock."

    def _advice(self) -> tuple[Advice, ...]:
        thread = self._core[0]
        who = self._words.task_function(thread) or self._words.thread(thread.id)
        if thread.wait is None:
            return (
                Advice(
                    "timeout",
                    f"Give the call{at(thread.stack)} a timeout (settimeout() of a socket, the "
                    f"timeout of a request, a query or a subprocess), and let {who} say what it "
                    "waited for when the time is up.",
                ),
                Advice(
                    "look-outside",
                    "Look at the other end: whether the peer, the child process, the database or "
                    f"the device that {who} waits for there still lives and owes it something.",
                ),
            )
        where = at(thread.wait.site)
        if away := self._pools_away():
            return (
                Advice(
                    "look-at-the-children",
                    f"Look at what the processes of {self._words.pools(away)} do: those that were "
                    "recorded have left traces beside this one, and tpanalyze takes several, or "
                    "their folder.",
                ),
                Advice(
                    "timeout",
                    f"Wait with a timeout{where}, and say what was waited for when the time is up.",
                ),
            )
        if isinstance(thread.wait, ObjectWait):
            serve = f"Look at who owes {self._words.wait(thread.wait)} to {who}{where}"
            seen = listing([self._words.thread(t) for t in thread.wait.woken_by])
            serve += f"; before, {seen} did that." if seen else "; in this run nobody did yet."
        elif isinstance(thread.wait, LockWait):
            owner = self._words.taken(thread.wait)
            serve = f"Look at who is to release {self._words.wait(thread.wait)}"
            serve += f": {owner}." if owner else "."
        else:
            serve = (
                f"Look at who owes {self._words.wait(thread.wait)} to {who}{where}: it must be set "
                "on every way out, in a finally or an except branch."
            )
        return (
            Advice("serve", serve),
            Advice(
                "timeout",
                f"Wait with a timeout{where}, and say what was waited for when the time is up.",
            ),
        )

    def _pools_away(self) -> list[PoolId]:
        """Return the pools of other processes whose tasks are waited for."""
        tasks = [self._snapshot.tasks[task] for task in self._found.promises]
        pools = {task.pool for task in tasks if task.pool is not None}  # no promise has one
        return sorted(pools)

    # -- who takes part --------------------------------------------------------------------------

    def _party(self, thread: Thread) -> Party:
        own = Later(partial(self._edges_of, Node(NodeKind.THREAD, thread.id)))
        party = thread_party(self._snapshot, thread.id, own)
        return Party(party.thread, party.task, party.wait, _since_ns(thread), party.edges)

    def _queued(self, task: TaskId) -> Party:
        known = self._snapshot.tasks[task]
        own = self._edges_of(Node(NodeKind.TASK, task))
        return Party(None, task, None, known.submitted_ns or 0, own)

    def _edges_of(self, node: Node) -> tuple[Edge, ...]:
        own = list(self._edges.leaving(node))
        own += [
            held
            for edge in tuple(own)
            for held in self._edges.leaving(edge.target)
            if held.relation is Relation.HELD_BY
        ]
        return tuple(own)

    def _pools(self) -> tuple[PoolId, ...]:
        threads = [thread.pool for thread in (*self._core, *self._behind)]
        named = (*self._found.queued, *self._found.promises)
        tasks = [self._snapshot.tasks[task].pool for task in named]
        return tuple(sorted({pool for pool in (*threads, *tasks) if pool is not None}))


def _since_ns(thread: Thread) -> int:
    if thread.wait is not None:
        return thread.wait.since_ns
    return thread.since_ns if thread.stack_ns is None else thread.stack_ns


def _operation(thread: Thread) -> str:
    return "" if thread.wait is None else thread.wait.operation


def _where(thread: Thread) -> Site | None:
    return thread.stack if thread.wait is None else thread.wait.site


def _innermost(site: Site | None) -> str:
    """Return in which function of the standard library it is, if it is in one."""
    if site is None or not site.frames[0].function.stdlib:
        return ""
    return f", in {frame(site.frames[0])}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
