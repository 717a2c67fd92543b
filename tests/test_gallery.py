"""``docs/gallery.md``: every sample with its pictures, as the tool writes it today."""

from __future__ import annotations

import re

import pytest

from tests.test_html import Outline
from tools.gallery import GALLERY, PAGE, ROOT, gallery, page, samples

TEXT = GALLERY.read_text(encoding="utf-8")
MEND = "python3 dev.py python -m tools.gallery"


def test_the_gallery_is_what_the_tool_writes_today() -> None:
    assert gallery(samples()) == TEXT, MEND


def test_every_sample_is_in_it_and_every_link_leads_somewhere() -> None:
    entries = re.findall(r"^### (\w+)$", TEXT, re.MULTILINE)
    assert sorted(entries) == [sample.name for sample in samples()]
    links = re.findall(r"\]\(([^)]+)\)", TEXT)
    assert len(links) > 3 * len(samples())
    for link in links:
        assert (GALLERY.parent / link).exists(), link


def test_every_picture_has_a_text_in_its_place() -> None:
    pictures = re.findall(r"!\[(.*?)\]\(.*?/(\w+)\.svg\)", TEXT)
    assert pictures
    for words, kind in pictures:
        assert words.startswith(f"{kind} of ") and ": " in words


def test_the_page_that_is_kept_says_what_a_page_says_today() -> None:
    kept = PAGE.read_text(encoding="utf-8")
    # Graphviz' coordinates and zlib's bytes differ from one version to the next; words do not.
    assert sorted(Outline(kept).words) == sorted(Outline(page().decode()).words), MEND
    assert str(ROOT) not in kept


@pytest.mark.parametrize("readme", ["README.md", "traces/README.md"])
def test_readers_are_led_to_it(readme: str) -> None:
    assert "gallery.md" in (ROOT / readme).read_text(encoding="utf-8")
