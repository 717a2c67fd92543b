"""Who was there at the end: an article for each thread, unfinished task and pool.

A click on the graph shows one of them beside it, and links lead from one to the next.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from tpanalyze.compact import each_once
from tpanalyze.describe import Words, counted, duration, moment, waits_in_callback
from tpanalyze.findings import Report
from tpanalyze.model import (
    FutureWait,
    Pool,
    PoolRole,
    Site,
    Task,
    TaskId,
    TaskOrigin,
    Thread,
    ThreadId,
    ThreadState,
)
from tpanalyze.render.headline import standings
from tpanalyze.render.labels import ThreadNames, pool_name, shorten, task_name
from tpanalyze.render.page.pieces import element, items, stack, text
from tpanalyze.render.palette import RANK, Role
from tpanalyze.story import Line, Story

_THREADS: Final = 400
_TASKS: Final = 600
_POOLS: Final = 100
_LINKS: Final = 12
_STORY: Final = 40


class People:
    """The articles, those that matter most first."""

    def __init__(self, report: Report, story: Story) -> None:
        self._snapshot = report.snapshot
        self._words = Words.of(report.snapshot)
        self._story = story
        self._standings = standings(report)
        self._called = ThreadNames(report.snapshot)
        self._thread_roles: dict[ThreadId, Role] = {}
        self._task_roles: dict[TaskId, Role] = {}
        for finding in report.findings:
            for role, parties in ((Role.CORE, finding.core), (Role.VICTIM, finding.victims)):
                for party in parties:
                    if party.thread is not None:
                        _graver(self._thread_roles, party.thread, role)
                    if party.task is not None:
                        _graver(self._task_roles, party.task, role)
        threads = sorted(self._snapshot.threads.values(), key=self._thread_rank)
        tasks = [
            task
            for task in self._snapshot.tasks.values()
            if not task.done or task.id in self._task_roles
        ]
        tasks.sort(key=lambda task: (RANK[self._role(task.id)], task.id))
        self._threads, self._more_threads = threads[:_THREADS], threads[_THREADS:]
        self._tasks, self._more_tasks = tasks[:_TASKS], tasks[_TASKS:]
        self._pools = sorted(self._snapshot.pools.values(), key=lambda pool: pool.id)[:_POOLS]
        self._known = {f"thread{thread.id}" for thread in self._threads}
        self._known |= {f"task{task.id}" for task in self._tasks}
        self._known |= {f"pool{pool.id}" for pool in self._pools}

    def threads(self) -> Iterator[str]:
        """Yield the articles of the threads."""
        for thread in self._threads:
            yield self._thread(thread)
        if self._more_threads:
            yield f"<p>… and {len(self._more_threads):,} more threads.</p>"

    def tasks(self) -> Iterator[str]:
        """Yield the articles of the tasks that are not done."""
        for task in self._tasks:
            yield self._task(task)
        if self._more_tasks:
            yield f"<p>… and {len(self._more_tasks):,} more tasks.</p>"

    def pools(self) -> Iterator[str]:
        """Yield the articles of the pools."""
        for pool in self._pools:
            yield self._pool(pool)

    # -- threads ---------------------------------------------------------------------------------

    def _thread_rank(self, thread: Thread) -> tuple[int, bool, int]:
        role = self._thread_roles.get(thread.id, Role.PLAIN)
        return RANK[role], thread.state is ThreadState.ENDED, thread.id

    def _thread(self, thread: Thread) -> str:
        role = self._thread_roles.get(thread.id, Role.PLAIN)
        now_ns = self._snapshot.time_ns
        rows: list[tuple[str, str]] = []
        if thread.pool is not None:
            rows.append(("worker of", self._link("pool", thread.pool)))
        if thread.tasks:
            running = ", inside ".join(self._link("task", task) for task in reversed(thread.tasks))
            rows.append(("runs", running))
        if callback := waits_in_callback(thread):
            rows.append(("in the callback", text(callback)))
        if thread.wait is not None:
            wait = thread.wait
            timed = "" if wait.timeout_ns is None else f" of at most {duration(wait.timeout_ns)}"
            spent = duration(max(0, now_ns - wait.since_ns))
            rows.append(("waits in", f"{element('code', text(wait.operation))} for {spent}{timed}"))
            rows.append(("waits for", self._awaited(thread)))
            rows.append(("at", stack(wait.site)))
        else:
            since = duration(max(0, now_ns - thread.since_ns))
            rows.append(("state", f"{thread.state} for {since}"))
            rows.append(("seen at", stack(_stack_of(thread))))
        if thread.wait is not None and (seen := _stack_of(thread)) is not None:
            rows.append(("whole stack", stack(seen)))
        rows.append(("story", self._told(self._story.of_thread(thread.id))))
        title = self._called(thread)
        if thread.main:
            title = "the main thread" if title == "MainThread" else f"{title} (main)"
        return self._article(f"thread{thread.id}", title, role, rows, kind="thread")

    def _awaited(self, thread: Thread) -> str:
        wait = thread.wait
        assert wait is not None
        words = text(self._words.wait(wait))
        if not isinstance(wait, FutureWait):
            return words
        futures = each_once(wait.futures)
        if len(futures) == 1:
            return self._link("task", futures[0])
        links = [self._link("task", task) for task in futures[:_LINKS]]
        return f"{words}: {', '.join(links)}{' …' if len(futures) > _LINKS else ''}"

    # -- tasks and pools -------------------------------------------------------------------------

    def _role(self, task: TaskId) -> Role:
        return self._task_roles.get(task, Role.PLAIN)

    def _task(self, task: Task) -> str:
        rows: list[tuple[str, str]] = [("state", text(self._words.whereabouts(task)))]
        if task.worker is not None:
            rows.append(("run by", self._link("thread", task.worker)))
        if task.pool is not None:
            rows.append(("pool", self._link("pool", task.pool)))
        if task.submitted_by is not None:
            where = self._link("thread", task.submitted_by)
            if task.submitted_in is not None:
                where += f", in {self._link('task', task.submitted_in)}"
            if task.submitted_ns is not None:
                where += f", at {moment(task.submitted_ns)}"
            rows.append(("made by" if task.origin is TaskOrigin.PROMISE else "submitted by", where))
        rows.append((self._words.origin(task), stack(task.submit_site)))
        if task.started_ns is not None:
            rows.append(("started at", moment(task.started_ns)))
        rows.append(("story", self._told(self._story.of_task(task.id))))
        return self._article(
            f"task{task.id}", task_name(task, task.id), self._role(task.id), rows, kind="task"
        )

    def _pool(self, pool: Pool) -> str:
        size = counted(len(pool.workers), "worker")
        if pool.role is PoolRole.PROCESSES:
            size = counted(pool.max_workers or 0, "process", "processes")
        elif pool.max_workers is not None:
            size += f" of at most {pool.max_workers:,}"
        workers = [self._link("thread", worker) for worker in pool.workers[:_LINKS]]
        queue = [self._link("task", task) for task in pool.queue[:_LINKS]]
        rows = [
            ("size", size + (", shut down" if pool.closed else "")),
            ("workers", ", ".join(workers) + (" …" if len(pool.workers) > _LINKS else "")),
            (
                "queue",
                f"{len(pool.queue):,}: {', '.join(queue)}"
                + (" …" if len(pool.queue) > _LINKS else "")
                if pool.queue
                else "empty",
            ),
        ]
        return self._article(f"pool{pool.id}", pool_name(pool), Role.PLAIN, rows, kind="pool")

    # -- what they have in common ----------------------------------------------------------------

    def _link(self, kind: str, number: int) -> str:
        key = f"{kind}{number}"
        if kind == "task":
            name = task_name(self._snapshot.tasks.get(TaskId(number)), TaskId(number))
        elif kind == "thread":
            thread = self._snapshot.threads.get(ThreadId(number))
            name = f"thread {number}" if thread is None else self._called(thread)
        else:
            pools: Mapping[int, Pool] = {int(n): p for n, p in self._snapshot.pools.items()}
            name = pool_name(pools[number]) if number in pools else f"pool {number}"
        said = text(name)
        if key not in self._known:
            return said
        return f'<a href="#{key}-about" data-about="{key}">{said}</a>'

    def _told(self, told: Sequence[Line]) -> str:
        lines = [
            f"<span class=when>{moment(time_ns)}</span> {text(shorten(words, 400))}"
            for time_ns, words in told[-_STORY:]
        ]
        return items(lines, "ol")

    def _article(
        self, key: str, title: str, role: Role, rows: list[tuple[str, str]], *, kind: str
    ) -> str:
        body = "".join(f"<dt>{text(label)}</dt><dd>{said}</dd>" for label, said in rows if said)
        mark = self._standings.get(role, kind)
        head = f'<h3>{text(title)}</h3><span class="chip {role}">{mark}</span>'
        opening = f'<article id="{key}-about" class="about {role}">'
        return f"{opening}<header>{head}</header><dl>{body}</dl></article>"


def _graver[Key](roles: dict[Key, Role], key: Key, role: Role) -> None:
    if key not in roles or RANK[role] < RANK[roles[key]]:
        roles[key] = role


def _stack_of(thread: Thread) -> Site | None:
    """Return where the thread was last seen, if the trace tells."""
    seen: object = getattr(thread, "stack", None)
    return seen if isinstance(seen, Site) else None
