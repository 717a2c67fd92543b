"""The report as JSON: everything the text says, for programs."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests import snapshots
from tests.snapshots import HEADER, QUALITY, Builder, site
from tpanalyze.model import Quality, QualityGrade, Remark, Snapshot
from tpanalyze.render import json_report
from tpanalyze.render.json_report import render_json
from tpanalyze.render.text import render_text
from tpanalyze.verdict import analyse


def parsed(snapshot: Snapshot, quality: Quality = QUALITY) -> dict[str, Any]:
    value = json.loads(render_json(analyse(snapshot, HEADER, quality, "app.4711.jsonl")))
    assert isinstance(value, dict)
    return value


def the_finding(snapshot: Snapshot) -> dict[str, Any]:
    (finding,) = parsed(snapshot)["findings"]
    assert isinstance(finding, dict)
    return finding


def test_a_report_without_findings() -> None:
    value = parsed(snapshots.busy())
    assert (value["verdict"], value["findings"], value["at_ns"]) == ("none", [], 506_000_000)


def test_a_finding_has_its_verdict_kind_and_moment() -> None:
    finding = the_finding(snapshots.starved_pool())
    assert finding["verdict"] == "deadlock"
    assert finding["kind"] == "pool-starvation"
    assert finding["certain_since_ns"] == 6_000_000
    assert finding["certain_by"] == {
        "kind": "wait",
        "thread": 2,
        "task": 1,
        "text": "task 1 (outer) began to wait",
    }
    assert re.fullmatch(r"pool-starvation-[0-9a-f]{12}", finding["signature"])


def test_a_blocked_thread_of_the_core_has_its_three_sites() -> None:
    worker, _ = the_finding(snapshots.starved_pool())["core"]
    assert (worker["thread"], worker["thread_name"]) == (2, "ThreadPoolExecutor-0_0")
    assert (worker["task"], worker["function"]) == (1, "outer")
    assert (worker["operation"], worker["timed"]) == ("Future.result", False)
    assert (worker["need"], worker["of"]) == (1, 1)
    assert (worker["since_ns"], worker["stuck_ns"]) == (6_000_000, 1_001_000_000)
    own = [frame for frame in worker["site"] if not frame["stdlib"]]
    assert own == [{"file": "/app/app.py", "line": 13, "function": "outer", "stdlib": False}]
    (awaited,) = worker["waits_for"]
    assert (awaited["kind"], awaited["id"], awaited["state"]) == ("task", 2, "queued")
    assert [frame["line"] for frame in awaited["submit_site"]] == [456, 12]
    assert awaited["pool"] == 1


def test_the_pool_says_who_occupies_its_workers_and_what_is_queued() -> None:
    (pool,) = the_finding(snapshots.starved_pool(2))["pools"]
    assert pool == {
        "id": 1,
        "name": "ThreadPoolExecutor-0",
        "kind": "ThreadPoolExecutor",
        "role": "executor",
        "max_workers": 2,
        "workers": 2,
        "waiting": 2,
        "running": 0,
        "idle": 0,
        "starting": 0,
        "unseen": 0,
        "lost": 0,
        "occupied_by": [2, 3],
        "queued": [3, 4],
        "closed": False,
    }


def test_a_task_that_no_worker_starts_has_no_thread() -> None:
    _, queued = the_finding(snapshots.starved_pool())["core"]
    assert (queued["thread"], queued["task"], queued["operation"]) == (None, 2, None)
    assert [target["kind"] for target in queued["waits_for"]] == ["pool"]


def test_the_main_thread_is_a_victim_with_its_way_into_the_core() -> None:
    (main,) = the_finding(snapshots.starved_pool())["victims"]
    assert main["main"] is True
    assert main["path"] == [
        {"kind": "thread", "id": 1},
        {"kind": "task", "id": 1},
        {"kind": "thread", "id": 2},
    ]


def test_a_drain_waits_for_threads() -> None:
    (main,) = the_finding(snapshots.circular_wait())["victims"]
    assert main["operation"] == "Executor.shutdown"
    assert (main["need"], main["of"]) == (None, None)
    assert main["waits_for"] == [{"kind": "thread", "id": 2, "label": "shutdown()"}]


@pytest.mark.parametrize(
    "snapshot",
    [
        snapshots.starved_pool(3),
        snapshots.circular_wait(),
        snapshots.self_wait(),
        snapshots.exit_hang(),
        snapshots.self_drain(),
    ],
)
def test_it_carries_every_sentence_of_the_text(snapshot: Snapshot) -> None:
    report = analyse(snapshot, HEADER, QUALITY, "app.4711.jsonl")
    text = " ".join(render_text(report).split())
    finding = the_finding(snapshot)
    told = [finding["summary"], *finding["because"], *finding["conditions"]]
    told += [advice["text"] for advice in finding["advice"]]
    for sentence in told:
        assert sentence in text


def test_the_quality_of_the_trace_is_told() -> None:
    remark = Remark(QualityGrade.LOSS, "torn-line", "the last line is torn", 17)
    quality = parsed(snapshots.busy(), Quality(100, "exit", 3, (remark,)))["quality"]
    assert quality == {
        "events": 100,
        "ended": "exit",
        "dropped": 3,
        "complete": False,
        "remarks": [
            {"grade": "loss", "slug": "torn-line", "text": "the last line is torn", "line": 17}
        ],
    }


def keys(value: object) -> set[str]:
    if isinstance(value, list):
        return {key for item in value for key in keys(item)}
    if isinstance(value, dict):
        return {*value, *keys(list(value.values()))}
    return set()


def test_every_key_is_documented() -> None:
    documented = set(re.findall(r"``(\w+)``", json_report.__doc__ or ""))
    used = keys([parsed(snapshots.starved_pool()), parsed(snapshots.circular_wait())])
    used |= keys(
        parsed(snapshots.busy(), Quality(1, None, 0, (Remark(QualityGrade.LOSS, "", ""),)))
    )
    assert used - documented == set()


def test_names_that_no_encoding_holds_are_shown_as_escapes() -> None:
    b = Builder()
    own, worker = b.run(b.pool(1, "\ud800"), "narcissus")
    b.wait(worker, own, at=site("narc\udcffissus", 9))
    finding = the_finding(b.snapshot())
    assert finding["core"][0]["site"][1]["function"] == r"narc\udcffissus"
    assert finding["pools"][0]["name"] == r"\ud800"
