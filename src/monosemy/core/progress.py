"""One live display of what a run is doing, with the time left; plain lines where there is no terminal.

A task may show rows, one for each of the many things that it makes: they stand in a table above the bars.
"""

import io
import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, final

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, ProgressColumn, Task, TaskID, TextColumn
from rich.progress import Progress as Bars
from rich.text import Text

from monosemy.core.row_table import Row, RowTable

_REDRAW_SECONDS = 0.1
_LIVE_SECONDS = 0.25
_ROW_INTERVALS = 6
"""Without a terminal a row says how it stands once in so many intervals, for there can be dozens of them."""


class TaskHandle:
    """One task of the display: enter it, advance it, and it says how far it is and how long it will take."""

    def __init__(
        self, progress: "Progress", name: str, total: int | float | None, unit: str, done: int | float
    ) -> None:
        self.name, self.total, self.unit, self.done = name, total, unit, done
        self._progress = progress
        self._done_before = done
        self._note = ""
        self._started = progress.clock()
        self._ended: float | None = None

    def __enter__(self) -> "TaskHandle":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, traceback: TracebackType | None) -> None:
        self._ended = self._progress.clock()
        self._progress.end(self, "done" if kind is None else "stopped")

    def advance(self, n: int | float = 1) -> None:
        """Add n units to what is done."""
        self.done += n
        self._progress.update(self)

    def note(self, text: str) -> None:
        """Show a short text (the current loss) behind the numbers, in place of the one before."""
        self._note = text
        self._progress.update(self)

    def show(self, row: Row) -> None:
        """Show what one of the things that the task makes is doing, in place of what its row said before."""
        self._progress.show(self, row)

    def status(self) -> str:
        """How far the task is: done and total, rate, time passed, time left, note."""
        seconds = (self._progress.clock() if self._ended is None else self._ended) - self._started
        rate = (self.done - self._done_before) / seconds if seconds > 0 else 0.0
        total = "" if self.total is None else f"/{_quantity(self.total)}"
        parts = [f"{_quantity(self.done)}{total} {self.unit}", f"{_quantity(rate)} {self.unit}/s", _duration(seconds)]
        if self.total is not None and rate > 0 and self._ended is None:
            parts.append(f"{_duration(max(0.0, self.total - self.done) / rate)} left")
        return ", ".join([*parts, self._note] if self._note else parts)


