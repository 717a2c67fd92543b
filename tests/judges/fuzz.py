"""Feeds broken and hostile traces to all of the analyser.

``python -m tests.judges.fuzz [SECONDS]``: mutations of the sample traces; with atheris, if it is
installed (``pip install atheris``), which keeps those that find new paths through the analyser and
goes on from them.  `opened` is what both must survive: an answer or a `TraceError`, in bounded time
and memory, and outputs that are what they say.
"""

from __future__ import annotations

import contextlib
import io
import json
import random
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import orjson

from tests.recorded import ROOT
from tpanalyze.analysis import load
from tpanalyze.errors import TraceError
from tpanalyze.products import PRODUCTS
from tpanalyze.render.text import render_text

SLOWEST_S = 20.0
MEMORY_MB = 2_000
"""What atheris lets the process have, itself included."""
DRAWN = ("dot", "timeline", "json", "markdown", "perfetto", "story", "html")
HTML_OF = 20
"""One page of so many traces is made in the longer run: it takes as long as all the rest."""
LONGEST = 1 << 16
SAMPLES = [path.read_bytes() for path in sorted((ROOT / "traces").rglob("*.jsonl"))]
DIGITS = b"0123456789"


def opened(data: bytes, drawn: tuple[str, ...] = DRAWN) -> str:
    """Analyse a trace and make what can be made of it; return the verdict, or ``error``.

    Raises whatever must not happen.
    """
    began = time.monotonic()
    try:
        run = load(io.BytesIO(data), deeds=True)
    except TraceError as error:
        said = str(error)
        assert said.isprintable() or "\n" in said
        assert "\x1b" not in said
        return "error"
    report = run.report
    text = render_text(report)
    assert not any(c < " " and c != "\n" for c in text), text
    made = {name: PRODUCTS[name].made_of(report, run) for name in drawn}
    ET.fromstring(made["timeline"])
    json.loads(made["json"])
    json.loads(made["perfetto"])
    for output in made.values():
        output.decode()
        assert b"\x1b" not in output
    for name in {"timeline", "html"}.intersection(drawn):
        assert b"<script>alert(1)" not in made[name], name
    assert time.monotonic() - began < SLOWEST_S
    return str(report.verdict)


def some_of_it(chance: random.Random) -> tuple[str, ...]:
    """Return what to make of the next trace."""
    return DRAWN if not chance.randrange(HTML_OF) else DRAWN[:-1]


def mutated(chance: random.Random, trace: bytes = b"") -> bytes:
    """Return a trace, or else one of the samples, with something wrong."""
    lines = (trace or chance.choice(SAMPLES)).splitlines(keepends=True)
    for _ in range(chance.randrange(1, 5)):
        chance.choice(MUTATIONS)(lines, chance)
    return b"".join(lines)


def _at(lines: list[bytes], chance: random.Random) -> int:
    return chance.randrange(len(lines)) if lines else 0


def _drop(lines: list[bytes], chance: random.Random) -> None:
    at = _at(lines, chance)
    del lines[at : at + chance.randrange(1, 6)]


def _double(lines: list[bytes], chance: random.Random) -> None:
    at = _at(lines, chance)
    lines[at:at] = lines[at : at + chance.randrange(1, 6)]


def _swap(lines: list[bytes], chance: random.Random) -> None:
    if lines:
        a, b = _at(lines, chance), _at(lines, chance)
        lines[a], lines[b] = lines[b], lines[a]


def _tear(lines: list[bytes], chance: random.Random) -> None:
    if lines:
        lines[-1] = lines[-1][: chance.randrange(len(lines[-1]) + 1)]


def _other_numbers(lines: list[bytes], chance: random.Random) -> None:
    """Put another number in the place of one."""
    if lines:
        at = _at(lines, chance)
        line = bytearray(lines[at])
        places = [i for i, byte in enumerate(line) if byte in DIGITS]
        if places:
            other = chance.choice(
                [b"0", b"-1", b"7", b"999999999999999", b"9" * 30, b"1e3", b"0.5"]
            )
            place = chance.choice(places)
            line[place : place + 1] = other
            lines[at] = bytes(line)


