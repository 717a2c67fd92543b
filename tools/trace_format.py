"""Write the tables of ``docs/trace-format.md`` from :mod:`tprecord.schema`; leave its prose alone.

To run it: ``python3 dev.py python -m tools.trace_format``
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from tprecord import schema

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "trace-format.md"


def main() -> int:
    """Bring the document up to date with the schema."""
    DOCUMENT.write_text(with_tables(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


def with_tables(text: str) -> str:
    """Return `text` with what stands between each pair of markers replaced by its table."""
    for name, table in tables().items():
        begin, end = f"<!-- {name}: from tprecord/schema.py -->\n", f"<!-- end of {name} -->\n"
        before, found_begin, rest = text.partition(begin)
        _, found_end, after = rest.partition(end)
        if not (found_begin and found_end):
            raise ValueError(f"the document lacks the marker lines {begin!r} and {end!r}")
        text = f"{before}{begin}\n{table}\n{end}{after}"
    return text


def tables() -> dict[str, str]:
    """Return every generated part of the document by its marker's name."""
    return {
        "header": markdown(
            ("key", "meaning"), ((code(field.name), field.meaning) for field in schema.HEADER)
        ),
        "definitions": markdown(("defines", "key", "meaning"), definition_rows()),
        "events": markdown(("event", "line", "what happens"), event_rows()),
        "fields": markdown(("field", "of", "meaning"), field_rows()),
        "operations": markdown(
            ("number", "the thread is in"),
            ((str(number), code(name)) for number, name in schema.OPERATIONS.items()),
        ),
    }


def definition_rows() -> Iterator[tuple[str, ...]]:
    """Yield each definition and, below it, its keys."""
    for spec in schema.DEFINITIONS:
        yield f"**{spec.name}**", code(spec.name), spec.meaning + since(spec.since)
        for field in spec.fields:
            yield "", code(field.name) + (" (optional)" if field.optional else ""), field.meaning


def event_rows() -> Iterator[tuple[str, ...]]:
    """Yield each event with the shape of its line."""
    for spec in schema.EVENTS:
        parts = [str(spec.number), "dt", "thread", *(field.name for field in spec.fields)]
        if spec.rest:
            parts.append("...")
        rest = f"; then {spec.rest}" if spec.rest else ""
        yield (
            f"**{spec.name}**",
            code(f"[{', '.join(parts)}]"),
            spec.meaning + rest + since(spec.since),
        )


def field_rows() -> Iterator[tuple[str, ...]]:
    """Yield each field once, with the events that have it in this meaning."""
    owners: dict[tuple[str, str], list[str]] = {}
    for spec in schema.EVENTS:
        for field in spec.fields:
            owners.setdefault((field.name, field.meaning), []).append(spec.name)
    for (name, meaning), events in owners.items():
        yield code(name), ", ".join(events), meaning


def since(version: int) -> str:
    """Return a remark for what the first version of the format did not have."""
    return f" (since version {version})" if version > 1 else ""


def code(text: str) -> str:
    """Return `text` as code, so that Markdown leaves it as it is."""
    return f"`{text}`"


def markdown(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Return a Markdown table."""
    lines = [head, ("---",) * len(head), *rows]
    escaped = ([cell.replace("|", r"\|") for cell in line] for line in lines)
    return "".join(f"| {' | '.join(cells)} |\n" for cells in escaped)


if __name__ == "__main__":
    sys.exit(main())
