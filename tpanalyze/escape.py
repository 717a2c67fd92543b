"""Text from a trace made safe for a terminal: names may hold anything.

A thread's name can carry escape sequences that move the cursor, change colours or retitle the
window, line breaks that forge lines of the report, and marks that reverse the reading order.
Source: ECMA-48 (C0, C1), Unicode UAX 9 (directional formatting), CVE-2021-42574.
"""

from __future__ import annotations

import unicodedata
from typing import Final

_UNSAFE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories that are shown by their escape: control, format, surrogate, private,
unassigned, line and paragraph separators."""


def terminal(text: str) -> str:
    r"""Return the text with everything that does not print as itself shown as an escape.

    >>> terminal("\x1b[31mred\x1b[0m\n")
    '\\x1b[31mred\\x1b[0m\\n'
    >>> terminal("naïve — 猫"), terminal("\u202egnp.exe"), terminal("\ud800")
    ('naïve — 猫', '\\u202egnp.exe', '\\ud800')
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_shown, text))


def _shown(character: str) -> str:
    if unicodedata.category(character) not in _UNSAFE:
        return character
    return character.encode("unicode_escape").decode("ascii")
