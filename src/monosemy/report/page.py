"""One self-contained HTML page out of a few elements; text is escaped, nothing is fetched, no script runs."""

import csv
import html
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import quote

from monosemy.report.style import style_sheet


@dataclass(frozen=True, slots=True)
class Markup:
    """HTML that stands as it is; a plain `str` is text and gets escaped wherever it is put."""

    html: str


Content = str | Markup
Cell = str | int | float | None
"""A value of a figure's data; None where there is none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """A column of a table: its heading, and whether it holds numbers (aligned right), prose (wide) or short labels."""

    title: str
    kind: Literal["label", "number", "text"] = "label"


@dataclass(frozen=True, kw_only=True, slots=True)
class Chart:
    """A drawn figure: inline SVG, what it shows in words (`alt`), its caption and the data that was drawn."""

    name: str
    title: str
    caption: Content
    alt: str
    svg: Markup
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...] = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """A titled part of a page; its anchor is the title in lower case with hyphens."""

    title: str
    body: tuple[Markup, ...]

    @property
    def anchor(self) -> str:
        """The name by which links reach the section."""
        return re.sub(r"[^a-z0-9]+", "-", self.title.lower()).strip("-")


def page(
    *,
    title: str,
    subtitle: Content,
    lead: Sequence[Content],
    sections: Sequence[Section],
    footer: Content,
) -> str:
    """A whole page: the answers (`lead`, one paragraph each) first, then links to the sections, then the sections."""
    links = join(Markup(f'<li><a href="#{s.anchor}">{text(s.title)}</a></li>') for s in sections)
    body = join(
        Markup(f'<section id="{s.anchor}"><h2>{text(s.title)}</h2>{join(s.body).html}</section>') for s in sections
    )
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<link rel="icon" href="data:,">
<title>{text(title)}</title>
<style>{style_sheet()}</style>
</head>
<body>
<header>
<h1>{text(title)}</h1>
<p class="subtitle">{text(subtitle)}</p>
<div class="lead">{join(paragraph(part) for part in lead).html}</div>
<nav aria-label="Sections"><ul>{links.html}</ul></nav>
</header>
<main>{body.html}</main>
<footer><p>{text(footer)}</p></footer>
</body>
</html>
"""


def text(content: Content) -> str:
    """HTML of the content: markup as it is, a string escaped."""
    return content.html if isinstance(content, Markup) else html.escape(content)


def join(parts: Iterable[Content], separator: str = "\n") -> Markup:
    """The parts one after the other."""
    return Markup(separator.join(text(part) for part in parts))


def sentence(*parts: Content) -> Markup:
    """Text with marked up words in it: the parts without anything between."""
    return join(parts, "")


def paragraph(*parts: Content) -> Markup:
    """One paragraph."""
    return Markup(f"<p>{sentence(*parts).html}</p>")


def heading(title: Content) -> Markup:
    """A heading inside a section."""
    return Markup(f"<h3>{text(title)}</h3>")


def strong(content: Content) -> Markup:
    """Words that carry the answer."""
    return Markup(f"<strong>{text(content)}</strong>")


def code(content: Content) -> Markup:
    """A command, a name, a token, inside a line."""
    return Markup(f"<code>{text(content)}</code>")


def link(content: Content, address: str) -> Markup:
    """Words that lead to another page or section."""
    return Markup(f'<a href="{html.escape(address)}">{text(content)}</a>')


def styled(content: Content, style: Literal["good", "bad", "quiet"]) -> Markup:
    """Words in the color of their judgment; the words must say it too."""
    return Markup(f'<span class="{style}">{text(content)}</span>')


def code_block(content: Content) -> Markup:
    """Lines of code or text, shown as they are and broken where the screen ends."""
    return Markup(f"<pre>{text(content)}</pre>")


def note(*parts: Content) -> Markup:
    """A remark beside the main line."""
    return Markup(f'<div class="note">{paragraph(*parts).html}</div>')


def bullets(items: Iterable[Content]) -> Markup:
    """A list."""
    return Markup("<ul>" + "".join(f"<li>{text(item)}</li>" for item in items) + "</ul>")


def details(summary: Content, *body: Markup) -> Markup:
    """What opens on a click."""
    return Markup(f"<details><summary>{text(summary)}</summary>{join(body).html}</details>")


def side_by_side(*blocks: Markup) -> Markup:
    """Blocks next to each other where there is room, else below each other."""
    return Markup('<div class="pair">' + "".join(f"<div>{block.html}</div>" for block in blocks) + "</div>")


def facts(pairs: Iterable[tuple[str, Content]]) -> Markup:
    """Names and values."""
    return Markup("<dl>" + "".join(f"<dt>{text(n)}</dt><dd>{text(v)}</dd>" for n, v in pairs) + "</dl>")


def table(
    columns: Sequence[Column], rows: Iterable[Sequence[Content]], caption: Content, *, dense: bool = False
) -> Markup:
    """A table whose first column names the rows; it scrolls inside its own box where the screen is narrow.

    `dense` sets many columns closer.

    Raises ValueError when a row has another length than the columns.
    """
    head = "".join(f'<th scope="col" class="{column.kind}">{text(column.title)}</th>' for column in columns)
    body = ""
    for row in rows:
        cells = [
            f'<{"td" if i else "th scope=row"} class="{column.kind}">{text(cell)}</{"td" if i else "th"}>'
            for i, (column, cell) in enumerate(zip(columns, row, strict=True))
        ]
        body += f"<tr>{''.join(cells)}</tr>\n"
    label = re.sub(r"<[^>]*>", "", text(caption)).replace('"', "&quot;")
    kind = ' class="dense"' if dense else ""
    return Markup(
        f'<div class="scroll" tabindex="0" role="region" aria-label="{label}"><table{kind}>'
        f"<caption><span>{text(caption)}</span></caption>"
        f"<thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table></div>"
    )


def figures(*charts: Chart) -> Markup:
    """Figures with captions and their data as CSV, two to a line where there is room."""
    return Markup('<div class="figures">' + "\n".join(_figure(chart) for chart in charts) + "</div>")


def csv_text(chart: Chart) -> str:
    """The data of a figure as CSV with a header line, six digits to a number; an absent value is empty."""
    stream = io.StringIO()
    rows = [[f"{cell:.6g}" if isinstance(cell, float) else cell for cell in row] for row in chart.rows]
    csv.writer(stream, lineterminator="\n").writerows([chart.columns, *rows])
    return stream.getvalue()


def _figure(chart: Chart) -> str:
    data = "data:text/csv;charset=utf-8," + quote(csv_text(chart), safe=",")
    svg = chart.svg.html.replace("<svg ", f'<svg role="img" aria-label="{html.escape(chart.alt)}" ', 1)
    name, title = html.escape(chart.name), html.escape(chart.title)
    link = f'<a download="{name}.csv" href="{data}" aria-label="Data (CSV): {title}">Data (CSV)</a>'
    return (
        f'<figure id="figure-{name}">{svg}'
        f"<figcaption><b>{title}.</b> {text(chart.caption)} {link}</figcaption></figure>"
    )
