"""Text from a trace, made fit for XML: names in a trace may hold anything.

Sources: XML 1.0 (fifth edition), productions 2 (Char) and 14 (CharData); Unicode Standard Annex 9
for the controls that reorder the text around them.
"""

from __future__ import annotations

import re
from typing import Final

_UNFIT: Final = re.compile(
    "[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"  # not an XML Char
    "|[\x7f-\x9f]"  # controls that XML allows but no picture shows
    "|[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"  # controls of the writing direction
    "|[\ufdd0-\ufdef]|[\U0001fffe\U0001ffff]"  # not characters
)


def legal(text: str) -> str:
    r"""Return `text` with every character that XML forbids or nobody can see replaced by U+FFFD.

    >>> legal("io\x00\u202e_1")
    'io\ufffd\ufffd_1'
    """
    return _UNFIT.sub("\ufffd", text)


def one_line(text: str) -> str:
    r"""Return legal text in which every run of white space is one space.

    >>> one_line(" a\tb\n c ")
    'a b c'
    """
    return " ".join(legal(text).split())


def xml_text(text: str) -> str:
    """Return `text` as character data or as the value of an attribute in double quotes.

    >>> xml_text('<a> & "b"')
    '&lt;a&gt; &amp; &quot;b&quot;'
    """
    escaped = legal(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return escaped.replace('"', "&quot;").replace("\r", "&#13;")