def _other_bytes(lines: list[bytes], chance: random.Random) -> None:
    if lines:
        at = _at(lines, chance)
        line = bytearray(lines[at])
        for _ in range(chance.randrange(1, 4)):
            line[chance.randrange(len(line)) if line else 0 : 0] = chance.randbytes(1)
        lines[at] = bytes(line)


def _insert(lines: list[bytes], chance: random.Random) -> None:
    lines.insert(_at(lines, chance), chance.choice(ODD_LINES) + b"\n")


def _hostile_name(lines: list[bytes], chance: random.Random) -> None:
    for at, line in enumerate(lines):
        if b'"name":' in line and chance.random() < 0.5:
            try:
                row = orjson.loads(line)
            except orjson.JSONDecodeError:
                continue
            row["name"] = chance.choice(HOSTILE_NAMES)
            lines[at] = orjson.dumps(row) + b"\n"


MUTATIONS: list[Callable[[list[bytes], random.Random], None]] = [
    _drop,
    _double,
    _swap,
    _tear,
    _other_numbers,
    _other_bytes,
    _insert,
    _hostile_name,
]
HOSTILE_NAMES = (
    "</script><script>alert(1)</script>",
    '"];x[label="',
    "\x1b[31mred\x1b]0;title\x07",
    "../../etc/passwd",
    "a\nb\r\0c\u202ed",
    "`$(touch x)`",
    "]]><svg onload=alert(1)>",
    "x" * 100_000,
    "",
)
ODD_LINES = (
    b"[" * 5_000 + b"]" * 5_000,
    b'{"a":' * 2_000 + b"1" + b"}" * 2_000,
    b"[1,2]",
    b"{}",
    b"null",
    b"[6,1,1,1,1,-1,1,1,999999999999]",
    b"[6,1,1,1,1,-1,1,1,1,5,5,9,9]",
    b'{"set":1,"tasks":[1,99999999999]}',
    b'{"checkpoint":3,"ticks":5,"tasks":[1,99999999]}',
    b'{"checkpoint":1,"ticks":-5,"tasks":[9,1]}',
    b'{"checkpoint":1}',
    b"[50,0,0]",
    b'{"note":1,"text":"lost","dropped":99}',
    b'{"tprecord":99}',
    b"\xff\xfe\x00",
    b"[1," + b"9" * 10_000 + b"]",
)


def main() -> int:
    """Look for trouble for so many seconds, and return the exit status."""
    seconds = int(sys.argv[1]) if sys.argv[1:] else 60
    with contextlib.suppress(ImportError):
        return _with_atheris(seconds)
    chance, counts, seed = random.Random(), dict[str, int](), 0
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        seed += 1
        chance.seed(seed)
        data = mutated(chance)
        try:
            verdict = opened(data, some_of_it(chance))
        except Exception:
            print(f"seed {seed}")
            raise
        counts[verdict] = counts.get(verdict, 0) + 1
    print(f"Python {sys.version.split()[0]}: {seed:,} mutated traces: {counts}")
    return 0


def _with_atheris(seconds: int) -> int:
    import atheris  # type: ignore[import-not-found,import-untyped,unused-ignore]  # noqa: PLC0415

    atheris.instrument_all()
    chance = random.Random(seconds)

    def one(data: bytes) -> None:
        opened(data, some_of_it(chance))

    def mutate(data: bytes, longest: int, seed: int) -> bytes:
        chance = random.Random(seed)
        if chance.random() < 0.2:
            return bytes(atheris.Mutate(data, longest))
        return mutated(chance, data)[:longest]

    with tempfile.TemporaryDirectory() as directory:
        for number, sample in enumerate(SAMPLES):
            (Path(directory) / f"{number}.jsonl").write_bytes(sample[:LONGEST])
        options = {
            "max_total_time": seconds,
            "max_len": LONGEST,
            "len_control": 0,
            "timeout": int(SLOWEST_S),
            "rss_limit_mb": MEMORY_MB,
        }
        words = [sys.argv[0], *(f"-{name}={value}" for name, value in options.items()), directory]
        atheris.Setup(words, one, custom_mutator=mutate)
        atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
