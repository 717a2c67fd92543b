r"""Text from a trace, made fit for the DOT language.

Three things lie in wait in a DOT string: the quoting itself; the escapes that Graphviz replaces in
labels and tooltips (``\N`` is the node's name, ``\G`` the graph's, ``\l`` a line break); and XML
entities, which it decodes in both.  How often it replaces escapes depends on the place, and was
found by trying; 2.43 and 14.1 agree:

* twice in the attribute ``tooltip``, so a backslash takes four;
* once in HTML-like labels, in their text and their ``TOOLTIP`` alike, but only after decoding
  entities, while a backslash written as such cannot be escaped at all;
* never in names.

And no line of a string, nor tag of an HTML-like label, may have 16 KiB: the whole text is refused
then, "scanning a quoted string (missing endquote? longer than 16384?)".

Sources: https://graphviz.org/doc/info/lang.html, https://graphviz.org/docs/attr-types/escString/,
https://graphviz.org/doc/info/shapes.html#html.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tpanalyze.render.xml_escape import xml_text

LONGEST: Final = 12_000
"""The most bytes of a tooltip, as it stands in DOT text: some are left for the rest of its tag."""


def quoted(text: str) -> str:
    r"""Return `text` as a DOT string for a name or a plain value; slashes replace backslashes.

    >>> quoted('say "a\\b" & <c>')
    '"say &quot;a/b&quot; &amp; &lt;c&gt;"'
    """
    return f'"{xml_text(text).replace("\\", "/")}"'


def tooltip(text: str) -> str:
    r"""Return `text` as a DOT string for the attribute ``tooltip``.

    >>> tooltip("C:\\Nope\nto")
    '"C:\\\\\\\\Nope\\nto"'
    """

    def escaped(part: str) -> str:
        return xml_text(part).replace("\\", "\\\\\\\\").replace("\n", "\\n").replace("\t", " ")

    return f'"{_fitting(text, escaped)}"'


def html(text: str) -> str:
    r"""Return `text` as character data of an HTML-like label.

    >>> html("<b> & C:\\Nope")
    '&lt;b&gt; &amp; C:&#92;&#92;Nope'
    """
    return xml_text(text).replace("\\", "&#92;&#92;")


def html_tooltip(text: str) -> str:
    r"""Return `text` as the value of ``TOOLTIP`` in an HTML-like label.

    >>> html_tooltip("C:\\Nope\nto")
    'C:&#92;&#92;Nope&#10;to'
    """

    def escaped(part: str) -> str:
        return html(part).replace("\n", "&#10;").replace("\t", " ")

    return _fitting(text, escaped)


def _fitting(text: str, escaped: Callable[[str], str]) -> str:
    """Return the text escaped; of one that is too long as much from its beginning as fits."""
    said = escaped(text)
    if len(said.encode()) <= LONGEST:
        return said
    fits, too_much = 0, min(len(text), LONGEST)
    while too_much - fits > 1:
        middle = (fits + too_much) // 2
        if len(escaped(text[:middle] + "…").encode()) <= LONGEST:
            fits = middle
        else:
            too_much = middle
    return escaped(text[:fits] + "…")
