"""The header of a trace: whether it is one, and what it says of the run."""

from __future__ import annotations

from typing import Final

from tpanalyze.errors import TraceError
from tpanalyze.model import Header
from tpanalyze.remarks import Remarks
from tpanalyze.rows import BOUND
from tprecord.schema import FORMAT_VERSION

UNKNOWN: Final = "unknown"
_LONGEST_TICK_NS: Final = 10**9


def parse_header(value: object, shown: str, path: str, remarks: Remarks) -> Header:
    """Return the header that `value`, the first line, is; `shown` is that line for people.

    What it does not say, or not as it should, is ``unknown``, with a remark.  Raises TraceError if
    it is no header, of a version not known here, or without the length of a tick.
    """
    if not isinstance(value, dict) or "tprecord" not in value:
        raise TraceError(
            path,
            1,
            found=shown,
            expected='a trace\'s header, {"tprecord": 1, …}',
            advice="a file that python -m tprecord wrote",
        )
    version, tick_ns = value["tprecord"], value.get("tick_ns")
    if type(version) is not int or not 0 < version <= FORMAT_VERSION:
        newer = type(version) is int and version > FORMAT_VERSION
        raise TraceError(
            path,
            1,
            found=f"format version {_shown(version)}",
            expected=f"{FORMAT_VERSION}, the newest this tpanalyze knows",
            advice="a newer one: pip install -U tprecord" if newer else "recording again",
        )
    if type(tick_ns) is not int or not 0 < tick_ns <= _LONGEST_TICK_NS:
        raise TraceError(
            path,
            1,
            found=f"tick_ns {_shown(tick_ns)}",
            expected=f"an integer from 1 to {_LONGEST_TICK_NS}",
            advice="recording again",
        )
    facts = _Facts(value, remarks)
    return Header(
        version=version,
        recorder=facts.text("recorder"),
        python=facts.text("python"),
        implementation=facts.text("implementation"),
        free_threaded=facts.flag("free_threaded"),
        platform=facts.text("platform"),
        cpus=facts.number("cpus"),
        pid=facts.number("pid") or 0,
        program=facts.text("program"),
        started=facts.text("started"),
        clock=facts.text("clock"),
        tick_ns=tick_ns,
        parent=facts.number("parent") if "parent" in value else None,
        process=facts.text("process") if "process" in value else None,
    )


def _shown(value: object) -> str:
    return ascii(value)[:40]


class _Facts:
    """The header's fields, each of the type it should have."""

    def __init__(self, value: dict[str, object], remarks: Remarks) -> None:
        self._value = value
        self._remarks = remarks

    def text(self, key: str) -> str:
        value = self._value.get(key)
        if isinstance(value, str):
            return value
        self._remark(key)
        return UNKNOWN

    def number(self, key: str) -> int | None:
        value = self._value.get(key)
        if type(value) is int and 0 <= value < BOUND:
            return value
        if value is not None or key not in self._value:
            self._remark(key)
        return None

    def flag(self, key: str) -> bool:
        value = self._value.get(key)
        if not isinstance(value, bool):
            self._remark(key)
        return value is True

    def _remark(self, key: str) -> None:
        self._remarks.notice("header", f"the header does not say {key} as it should", 1)
