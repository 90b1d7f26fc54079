"""Oracle: a clock that the test turns by hand, and the lines written down beforehand."""

import io
import re

import pytest

from monosemy.core import SILENT, Progress, Row, silent


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_plain_lines_come_every_ten_seconds_and_at_the_end() -> None:
    clock, stream = Clock(), io.StringIO()
    with Progress(stream, clock=clock) as progress, progress.task("harvest", 4000.0, "tokens") as task:
        for _ in range(40):
            clock.seconds += 1
            task.advance(50)
        task.note("loss 1.2")
        clock.seconds += 1
        task.advance(2000)
    assert stream.getvalue().splitlines() == [
        "harvest: 500/4k tokens, 50 tokens/s, 0:10, 1:10 left",
        "harvest: 1k/4k tokens, 50 tokens/s, 0:20, 1:00 left",
        "harvest: 1.5k/4k tokens, 50 tokens/s, 0:30, 0:50 left",
        "harvest: 2k/4k tokens, 50 tokens/s, 0:40, 0:40 left",
        "harvest: done, 4k/4k tokens, 97.6 tokens/s, 0:41, loss 1.2",
    ]


def test_what_an_earlier_run_did_counts_for_no_rate() -> None:
    clock, stream = Clock(), io.StringIO()
    with Progress(stream, clock=clock) as progress, progress.task("train", 2_500_000, "steps", done=1_500_000) as task:
        clock.seconds = 20.0
        task.advance(1000)
    assert stream.getvalue().splitlines()[0] == "train: 1.5M/2.5M steps, 50 steps/s, 0:20, 5:33:00 left"


def test_without_a_total_there_is_no_time_left() -> None:
    clock, stream = Clock(), io.StringIO()
    with Progress(stream, clock=clock) as progress, progress.task("read", None, "files") as task:
        clock.seconds = 12.0
        task.advance(0.5)
    assert stream.getvalue().splitlines() == [
        "read: 0.5 files, 0.0417 files/s, 0:12",
        "read: done, 0.5 files, 0.0417 files/s, 0:12",
    ]


def test_a_task_that_fails_says_stopped_and_the_failure_goes_on() -> None:
    stream = io.StringIO()
    with (
        pytest.raises(KeyboardInterrupt),
        Progress(stream, clock=Clock()) as progress,
        progress.task("train", 10, "steps") as task,
    ):
        task.advance(3)
        raise KeyboardInterrupt
    assert stream.getvalue() == "train: stopped, 3/10 steps, 0 steps/s, 0:00\n"


def test_two_tasks_each_have_their_own_lines() -> None:
    clock, stream = Clock(), io.StringIO()
    with Progress(stream, interval_seconds=5.0, clock=clock) as progress:
        with progress.task("outer", 2, "sites") as outer, progress.task("inner", 4, "shards") as inner:
            clock.seconds = 5.0
            inner.advance()
            outer.advance()
        progress.message("report in runs/a")
    assert [line.split(",")[0] for line in stream.getvalue().splitlines()] == [
        "inner: 1/4 shards",
        "outer: 1/2 sites",
        "inner: done",
        "outer: done",
        "report in runs/a",
    ]


def test_a_terminal_gets_live_bars_and_the_same_last_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "200")
    clock, stream = Clock(), Terminal()
    with Progress(stream, clock=clock) as progress:
        with progress.task("[harvest]", 4, "tokens") as task:
            for _ in range(3):
                clock.seconds += 1
                task.advance()
        progress.message("[cached] store")
    shown = stream.getvalue()
    assert "\x1b[" in shown  # drawn over in place
    assert "[harvest]: done, 3/4 tokens, 1 tokens/s, 0:03" in shown
    assert "[cached] store" in shown


def test_what_the_program_prints_stays_on_the_standard_output(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    with Progress(Terminal()) as progress, progress.task("a", 1, "b"):
        print("the answer")  # noqa: T201
    assert capsys.readouterr().out == "the answer\n"


def test_the_standard_error_is_the_default_stream(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress() as progress, progress.task("a", 1, "b"):
        pass
    assert capsys.readouterr().err.startswith("a: done, 0/1 b")


@pytest.mark.parametrize("progress", [SILENT, silent()])
def test_a_silent_display_says_nothing(progress: Progress, capsys: pytest.CaptureFixture[str]) -> None:
    with progress, progress.task("a", 1, "b") as task:
        task.advance()
        task.note("c")
        progress.message("d")
    assert capsys.readouterr() == ("", "")


def test_rows_write_a_plain_line_a_minute_and_one_at_their_end() -> None:
    clock, stream = Clock(), io.StringIO()
    with Progress(stream, clock=clock) as progress, progress.task("train", 10, "steps") as task:
        for i in range(13):
            clock.seconds = 10.0 * i
            task.show(Row(name="a-seed0", cells={"L0": f"{i}"}))
        task.show(Row(name="b-seed0", state="failed", reason="the loss is nan"))
    assert stream.getvalue().splitlines() == [
        "a-seed0: L0 6",
        "a-seed0: L0 12",
        "b-seed0: failed, the loss is nan",
        "train: done, 0/10 steps, 0 steps/s, 2:00",
    ]


def test_on_a_terminal_rows_are_drawn_over_in_place_and_left_once_when_the_task_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("LINES", "12")
    stream = Terminal()
    with Progress(stream) as progress, progress.task("train", 30, "steps") as task:
        for i in range(30):  # more than the terminal has lines
            task.show(Row(name=f"member-seed{i}", cells={"L0": str(i)}))
        progress.message("something else")
        for i in range(30):
            task.show(Row(name=f"member-seed{i}", cells={"L0": "done"}, state="done"))
    screen = _screen(stream.getvalue())
    assert [line.split() for line in screen if "member-seed" in line] == [
        [f"member-seed{i}", "done"] for i in range(30)
    ]
    assert screen[0] == "something else" and screen[-1].startswith("train: done")
    assert sum("dictionary" in line for line in screen) == 1


def _screen(written: str) -> list[str]:
    """What a terminal of endless height shows after these bytes: lines, erased and moved up as the codes say."""
    lines, at = [""], 0
    for piece in re.findall(r"\x1b\[[?\d;]*[A-Za-z]|\r|\n|[^\x1b\r\n]+", written):
        if piece == "\n":
            at += 1
            lines += [""] * (at + 1 - len(lines))
        elif piece == "\x1b[1A":
            at -= 1
        elif piece == "\x1b[2K":
            lines[at] = ""
        elif not piece.startswith(("\x1b", "\r")):
            lines[at] += piece
    return [line.rstrip() for line in lines if line.strip()]
