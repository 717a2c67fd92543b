"""One visual language for every picture: which colour means what, on light and on dark.

A picture is drawn in the colours of :data:`LIGHT`, written as plain attributes that any viewer
understands.  :func:`adaptive_css` is the style sheet that an SVG carries with it: it swaps each of
them for its partner in :data:`DARK` where the reader prefers a dark page.  A picture always brings
its own background (`card`), so it is legible on a page of the other kind too.

The core is vermilion and heavy, victims amber and light, what moves is teal, everything else grey:
the hues stay apart for readers who see no red or no green (checked by a test with the simulation
of Machado, Oliveira and Fernandes 2009), and line weight and words say the same once more.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Final


class Role(StrEnum):
    """What a part of a picture is to the reader."""

    CORE = "core"
    """part of the smallest set that explains a finding"""
    VICTIM = "victim"
    """stuck behind a core"""
    PLAIN = "plain"
    """neither: it can move, or it is context"""


RANK: Final = {Role.CORE: 0, Role.VICTIM: 1, Role.PLAIN: 2}
"""Order of the roles, what matters most first."""


def gravest(roles: Iterable[Role]) -> Role:
    """Return the role that matters most; PLAIN if there is none."""
    return min(roles, key=RANK.__getitem__, default=Role.PLAIN)


@dataclass(frozen=True, slots=True)
class Tone:
    """The shades in which one role is drawn."""

    strong: str
    """bands and badges"""
    line: str
    """borders and arrows"""
    tint: str
    """areas with text on them"""
    on_strong: str
    """text on `strong`"""


@dataclass(frozen=True, slots=True)
class Theme:
    """Every colour of a picture; all different, so that each can be swapped by its value."""

    card: str
    """the picture's own background"""
    frame: str
    """its border"""
    ink: str
    """text"""
    muted: str
    """text of second rank"""
    pool: str
    """background of a pool"""
    pool_frame: str
    grid: str
    """thin lines behind the data"""
    core: Tone
    victim: Tone
    plain: Tone
    running: str
    """time in which a task runs"""
    on_running: str
    """text on `running`"""
    waiting: str
    """time in which a thread waits"""
    waiting_line: str
    """the hatching over `waiting`"""
    queued: str
    """area of a queue's length"""
    queued_line: str

    def tone(self, role: Role) -> Tone:
        """Return the shades of a role."""
        return {Role.CORE: self.core, Role.VICTIM: self.victim, Role.PLAIN: self.plain}[role]


LIGHT: Final = Theme(
    card="#ffffff",
    frame="#d1d9e0",
    ink="#1f2328",
    muted="#59636e",
    pool="#f5f7fa",
    pool_frame="#b9c2cc",
    grid="#e4e8ec",
    core=Tone(strong="#b42b08", line="#ac2606", tint="#fff0ea", on_strong="#fffdfc"),
    victim=Tone(strong="#e8ac1c", line="#bd8400", tint="#fff6dd", on_strong="#1d1500"),
    plain=Tone(strong="#6a7481", line="#818b98", tint="#fcfdfe", on_strong="#fefeff"),
    running="#23797e",
    on_running="#fdffff",
    waiting="#d5e9ea",
    waiting_line="#8fc1c4",
    queued="#dbe0e7",
    queued_line="#7b8794",
)

DARK: Final = Theme(
    card="#0d1117",
    frame="#30363d",
    ink="#e6edf3",
    muted="#9aa4af",
    pool="#161b22",
    pool_frame="#434c57",
    grid="#232a33",
    core=Tone(strong="#ee5a30", line="#ef5b31", tint="#34170d", on_strong="#1a0a04"),
    victim=Tone(strong="#efc551", line="#eec44f", tint="#2b2108", on_strong="#171100"),
    plain=Tone(strong="#8f99a5", line="#7d8793", tint="#1d232b", on_strong="#0b0e12"),
    running="#3fa7ac",
    on_running="#041415",
    waiting="#16383b",
    waiting_line="#2c6a6e",
    queued="#29313b",
    queued_line="#8793a1",
)

FONT: Final = "Helvetica,Arial,sans-serif"
"""Families of one width, so that text measured with one fits when drawn with another."""


def colours(theme: Theme) -> tuple[tuple[str, str], ...]:
    """Return ``(name, colour)`` of everything in a theme, tones taken apart."""
    found: list[tuple[str, str]] = []
    for part in fields(theme):
        value: str | Tone = getattr(theme, part.name)
        if isinstance(value, Tone):
            found += [
                (f"{part.name}.{shade.name}", getattr(value, shade.name)) for shade in fields(value)
            ]
        else:
            found.append((part.name, value))
    return tuple(found)


def adaptive_css() -> str:
    """Return the style sheet that turns a picture drawn in LIGHT dark where the reader wants it.

    It selects by the value of the ``fill`` and ``stroke`` attributes and so needs no classes: it
    serves pictures made by Graphviz as well as our own.
    """
    rules = [
        f'[{what}="{light}"]{{{what}:{dark}}}'
        for (_, light), (_, dark) in zip(colours(LIGHT), colours(DARK), strict=True)
        for what in ("fill", "stroke")
    ]
    return "@media (prefers-color-scheme: dark){" + "".join(rules) + "}"
