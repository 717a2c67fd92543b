"""``--json`` says everything the text says: each place, number, name and sentence of it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.recorded import ROOT
from tpanalyze import analyze
from tpanalyze.analysis import Analysis
from tpanalyze.describe import basename, duration, moment
from tpanalyze.edges import ordinal
from tpanalyze.render.json_report import render_json
from tpanalyze.render.text import TextOptions, render_text

TRACES = sorted((ROOT / "traces").glob("*/trace.jsonl"))
ROWS = re.compile(
    r"^ *(?:waits at|stands at|submitted at|made at|called from) +(.*)$", re.MULTILINE
)
PLACE = re.compile(r"([^\s()]+:\d+ in [^\s,;()]+)")
NUMBER = re.compile(r"\d+(?:\.\d+)?(?: (?:µs|ms|s|h|min)\b)?(?:st|nd|rd|th)?")
THREAD = re.compile(r"\b(?:[Ww]orker|[Tt]hread) ([^\s,;:()]*\d)\b")


def walk(value: object) -> Iterator[dict[str, Any]]:
    """Yield every object in the JSON."""
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value:  # type: ignore[attr-defined]
        if isinstance(inner, (dict, list)):
            yield from walk(inner)


class Told:
    """What the JSON of a report says, in the forms in which a text may say it."""

    def __init__(self, report: Analysis) -> None:
        self.json = json.loads(render_json(report))
        objects = list(walk(self.json))
        self.sentences = [
            sentence
            for finding in self.json["findings"]
            for sentence in (
                finding["summary"],
                *finding["because"],
                *finding["conditions"],
                *(advice["text"] for advice in finding["advice"]),
            )
        ]
        self.sentences += [remark["text"] for remark in self.json["quality"]["remarks"]]
        self.places = set()
        for item in objects:
            if {"file", "line", "function"} <= item.keys():
                where = f":{item['line']} in {item['function']}"
                self.places |= {f"{item['file']}{where}", f"{basename(item['file'] or '')}{where}"}
        self.names = {thread["name"] for thread in self.json["threads"]}
        self.numbers = set(self._numbers(objects))

    def _numbers(self, objects: list[dict[str, Any]]) -> Iterator[str]:
        now = self.json["at_ns"]
        for item in objects:
            for key, value in item.items():
                if key.endswith("_ns") and value is not None:
                    yield from (moment(value), duration(value), duration(now - value))
                elif isinstance(value, int):
                    yield str(value)
                elif isinstance(value, list):  # how many there are, or more than are shown
                    yield from map(str, range(len(value) + 1))
                elif isinstance(value, str):
                    yield from NUMBER.findall(value)
            if "queued" in item and isinstance(item["queued"], list):
                yield from (ordinal(place + 1) for place in range(len(item["queued"])))


def the_rest(text: str, told: Told) -> str:
    """Return the text in one line, without the sentences that the JSON has as they are."""
    text = " ".join(text.split())
    for sentence in sorted(told.sentences, key=len, reverse=True):
        assert sentence in text
        text = text.replace(sentence, " ")
    return text


@pytest.mark.parametrize("trace", TRACES, ids=[path.parent.name for path in TRACES])
@pytest.mark.parametrize("share", [1.0, 0.7, 0.4])
def test_each_place_number_name_and_sentence_of_the_text_is_in_the_json(
    trace: Path, share: float
) -> None:
    report = analyze(trace)
    if share < 1.0:  # in the middle of the run nothing is wrong yet, and the text is another
        report = analyze(trace, at_ns=int(report.snapshot.time_ns * share))
    told = Told(report)
    text = render_text(report, TextOptions(width=10_000))
    for place in ROWS.findall(text):
        assert place in told.places
    rest = the_rest(text, told)
    for place in PLACE.findall(rest):
        assert place in told.places
    rest = PLACE.sub(" ", rest)
    names = told.names | {pool["name"] for pool in told.json["pools"]}
    names |= {report.trace, report.header.platform, report.header.python}
    for name in sorted(names - {""}, key=len, reverse=True):
        rest = rest.replace(name, " ")
    assert all(left.isdigit() for left in THREAD.findall(rest))  # names that the JSON has not
    rest = re.sub(r"(?m)(?<!\S)\d+\. ", " ", rest)  # numbers of items
    for number in NUMBER.findall(rest):
        assert number in told.numbers, rest
