"""Oracle: what a terminal of a given width would show, written down by hand."""

import io

from rich.console import Console

from monosemy.core import NAME_COLUMN, Row, RowTable, ignore_row, shortened

TOPK = Row(name="topk-seed0", cells={"error": "33.2", "auxk": "0.52", "L0": "16", "left": "0:25"}, optional=("error",))
TIED = Row(name="tied_l1-seed0", cells={"error": "9", "sparsity": "0.5", "L0": "24.6", "left": "0:30"})


def _drawn(table: RowTable, width: int, height: int | None = None, *, colored: bool = False) -> list[str]:
    stream = io.StringIO()
    console = Console(file=stream, width=width, force_terminal=colored, color_system="standard" if colored else None)
    console.print(table.draw(width, height))
    return [line.rstrip() for line in stream.getvalue().splitlines()]


def _table(*rows: Row) -> RowTable:
    table = RowTable()
    for row in rows:
        table.put(row)
    return table


def test_columns_are_aligned_and_a_new_one_stands_where_its_row_has_it() -> None:
    head, _, *rows = _drawn(_table(TOPK, TIED), 80)
    assert head.split() == [NAME_COLUMN, "error", "sparsity", "auxk", "L0", "left"]
    assert rows == [
        "topk-seed0      33.2            0.52    16  0:25",
        "tied_l1-seed0      9       0.5        24.6  0:30",
    ]


def test_a_row_replaces_its_cells_and_keeps_those_that_the_new_one_lacks() -> None:
    done = Row(name=TOPK.name, cells={"left": "done"}, state="done")
    assert _drawn(_table(TOPK, TIED, done), 80)[2].split() == ["topk-seed0", "33.2", "0.52", "16", "done"]


def test_a_narrow_terminal_loses_optional_columns_then_letters_of_the_names() -> None:
    long = Row(name="control-" + TOPK.name + "-of-resid_post.1", cells=TOPK.cells, optional=("error", "auxk"))
    assert "error" in _drawn(_table(long), 50)[0]
    narrow = _drawn(_table(long), 38)
    assert "error" not in narrow[0] and "L0" in narrow[0] and max(map(len, narrow)) <= 38
    assert "control-" in narrow[2] and "post.1 " in narrow[2] and "\u2026" in narrow[2]
    assert shortened("abcdefghij", 10) == "abcdefghij" and shortened("abcdefghij", 7) == "abc\u2026hij"


def test_a_failure_is_red_with_its_reason_and_what_is_done_is_green() -> None:
    failed = Row(name="a-seed0", cells={"left": "failed"}, state="failed", reason="the loss is nan at step 5 " * 3)
    done = Row(name="b-seed0", cells={"left": "done"}, state="done")
    lines = _drawn(_table(failed, done), 60, colored=True)
    red = [line for line in lines if "\x1b[31m" in line]
    assert len(red) == 3  # its row, and its reason on as many lines as it needs
    assert "step 5" in red[1] and any("b-seed0" in line and "\x1b[32m" in line for line in lines)
    assert len(_drawn(_table(failed, done), 60, 20)) == 5  # cut to one line while it is drawn over


def test_few_lines_show_what_failed_and_runs_before_what_is_done() -> None:
    rows = [Row(name=f"m{i}", state="done" if i < 8 else "running") for i in range(10)]
    rows[2] = Row(name="m2", state="failed", reason="why")
    lines = _drawn(_table(*rows), 40, 8)
    assert [line for line in lines if line in {row.name for row in rows}] == ["m2", "m7", "m8", "m9"]
    assert lines[-2:] == ["and 6 more, of 10", "m2: why"] and len(lines) == 8


def test_the_plain_line_of_a_row() -> None:
    table = _table(TIED, failed := Row(name=TIED.name, state="failed", reason="no"))
    assert table.line(failed) == "tied_l1-seed0: error 9, sparsity 0.5, L0 24.6, left 0:30; failed, no"
    assert table.line(Row(name="new", cells={"L0": "1", "FVU": ""})) == "new: L0 1"
    assert not RowTable() and table
    ignore_row(failed)
