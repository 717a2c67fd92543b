"""The report as Markdown: it shows what it says, is never too long, and Mermaid can draw it."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given, settings
from markdown_it import MarkdownIt

from tests.browser import browser, needs_browser
from tests.hostile import HOSTILE
from tests.recorded import ROOT
from tests.report_samples import SAMPLES, named, own_pool
from tpanalyze.render.markdown import MOST_CHARACTERS, render_markdown
from tpanalyze.render.markdown_escape import code, markdown

MERMAID = ROOT / ".venvs/judges/node_modules/mermaid/dist/mermaid.min.js"


@pytest.mark.parametrize("name", SAMPLES)
def test_it_says_verdict_sites_and_advice_and_fits_into_an_issue(name: str) -> None:
    report = SAMPLES[name]()
    text = render_markdown(report)
    assert len(text) <= MOST_CHARACTERS
    assert text.count("```") % 2 == 0 and text.count("<details>") == text.count("</details>")
    shown = shown_by(text)
    for finding in report.findings:
        assert finding.kind in shown and finding.signature in shown
        if finding.certain_by is not None:
            assert " ".join(f", when {finding.certain_by.text}".split()) in shown
        for advice in finding.advice:
            assert " ".join(advice.text.split()) in shown


def test_a_report_that_is_too_long_is_cut_and_says_so() -> None:
    report = own_pool(1000, 5000)
    assert len(render_markdown(report)) <= MOST_CHARACTERS


def shown_by(text: str) -> str:
    """Return what a reader sees, by another implementation of CommonMark."""
    seen = re.sub(r"<[^>]*>", " ", MarkdownIt("commonmark").render(text))
    for entity, letter in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&amp;", "&")):
        seen = seen.replace(entity, letter)
    return " ".join(seen.split())


@given(HOSTILE)
def test_a_name_is_shown_as_it_is_and_is_no_markup(name: str) -> None:
    for text in (markdown(name), code(name)):
        tokens = MarkdownIt("gfm-like", {"linkify": False}).parseInline(f"x {text} y")
        children = tokens[0].children or []
        assert {token.type for token in children} <= {"text", "text_special", "code_inline"}


@given(HOSTILE)
@settings(max_examples=30)
def test_no_name_ends_a_block(name: str) -> None:
    text = render_markdown(named(name.encode("utf-8", "replace").decode()))
    fences = [line for line in text.splitlines() if line.startswith("```")]
    assert fences == ["```mermaid", "```"]


@needs_browser
@pytest.mark.skipif(
    not MERMAID.exists(), reason="no Mermaid: npm install --prefix .venvs/judges mermaid"
)
def test_mermaid_draws_every_diagram() -> None:
    texts = [render_markdown(make()) for make in SAMPLES.values()]
    hostile = ['"#quot;', "]}|>-->", "`a` %% b", "end", "</b>&amp;", "(x)[y]{z}", "漢 é"]
    texts += [render_markdown(named(name)) for name in hostile]
    diagrams = [
        found for text in texts for found in re.findall(r"```mermaid\n(.*?)```", text, re.DOTALL)
    ]
    assert len(diagrams) >= len(hostile) + 10
    with browser() as tab:
        tab.value(MERMAID.read_text(encoding="utf-8") + ";0")
        tab.value("mermaid.initialize({startOnLoad: false}); 0")
        for number, diagram in enumerate(diagrams):
            call = f"mermaid.render('d{number}', {json.dumps(diagram)}).then((r) => r.svg.length)"
            assert tab.value(call) > 1000
