"""Bars with the spread of each, as SVG that needs no other file, in light and dark."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from xml.sax.saxutils import escape

LEFT, RIGHT, TOP, BAR, GAP = 190, 60, 74, 14, 16
WIDTH = 760
COLOURS = {
    "tprecord, C": "#1a7f5a",
    "tprecord, Python": "#4c78c8",
    "trace0": "#b8860b",
    "viztracer": "#a0527e",
}
LONGEST = 4.0
"""Bars beyond this multiple are cut, and say so."""

STYLE = """
svg { background: #fff } text { font: 12px system-ui, sans-serif; fill: #222 }
.title { font-size: 14px; font-weight: 600 } .axis { stroke: #999; stroke-width: 1 }
.grid { stroke: #ddd; stroke-width: 1 } .spread { stroke: #222; stroke-width: 1.2 }
@media (prefers-color-scheme: dark) {
svg { background: #16181c } text { fill: #e6e6e6 } .spread { stroke: #e6e6e6 }
.grid { stroke: #33373d } .axis { stroke: #888 } }
"""


@dataclass(frozen=True, slots=True)
class Bar:
    """A multiple, with its quartiles."""

    name: str
    median: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Group:
    """The bars of one workload."""

    name: str
    bars: tuple[Bar, ...]


def draw(title: str, groups: Iterable[Group]) -> str:
    """Return the picture."""
    kept = list(groups)
    height = TOP + sum(len(group.bars) * BAR + GAP for group in kept) + 24
    top = max((bar.high for group in kept for bar in group.bars), default=1.0)
    scale = (WIDTH - LEFT - RIGHT) / min(max(1.2, top), LONGEST)
    lines = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
            f'width="{WIDTH}" height="{height}" role="img">'
        ),
        f"<title>{escape(title)}</title>",
        f"<style>{STYLE}</style>",
        f'<text class="title" x="16" y="26">{escape(title)}</text>',
        *_legend(kept),
        *_axis(scale, height),
    ]
    y = TOP
    for group in kept:
        middle = y + len(group.bars) * BAR / 2 + 4
        lines.append(f'<text x="{LEFT - 10}" y="{middle:.0f}" text-anchor="end">')
        lines[-1] += f"{escape(group.name)}</text>"
        for bar in group.bars:
            lines += _bar(bar, y, scale)
            y += BAR
        y += GAP
    return "\n".join([*lines, "</svg>"]) + "\n"


def _legend(groups: list[Group]) -> Iterator[str]:
    here = {bar.name for group in groups for bar in group.bars}
    x = 16
    for name in (name for name in COLOURS if name in here):
        yield f'<rect x="{x}" y="40" width="12" height="12" rx="2" fill="{COLOURS[name]}"/>'
        yield f'<text x="{x + 17}" y="50">{escape(name)}</text>'
        x += 40 + 7 * len(name)
    yield f'<line class="spread" x1="{x}" y1="46" x2="{x + 14}" y2="46"/>'
    yield f'<text x="{x + 19}" y="50">between the quartiles</text>'


def _axis(scale: float, height: int) -> Iterator[str]:
    bottom = height - 22
    for half in range(int(2 * (WIDTH - LEFT - RIGHT) / scale) + 1):
        x = LEFT + half / 2 * scale
        kind = "axis" if half in (0, 2) else "grid"
        yield f'<line class="{kind}" x1="{x:.1f}" y1="{TOP - 8}" x2="{x:.1f}" y2="{bottom}"/>'
        yield f'<text x="{x:.1f}" y="{bottom + 15}" text-anchor="middle">{half / 2:g} ×</text>'


def _bar(bar: Bar, y: int, scale: float) -> Iterator[str]:
    length, end = (min(value, LONGEST) * scale for value in (bar.median, bar.high))
    yield (
        f'<rect x="{LEFT}" y="{y}" width="{length:.1f}" height="{BAR - 3}" rx="2" '
        f'fill="{COLOURS.get(bar.name, "#888")}"/>'
    )
    middle = y + (BAR - 3) / 2
    low = LEFT + min(bar.low, LONGEST) * scale
    yield (
        f'<line class="spread" x1="{low:.1f}" y1="{middle}" x2="{LEFT + end:.1f}" y2="{middle}"/>'
    )
    after = LEFT + max(length, end) + 5
    yield f'<text x="{after:.1f}" y="{y + BAR - 4}">{bar.median:.2f}</text>'
