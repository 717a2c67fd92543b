"""The command line: options in, files and streams out, and the exit status."""

from __future__ import annotations

import contextlib
import os
import sys
import webbrowser
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import click

from tpanalyze.collect import children_beside, traces_of
from tpanalyze.errors import (
    EXIT_DEADLOCK,
    EXIT_ERROR,
    EXIT_INTERRUPTED,
    EXIT_NOTHING_FOUND,
    OutputError,
    UserError,
)
from tpanalyze.findings import Report, Verdict
from tpanalyze.outputs import STDOUT, write
from tpanalyze.products import PRODUCTS, Needs, made_at
from tpanalyze.progress import Progress

if TYPE_CHECKING:  # --help need not wait for them
    from tpanalyze.analysis import Run, Source
    from tpanalyze.kinship import Relative

BESIDE = "beside the trace"
"""The value of an output option that was given without one."""

EPILOG = """\b
Examples:
  tpanalyze trace.jsonl                    the verdict, in words
  tpanalyze trace.jsonl --svg --timeline   and two pictures: trace.svg, trace.timeline.svg
  tpanalyze trace.jsonl --svg=- | display  the picture on standard output
  tpanalyze trace.jsonl --markdown=- -q    the report to paste into an issue
  tpanalyze trace.jsonl --story            what led to it, event by event
  tpanalyze trace.jsonl --csv              tables of its tasks, waits and intervals
  tpanalyze trace.jsonl --html             one page with all of it, to attach to a bug report
  tpanalyze trace.jsonl --open             the same, and open it
  tpanalyze trace.jsonl -o a/report.html -o a/tasks.csv
                                           what is written is told by the ends of the names
  tpanalyze redact trace.jsonl             a copy without paths and names, to send
  tpanalyze trace.jsonl --at 12.5          what held 12.5 s after the recording began
  tpanalyze trace.jsonl --json             for programs
  tpanalyze traces/                        all processes of a run, and what became of each

\b
Exit status: 0 nothing found, 1 deadlock found, 2 bad usage, unreadable trace or nowhere to write;
of several traces the highest. 130: interrupted.
"""


def _output(name: str, help_text: str) -> Callable[[Any], Any]:
    return click.option(
        f"--{name}",
        is_flag=False,
        flag_value=BESIDE,
        metavar="[=PATH]",
        help=f"{help_text} (default: TRACE{PRODUCTS[name].suffix}).",
    )


class _Command(click.Command):
    """``tpanalyze TRACE``, beside which there is ``tpanalyze redact TRACE``."""

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,  # noqa: ANN401  # as click has it
    ) -> click.Context:
        """Understand the words of the command that the first of them names."""
        if args[:1] == ["redact"] and not Path("redact").exists():
            return redact.make_context(f"{info_name} redact", args[1:], parent, **extra)
        return super().make_context(info_name, args, parent, **extra)

    def invoke(self, context: click.Context) -> object:
        """Do what the words say."""
        if context.command is not self:
            return context.command.invoke(context)
        return super().invoke(context)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("trace")
@click.option("-o", "--output", metavar="PATH", help="Default: TRACE.redacted.jsonl.")
@click.option("--functions", is_flag=True, help="Replace the names of functions and classes too.")
@click.option("--force", is_flag=True, help="Replace a file that tpanalyze did not make.")
@click.pass_context
def redact(
    context: click.Context, trace: str, output: str | None, *, functions: bool, force: bool
) -> None:
    """Write a copy of TRACE without paths, names of programs, users and hosts.

    The same name becomes the same word each time; the verdict is the same.
    """
    from tpanalyze.reader import open_trace, size_of  # noqa: PLC0415
    from tpanalyze.redact import redacted  # noqa: PLC0415

    stem = trace.removesuffix(".gz").removesuffix(".jsonl")
    path = output or ("trace" if trace == STDOUT else stem) + ".redacted.jsonl"
    try:
        with (
            Progress(sys.stderr).step(f"redacting {trace}", size_of(trace)) as meter,
            open_trace(_source(trace), on_read=meter.read) as opened,
        ):
            data = b"".join(redacted(opened, functions=functions))
        write(data, path, force=force)
    except UserError as error:
        click.echo(f"tpanalyze: {error}", err=True)
        context.exit(EXIT_ERROR)
    if path != STDOUT:
        click.echo(f"wrote {path}", err=True)


