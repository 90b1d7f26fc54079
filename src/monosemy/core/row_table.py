"""A table of named rows that change: what each of many trainings is doing, on a terminal or as plain lines."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

NAME_COLUMN = "dictionary"
LEAST_NAME = 18
"""Characters that a name keeps on a narrow terminal before columns are left out."""

_GAP = 2  # between columns


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """What one of many is doing: its name, a short text a column, whether it goes on, and why it does not.

    optional: columns that a narrow terminal may leave out, the first ones first.
    """

    name: str
    cells: Mapping[str, str] = field(default_factory=dict)
    state: Literal["running", "done", "failed"] = "running"
    reason: str = ""
    optional: tuple[str, ...] = ()


Show = Callable[[Row], None]
"""How a task says what a part of it is doing; a row replaces the one of the same name."""


def ignore_row(_: Row) -> None:
    """For whoever does not want to see."""


class RowTable:
    """The rows by name, in the order in which they first came."""

    def __init__(self) -> None:
        self._rows: dict[str, Row] = {}
        self._columns: list[str] = []

    def __bool__(self) -> bool:
        return bool(self._rows)

    def put(self, row: Row) -> None:
        """Add the row, or replace the one of its name; cells that it lacks keep what they said."""
        before = self._rows.get(row.name)
        cells = (dict[str, str]() if before is None else dict(before.cells)) | dict(row.cells)
        row = Row(name=row.name, cells=cells, state=row.state, reason=row.reason, optional=row.optional)
        self._columns = _merged(self._columns, list(cells))
        self._rows[row.name] = row  # one assignment: the thread that draws sees the row before or this one

    def line(self, row: Row) -> str:
        """The row for where there is no terminal: `name: FVU .12, L0 16; failed, the loss is nan`."""
        cells = self._rows[row.name].cells if row.name in self._rows else row.cells
        said = ", ".join(f"{column} {cell}" for column, cell in cells.items() if cell)
        end = {"running": "", "done": "done", "failed": f"failed, {row.reason}"}[row.state]
        return f"{row.name}: {'; '.join(part for part in (said, end) if part)}"

    def draw(self, width: int, height: int | None = None) -> RenderableType:
        """The table in so many columns, and lines (None: all rows); reasons of failures in red below it."""
        rows = list(self._rows.values())
        shown = rows if height is None else _most_telling(rows, max(1, height - _n_extra_lines(rows)))
        columns = _columns_that_fit(self._columns, rows, width)
        room = max(LEAST_NAME, width - sum(_width(column, rows) + _GAP for column in columns))
        table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, _GAP - 1, 0, 0))
        table.add_column(NAME_COLUMN, no_wrap=True)
        for column in columns:
            table.add_column(column, justify="right", no_wrap=True)
        for row in shown:
            style = {"running": "", "done": "green", "failed": "red"}[row.state]
            cells = [Text(row.cells.get(column, "")) for column in columns]
            table.add_row(Text(shortened(row.name, room)), *cells, style=style)
        below: list[RenderableType] = []
        if len(shown) < len(rows):
            below.append(Text(f"and {len(rows) - len(shown)} more, of {len(rows)}", style="dim"))
        cut = height is not None  # what stays on the screen says all
        overflow = "ellipsis" if cut else "fold"
        failed = [row for row in rows if row.state == "failed"]
        below += [Text(f"{row.name}: {row.reason}", style="red", overflow=overflow, no_wrap=cut) for row in failed]
        return Group(table, *below)


def shortened(name: str, n: int) -> str:
    """The name in at most n characters, its middle left out: its end tells it from its neighbors."""
    if len(name) <= n:
        return name
    n_tail = (n - 1) // 2
    return f"{name[: n - 1 - n_tail]}\u2026{name[len(name) - n_tail :]}"


def _merged(known: Sequence[str], new: Sequence[str]) -> list[str]:
    """All columns: one not known before stands behind the one that it follows in its row."""
    merged, at = list(known), 0
    for column in new:
        if column in merged:
            at = merged.index(column) + 1
        else:
            merged.insert(at, column)
            at += 1
    return merged


def _most_telling(rows: Sequence[Row], n: int) -> list[Row]:
    """At most n rows in their order: those that failed or run before those that are done, the latest of these."""
    by_need = sorted(range(len(rows)), key=lambda i: ({"failed": 0, "running": 1, "done": 2}[rows[i].state], -i))
    return [rows[i] for i in sorted(by_need[:n])]


def _n_extra_lines(rows: Sequence[Row]) -> int:
    """Lines beside those of the rows: the head, its rule, what was left out, the failures' reasons."""
    return 3 + sum(row.state == "failed" for row in rows)


def _width(column: str, rows: Sequence[Row]) -> int:
    return max(len(column), *(len(row.cells.get(column, "")) for row in rows))


def _columns_that_fit(columns: Sequence[str], rows: Sequence[Row], width: int) -> list[str]:
    """The columns without those optional ones for which there is no room."""
    optional = list(dict.fromkeys(column for row in rows for column in row.optional))
    kept = list(columns)
    name = min(LEAST_NAME, max(len(row.name) for row in rows))
    while optional and name + sum(_width(column, rows) + _GAP for column in kept) > width:
        gone = optional.pop(0)
        kept = [column for column in kept if column != gone]
    return kept
