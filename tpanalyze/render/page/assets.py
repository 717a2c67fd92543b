"""The page's style sheet and script, as they lie beside this module; and the colours of both."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Final

from tpanalyze.render.palette import DARK, LIGHT, Theme, colours

_HERE: Final = resources.files(__package__)


@cache
def script() -> str:
    """Return the page's script."""
    return (_HERE / "page.js").read_text(encoding="utf-8")


@cache
def style() -> str:
    """Return the page's style sheet, the colours of the palette in front."""
    rest = (_HERE / "page.css").read_text(encoding="utf-8")
    dark = f"@media screen and (prefers-color-scheme:dark){{:root{{{_variables(DARK)}}}}}"
    return f":root{{{_variables(LIGHT)}}}\n{dark}\n{rest}"


def _variables(theme: Theme) -> str:
    """Return the colours as custom properties: ``--core-strong``, ``--ink``."""
    return "".join(
        f"--{name.replace('.', '-').replace('_', '-')}:{colour};" for name, colour in colours(theme)
    )