@click.command(
    cls=_Command, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.argument("traces", metavar="TRACE...", nargs=-1)
@click.option("--at", "at_s", type=float, metavar="SECONDS", help="Look at this moment of the run.")
@click.option(
    "-o",
    "--output",
    "outputs",
    multiple=True,
    metavar="PATH",
    help="Write what the end of PATH tells: report.html, graph.svg, run.timeline.svg, issue.md, "
    "report.txt, report.json, tasks.csv, ...; may be given several times.",
)
@_output("svg", "Draw the wait-for graph")
@_output("png", "Draw the wait-for graph as a bitmap")
@_output("pdf", "Draw the wait-for graph for print")
@_output("dot", "Write the wait-for graph in Graphviz' language")
@_output("timeline", "Draw what each worker did over time, as SVG")
@_output("markdown", "Write the report as Markdown, to paste into an issue")
@_output("perfetto", "Write the run for ui.perfetto.dev and chrome://tracing")
@_output("html", "Write one page with all of it, which needs no network and no other file")
@click.option(
    "--json",
    "json_path",
    is_flag=False,
    flag_value=STDOUT,
    metavar="[=PATH]",
    help="Write the report for programs (default: standard output).",
)
@click.option(
    "--story",
    is_flag=False,
    flag_value=STDOUT,
    metavar="[=PATH]",
    help="Tell event by event what led to the deadlock (default: standard output).",
)
@click.option(
    "--csv", is_flag=True, help="Write TRACE.tasks.csv, TRACE.waits.csv, TRACE.intervals.csv."
)
@click.option("--parquet", is_flag=True, help="The same as Parquet; needs pyarrow.")
@click.option(
    "--open", "open_", is_flag=True, help="Open what was written, by default the page of --html."
)
@click.option("--force", is_flag=True, help="Replace files that tpanalyze did not make.")
@click.option(
    "--source/--no-source",
    "source_lines",
    default=True,
    help="Show source lines where the source is at hand and unchanged (default: yes).",
)
@click.option("-q", "--quiet", is_flag=True, help="Print no report; the exit status tells.")
@click.version_option(package_name="tprecord", message="tpanalyze %(version)s")
@click.option(
    "--explain",
    metavar="WORD",
    help="Say why a thread or pool (its name) or task (its number) can or cannot move.",
)
@click.pass_context
def main(
    context: click.Context,
    /,
    traces: tuple[str, ...],
    at_s: float | None,
    json_path: str | None,
    explain: str | None,
    outputs: tuple[str, ...],
    *,
    force: bool,
    quiet: bool,
    source_lines: bool,
    csv: bool,
    parquet: bool,
    open_: bool,
    **wanted: str | None,
) -> None:
    """Say what the program of TRACE waited for, why it can never end, and what to change.

    TRACE is what `python -m tprecord app.py` left; - reads it from standard input.  A folder stands
    for all traces in it: those of a program and of the processes it has started.
    An output option without a path writes beside the trace; with =- to standard output.
    """
    paths = {name: path for name, path in wanted.items() if path is not None}
    if json_path is not None:
        paths["json"] = json_path
    for suffix in [".csv"] * csv + [".parquet"] * parquet:
        paths |= {f"{name}{suffix}": BESIDE for name in ("tasks", "waits", "intervals")}
    named = traces or (_taken_for_a_value(paths, context),)
    try:
        _add_by_their_ends(paths, outputs, context)
        if open_ and not paths:
            paths["html"] = BESIDE
        progress = Progress(sys.stderr, shown=not quiet)
        options = Options(
            at_s, paths, progress, force=force, quiet=quiet, source_lines=source_lines, show=open_
        )
        found = traces_of(named)
        if len(found) > 1:
            _refuse_for_several(paths, explain, context)
            status = _run_several(found, options)
        elif explain is not None:
            status = _explain(found[0], options, explain)
        else:
            status = _run(found[0], options)
    except UserError as error:
        click.echo(f"tpanalyze: {error}", err=True)
        status = EXIT_ERROR
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            where = f"{error.filename}: " if error.filename else ""
            click.echo(f"tpanalyze: {where}{error.strerror or error}", err=True)
        status = EXIT_ERROR
    except click.ClickException:
        raise
    except KeyboardInterrupt:  # else it, too, would be that of a deadlock
        click.echo("tpanalyze: interrupted", err=True)
        status = EXIT_INTERRUPTED
    except Exception as error:  # else the status would be that of a deadlock
        if os.environ.get("TPANALYZE_DEBUG"):
            raise
        click.echo(
            f"tpanalyze: a bug in tpanalyze: {type(error).__name__}: {error}; "
            "try again with TPANALYZE_DEBUG=1 to see where, and report it with the trace",
            err=True,
        )
        status = EXIT_ERROR
    context.exit(status)


def _taken_for_a_value(paths: dict[str, str], context: click.Context) -> str:
    """Return the trace of ``tpanalyze --svg trace.jsonl``, where it looks like a path to write."""
    for name, path in paths.items():
        if path not in (BESIDE, STDOUT) and Path(path).is_file():
            paths[name] = STDOUT if name in ("json", "story") else BESIDE
            return path
    raise click.UsageError("which trace? (tpanalyze TRACE)", context)


def _add_by_their_ends(
    paths: dict[str, str], outputs: tuple[str, ...], context: click.Context
) -> None:
    for path in outputs:
        name = made_at(path)
        if name in paths:
            raise click.UsageError(f"two places for the same thing: {paths[name]}, {path}", context)
        paths[name] = path


def _refuse_for_several(paths: dict[str, str], explain: str | None, context: click.Context) -> None:
    if explain is not None:
        raise click.UsageError("--explain takes one trace", context)
    for name, path in paths.items():
        if path != BESIDE and name != "json":
            raise click.UsageError(f"--{name}={path} takes one trace", context)


@dataclass(frozen=True)
class Options:
    """What the user wants of a trace."""

    at_s: float | None
    paths: dict[str, str]
    progress: Progress
    force: bool
    quiet: bool
    source_lines: bool
    show: bool


def _run(trace: str, options: Options) -> int:
    report = _analyse_and_write(trace, options)
    if not options.quiet and STDOUT not in options.paths.values():
        children = children_beside(trace)
        if children:
            more = f" and {len(children) - 1} more" if len(children) > 1 else ""
            click.echo(f"processes it has started left traces too: {children[0]}{more}", err=True)
    return _status(report)


def _run_several(traces: list[str], options: Options) -> int:
    """Report on each trace, then on all of them; what cannot be read is said and left out."""
    json_path = options.paths.get("json")
    quiet = options.quiet or json_path == STDOUT
    paths = {name: path for name, path in options.paths.items() if name != "json"}
    of_each = replace(options, quiet=quiet, paths=paths)
    reports = []
    families = _families(traces, options) if "html" in paths else {}
    for trace in traces:
        if not quiet:
            click.echo(f"==> {trace} <==")
        try:
            reports.append(_analyse_and_write(trace, of_each, families.get(trace, ())))
        except UserError as error:
            click.echo(f"tpanalyze: {error}", err=True)
        if not quiet:
            click.echo()
    if json_path is not None:
        from tpanalyze.render.json_report import render_json_of_several  # noqa: PLC0415

        write(render_json_of_several(reports), json_path, force=options.force)
    unreadable = len(traces) - len(reports)
    if not quiet:
        from tpanalyze.render.overview import render_overview  # noqa: PLC0415

        click.echo(render_overview(reports, unreadable), nl=False)
    return max([*map(_status, reports), *([EXIT_ERROR] if unreadable else [])])


def _families(traces: list[str], options: Options) -> dict[str, tuple[Relative, ...]]:
    """Return for each trace all processes of the run, as the page on that trace names them."""
    from tpanalyze.analysis import analyze  # noqa: PLC0415
    from tpanalyze.kinship import Relative, family_tree  # noqa: PLC0415

    reports = []
    for trace in traces:
        if trace != STDOUT:  # which can be read but once
            with contextlib.suppress(UserError), options.progress.step(f"looking at {trace}"):
                reports.append(analyze(trace, at_ns=_nanoseconds(options.at_s)))
    members = family_tree(reports)

    def way(there: str, here: str) -> str | None:
        """Return the way from the page on one trace to that on another."""
        if there == here:
            return None
        path = os.path.relpath(_place(there, "html"), Path(_place(here, "html")).parent)
        return quote(os.fsencode(path))

    return {
        here.trace: tuple(Relative.of(each, way(each.report.trace, here.trace)) for each in members)
        for here in reports
    }


def _analyse_and_write(trace: str, options: Options, family: tuple[Relative, ...] = ()) -> Report:
    """Analyse a trace, print the report, and write what is wanted to where it is wanted."""
    from tpanalyze.analysis import analyze, load  # noqa: PLC0415  # --help need not wait for it
    from tpanalyze.reader import size_of  # noqa: PLC0415
    from tpanalyze.verdict import at_hand  # noqa: PLC0415

    source, at_ns = _source(trace), _nanoseconds(options.at_s)
    products = [PRODUCTS[name] for name in options.paths]
    run: Run | None = None
    with options.progress.step(f"reading {trace}", size_of(trace)) as meter:
        if any(product.needs >= Needs.RUN for product in products):
            deeds = any(product.needs is Needs.DEEDS for product in products)
            run = load(source, at_ns=at_ns, deeds=deeds, on_read=meter.read)
            run = replace(run, family=family)
            report: Report = run.report
        else:
            report = analyze(source, at_ns=at_ns, on_read=meter.read)
    if products:
        report = at_hand(report)
    written = []
    for name, given in options.paths.items():
        path = _place(trace, name) if given == BESIDE else given
        with options.progress.step(f"making {path}"):
            data = PRODUCTS[name].made_of(report, run)
        write(data, path, force=options.force)
        if path != STDOUT:
            written.append(path)
    if not options.quiet and STDOUT not in options.paths.values():
        click.echo(_text(report, trace, options), nl=False)
        for path in written:
            click.echo(f"wrote {path}", err=True)
    if options.show:
        for path in written:
            _show(path)
    return report


def _show(path: str) -> None:
    """Open a file with what this desktop opens such files with.  Raises `OutputError`."""
    if click.launch(path) == 0 or webbrowser.open(Path(path).absolute().as_uri()):
        return
    raise OutputError(
        path,
        found="no program here that opens it",
        expected="xdg-open, open or a browser",
        advice="opening it by hand: it is written",
    )


def _status(report: Report) -> int:
    return EXIT_DEADLOCK if report.verdict is Verdict.DEADLOCK else EXIT_NOTHING_FOUND


def _explain(trace: str, options: Options, word: str) -> int:
    from tpanalyze.analysis import analyze  # noqa: PLC0415
    from tpanalyze.explain import explain  # noqa: PLC0415
    from tpanalyze.lookup import find  # noqa: PLC0415
    from tpanalyze.reader import size_of  # noqa: PLC0415

    at_ns = _nanoseconds(options.at_s)
    with options.progress.step(f"reading {trace}", size_of(trace)) as meter:
        snapshot = analyze(_source(trace), at_ns=at_ns, on_read=meter.read).snapshot
    click.echo("\n".join(explain(snapshot, find(snapshot, word))))
    return EXIT_NOTHING_FOUND


def _source(trace: str) -> Source:
    return sys.stdin.buffer if trace == STDOUT else trace


def _nanoseconds(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1e9)


def _place(trace: str, name: str) -> str:
    """Return where an output goes that was asked for without a path."""
    if trace == STDOUT:
        return f"trace{PRODUCTS[name].suffix}"
    stem = trace.removesuffix(".gz").removesuffix(".jsonl").removesuffix(".trace")
    return stem + PRODUCTS[name].suffix


def _text(report: Report, trace: str, options: Options) -> str:
    from tpanalyze.render.text import TextOptions, render_text  # noqa: PLC0415
    from tpanalyze.sources import SourceLines  # noqa: PLC0415

    wanted = TextOptions(color=_wants_color(), at_ns=_nanoseconds(options.at_s))
    if options.source_lines:
        beside = Path() if trace == STDOUT else Path(trace).parent
        lines = SourceLines((Path(), beside), report.header.started)
        wanted = replace(wanted, source=lines)
    return render_text(report, wanted)


def _wants_color(environment: dict[str, str] | None = None) -> bool:
    """Return true on a terminal, unless ``NO_COLOR`` is set (https://no-color.org)."""
    variables = os.environ if environment is None else environment
    return sys.stdout.isatty() and not variables.get("NO_COLOR") and variables.get("TERM") != "dumb"


def run(arguments: Sequence[str]) -> int:
    """Run the command with these words and return its exit status."""
    try:
        status = main.main(list(arguments), prog_name="tpanalyze", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return EXIT_ERROR
    return int(status or EXIT_NOTHING_FOUND)
