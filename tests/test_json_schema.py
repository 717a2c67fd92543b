"""``docs/report.schema.json`` describes what ``--json`` writes: all of it, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.recorded import ROOT
from tests.report_samples import SAMPLES
from tpanalyze.findings import Report
from tpanalyze.model import PoolRole
from tpanalyze.render.json_report import REPORT_VERSION, render_json

type Json = dict[str, Json] | list[Json] | str | int | bool | None

SCHEMA: dict[str, Any] = json.loads((ROOT / "docs" / "report.schema.json").read_text())
KEPT = sorted((ROOT / "traces").glob("*/report.json"))


def closed(schema: Json) -> Json:
    """Return the schema without its promise that there may be more keys one day."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {key: closed(value) for key, value in schema.items()}
    return {**inner, "additionalProperties": False} if "properties" in schema else inner


STRICT = closed(SCHEMA)
assert isinstance(STRICT, dict)
VALIDATOR = Draft202012Validator(STRICT)


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["properties"]["version"]["const"] == REPORT_VERSION


@pytest.mark.parametrize("path", KEPT, ids=[path.parent.name for path in KEPT])
def test_the_report_of_a_recorded_program_is_as_described(path: Path) -> None:
    VALIDATOR.validate(json.loads(path.read_text()))


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_the_report_of_a_made_up_situation_is_as_described(name: str) -> None:
    report: Report = SAMPLES[name]()
    VALIDATOR.validate(json.loads(render_json(report)))


def test_every_role_of_a_pool_is_in_the_schema() -> None:
    assert SCHEMA["$defs"]["pool"]["properties"]["role"]["enum"] == [
        role.value for role in PoolRole
    ]


def test_every_key_is_explained_or_says_itself() -> None:
    finding = SCHEMA["$defs"]["finding"]["properties"]
    assert all("description" in value or "$ref" in value for value in finding.values())
