"""Names as a trace may hold them that was made to do harm, or by a program with odd taste."""

from __future__ import annotations

from typing import Final

from hypothesis import strategies as st

PIECES: Final = (
    *("\\", "\\N", "\\G", "\\E", "\\l", "\\\\", '"', "'", "<", ">", "&", "{", "}", "|", ";", "//"),
    *("&amp;", "&lt;b&gt;", "&#10;", "&#x26;", "&unknown;", "&nbsp;", "&#0;", "]]>", "-->", "<!--"),
    *("<b>x</b>", "<TABLE>", "</script>", "<script>alert(1)</script>", "url(#core)"),
    *(
        "\n",
        "\r",
        "\t",
        "\0",
        "\x85",
        "\x1b[31m",
        "\ud800",
        "\ufffe",
        "\u202e",
        "\u00a0",
        "é",
        "漢",
    ),
    *("a", "B", " "),
)

HOSTILE: Final = st.lists(
    st.one_of(st.sampled_from(PIECES), st.characters(), st.text(max_size=3)), max_size=8
).map("".join)
