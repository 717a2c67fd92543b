"""Draws DOT text with the Graphviz libraries that pygraphviz carries; run as a script.

``python bundled_graphviz.py FORMAT`` reads DOT text from standard input and writes the picture to
standard output.  It is a process of its own because the libraries write warnings to the C library's
standard error, keep global state, and could take the process down with them.
"""

from __future__ import annotations

import sys
from typing import Final

FAILED: Final = 1
"""exit status: the text is not DOT, or the libraries do not know the format"""
NO_FONT: Final = 3
"""exit status: text would be drawn as empty boxes"""

_PROBE: Final = 'digraph { a [label="word"] }'


def draw(dot: str, output_format: str) -> bytes:
    """Return `dot` drawn by the ``dot`` layout engine.

    Raises ValueError if the text is not DOT, or the format is none of those the libraries know.
    """
    import pygraphviz  # noqa: PLC0415  # the analyser imports this module for its name only

    try:
        graph = pygraphviz.AGraph(string=dot)
    except (ValueError, pygraphviz.DotError) as problem:
        raise ValueError(f"Graphviz cannot read the text ({problem})") from problem
    try:
        drawn: object = graph.draw(format=output_format, prog="dot")
    except TypeError:  # pygraphviz 2.0 takes the error code of the libraries for a pair
        drawn = None
    if not isinstance(drawn, bytes):
        raise ValueError(  # noqa: TRY004  # the value of `output_format` is wrong
            f"the bundled Graphviz does not know the format {output_format}"
        )
    return drawn


def has_font() -> bool:
    """Return False if text would come out as empty boxes.

    On Linux, fonts are the system's, and a small container has none; Pango then draws boxes and
    says nothing.  A font that is really used is embedded in a PDF.
    """
    return sys.platform != "linux" or b"/FontFile" in draw(_PROBE, "pdf")


def main() -> int:
    """Draw standard input as the format that the first argument names; return the exit status."""
    output_format = sys.argv[1]
    try:
        if output_format != "svg" and not has_font():
            return NO_FONT
        picture = draw(sys.stdin.buffer.read().decode("utf-8"), output_format)
    except ValueError as problem:
        sys.stderr.write(f"{problem}\n")
        return FAILED
    sys.stdout.buffer.write(picture)
    return 0


if __name__ == "__main__":
    sys.exit(main())
