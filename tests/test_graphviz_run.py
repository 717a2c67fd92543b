"""Drawing DOT text: with the ``dot`` on PATH, else with the bundled libraries, fonts or none."""

from __future__ import annotations

import re
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.report_samples import SAMPLES, own_pool
from tpanalyze.errors import UserError
from tpanalyze.render import bundled_graphviz, graphviz_run
from tpanalyze.render.dot import render_dot
from tpanalyze.render.graphviz_run import Format, GraphvizError, render
from tpanalyze.render.palette import DARK, LIGHT
from tpanalyze.render.text_width import text_width

SVG = "{http://www.w3.org/2000/svg}"
TWO_NODES = 'digraph "a { b" { x [label="ex"]; y [label="wye"]; x -> y [label="why"] }'
FORMATS = pytest.mark.parametrize("output_format", ["svg", "png", "pdf"])


@pytest.fixture
def no_dot(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without ``dot``."""
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.fixture
def no_font(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without a single font."""
    config = tmp_path / "fonts.conf"
    config.write_text(f"<fontconfig><dir>{tmp_path}/none</dir></fontconfig>")
    monkeypatch.setenv("FONTCONFIG_FILE", str(config))
    monkeypatch.setenv("HOME", str(tmp_path))


def own_dot(monkeypatch: pytest.MonkeyPatch, folder: Path, body: str) -> None:
    """Put a ``dot`` first on PATH that is a Python script."""
    program = folder / "dot"
    program.write_text(f"#!{sys.executable}\nimport sys\n{body}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


def parsed(svg: bytes) -> ET.Element:
    return ET.fromstring(svg)  # noqa: S314  # we drew it


def texts(svg: bytes) -> list[str]:
    return ["".join(text.itertext()) for text in parsed(svg).iter(f"{SVG}text")]


# -- which Graphviz --------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_dot")
@FORMATS
def test_without_a_dot_on_path_the_bundled_libraries_draw(output_format: Format) -> None:
    assert render(TWO_NODES, output_format)


def test_a_dot_on_path_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    own_dot(
        monkeypatch,
        tmp_path,
        "source = sys.stdin.read()\n"
        'print(f\'<svg xmlns="http://www.w3.org/2000/svg"><text>{sys.argv[1:]} {source == '
        f"{TWO_NODES!r}}}</text></svg>')",
    )
    assert texts(render(TWO_NODES, "svg")) == ["['-Kdot', '-Tsvg'] True"]


@pytest.mark.parametrize("body", ["sys.exit(1)", "pass", "sys.exit('Format: not recognized')"])
def test_where_the_dot_on_path_fails_the_bundled_libraries_draw(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, body: str
) -> None:
    own_dot(monkeypatch, tmp_path, body)
    assert texts(render(TWO_NODES, "svg")) == ["ex", "wye", "why"]


@FORMATS
def test_nothing_is_said_on_the_terminal(
    output_format: Format, capfd: pytest.CaptureFixture[str]
) -> None:
    render(render_dot(own_pool()), output_format)
    assert capfd.readouterr() == ("", "")


# -- what comes out --------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_dot")
def test_a_png_is_whole_and_has_twice_the_pixels_of_a_plain_screen() -> None:
    png = render(TWO_NODES, "png")
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    at, width, kind = 8, 0, b""
    while at < len(png):
        length, kind = struct.unpack(">I4s", png[at : at + 8])
        body = png[at + 8 : at + 8 + length]
        assert zlib.crc32(kind + body) == struct.unpack(">I", png[at + 8 + length :][:4])[0]
        width = struct.unpack(">I", body[:4])[0] if kind == b"IHDR" else width
        at += 12 + length
    assert kind == b"IEND"
    points = float(parsed(render(TWO_NODES, "svg")).get("width", ""))
    assert width == pytest.approx(2 * points, abs=4)


@pytest.mark.usefixtures("no_dot")
def test_a_pdf_has_its_signature_and_no_date() -> None:
    pdf = render(TWO_NODES, "pdf")
    assert pdf.startswith(b"%PDF-1.")
    assert pdf.rstrip().endswith(b"%%EOF")
    assert b"CreationDate" not in pdf
    assert b"ModDate" not in pdf
    (table,) = re.findall(rb"startxref\s+(\d+)", pdf)
    assert pdf[int(table) :].startswith(b"xref"), "nothing in it has moved"


@FORMATS
def test_the_same_text_gives_the_same_bytes(output_format: Format) -> None:
    dot = render_dot(own_pool())
    assert render(dot, output_format) == render(dot, output_format)


@pytest.mark.usefixtures("no_dot")
@pytest.mark.parametrize("name", SAMPLES)
def test_an_svg_is_xml_without_comments_links_or_versions(name: str) -> None:
    svg = render(render_dot(SAMPLES[name]()), "svg")
    root = parsed(svg)
    assert root.tag == f"{SVG}svg"
    assert b"<!--" not in svg
    assert b"<!DOCTYPE" not in svg
    assert b"xlink" not in svg
    assert not list(root.iter(f"{SVG}a"))
    assert b"graphviz" not in svg.lower()


@pytest.mark.usefixtures("no_dot")
def test_an_svg_has_a_title_and_tooltips_in_place_of_the_names_of_nodes() -> None:
    root = parsed(render(render_dot(own_pool()), "svg"))
    assert (root.findtext(f"{SVG}title"), root.get("role")) == ("wait-for graph of app.py", "img")
    titles = {
        group.get("id"): group.findtext(f"{SVG}title", "")
        for group in root.iter(f"{SVG}g")
        if group.get("class")
    }
    assert titles["thread2"].startswith("io_0\nwaits in result():\n  /usr/lib/python3.13/")
    assert titles["pool1"] == 'ThreadPoolExecutor "io" · 2/2 workers blocked · 2 queued'
    rows = {title.text for title in root.iter(f"{SVG}title")}
    assert any(text and text.startswith("inner #3, submitted at:") for text in rows)


@pytest.mark.usefixtures("no_dot")
def test_an_svg_brings_a_card_and_a_style_sheet_for_dark_pages() -> None:
    root = parsed(render(render_dot(own_pool()), "svg"))
    card = root.find(f"{SVG}rect")
    assert card is not None
    assert card.get("fill") == LIGHT.card
    assert [float(side) for side in root.get("viewBox", "").split()[2:]] == [
        float(card.get(side, "")) + 1 for side in ("width", "height")
    ]
    style = root.findtext(f"{SVG}style", "")
    assert f'[fill="{LIGHT.card}"]{{fill:{DARK.card}}}' in style


@pytest.mark.usefixtures("no_dot")
@pytest.mark.parametrize("name", SAMPLES)
def test_every_colour_of_a_diagram_has_a_dark_partner(name: str) -> None:
    root = parsed(render(render_dot(SAMPLES[name]()), "svg"))
    style = root.findtext(f"{SVG}style", "")
    for element in root.iter():
        for what in ("fill", "stroke"):
            colour = element.get(what, "none")
            assert colour in ("none", "transparent") or f'[{what}="{colour}"]' in style


# -- fonts -----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_dot", "no_font")
def test_without_fonts_an_svg_has_the_same_words_and_room_for_them() -> None:
    root = parsed(render(render_dot(own_pool()), "svg"))
    card = next(g for g in root.iter(f"{SVG}g") if g.get("id") == "thread2")
    corners = [
        float(point.split(",")[0])
        for polygon in card.iter(f"{SVG}polygon")
        for point in polygon.get("points", "").split()
    ]
    said = {"".join(text.itertext()): text for text in card.iter(f"{SVG}text")}
    assert {"io_0", "outer #1"} <= said.keys()
    for words, text in said.items():
        wide = text_width(words, float(text.get("font-size", "")))
        assert float(text.get("x", "")) + wide < max(corners)


@pytest.mark.usefixtures("no_dot", "no_font")
@pytest.mark.parametrize("output_format", ["png", "pdf"])
def test_without_fonts_no_picture_of_empty_boxes_is_made(output_format: Format) -> None:
    with pytest.raises(GraphvizError, match="no font") as caught:
        render(TWO_NODES, output_format)
    assert "--svg" in caught.value.advice


# -- what goes wrong -------------------------------------------------------------------------------


@FORMATS
def test_text_that_is_no_dot_is_an_error_with_advice_in_one_line(output_format: Format) -> None:
    with pytest.raises(GraphvizError) as caught:
        render("digraph {", output_format)
    assert isinstance(caught.value, UserError)
    assert re.fullmatch(f"cannot draw the {output_format}: .+, try .+", str(caught.value))


def test_a_layout_that_takes_too_long_is_given_up(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    sleeper = tmp_path / "sleeper.py"
    sleeper.write_text("import threading; threading.Event().wait()")
    monkeypatch.setattr(bundled_graphviz, "__file__", str(sleeper))
    monkeypatch.setattr(graphviz_run, "_PATIENCE_S", 0.2)
    with pytest.raises(GraphvizError, match=r"more than 0\.2 s"):
        render(TWO_NODES, "svg")


def test_libraries_that_crash_are_an_error_and_not_the_end(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    crasher = tmp_path / "crasher.py"
    crasher.write_text("import os; os.abort()")
    monkeypatch.setattr(bundled_graphviz, "__file__", str(crasher))
    with pytest.raises(GraphvizError, match="ended with status -6"):
        render(TWO_NODES, "svg")


def test_the_libraries_say_which_format_they_do_not_know() -> None:
    with pytest.raises(ValueError, match="does not know the format nosuch"):
        bundled_graphviz.draw(TWO_NODES, "nosuch")


def test_the_script_answers_with_a_picture_or_a_reason() -> None:
    script = [sys.executable, "-P", bundled_graphviz.__file__, "svg"]
    good = subprocess.run(script, input=TWO_NODES.encode(), capture_output=True, check=False)
    assert (good.returncode, good.stdout[:5]) == (0, b"<?xml")
    bad = subprocess.run(script, input=b"graph", capture_output=True, check=False)
    assert bad.returncode == bundled_graphviz.FAILED
    assert b"cannot read the text" in bad.stderr
