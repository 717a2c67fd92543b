"""Regenerate ``docs/gallery.md``: every sample of ``traces/``, with its pictures.

    python3 dev.py python -m tools.gallery

``tools.samples`` does so as well, whenever it has made a sample anew.  Beside it goes the page of
one of them, ``docs/example-report.html``, for those who want to see one before they install.
"""

from __future__ import annotations

import ast
import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import tpanalyze
from tpanalyze.analysis import Analysis
from tpanalyze.findings import Verdict
from tpanalyze.products import PRODUCTS
from tpanalyze.render.markdown_escape import markdown

ROOT: Final = Path(__file__).resolve().parent.parent
GALLERY: Final = ROOT / "docs" / "gallery.md"
PAGE: Final = ROOT / "docs" / "example-report.html"
SHOWN: Final = "pool_starvation_with"
"""The sample whose page is kept."""

INTRODUCTION: Final = """\
# Gallery

The samples of [traces/](../traces/): what each program does, what the analyser says of it, who
waits for what, and what each thread did. In every picture red is the core of a deadlock, amber what
is stuck behind it; whatever waits is hatched, so that nothing depends on colour alone. Hover in the
SVGs, opened by themselves, for whole names and stacks.

The page of one of them is kept as [example-report.html](example-report.html): save it and open it.
Those of all others are one command away:

```sh
tpanalyze traces/circular_wait/trace.jsonl --open
```

This file is made by `python3 dev.py python -m tools.gallery`.
"""

TITLES: Final = {
    Verdict.DEADLOCK: "Deadlocks: proved",
    Verdict.STALLED: "Stalled: whether it goes on, no trace can tell",
    Verdict.STARVING: "Starving: it moves, but not where it matters",
    Verdict.POTENTIAL: "Potential deadlocks: another schedule would hang",
    Verdict.NONE: "Nothing found",
}


def gallery(samples: list[Path]) -> str:
    """Return the gallery of the samples, those of one verdict together."""
    reports = {sample: analysed(sample) for sample in samples}
    parts = [INTRODUCTION]
    for verdict, title in TITLES.items():
        shown = [sample for sample in samples if reports[sample].verdict is verdict]
        if shown:
            parts.append(f"\n## {title}\n")
        parts += [line for sample in shown for line in entry(sample, reports[sample])]
    return "".join(parts)


def analysed(sample: Path) -> Analysis:
    """Return the report on a sample."""
    return tpanalyze.analyze(sample / "trace.jsonl")


def entry(sample: Path, report: Analysis) -> Iterator[str]:
    """Yield the lines on one sample."""
    place = f"../traces/{sample.name}"
    yield f"\n### {sample.name}\n\n{first_line(sample)}\n\n"
    for finding in report.findings:
        yield f"> **{finding.kind}**: {markdown(finding.summary)}\n\n"
    alternative = report.findings[0].kind if report.findings else "nothing found"
    for kind in ("graph", "timeline"):
        if (sample / f"{kind}.svg").exists():
            yield f"![{kind} of {sample.name}: {alternative}]({place}/{kind}.svg)\n\n"
    yield f"[program]({place}/program.py) · [report in words]({place}/report.txt)\n"


def first_line(sample: Path) -> str:
    """Return what a sample's program says of itself first."""
    said = ast.get_docstring(ast.parse((sample / "program.py").read_text(encoding="utf-8")))
    return (said or "").split("\n", 1)[0]


def page() -> bytes:
    """Return the page of the sample that is shown."""
    with contextlib.chdir(ROOT):  # it says where the trace is
        run = tpanalyze.load(f"traces/{SHOWN}/trace.jsonl", deeds=True)
        return PRODUCTS["html"].made_of(run.report, run)


def write(samples: list[Path]) -> None:
    """Write the gallery, and the page."""
    GALLERY.write_text(gallery(samples), encoding="utf-8")
    PAGE.write_bytes(page())


def samples() -> list[Path]:
    """Return the directories of the samples, by name."""
    return sorted(program.parent for program in (ROOT / "traces").glob("*/program.py"))


if __name__ == "__main__":
    write(samples())
    sys.stdout.write(f"{GALLERY.relative_to(ROOT)}\n")
