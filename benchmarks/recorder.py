"""What a recorder costs the program: time, start-up, memory, bytes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import (
    BARE,
    Figure,
    Setup,
    Taken,
    interleaved,
    ratios,
    run,
    workload,
)


@dataclass(frozen=True, slots=True)
class Workload:
    """A workload and how much of it is run."""

    name: str
    """for people"""
    program: str
    units: int
    microseconds: int = 0
    """how long each task works"""
    with_peers: bool = False


WORKLOADS = (
    Workload("no-op tasks", "no-op", 50_000, with_peers=True),
    Workload("tasks of 10 µs", "work", 20_000, 10),
    Workload("tasks of 100 µs", "work", 8_000, 100, with_peers=True),
    Workload("tasks of 1 ms", "work", 1_000, 1000),
    Workload("nested submit and wait", "nested", 20_000),
    Workload("Executor.map", "map", 30_000),
    Workload("wait, as_completed", "wait", 20_000),
    Workload("no-op tasks, 64 workers", "64 workers", 20_000),
    Workload("no futures at all", "no futures", 3_000_000, with_peers=True),
)

STARTS = {
    "nothing": "pass",
    "one task": "from concurrent.futures import ThreadPoolExecutor as P; P(1).submit(int).result()",
}
"""Programs whose time is that of starting and ending."""

LONG = 5
"""How many times longer the long run is, of the two whose memory is compared."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """Of one interpreter: what each setup costs."""

    times: dict[str, dict[str, Figure]]
    """workload -> setup -> multiple of the bare time; bare itself: ns per unit"""
    cpu: dict[str, dict[str, Figure]]
    """the same for processor time"""
    start_ms: dict[str, dict[str, Figure]]
    """program -> setup -> milliseconds more than bare; bare itself: milliseconds"""
    bytes_per_task: dict[str, float]
    peak_mb: dict[str, list[float]]
    """setup -> peak of a run, and of one that is `LONG` times longer"""
    gc_ns: dict[str, Figure]
    """setup -> ns the garbage collector takes of each no-op task"""


def measure(
    setups: Sequence[Setup], directory: Path, *, quick: bool, said: Callable[[str], None]
) -> Recorded:
    """Measure all of it."""
    share, rounds = (10, 3) if quick else (1, 7)
    turns = _turns_of_a_microsecond(directory)
    ours = [setup for setup in setups if not setup.peer]
    times, cpu = {}, {}
    gc_ns: dict[str, Figure] = {}
    sizes: dict[str, float] = {}
    for each in WORKLOADS:
        units = each.units // share
        program = workload(each.program, units, round(each.microseconds * turns))
        taken = interleaved(ours, rounds, directory, program, said)
        times[each.name] = _beside_bare(taken, _wall, units)
        cpu[each.name] = _beside_bare(taken, _cpu, units)
        if each.with_peers:
            peers = [BARE, *(setup for setup in setups if setup.peer)]
            against = interleaved(peers, max(3, rounds // 2), directory, program, said)
            for kept, what in ((times, _wall), (cpu, _cpu)):
                kept[each.name] = _beside_bare(against, what, units) | kept[each.name]
            taken = {**against, **taken}
        if each is WORKLOADS[0]:
            sizes = {name: runs[0].size / units for name, runs in taken.items() if runs[0].size}
            gc_ns = {
                setup.name: Figure.of([run.gc / units for run in taken[setup.name]])
                for setup in ours
            }
    return Recorded(
        times,
        cpu,
        {name: _starts(setups, code, directory, rounds, said) for name, code in STARTS.items()},
        sizes,
        {setup.name: _peaks(setup, directory, 20_000 // share) for setup in ours},
        gc_ns,
    )


def _wall(taken: Taken) -> float:
    return taken.ns


def _cpu(taken: Taken) -> float:
    return taken.cpu


def _beside_bare(
    taken: dict[str, list[Taken]], what: Callable[[Taken], float], units: int
) -> dict[str, Figure]:
    bare = Figure.of([what(run) / units for run in taken[BARE.name]])
    return {**ratios(taken, what), BARE.name: bare}


def _turns_of_a_microsecond(directory: Path) -> float:
    """Return how often an empty loop turns in 1 µs."""
    tasks, turns = 20, 100_000
    spent = min(run(BARE, directory, *workload("work", tasks, turns)).cpu for _ in range(3))
    return tasks * turns * 1000 / spent


def _starts(
    setups: Sequence[Setup], code: str, directory: Path, rounds: int, said: Callable[[str], None]
) -> dict[str, Figure]:
    """Return what starting and ending takes: bare, and how much more with the others."""
    script = directory / "start.py"
    script.write_text(code)
    taken = interleaved(setups, 2 * rounds, directory, (str(script),), said)
    alone = [run.whole_ns for run in taken[BARE.name]]
    more = {
        name: Figure.of(
            [(run.whole_ns - bare) / 1e6 for run, bare in zip(runs, alone, strict=True)]
        )
        for name, runs in taken.items()
    }
    return {**more, BARE.name: Figure.of([bare / 1e6 for bare in alone])}


def _peaks(setup: Setup, directory: Path, units: int) -> list[float]:
    program = (workload("steady", units), workload("steady", LONG * units))
    return [run(setup, directory, *words).peak / 1024 for words in program]
