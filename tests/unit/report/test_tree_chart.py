"""The drawing of a tree. Oracle: the order and the widths by hand for a tree of four latents."""

import re
from xml.etree import ElementTree

from monosemy.report import tree_chart, tree_rows
from monosemy.report.tree_chart import shortened
from tests.unit.report.tree_folder import tree_content


def test_rows_are_unfolded_strongest_first_and_shared_children_once() -> None:
    tree = tree_content()
    rows = tree_rows(tree["nodes"], tree["edges"])
    assert [(row.node, row.level, row.again) for row in rows] == [
        (0, 0, False),
        (1, 1, False),
        (3, 2, False),
        (2, 1, False),
        (3, 2, True),
    ]
    assert [row.parent_row for row in rows] == [None, 0, 1, 0, 3]
    assert tree_rows([], []) == []


def test_lines_are_as_wide_as_effects_and_names_stand_beside() -> None:
    chart = tree_chart(tree_content(), {("topk-resid_post.1-seed0", 3): "fires on brackets"})
    svg = chart.svg.html
    root = ElementTree.fromstring(svg)
    widths = [float(path.attrib["stroke-width"]) for path in root.iter("path") if "H" in path.attrib["d"]]
    assert widths == [round(1 + 11 * share, 2) for share in (0.75, 0.4, 0.25, 0.6)]
    words = ["".join(text.itertext()) for text in root.iter("text")]
    assert words[0] == "2.7  peak 4"
    assert "1.3  \u221275 %  peak 4" in words and "fires on brackets" in words
    assert "0.0  \u221260 %  \u2191" in words
    assert "promotes \u21b5   \u2423a   \\xff" in words
    assert "&lt;b&gt; 10 %" in svg  # text is escaped
    assert set(re.findall(r"#[0-9a-f]{6}", svg)) == set()  # colors are the page's


def test_the_data_are_the_edges() -> None:
    chart = tree_chart(tree_content(), {})
    assert chart.columns[:2] == ("parent", "child")
    assert chart.rows[1][:4] == ("2.7", "1.3", 0.5, 0.75)
    assert chart.rows[2][3] is None
    assert "1.3 75 %, 1.4 25 %" in chart.alt


def test_long_words_end_in_an_ellipsis() -> None:
    assert shortened("abcdef", 6) == "abcdef"
    assert shortened("abcdefg", 6) == "abcde\u2026"
