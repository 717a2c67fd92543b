"""The command ``python -m tprecord``: run a program unchanged and record it."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

USAGE = """\
usage: python -m tprecord [-o PATH] [OPTION ...] (app.py | -m MODULE | -c CODE) [ARGUMENT ...]

Runs the program as `python` would, and records what it does with thread pools into a trace.
When it hangs, end it in whatever way you like; then:  tpanalyze PATH --svg

  -o PATH        where the trace goes (default: PROGRAM-PID.trace.jsonl, never one that exists)
  -q             do not say where the trace goes
  --signal S     look at all threads when this signal comes: USR1, say
  --depth N      frames of the program's own that each place in the trace has (default: 4)
  --locks        record threading.Lock and RLock too: who holds one while others want it
  --no-children  record only this process, not the ones it starts
  --max-size S   keep the newest part of the trace, 100MB say, in segments: TRACE.0001.jsonl, ...
  --gzip         write the trace with gzip
  --version      print the version, and whether the core is in C or in Python
  -h, --help     print this
"""


def size(text: str) -> int:
    """Return the bytes that a word like ``100MB`` says.  Raises ValueError."""
    from tprecord.segments import size

    return size(text)


class UsageError(Exception):
    """The command line is not understood."""


class Command:
    """The command line, understood.  Raises `UsageError`."""

    def __init__(self, words: list[str]) -> None:
        self.path: str | None = None
        self.quiet = False
        self.depth: int | None = None
        self.signal: str | None = None
        self.children = True
        self.max_size: int | None = None
        self.gzip = False
        self.locks = False
        self.kind = ""
        self.target = ""
        self.arguments: list[str] = []
        while words:
            word = words.pop(0)
            if word in ("-h", "--help", "--version"):
                self.kind = word
                return
            if word == "-q":
                self.quiet = True
            elif word == "-o":
                self.path = _value(word, words)
            elif word == "--no-children":
                self.children = False
            elif word == "--locks":
                self.locks = True
            elif word == "--signal":
                self.signal = _value(word, words)
            elif word == "--gzip":
                self.gzip = True
            elif word == "--max-size":
                try:
                    self.max_size = size(_value(word, words))
                except ValueError as error:
                    raise UsageError(str(error)) from None
            elif word == "--depth":
                value = _value(word, words)
                if not value.isdecimal() or int(value) < 1:
                    raise UsageError(f"--depth takes a whole number from 1, not {value!r}")
                self.depth = int(value)
            elif word in ("-m", "-c"):
                self.kind, self.target, self.arguments = word, _value(word, words), words
                return
            elif word.startswith("-") and word != "-":
                raise UsageError(f"no such option: {word}")
            else:
                self.kind, self.target, self.arguments = "script", word, words
                return
        raise UsageError("which program?")


def _value(option: str, words: list[str]) -> str:
    if not words:
        raise UsageError(f"{option} takes a value")
    return words.pop(0)


def main() -> None:
    """Do what the command line says; the program's own end is the process's."""
    try:
        command = Command(sys.argv[1:])
    except UsageError as error:
        _stop(f"python -m tprecord: {error}\n{USAGE.splitlines()[0]}\n")
    if command.kind in ("-h", "--help"):
        sys.stdout.write(USAGE)
        return
    if command.kind == "--version":
        sys.stdout.write(f"tprecord {_version()}\n")
        return
    if sys.version_info < (3, 12):  # noqa: UP036  # a copied directory knows no requires-python
        _stop("python -m tprecord: Python 3.12 or newer is needed (sys.monitoring)\n")
    _record_and_run(command)


def _version() -> str:
    from tprecord import cores
    from tprecord.version import VERSION

    try:
        return f"{VERSION}, core in {cores.choose().name}"
    except cores.CoreError as error:
        _stop(f"python -m tprecord: {error}\n")


def _record_and_run(command: Command) -> None:
    from tprecord import launch
    from tprecord.cores import CoreError
    from tprecord.monitor import NoToolId
    from tprecord.recording import DEPTH, Recording, say

    program = os.path.basename(command.target) if command.kind == "script" else command.target
    if command.kind == "-c":
        program = "-c"
    recording = None
    try:
        if command.kind == "script":
            launch.look_for(command.target)
        recording = Recording(
            command.path,
            program,
            depth=command.depth or DEPTH,
            quiet=command.quiet,
            floors=launch.FLOORS,
            children=command.children,
            max_size=command.max_size,
            gzip=command.gzip,
            locks=command.locks,
        )
        recording.start()
        if command.signal is not None:
            recording.look_on(command.signal)
    except launch.CannotRun as error:
        _stop(f"{sys.executable}: {error}\n")
    except ValueError as error:
        _stop(f"python -m tprecord: {error}\n{USAGE.splitlines()[0]}\n")
    except CoreError as error:
        _stop(f"python -m tprecord: {error}\n")
    except NoToolId as error:
        say(f"not recording: {error}")
    except OSError as error:
        if command.path is not None:
            _stop(f"python -m tprecord: cannot write the trace: {error}\n")
        say(f"not recording: cannot write the trace here: {error}; try -o PATH")
    else:
        if not command.quiet:
            say(f"recording to {os.path.relpath(recording.path)}")
    try:
        if command.kind == "-m":
            launch.run_module(command.target, command.arguments)
        elif command.kind == "-c":
            launch.run_code(command.target, command.arguments)
        else:
            launch.run_script(command.target, command.arguments)
    except launch.CannotRun as error:
        _stop(f"{sys.executable}: {error}\n")


def _stop(text: str) -> NoReturn:
    sys.stderr.write(text)
    raise SystemExit(2)
