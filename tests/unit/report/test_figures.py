"""Oracles: an XML parser on the drawn SVG; equal bytes for equal data; WCAG's contrast formula on the palettes."""

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Mapping

import pytest

from monosemy.report import (
    DARK,
    HEAT,
    LIGHT,
    SERIES,
    Axis,
    Cloud,
    Dot,
    Line,
    Markup,
    bar_chart,
    contrast,
    dot_chart,
    line_chart,
    scatter_chart,
)

X, Y = Axis(label="x <&> y"), Axis(label="y", log=True)
LINES = [
    Line(label="a", x=[1, 2, 3], y=[1.0, 20.0, 2.0], low=[0.5, 10.0, 1.0], high=[2.0, 40.0, 4.0], apart=(0.0, 3.0)),
    *(Line(label=f"line {i}", x=[1, 2, 3], y=[i, 2.0, 3.0]) for i in range(1, 7)),
]
CLOUDS = [Cloud(label="a", x=[0.1], y=[2.0], joined=True), Cloud(label="b", x=[0.2], y=[1.0])]
DOT = Dot(label="t", value=0.5, low=0.4, high=0.6, hollow=True)
DRAWN: dict[str, Callable[[str], Markup]] = {
    "line": lambda name: line_chart(name, LINES, X, Y, reference=(3.0, "level")),
    "dot": lambda name: dot_chart(name, [DOT], X, gate=(0.9, "gate")),
    "groups": lambda name: dot_chart(
        name,
        [
            Dot(label="a", value=0.5, low=0.4, high=0.6, group="one", more=[0.55, 0.45]),
            Dot(label="b", value=0.2, low=0.2, high=0.2, group="two", is_level=True),
        ],
        X,
    ),
    "apart": lambda name: bar_chart(
        name,
        [0.01, 0.1, 1.0],
        [3, 5],
        Axis(label="x <&> y", log=True),
        Axis(label="n"),
        apart=(1e-4, 1e-3, 2, "2 dead"),
    ),
    "scatter": lambda name: scatter_chart(name, CLOUDS, X, Y),
    "bars": lambda name: bar_chart(name, [1.0, 2.0, 4.0], [3, 5], X, Axis(label="n")),
}


@pytest.mark.parametrize("kind", DRAWN)
def test_the_svg_follows_the_pages_theme(kind: str) -> None:
    svg = DRAWN[kind]("f").html
    assert re.findall(r"#[0-9a-fA-F]{3,8}\b", re.sub(r'(?:url\(#|href="#)[^")]*', "", svg)) == []
    assert set(re.findall(r"var\(--([a-z0-9-]+)\)", svg)) <= {*LIGHT, "font"}
    assert "DejaVu" not in svg
    assert "<style" not in svg
    assert "metadata" not in svg


@pytest.mark.parametrize("kind", DRAWN)
def test_text_is_text_and_escaped(kind: str) -> None:
    svg = DRAWN[kind]("f").html.replace("<svg ", '<svg xmlns:xlink="http://www.w3.org/1999/xlink" ', 1)
    texts = [element.text for element in ElementTree.fromstring(svg).iter("text")]
    assert "x <&> y" in texts


@pytest.mark.parametrize("kind", DRAWN)
def test_equal_data_gives_equal_bytes(kind: str) -> None:
    assert DRAWN[kind]("f") == DRAWN[kind]("f")


def test_two_figures_share_no_id() -> None:
    ids = [set(re.findall(r' id="([^"]+)"', DRAWN["line"](name).html)) for name in ("f", "g")]
    assert ids[0]
    assert not ids[0] & ids[1]


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_the_palette_can_be_read(palette: Mapping[str, str]) -> None:
    for ground in ("page", "panel"):
        for name in ("ink", "quiet", "link", "good", "bad"):
            assert contrast(palette[name], palette[ground]) >= 4.5, (name, ground)
        for name in SERIES:
            assert contrast(palette[name], palette[ground]) >= 3.0, (name, ground)
    for name in ("mark", *HEAT):
        assert contrast(palette["ink"], palette[name]) >= 4.5, name
    grounds = [contrast(palette["page"], palette[name]) for name in HEAT]
    assert grounds == sorted(grounds), "a stronger activation stands out more"


def test_groups_have_names_and_colors_of_their_own() -> None:
    svg = DRAWN["groups"]("f").html
    assert ">one<" in svg
    assert ">two<" in svg
    assert "var(--series-1)" in svg
    assert "var(--series-2)" in svg
    assert "2 dead" in DRAWN["apart"]("f").html


def test_contrast_of_known_pairs() -> None:
    assert contrast("#ffffff", "#000000") == pytest.approx(21.0)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)


def test_both_palettes_name_the_same_colors() -> None:
    assert LIGHT.keys() == DARK.keys()
