"""The results as tables in ``docs/performance.md``, and as a picture beside it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from benchmarks.made_trace import QUEUED
from benchmarks.measure import BARE, IN_C, IN_PYTHON, ROOT, SETUPS
from benchmarks.picture import Bar, Group, draw

PAGE = ROOT / "docs" / "performance.md"
PICTURE = ROOT / "docs" / "performance.svg"
BEGIN, END = "<!-- results: python -m benchmarks --page -->", "<!-- end of the results -->"


def write(results: dict[str, Any]) -> None:
    """Put the results into the page, and draw the picture."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    shown = f"![Multiples of the bare time]({PICTURE.name})\n\n{tables(results)}"
    PAGE.write_text(f"{before}{BEGIN}\n\n{shown}\n{END}{after}", encoding="utf-8")
    newest = max(results["pythons"], key=_version, default=None)
    if newest is not None:
        title = f"Time a program takes when it is recorded, Python {newest}; alone: 1"
        PICTURE.write_text(draw(title, _groups(results["pythons"][newest])), encoding="utf-8")


def tables(results: dict[str, Any]) -> str:
    """Return all results as Markdown."""
    lines: list[str] = []
    for version in sorted(results["pythons"], key=_version):
        lines += _python(version, results["pythons"][version])
    if results["analyser"]:
        lines += _analyser(results["analyser"])
    return "\n".join(lines) + "\n"


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", text))


def _conditions(here: dict[str, Any]) -> str:
    return (
        f"Python {here['python']}; {here['machine']}; load {here['load']}; `{here['command']}`, "
        f"{here['seconds']} s."
    )


# ------------------------------------------------------------------------------- the recorder


def _python(version: str, measured: dict[str, Any]) -> Iterator[str]:
    recorded, absent = measured["recorder"], measured["absent"]
    names = [setup.name for setup in SETUPS[1:]]
    yield f"### The recorder on Python {version}\n"
    yield _conditions(measured["conditions"])
    yield "Multiples of the time without a recorder: the median, and the quartiles beside it.\n"
    yield from _head("", "alone", *names)
    for workload, row in recorded["times"].items():
        alone = f"{_time(row[BARE.name][0])} each"
        yield _row(workload, alone, *(_multiple(row.get(name)) for name in names))
    yield from _start_rows(recorded["start_ms"], names)
    sizes = recorded["bytes_per_task"]
    yield _row("bytes per no-op task", "", *(_number(sizes.get(name), 0) for name in names))
    peaks = recorded["peak_mb"]
    for index, what in enumerate(("peak memory", "... of a run five times as long")):
        row = [_number(peaks[name][index], 1, " MB") if name in peaks else "" for name in names]
        yield _row(what, _number(peaks[BARE.name][index], 1, " MB"), *row)
    yield ""
    for name, why in absent.items():
        yield f"{name} is not there: {why}\n"
    yield from _parts(measured)


def _start_rows(starts: dict[str, Any], names: list[str]) -> Iterator[str]:
    for program, row in starts.items():
        more = (f"+ {row[name][0]:.0f} ms" if name in row else "" for name in names)
        yield _row(f"start and end: {program}", f"{row[BARE.name][0]:.0f} ms", *more)


def _parts(measured: dict[str, Any]) -> Iterator[str]:
    recorded, parts = measured["recorder"], measured["parts"]
    names = [name for name in (IN_C.name, IN_PYTHON.name) if name in parts]
    yield "What a recorded no-op task costs more, in ns, and what of it is known:\n"
    yield from _head("", *names)
    alone = recorded["times"]["no-op tasks"][BARE.name][0]
    more = {name: alone * (recorded["times"]["no-op tasks"][name][0] - 1) for name in names}
    yield _row("**all of it**", *(f"**{more[name]:.0f}**" for name in names))
    left = dict(more)
    for part in parts[names[0]] if names else ():
        yield _row(part, *(f"{parts[name][part]:.0f}" for name in names))
        left = {name: left[name] - parts[name][part] for name in names}
    collected = recorded["gc_ns"]
    gc = {name: collected[name][0] - collected[BARE.name][0] for name in names}
    yield _row("the garbage collector, more than alone", *(f"{gc[name]:.0f}" for name in names))
    yield _row(
        "the rest: calls that CPython does not specialise, turns of the GIL, the file",
        *(f"{left[name] - gc[name]:.0f}" for name in names),
    )
    yield ""


# ------------------------------------------------------------------------------- the analyser


def _analyser(measured: dict[str, Any]) -> Iterator[str]:
    yield "### The analyser\n"
    yield _conditions(measured["conditions"]) + "\n"
    jobs = measured["jobs"]
    yield from _head("events", *(f"to the {job}" for job in jobs))
    for events in next(iter(jobs.values())):
        cells = []
        for job in jobs.values():
            took = job[events]
            seconds = took["seconds"][0]
            rate = int(events) / seconds / 1e6
            cells.append(f"{seconds:.2f} s, {rate:.2f} M/s, {took['mb']:.0f} MB")
        yield _row(f"{int(events):,}".replace(",", " "), *cells)
    yield ""
    sizes = ", ".join(f"{job['result'] / 1e6:.2f} MB" for job in jobs["HTML"].values())
    yield f"Memory is what was needed more than before. The pages of HTML: {sizes}.\n"
    yield from _head("", "")
    per_task = measured["bytes_per_open_task"]
    if not isinstance(per_task, dict):  # as it was measured before: of one kind
        per_task = {QUEUED: per_task}
    for kind, size in per_task.items():
        yield _row(f"memory per open task, {kind}", f"{size:.0f} bytes")
    for command, took in measured["commands_ms"].items():
        yield _row(command, f"{took[0]:.0f} ms")
    yield ""


# ------------------------------------------------------------------------------- small pieces


def _head(*cells: str) -> Iterator[str]:
    yield _row(*cells)
    yield "|" + "---|" + "--:|" * (len(cells) - 1)


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _time(ns: float) -> str:
    for unit, size in (("ms", 1e6), ("µs", 1e3)):
        if ns >= size:
            return f"{ns / size:.1f} {unit}"
    return f"{ns:.0f} ns"


def _multiple(figure: list[float] | None) -> str:
    if figure is None:
        return ""
    median, low, high = figure
    return f"**{median:.2f}** ({low:.2f}–{high:.2f})"


def _number(number: float | None, digits: int, unit: str = "") -> str:
    return "" if number is None else f"{number:.{digits}f}{unit}"


def _groups(measured: dict[str, Any]) -> Iterable[Group]:
    for workload, row in measured["recorder"]["times"].items():
        bars = [Bar(setup.name, *row[setup.name]) for setup in SETUPS[1:] if setup.name in row]
        yield Group(workload, tuple(bars))
