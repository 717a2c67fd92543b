"""The colours: legible on light and dark, and different to every reader."""

from __future__ import annotations

import math
import re
from itertools import combinations

import pytest

from tpanalyze.render.palette import DARK, LIGHT, Role, Theme, adaptive_css, colours

THEMES = pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])

# Machado, Oliveira and Fernandes 2009, "A Physiologically-based Model for Simulation of Color
# Vision Deficiency", table 1, severity 1.0; rows of matrices for linear RGB.
EYES = {
    "all cones": ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
    "protanopia": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deuteranopia": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "tritanopia": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}

type Triple = tuple[float, float, float]


def linear(colour: str) -> Triple:
    """A colour like ``#c2340c`` in linear RGB (IEC 61966-2-1)."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return red, green, blue


def contrast(one: str, other: str) -> float:
    """The contrast ratio of WCAG 2.2."""
    lights = [
        0.2126 * red + 0.7152 * green + 0.0722 * blue
        for red, green, blue in (linear(one), linear(other))
    ]
    return (max(lights) + 0.05) / (min(lights) + 0.05)


def lab(rgb: Triple) -> Triple:
    """CIE L*a*b* under D65."""
    red, green, blue = (min(1.0, max(0.0, part)) for part in rgb)
    x = (0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.95047
    y = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    z = (0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.08883
    fx, fy, fz = (t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116 for t in (x, y, z))
    return 116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)


def seen(colour: str, eye: str) -> Triple:
    rgb = linear(colour)
    red, green, blue = (
        sum(factor * part for factor, part in zip(row, rgb, strict=True)) for row in EYES[eye]
    )
    return lab((red, green, blue))


@THEMES
def test_text_stands_out_from_everything_it_is_written_on(theme: Theme) -> None:
    tints = [theme.tone(role).tint for role in Role]
    for ground in (theme.card, theme.pool, theme.waiting, *tints):
        assert contrast(theme.ink, ground) >= 7
    for ground in (theme.card, theme.pool, *tints):
        assert contrast(theme.muted, ground) >= 4.5
    for tone in (theme.core, theme.victim, theme.plain):
        assert contrast(tone.on_strong, tone.strong) >= 4.5
    assert contrast(theme.on_running, theme.running) >= 4.5


@THEMES
def test_lines_and_bars_stand_out_from_the_card_and_from_pools(theme: Theme) -> None:
    for line in (*(theme.tone(role).line for role in Role), theme.running):
        for ground in (theme.card, theme.pool):
            assert contrast(line, ground) >= 3


@THEMES
@pytest.mark.parametrize("eye", EYES)
def test_core_victims_and_what_moves_look_different_to_every_eye(theme: Theme, eye: str) -> None:
    lines = [theme.tone(role).line for role in Role]
    stuck = (theme.core.strong, theme.victim.strong)
    for side_by_side in (lines, (*stuck, theme.plain.line), (*stuck, theme.running)):
        for one, other in combinations(side_by_side, 2):
            assert math.dist(seen(one, eye), seen(other, eye)) >= 20, (one, other)


@THEMES
def test_no_two_parts_share_a_colour_so_that_each_can_be_swapped_by_its_value(theme: Theme) -> None:
    values = [colour for _, colour in colours(theme)]
    assert len(set(values)) == len(values)
    assert all(re.fullmatch("#[0-9a-f]{6}", colour) for colour in values)


def test_the_style_sheet_swaps_every_light_colour_for_its_dark_partner() -> None:
    css = adaptive_css()
    assert css.startswith("@media (prefers-color-scheme: dark){")
    for (name, light), (same, dark) in zip(colours(LIGHT), colours(DARK), strict=True):
        assert name == same
        assert f'[fill="{light}"]{{fill:{dark}}}' in css
        assert f'[stroke="{light}"]{{stroke:{dark}}}' in css