class Progress:
    """The display of a run's tasks, a context manager: live bars on a terminal, plain lines elsewhere.

    A task writes a plain line at most every `interval_seconds`, and one when it ends. `stream` is by default the
    standard error; `quiet` shows nothing.
    """

    def __init__(
        self,
        stream: io.TextIOWrapper | io.StringIO | None = None,
        *,
        quiet: bool = False,
        interval_seconds: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.clock = clock
        self._stream = None if quiet else stream or sys.stderr
        self._interval_seconds = interval_seconds
        self._tables: dict[TaskHandle, RowTable] = {}
        is_terminal = self._stream is not None and self._stream.isatty()
        self._console = Console(file=self._stream) if is_terminal else None
        self._bars = None if self._console is None else _bars(self._console)
        self._live = None if self._console is None else _Drawing(self._console, self._drawn)
        self._ids: dict[TaskHandle, TaskID] = {}  # of the live bars
        self._shown: dict[TaskHandle, float] = {}  # when each running task was last drawn or written
        self._rows_shown: dict[tuple[TaskHandle, str], float] = {}  # when each row was last written

    def __enter__(self) -> "Progress":
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, traceback: TracebackType | None) -> None:
        if self._live is not None:
            self._live.stop()

    def task(self, name: str, total: int | float | None, unit: str, done: int | float = 0) -> TaskHandle:
        """Begin a task of `total` units (None: not known); `done` is what an earlier run did; no rate counts it."""
        handle = TaskHandle(self, name, total, unit, done)
        self._shown[handle] = self.clock()
        if self._bars is not None:
            self._ids[handle] = self._bars.add_task(name, total=total, completed=done, handle=handle)  # pyright: ignore[reportArgumentType]
        return handle

    def message(self, text: str) -> None:
        """Write one line that stays (a cache hit, a folder)."""
        if self._live is not None:
            self._live.print(text, markup=False, highlight=False, soft_wrap=True)
        elif self._stream is not None:
            print(text, file=self._stream, flush=True)

    def update(self, handle: TaskHandle) -> None:
        """Show a task's new state, unless it was shown just before; called by the task itself."""
        now = self.clock()
        if self._stream is None or now - self._shown.get(handle, now) < self._pause_seconds():
            return
        self._shown[handle] = now
        if self._bars is not None:
            self._bars.update(self._ids[handle], completed=handle.done)
        else:
            self.message(f"{handle.name}: {handle.status()}")

    def show(self, handle: TaskHandle, row: Row) -> None:
        """Show a row of a task; called by the task itself."""
        if self._stream is None:
            return
        table = self._tables.setdefault(handle, RowTable())
        table.put(row)
        now, key = self.clock(), (handle, row.name)
        if self._live is None:
            due = now - self._rows_shown.setdefault(key, now) >= _ROW_INTERVALS * self._interval_seconds
            if due or row.state != "running":
                self._rows_shown[key] = now
                self.message(table.line(row))

    def end(self, handle: TaskHandle, how: str) -> None:
        """Take a task off the live display and write its last line and its rows; called by the task itself."""
        del self._shown[handle]
        table = self._tables.pop(handle, None)
        if self._bars is not None:
            self._bars.remove_task(self._ids.pop(handle))
        if table is not None and self._live is not None and self._console is not None:
            self._live.print(table.draw(self._console.width))
        self.message(f"{handle.name}: {how}, {handle.status()}")

    def _drawn(self) -> RenderableType:
        """The rows of every running task above the bars, in as many lines as the terminal has."""
        assert self._console is not None and self._bars is not None  # only a terminal draws
        bars = self._bars.get_renderable()
        tables = list(self._tables.values())
        room = (self._console.height - 1 - len(self._bars.tasks)) // max(1, len(tables))
        return Group(*(table.draw(self._console.width, room) for table in tables), bars)

    def _pause_seconds(self) -> float:
        return self._interval_seconds if self._bars is None else _REDRAW_SECONDS


def silent() -> Progress:
    """A display that shows nothing, for libraries and tests."""
    return Progress(quiet=True)


SILENT = silent()
"""The display of whoever was given none."""


class _StatusColumn(ProgressColumn):
    """The task's own status line, computed anew at every redraw, so that the time left also runs in slow tasks."""

    def render(self, task: Task) -> Text:
        return Text(task.fields["handle"].status())


def _bars(console: Console) -> Bars:
    """The bars, which `_live` draws: they never draw themselves."""
    return Bars(
        TextColumn("{task.description}", markup=False), BarColumn(bar_width=20), _StatusColumn(), console=console
    )


@final
class _Drawing:
    """What is drawn anew four times a second at the lower end of the terminal, and what is printed above it.

    With one lock around both: Live's own thread may draw between the two halves of a print, and leave lines behind.
    """

    def __init__(self, console: Console, drawn: Callable[[], RenderableType]) -> None:
        # What the program prints on the standard output must stay there, hence no redirection.
        self._live = Live(
            console=console, get_renderable=drawn, auto_refresh=False, redirect_stdout=False, redirect_stderr=False
        )
        self._lock, self._ended = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._redraw, daemon=True)

    def start(self) -> None:
        self._live.start()
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()
        self._live.stop()

    def print(self, what: RenderableType, **how: Any) -> None:
        """Something that stays, above what is drawn."""
        with self._lock:
            self._live.refresh()  # or what is drawn no more would be drawn once again below it
            self._live.console.print(what, **how)

    def _redraw(self) -> None:
        while not self._ended.wait(_LIVE_SECONDS):
            with self._lock:
                self._live.refresh()


def _quantity(number: int | float) -> str:
    """Three significant digits and a suffix: 950, 1.23k, 45.6M."""
    for size, suffix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(number) >= 0.9995 * size:
            return f"{number / size:.3g}{suffix}"
    return f"{number:.3g}"


def _duration(seconds: float) -> str:
    """Hours, minutes and seconds: 0:07, 12:34, 1:02:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
