"""Text from a trace made safe for Markdown and Mermaid, as GitHub and GitLab render them."""

from __future__ import annotations

import re
from typing import Final

from tpanalyze.escape import terminal

_SPECIAL: Final = re.compile(r"([\\`*_\[\]#|<>~$&@]|^\s*[-+=]|^\s*\d+(?=[.)]))")
"""What has a meaning anywhere, and what has one where a line begins."""
_TICKS: Final = re.compile("`+")


def markdown(text: str) -> str:
    r"""Return the text as Markdown that shows it: no markup, no HTML, no mention, no link.

    >>> markdown("a_b <img> @user #1")
    'a\\_b \\<img\\> \\@user \\#1'
    """
    return _SPECIAL.sub(_escaped, terminal(text))


def _escaped(found: re.Match[str]) -> str:
    said = found[0]
    if said[-1].isdigit():  # "1." begins a list, "1\\." does not, and a digit has no escape
        return f"{said}&#8203;"
    return f"{said[:-1]}\\{said[-1]}"


def code(text: str) -> str:
    """Return the text as a code span.  Source: CommonMark 0.31, 6.1.

    >>> code("x = `y`")
    '`` x = `y` ``'
    """
    safe = terminal(text)
    longest = max((len(run) for run in _TICKS.findall(safe)), default=0)
    if not longest:
        return f"`{safe}`"
    fence = "`" * (longest + 1)
    return f"{fence} {safe} {fence}"


def mermaid(text: str) -> str:
    """Return the text for a quoted Mermaid label; what has a meaning there becomes an entity.

    >>> mermaid('say "#1"')
    'say #34;#35;1#34;'
    """
    return "".join(
        character if character.isalnum() or character in " .,:()/_-'=…×·" else f"#{ord(character)};"
        for character in terminal(text)
    )
