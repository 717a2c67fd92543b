"""Every moment of a recorded run, judged: what is once called stuck must never move again.

The report on a whole trace tells only of its end.  A false alarm in the middle, on a wait that
ended after all, shows here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tpanalyze.model import ThreadId
from tpanalyze.reader import open_trace
from tpanalyze.replay import Replay
from tpanalyze.rows import Row
from tpanalyze.waitgraph import build
from tprecord import schema

SETTLING = frozenset(
    {
        *(schema.WAIT, schema.DRAIN, schema.JOIN, schema.BLOCK),
        *(schema.FINISH, schema.FAIL, schema.IDLE, schema.GONE, schema.HALT),
        *(schema.CLOSE, schema.CENSUS, schema.CONTEND, schema.FREE),
    }
)
"""Events after which something can be stuck that was not stuck before."""


@dataclass
class Watch:
    """What was seen of a trace, moment by moment."""

    events: int = 0
    moments: int = 0
    """how many of them were judged"""
    stuck: dict[ThreadId, int] = field(default_factory=dict)
    """threads that are stuck at the end -> since which moment, in ns"""
    false_alarms: list[str] = field(default_factory=list)
    """what was called stuck, and moved"""


def watch(path: Path, *, every: int = 1) -> Watch:
    """Judge the trace after each event that may leave somebody stuck; of these, each n-th."""
    seen = Watch()
    with open_trace(path) as trace:
        replay = Replay(trace.header.tick_ns, trace.remarks)
        due = 0
        for batch in trace:
            for rows, line, settling in _pieces(batch.rows, batch.first_line):
                replay.feed(rows, line)
                due += settling
                if settling and due >= every:
                    due = 0
                    _judge(replay, seen, line + len(rows) - 1)
        _judge(replay, seen, -1)
        seen.events = replay.quality().events
    return seen


def _pieces(rows: list[Row], first_line: int) -> Iterator[tuple[list[Row], int, bool]]:
    """Cut the rows after each event that may leave somebody stuck."""
    begin = 0
    for index, row in enumerate(rows):
        if isinstance(row, list) and row[0] in SETTLING:
            yield rows[begin : index + 1], first_line + begin, True
            begin = index + 1
    yield rows[begin:], first_line + begin, False


def _judge(replay: Replay, seen: Watch, line: int) -> None:
    seen.moments += 1
    snapshot = replay.snapshot()
    now = {thread: snapshot.threads[thread].since_ns for thread in build(snapshot).stuck_threads}
    for thread, since_ns in seen.stuck.items():
        if now.get(thread) != since_ns:
            name = snapshot.threads[thread].name if thread in snapshot.threads else ""
            seen.false_alarms.append(f"line {line}: thread {thread} ({name}) was stuck, and moved")
    seen.stuck = now
