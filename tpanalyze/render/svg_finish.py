"""Graphviz's SVG, made ready for readers: tooltips, light and dark, and nothing of the machine.

Graphviz writes a comment with its version, ``<title>`` elements with the names of nodes, and the
tooltips as links that lead nowhere.  Here the comments go, the tooltips become the titles (which
is what browsers and screen readers show), and the picture gets its style sheet and its card.
"""

from __future__ import annotations

import re
from typing import Final
from xml.etree import ElementTree as ET

from tpanalyze.render.palette import FONT, LIGHT, adaptive_css

_SVG: Final = "http://www.w3.org/2000/svg"
_XLINK_TITLE: Final = "{http://www.w3.org/1999/xlink}title"
_ROW: Final = re.compile("a_(task[0-9]+)")
"""What Graphviz calls the link around a row of a queue."""
_OWN: Final = frozenset({"node", "edge", "cluster"})


def finish_svg(svg: bytes) -> bytes:
    """Return Graphviz's `svg` as a picture for a web page, a file viewer or a bug report.

    The graph's name becomes the title of the whole picture.  Raises
    ``xml.etree.ElementTree.ParseError`` if `svg` is no XML.
    """
    ET.register_namespace("", _SVG)
    root = ET.fromstring(svg)  # noqa: S314  # Graphviz wrote it, with no DTD of its own
    for element in list(root.iter(_tag("g"))):
        _give_title(element)
        _give_halo(element)
    for element in list(root.iter()):
        _drop_links(element)
    _in_pixels(root)
    _round_card(root)
    heading = ET.Element(_tag("title"))
    graph = root.find(_tag("g"))
    if graph is not None and (name := graph.find(_tag("title"))) is not None:
        heading.text = name.text
        graph.remove(name)
    style = ET.Element(_tag("style"))
    style.text = f"text{{font-family:{FONT}}}{adaptive_css()}"
    root[:0] = [heading, style]
    root.set("role", "img")
    finished: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return finished + b"\n"


def _tag(name: str) -> str:
    return f"{{{_SVG}}}{name}"


def _give_title(group: ET.Element) -> None:
    """Replace the name in a node's, edge's or cluster's title by its tooltip, if it has one."""
    if not _OWN & set(group.get("class", "").split()):
        return
    title = group.find(_tag("title"))
    link = group.find(f"{_tag('g')}/{_tag('a')}")
    if title is None:
        return
    if link is not None and (tooltip := _tooltip(link)):
        title.text = tooltip
    else:
        group.remove(title)


def _give_halo(group: ET.Element) -> None:
    """Keep the label of an edge legible where an arrow passes behind it."""
    if "edge" in group.get("class", "").split():
        for text in group.iter(_tag("text")):
            text.set("paint-order", "stroke")
            text.set("stroke", LIGHT.pool)
            text.set("stroke-width", "3")
            text.set("stroke-linejoin", "round")


def _tooltip(link: ET.Element) -> str:
    """Return the tooltip of a link; Graphviz makes every second space of a run a hard one."""
    return link.get(_XLINK_TITLE, "").replace("\u00a0", " ").strip()


def _drop_links(parent: ET.Element) -> None:
    """Replace each link below `parent` by what it holds; a row of a queue keeps its tooltip."""
    for index, child in enumerate(list(parent)):
        link = child.find(_tag("a")) if child.tag == _tag("g") and len(child) == 1 else None
        if link is None:
            continue
        group = ET.Element(_tag("g"))
        group.tail = child.tail
        row = _ROW.fullmatch(child.get("id", ""))
        if row is not None and parent.get("id") != row[1]:
            group.set("id", row[1])
        inherited = parent.find(_tag("title"))
        if (tooltip := _tooltip(link)) and (inherited is None or inherited.text != tooltip):
            ET.SubElement(group, _tag("title")).text = tooltip
        group.extend(link)
        _drop_links(group)
        parent[index] = group


def _in_pixels(root: ET.Element) -> None:
    """Give the picture its size in pixels: one for each of Graphviz's points."""
    for side in ("width", "height"):
        if number := re.fullmatch(r"([0-9.]+)pt", root.get(side, "")):
            root.set(side, number[1])


def _round_card(root: ET.Element) -> None:
    """Replace the background polygon by a card with round corners and a thin border."""
    box = root.get("viewBox", "").split()
    graph = root.find(_tag("g"))
    if len(box) != 4 or graph is None:
        return
    background = graph.find(_tag("polygon"))
    if background is not None and background.get("fill") == LIGHT.card:
        graph.remove(background)
    x, y, width, height = map(float, box)
    card = ET.Element(_tag("rect"))
    for name, value in (
        ("x", f"{x + 0.5:g}"), ("y", f"{y + 0.5:g}"), ("width", f"{width - 1:g}"),
        ("height", f"{height - 1:g}"), ("rx", "8"), ("fill", LIGHT.card), ("stroke", LIGHT.frame),
    ):  # fmt: skip
        card.set(name, value)
    root.insert(0, card)
