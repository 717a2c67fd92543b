"""``docs/trace-format.md`` and ``tprecord/schema.py`` say the same."""

from __future__ import annotations

import json

import pytest

from tools.trace_format import DOCUMENT, with_tables
from tprecord import schema

TEXT = DOCUMENT.read_text(encoding="utf-8")
LINES = TEXT.splitlines()


def a_line_has(*parts: str) -> bool:
    """Return True if one line of the document has all the parts."""
    return any(all(part in line for part in parts) for line in LINES)


def test_the_tables_of_the_document_are_those_of_the_schema() -> None:
    assert with_tables(TEXT) == TEXT, "run: python3 dev.py python -m tools.trace_format"


@pytest.mark.parametrize("spec", schema.EVENTS, ids=lambda spec: spec.name)
def test_every_event_is_documented_with_its_number_and_fields(spec: schema.EventSpec) -> None:
    fields = "".join(f", {field.name}" for field in spec.fields) + (", ..." if spec.rest else "")
    line = f"`[{spec.number}, dt, thread{fields}]`"
    assert a_line_has(f"| **{spec.name}** |", line, spec.meaning, spec.rest)


@pytest.mark.parametrize("spec", schema.EVENTS, ids=lambda spec: spec.name)
def test_every_field_of_an_event_is_documented(spec: schema.EventSpec) -> None:
    for field in spec.fields:
        assert a_line_has(f"| `{field.name}` |", spec.name, f"| {field.meaning} |")


@pytest.mark.parametrize("spec", schema.DEFINITIONS, ids=lambda spec: spec.name)
def test_every_definition_is_documented_with_its_keys(spec: schema.DefinitionSpec) -> None:
    assert a_line_has(f"| **{spec.name}** |", spec.meaning)
    for field in spec.fields:
        optional = " (optional)" if field.optional else ""
        assert a_line_has(f"| `{field.name}`{optional} |", f"| {field.meaning} |")


@pytest.mark.parametrize("field", schema.HEADER, ids=lambda field: field.name)
def test_every_key_of_the_header_is_documented(field: schema.Field) -> None:
    assert a_line_has(f"| `{field.name}` | {field.meaning} |")


@pytest.mark.parametrize(("number", "name"), schema.OPERATIONS.items())
def test_every_operation_is_documented(number: int, name: str) -> None:
    assert a_line_has(f"| {number} | `{name}` |")


def test_the_document_is_about_the_version_that_is_written_and_lists_all_before() -> None:
    assert f"This is version {schema.FORMAT_VERSION}." in TEXT
    for version in range(1, schema.FORMAT_VERSION + 1):
        assert any(line.startswith(f"| {version} | ") for line in LINES)


def test_no_two_events_share_a_number_or_a_name() -> None:
    numbers = [spec.number for spec in schema.EVENTS]
    names = [spec.name for spec in schema.EVENTS]
    assert sorted(set(numbers)) == sorted(numbers)
    assert sorted(set(names)) == sorted(names)


def test_nothing_in_the_schema_is_newer_than_its_version() -> None:
    versions = [spec.since for spec in schema.EVENTS]
    versions += [spec.since for spec in schema.DEFINITIONS]
    assert all(1 <= version <= schema.FORMAT_VERSION for version in versions)


def example() -> list[object]:
    """Return the lines of the example in the document."""
    block = TEXT.partition("```json\n")[2].partition("```")[0]
    return [json.loads(line) for line in block.splitlines()]


def test_the_example_begins_with_a_header_of_all_keys_in_order() -> None:
    header = example()[0]
    assert isinstance(header, dict)
    assert list(header) == [f.name for f in schema.HEADER if not f.optional]
    assert header["tprecord"] == schema.FORMAT_VERSION


def test_the_lines_of_the_example_have_the_shapes_of_the_tables() -> None:
    events = {spec.number: spec for spec in schema.EVENTS}
    definitions = {spec.name: spec for spec in schema.DEFINITIONS}
    for line in example()[1:]:
        if isinstance(line, dict):
            spec = definitions[next(iter(line))]
            keys = {field.name for field in spec.fields}
            required = {field.name for field in spec.fields if not field.optional}
            assert required <= set(line) - {spec.name} <= keys
        else:
            assert isinstance(line, list)
            event = events[line[0]]
            surplus = len(line) - 3 - len(event.fields)
            assert surplus == 0 or (event.rest and surplus > 0)
