"""Regenerate ``docs/notebook.ipynb``: the DataFrames of a sample, each cell with what it shows.

    python3 dev.py python -m tools.notebook

The cells are run here, one after the other as a notebook would, so no Jupyter is needed.
Source: the notebook format 4.5, https://nbformat.readthedocs.io/en/latest/format_description.html
"""

from __future__ import annotations

import ast
import contextlib
import io
import json
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
NOTEBOOK: Final = ROOT / "docs" / "notebook.ipynb"

type Cell = dict[str, object]

CELLS: Final = (
    """# A run as DataFrames

A thousand tasks hang ([the program](../traces/crowd/program.py)). `tpanalyze.load` reads what
happened; times are integers in nanoseconds, and [reports.md](reports.md) has every column.""",
    """>>>
import tpanalyze

run = tpanalyze.load("../traces/crowd/trace.jsonl")
print(run.report.findings[0].summary)""",
    "A report shows itself as the wait-for graph; `print(run.report)` gives the words.",
    """>>>
run.report""",
    "Every task of a pool is a row.",
    """>>>
tasks = run.tasks()
tasks[["task", "function", "worker_name", "state", "queued_ns", "waiting_ns"]].head()""",
    "How many tasks of each function came how far, and how many seconds they took in all:",
    """>>>
tasks.groupby(["function", "state"], observed=True).size().unstack(fill_value=0)""",
    """>>>
tasks.groupby("function", observed=True)[["queued_ns", "running_ns", "waiting_ns"]].sum() / 1e9""",
    "Who has waited longest, and where:",
    """>>>
waits = run.waits()
waits.nlargest(5, "length_ns")[["thread_name", "function", "site", "length_ns"]]""",
    "At which lines the waiting was done, in seconds:",
    """>>>
by_site = waits.groupby("site", observed=True)["length_ns"].agg(["count", "sum"])
by_site.assign(sum=by_site["sum"] / 1e9).round(3)""",
    """How the load of each pool changed, step by step; here, the most there was of each. With
matplotlib, `load.plot("time_ns", "queued", drawstyle="steps-post")` draws it.""",
    """>>>
load = run.pool_load()
load.groupby("pool")[["queued", "running", "waiting"]].max()""",
    "What each of the first workers did with its time, in milliseconds:",
    """>>>
spans = run.intervals()
spans = spans.assign(ms=(spans["end_ns"] - spans["start_ns"]) / 1e6)
spans.pivot_table("ms", "thread_name", "state", "sum", observed=True).head().round(1)""",
)
"""The cells: code where they begin with ``>>>``, else Markdown."""


def notebook() -> dict[str, object]:
    """Return the notebook with its outputs."""
    names: dict[str, object] = {}
    with contextlib.chdir(NOTEBOOK.parent):
        cells = [_cell(number, text, names) for number, text in enumerate(CELLS)]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {
        "cells": cells,
        "metadata": {"kernelspec": kernel, "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def _cell(number: int, text: str, names: dict[str, object]) -> Cell:
    code = text.removeprefix(">>>\n")
    lines = code.splitlines(keepends=True)
    cell: Cell = {"id": f"cell-{number}", "metadata": {}, "source": lines}
    if code == text:
        return cell | {"cell_type": "markdown"}
    outputs = _run(code, names)
    return cell | {"cell_type": "code", "execution_count": None, "outputs": outputs}


def _run(code: str, names: dict[str, object]) -> list[Cell]:
    """Run a cell and return what it shows: what it prints, and its last expression."""
    parsed = ast.parse(code)
    last = parsed.body.pop() if isinstance(parsed.body[-1], ast.Expr) else None
    printed = io.StringIO()
    value: object = None
    with contextlib.redirect_stdout(printed):
        exec(compile(parsed, "<cell>", "exec"), names)  # noqa: S102  # our own cells
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), "<cell>", "eval"), names)  # noqa: S307
    outputs: list[Cell] = []
    if printed.getvalue():
        text = printed.getvalue().splitlines(keepends=True)
        outputs.append({"output_type": "stream", "name": "stdout", "text": text})
    if value is not None:
        outputs.append({"output_type": "display_data", "metadata": {}, "data": _shown(value)})
    return outputs


def _shown(value: object) -> dict[str, list[str]]:
    """Return what IPython would show of a value, by its kind."""
    shown = {"text/plain": str(value)}
    for kind, method in (("text/html", "_repr_html_"), ("image/svg+xml", "_repr_svg_")):
        if callable(draw := getattr(value, method, None)):
            shown[kind] = str(draw())
    return {kind: text.splitlines(keepends=True) for kind, text in shown.items()}


def main() -> int:
    """Write the notebook."""
    text = json.dumps(notebook(), indent=1, ensure_ascii=False)
    NOTEBOOK.write_text(f"{text}\n", encoding="utf-8")
    sys.stdout.write(f"{NOTEBOOK.relative_to(ROOT)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
