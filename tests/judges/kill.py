"""Kills a busy recorded program at random moments, and judges each trace it leaves.

``python -m tests.judges.kill [KILLS]``, 1,000 by default.  Half of the programs are healthy, half
come to a deadlock.  The program says what it does to a log of its own, one system call a line, so
that there is a truth to compare with:

* the trace parses to its last whole line, and the judge of `tests.consistent` finds no fault;
* whatever the program had done before it began something that is in the trace, is in it too;
* what it had done `LAG_NS` before the kill is in it;
* a deadlock is said only of a program that was about to hang, and of each whose threads that hang
  were seen asleep for `HUNG_NS`.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import tpanalyze
from tests.asleep import scheduled
from tests.consistent import Judge, judge, whole_lines
from tests.recorded import ROOT, environment
from tpanalyze.findings import Verdict

PROGRAM = ROOT / "tests" / "programs" / "busy.py"
LAG_NS = 50_000_000
"""What a kill may cost of what does not matter to the verdict."""
HUNG_NS = 100_000_000
PATIENCE_S = 60.0


@dataclass
class Outcome:
    """One program that was killed."""

    seed: int
    hangs: bool
    killed_ns: int
    said: list[tuple[int, str, str, int]]
    """moment, what, pool, count: see the program"""
    trace: Path
    faults: list[str] = field(default_factory=list)
    lines: int = 0
    torn: bool = False
    verdict: str = ""
    lag_ns: int = 0
    """how long before the kill the last thing happened that is missing in the trace"""
    hung: bool = False
    """whether it was seen to hang: that it was about to is not enough, a thread may be slow"""

    @property
    def is_about_to_hang(self) -> bool:
        """Whether it has said so."""
        return any(what == "hang" for _, what, _, _ in self.said)


def kill_one(seed: int, directory: Path, *, hangs: bool) -> Outcome:
    """Run the program, kill it at a moment that depends on `seed`, and judge its trace."""
    chance = random.Random(seed)
    trace, log = directory / f"{seed}.jsonl", directory / f"{seed}.log"
    command = [sys.executable, "-m", "tprecord", "-q", "-o", str(trace), str(PROGRAM), str(log)]
    rounds = chance.randrange(1, 12)
    process = subprocess.Popen(
        [*command, str(seed), str(rounds), *(["hang"] if hangs else [])],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        cwd=directory,
        env=environment(),
    )
    hung = False
    try:
        if chance.random() < 0.1:
            time.sleep(chance.random() * 0.2)  # anywhere, from the very start
        elif hangs and chance.random() < 0.7:
            _until_hung(process, log)
            hung = True
            time.sleep(chance.random() * 0.05)
        else:
            _until_said(process, log, b" go ")
            time.sleep(chance.random() * 0.4)
        killed_ns = time.perf_counter_ns()
        process.send_signal(signal.SIGKILL)
    finally:
        process.kill()
        _, errors = process.communicate(timeout=PATIENCE_S)
    outcome = Outcome(seed, hangs, killed_ns, _said(log), trace, hung=hung)
    if errors:
        outcome.faults.append(f"stderr: {errors.decode()[-500:]}")
    _judge(outcome)
    return outcome


def _until_said(process: subprocess.Popen[bytes], log: Path, word: bytes) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while process.poll() is None and not (log.exists() and word in log.read_bytes()):
        assert time.monotonic() < deadline, f"it never said {word!r}"
        time.sleep(0.001)


def _until_hung(process: subprocess.Popen[bytes], log: Path) -> None:
    """Return when the threads that hang have slept for `HUNG_NS`: one may have been stopped before.

    Others may work on.
    """
    _until_said(process, log, b" hang ")
    deadline = time.monotonic() + PATIENCE_S
    before, since = dict[int, str | None](), 0.0
    while process.poll() is None and time.monotonic() < deadline:
        threads = [count for _, what, _, count in _said(log) if what == "hang"]
        now = {n: scheduled(Path(f"/proc/{process.pid}/task/{n}")) for n in threads}
        if now != before or None in now.values():
            before, since = now, time.monotonic()
        elif time.monotonic() - since >= HUNG_NS / 1e9:
            return
        time.sleep(0.005)
    raise AssertionError("it never hung")


def _said(log: Path) -> list[tuple[int, str, str, int]]:
    said = []
    for line in whole_lines(log):
        moment, what, pool, count = line.decode().split(" ")
        said.append((int(moment), what, pool, int(count)))
    return said


def _judge(outcome: Outcome) -> None:
    data = outcome.trace.read_bytes() if outcome.trace.exists() else b""
    outcome.torn = bool(data) and not data.endswith(b"\n")
    judged = judge(outcome.trace)
    outcome.lines = data.count(b"\n")
    outcome.faults += judged.faults
    _judge_prefix(outcome, judged)
    if not outcome.lines:
        if outcome.said:
            outcome.faults.append("the program ran, and there is no trace")
        return
    report = tpanalyze.analyze(outcome.trace)
    outcome.verdict = str(report.verdict)
    losses = [r for r in report.quality.remarks if r.grade == "loss"]
    outcome.faults += [f"the analyser misses something: {r.slug} {r.text}" for r in losses]
    deadlock = report.verdict is Verdict.DEADLOCK
    if deadlock and not outcome.is_about_to_hang:
        outcome.faults.append("a deadlock is said of a program that was not about to hang")
    if not deadlock and outcome.hung:
        outcome.faults.append(f"it hung: {report.verdict}")


def _judge_prefix(outcome: Outcome, judged: Judge) -> None:
    """Compare the trace with what the program said of itself, in the order it said it."""
    begun: Counter[str] = Counter()
    allowed: Counter[str] = Counter()
    missing = ""
    for moment, what, pool, count in outcome.said:
        if what == ">":
            begun[pool] += 1
        recorded = judged.submitted if what == "s" else judged.done
        if what in "sf" and recorded[pool] < count:
            missing = missing or f"{what} {count} of {pool}"
            if not outcome.lag_ns:
                outcome.lag_ns = max(0, outcome.killed_ns - moment)
        # What began after the first thing that is missing must be missing too: there cannot be
        # more submits than the program had begun until then.
        if not missing:
            allowed = begun.copy()
    if missing:
        for pool, number in judged.submitted.items():
            if pool in begun and number > allowed[pool]:
                outcome.faults.append(
                    f"{missing} is missing, and {number - allowed[pool]} submits to {pool} that "
                    "began later are there"
                )


def kill_many(kills: int, directory: Path, first_seed: int = 0) -> list[Outcome]:
    """Kill so many programs, two at a time, and return what came of each."""

    def one(seed: int) -> Outcome:
        outcome = kill_one(seed, directory, hangs=seed % 2 == 1)
        if not outcome.faults:
            outcome.trace.unlink(missing_ok=True)
            outcome.trace.with_suffix(".log").unlink(missing_ok=True)
        return outcome

    with ThreadPoolExecutor(max(1, min(4, os.cpu_count() or 1))) as pool:
        return list(pool.map(one, range(first_seed, first_seed + kills)))


def summary(outcomes: list[Outcome]) -> str:
    """Return the figures, for people."""
    hung = [o for o in outcomes if o.hung]
    lags = sorted(o.lag_ns for o in outcomes if o.lines)
    late = sum(lag > LAG_NS for lag in lags)
    return (
        f"{len(outcomes)} killed: {sum(o.lines for o in outcomes):,} lines judged, "
        f"{sum(o.torn for o in outcomes)} with a torn last line, "
        f"{len(hung)} had hung for {HUNG_NS // 10**6} ms or more, "
        f"{sum(o.verdict == 'deadlock' for o in outcomes)} deadlocks said, "
        f"{sum(bool(o.faults) for o in outcomes)} with a fault; "
        f"lost before the kill: median {_ms(lags, 0.5)}, 99 of 100 {_ms(lags, 0.99)}, "
        f"most {_ms(lags, 1)}, {late} more than {LAG_NS // 10**6} ms"
    )


def _ms(sorted_ns: list[int], share: float) -> str:
    if not sorted_ns:
        return "-"
    return f"{sorted_ns[min(len(sorted_ns) - 1, int(share * len(sorted_ns)))] / 1e6:.1f} ms"


def main() -> int:
    """Kill as many as the command line says, and return the exit status."""
    kills = int(sys.argv[1]) if sys.argv[1:] else 1000
    seed = int(sys.argv[2]) if sys.argv[2:] else 0
    directory = Path(tempfile.mkdtemp(prefix="kill-"))
    outcomes = kill_many(kills, directory, seed)
    bad = [o for o in outcomes if o.faults]
    for outcome in bad[:20]:
        print(f"seed {outcome.seed}, see {outcome.trace}:", *outcome.faults[:5], sep="\n  ")
    print(f"Python {sys.version.split()[0]}: {summary(outcomes)}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
