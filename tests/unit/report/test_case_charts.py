"""Charts of latents. Oracles: the heights and widths of the drawn rectangles, computed from the data; an XML parser."""

import re
import xml.etree.ElementTree as ET

import pytest

from monosemy.report import Chart, activation_chart, effect_chart, pattern_chart, token_code, token_label
from tests.unit.report.case_folder import HOSTILE, case_record

PATTERN = {
    **{"regex": r"\(", "edges": [0.0, 1.0, 2.0], "counts": [[3, 1], [0, 4]]},
    **{"both": 3, "pattern_only": 9, "latent_only": 5, "neither": 100},
}


def rects(chart: Chart) -> list[tuple[str, float, float]]:
    """Title, width and height of the rectangles that stand for data; the legend's have no title."""
    root = ET.fromstring(chart.svg.html)
    return [
        (title.text or "", float(rect.attrib["width"]), float(rect.attrib["height"]))
        for rect in root.iter("rect")
        if (title := rect.find("title")) is not None
    ]


def test_heights_are_counts() -> None:
    chart = activation_chart("a", case_record())
    found = rects(chart)
    counts = [int(title.rpartition(": ")[2]) for title, _, _ in found]
    assert counts == [10, 5, 85, 200, 0, 0]
    for count, (_, _, height) in zip(counts, found, strict=True):
        assert height == pytest.approx(180 * count / 200, abs=0.06)
    assert chart.columns == ("from", "to", "\u2423if", token_label(HOSTILE), "all others")
    assert chart.rows == ((0.5, 2.5, 10, 5, 85), (2.5, 4.5, 200, 0, 0))
    assert "A drawn 300 of 400 tokens" in str(chart.caption)


def test_bars_are_changes_of_the_logit() -> None:
    chart = effect_chart("e", case_record())
    widths = {title.rpartition(": ")[2]: width for title, width, _ in rects(chart)}
    assert widths["-3.000"] / widths["-2.000"] == pytest.approx(1.5, abs=0.01)
    assert widths["-3.000"] / widths["1.500"] == pytest.approx(2.0, abs=0.01)
    assert [row[1] for row in chart.rows] == [-3.0, -2.0, 1.5]
    assert "<b>" not in chart.svg.html


def test_a_pattern_is_two_kinds() -> None:
    chart = pattern_chart("p", case_record(pattern=PATTERN))
    assert [height for _, _, height in rects(chart)] == pytest.approx([135, 45, 0, 180], abs=0.1)
    assert "3 tokens match and fire, 9 only match, 5 only fire" in str(chart.caption)


def test_labels_show_white_space_and_are_short() -> None:
    assert token_label(" x") == "\u2423x" and token_label("\n") == "\u21b5"
    assert token_label("") == "(no text)" and len(token_label("y" * 40)) == 14
    assert re.search(r"&lt;b&gt;", token_code(HOSTILE).html)
