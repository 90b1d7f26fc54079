"""Oracles: the standard library's HTML parser and CSV reader; text that would break out if it were not escaped."""

import csv
import io
from html.parser import HTMLParser
from urllib.parse import unquote

import pytest

from monosemy.report import Chart, Column, Markup, Section, page, table
from monosemy.report.page import code_block, csv_text, figures, paragraph, text
from tests.unit.report.evaluation_folder import HOSTILE

SEPARATE = {"td", "th", "dt", "dd", "li", "p", "pre", "figcaption", "caption", "h1", "h2", "h3", "summary"}
VOID = {"meta", "link", "img", "br", "hr", "input", "wbr"}


class Reader(HTMLParser):
    """Collects tags, attributes and text, and checks that every element is closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        self.text += " " if tag in SEPARATE else ""

    def handle_data(self, data: str) -> None:
        self.text += data


def whole(*body: Markup) -> str:
    return page(
        title=HOSTILE, subtitle=HOSTILE, lead=[HOSTILE], sections=[Section(title="A & B", body=body)], footer="end"
    )


def chart() -> Chart:
    return Chart(
        name="planted",
        title='A "planted" figure',
        caption=HOSTILE,
        alt=HOSTILE,
        svg=Markup('<svg viewBox="0 0 1 1"></svg>'),
        columns=("x", "name"),
        rows=((1.0 / 3, 'a, "b"\nc'), (None, "d")),
    )


def test_text_is_escaped_everywhere() -> None:
    html = whole(
        paragraph(HOSTILE),
        code_block(HOSTILE),
        table([Column(title=HOSTILE), Column(title="n", kind="number")], [[HOSTILE, HOSTILE]], HOSTILE),
        figures(chart()),
    )
    reader = Reader(html)
    assert [tag for tag, _ in reader.tags if tag in ("script", "img")] == []
    assert reader.text.count(HOSTILE) == 11
    labels = [attributes["aria-label"] for _, attributes in reader.tags if "aria-label" in attributes]
    assert labels.count(HOSTILE) == 2


def test_a_page_is_self_contained_and_says_what_it_is() -> None:
    reader = Reader(whole(figures(chart())))
    assert reader.tags[0] == ("html", {"lang": "en"})
    assert ("meta", {"charset": "utf-8"}) in reader.tags
    assert any(a.get("name") == "viewport" for _, a in reader.tags)
    targets = [a[key] or "" for _, a in reader.tags for key in ("src", "href") if key in a]
    assert targets
    assert all(target.startswith(("data:", "#")) for target in targets)
    assert {tag for tag, _ in reader.tags} >= {"header", "main", "footer", "nav", "section", "figure", "figcaption"}


def test_links_lead_to_sections() -> None:
    reader = Reader(whole())
    ids = {a["id"] for _, a in reader.tags if "id" in a}
    links = {(a["href"] or "")[1:] for tag, a in reader.tags if tag == "a"}
    assert links == {"a-b"}
    assert links <= ids


def test_a_figure_carries_its_data() -> None:
    reader = Reader(figures(chart()).html)
    link = next(a for tag, a in reader.tags if tag == "a")
    data = unquote((link["href"] or "").removeprefix("data:text/csv;charset=utf-8,"))
    assert data == csv_text(chart())
    assert list(csv.reader(io.StringIO(data))) == [["x", "name"], ["0.333333", 'a, "b"\nc'], ["", "d"]]
    assert link["download"] == "planted.csv"


def test_a_table_names_its_rows_and_columns() -> None:
    reader = Reader(
        table([Column(title="who"), Column(title="n", kind="number")], [["a", "1"], ["b", "2"]], "cap").html
    )
    scopes = [a["scope"] for tag, a in reader.tags if tag == "th"]
    assert scopes == ["col", "col", "row", "row"]
    assert [a["class"] for tag, a in reader.tags if tag == "td"] == ["number", "number"]


def test_a_row_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        table([Column(title="a")], [["1", "2"]], "caption")


def test_only_markup_stands_as_it_is() -> None:
    assert text("<b>") == "&lt;b&gt;"
    assert text(Markup("<b>")) == "<b>"
