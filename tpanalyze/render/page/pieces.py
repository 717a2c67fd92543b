"""Small pieces of HTML; every text of a trace passes through `text`."""

from __future__ import annotations

from collections.abc import Iterable

from tpanalyze.describe import own_frames
from tpanalyze.model import Site
from tpanalyze.render.xml_escape import one_line, xml_text

_FRAMES = 24


def text(words: str) -> str:
    """Return words as character data or attribute, in one line.

    >>> text('<a> & "b"')
    '&lt;a&gt; &amp; &quot;b&quot;'
    """
    return xml_text(one_line(words))


def element(name: str, content: str, **attributes: str) -> str:
    """Return an element; `content` is HTML already, the attributes are texts.

    A trailing ``_`` in the name of an attribute falls away, any other stands for ``-``.
    """
    said = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{text(value)}"' for key, value in attributes.items()
    )
    return f"<{name}{said}>{content}</{name}>"


def items(lines: Iterable[str], name: str = "ul") -> str:
    """Return a list of pieces of HTML; nothing for none."""
    body = "".join(f"<li>{line}</li>" for line in lines)
    return f"<{name}>{body}</{name}>" if body else ""


def stack(site: Site | None) -> str:
    """Return a call stack, innermost frame first, frames of the standard library set back."""
    if site is None:
        return ""
    own = set(map(id, own_frames(site)))
    lines = []
    for frame in site.frames[:_FRAMES]:
        where = f"{frame.function.file or '?'}:{frame.line}"
        said = f"<code>{text(where)}</code> in <b>{text(frame.function.name) or '?'}</b>"
        lines.append(f"<li>{said}</li>" if id(frame) in own else f'<li class="lib">{said}</li>')
    if (more := len(site.frames) - _FRAMES) > 0:
        lines.append(f"<li>… {more} more</li>")
    return f'<ol class="stack">{"".join(lines)}</ol>'
