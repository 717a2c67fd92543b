"""Draws DOT text: with the ``dot`` on PATH where there is one, else with the bundled libraries.

The bundled libraries are those in the wheel of ``pygraphviz``.  Everything this module returns is
free of dates and versions: the same layout gives the same bytes.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final, Literal
from xml.etree import ElementTree as ET

from tpanalyze.errors import UserError
from tpanalyze.render import bundled_graphviz
from tpanalyze.render.svg_finish import finish_svg

Format = Literal["svg", "png", "pdf"]

PNG_DPI: Final = 144
"""Twice the pixels of a plain screen, so that small text stays sharp."""

_PATIENCE_S: Final = 120
_HEAD: Final = re.compile(
    r'\s*(?:strict\s+)?(?:di)?graph\b\s*(?:\w+|"(?:[^"\\]|\\.)*")?\s*\{', re.IGNORECASE
)
_PDF_DATE: Final = re.compile(rb"/CreationDate \([^()]*\)")


class GraphvizError(UserError):
    """No Graphviz here can draw this; ``str()`` says why and what to try, in one line."""

    def __init__(self, output_format: str, reason: str, advice: str) -> None:
        self.output_format, self.reason, self.advice = output_format, reason, advice
        super().__init__(f"cannot draw the {output_format}: {reason}, try {advice}")


def render(dot: str, format: Format) -> bytes:  # noqa: A002 (Graphviz's own word)
    """Return the picture of `dot` as the bytes of a file.

    SVG comes ready for light and dark pages (see :mod:`tpanalyze.render.svg_finish`); PNG has
    PNG_DPI.  Raises GraphvizError if `dot` is no DOT text, or neither Graphviz can write the format
    on this machine.
    """
    if format == "png":
        dot = _with_resolution(dot, PNG_DPI)
    drawn = _by_program(dot, format)
    if drawn is None:
        drawn = _by_libraries(dot, format)
    if format == "svg":
        try:
            return finish_svg(drawn)
        except ET.ParseError as problem:
            raise GraphvizError(format, f"Graphviz wrote no XML ({problem})", _PLAIN) from problem
    if format == "pdf":
        return _PDF_DATE.sub(lambda found: b" " * len(found[0]), drawn)
    return drawn


_PLAIN: Final = "--dot and another Graphviz"


def _with_resolution(dot: str, dpi: int) -> str:
    """Return `dot` with the resolution set right after the graph's opening brace."""
    head = _HEAD.match(dot)
    return dot if head is None else f"{head[0]}\n  dpi={dpi};{dot[head.end() :]}"


def _by_program(dot: str, output_format: Format) -> bytes | None:
    """Return what ``dot`` draws; None if there is none on PATH, or it cannot."""
    if shutil.which("dot") is None:
        return None
    import graphviz  # noqa: PLC0415  # only where there is a dot to run

    try:
        return graphviz.pipe("dot", output_format, dot.encode(), quiet=True) or None
    except (graphviz.ExecutableNotFound, graphviz.CalledProcessError, OSError):
        return None  # a dot without its plugins, say: the libraries may do better


def _by_libraries(dot: str, output_format: Format) -> bytes:
    """Return what the bundled libraries draw, in a process of their own."""
    command = [sys.executable, "-P", str(Path(bundled_graphviz.__file__)), output_format]
    try:
        done = subprocess.run(  # noqa: S603  # ourselves
            command, input=dot.encode(), capture_output=True, timeout=_PATIENCE_S, check=False
        )
    except subprocess.TimeoutExpired:
        reason = f"the layout takes more than {_PATIENCE_S} s"
        raise GraphvizError(output_format, reason, _PLAIN) from None
    except OSError as problem:
        reason = f"Python cannot start itself ({problem})"
        raise GraphvizError(output_format, reason, "installing Graphviz's `dot`") from problem
    match done.returncode:
        case 0:
            return done.stdout
        case bundled_graphviz.NO_FONT:
            raise GraphvizError(
                output_format,
                "this machine has no font to draw text with",
                "--svg, whose text is drawn where it is read, or installing a font "
                "(apt-get install fonts-dejavu-core)",
            )
        case status:
            said = done.stderr.decode("utf-8", "replace").strip().splitlines()
            reason = said[-1] if said else f"the bundled Graphviz ended with status {status}"
            raise GraphvizError(output_format, reason, "installing Graphviz's `dot`")
