"""Random lines: events and definitions that are nearly right, and any other JSON."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from tests.tracegen import TraceGen

SMALL = st.integers(-2, 6) | st.integers(-(10**15), 10**15)
EVENT = st.tuples(st.integers(0, 26), SMALL, st.integers(-1, 4)).flatmap(
    lambda head: st.lists(SMALL, max_size=8).map(lambda rest: [*head, *rest])
)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
NAMES = st.sampled_from(["thread", "pool", "function", "site", "set", "future", "note", "end"])
KEYS = st.sampled_from(
    ["name", "kind", "max_workers", "unseen", "frames", "tasks", "origin", "dropped", "text"]
)
DEFINITION = st.builds(
    lambda kind, number, rest: {kind: number, **rest},
    NAMES,
    st.integers(0, 4) | JSON,
    st.dictionaries(KEYS, JSON | st.integers(0, 5) | st.lists(SMALL, max_size=6)),
)
ROWS = st.lists(EVENT | DEFINITION | JSON, max_size=30)


def trace_of(rows: list[Any]) -> TraceGen:
    """Return a trace of these lines."""
    trace = TraceGen()
    for row in rows:
        trace.raw(json.dumps(row).encode())
    return trace
