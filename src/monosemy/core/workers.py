"""Work on several cores: processes of one thread each, whose results do not depend on how many there are.

Two threads inside one process gain little on small matrices, as every product ends in a barrier; two processes gain
all. And as each process computes with one thread, a result is the same to the last bit whoever makes it.
"""

import itertools
import multiprocessing
import os
import queue
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection
from types import TracebackType
from typing import Any, TypeVar, final

from monosemy.core.errors import UserError
from monosemy.core.memory import keep_freed_memory
from monosemy.core.row_table import Row, Show, ignore_row
from monosemy.core.threads import set_threads

T = TypeVar("T")
R = TypeVar("R")
Advance = Callable[[int | float], None]
"""How a task tells how much of it is done, in the unit of the display."""

_POLL_SECONDS = 0.2
_ROW_SECONDS = 0.5


def ignore_advance(_: int | float) -> None:
    """For whoever does not want to know."""


@final
class Teller:
    """What a task is given to tell how far it is: called with what was done, and shown rows of what it makes.

    Of one name's rows at most two a second go on, and every one that is not running any more.
    """

    def __init__(self, advance: Advance, show: Show = ignore_row) -> None:
        self._advance, self._show = advance, show
        self._shown: dict[str, float] = {}

    def __call__(self, n: int | float) -> None:
        """Add n units to what is done."""
        self._advance(n)

    def show(self, row: Row) -> None:
        """Say what one of the things that the task makes is doing."""
        now = time.monotonic()
        if row.state == "running" and now - self._shown.get(row.name, -_ROW_SECONDS) < _ROW_SECONDS:
            return
        self._shown[row.name] = now
        self._show(row)


class Workers:
    """A context manager of `n` processes, spawned when first needed; with n = 1 the work is done in this process.

    A task and its result are pickled between our own processes: keep both small (paths, configurations).
    Raises UserError when n < 1.
    """

    def __init__(self, n: int = 1) -> None:
        if n < 1:
            raise UserError(f"workers: expected at least 1, got {n}")
        self.n = n
        self._pool: ProcessPoolExecutor | None = None
        self._done: Any = None  # the number shared with the workers
        self._rows: Any = None  # the rows that they show, on their way here

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, traceback: TracebackType | None) -> None:
        if self._pool is None:
            return
        # After an error nobody wants the rest, and a task can take minutes.
        processes = list(self._pool._processes.values()) if kind is not None else []
        self._pool.shutdown(wait=kind is None, cancel_futures=True)
        for process in processes:
            process.terminate()
        for process in processes:
            process.join()
        self._pool = None

    def map(
        self,
        function: Callable[[T, Teller], R],
        tasks: Sequence[T],
        advance: Advance = ignore_advance,
        show: Show = ignore_row,
    ) -> Iterator[R]:
        """function(task, teller) of every task, in their order; all are begun when the first result is asked for.

        `function` stands at the top level of a module. What it tells its teller is told to `advance`, in sum, and the
        rows that it shows are shown to `show`. The first exception ends the iteration; a worker that dies is a
        UserError.
        """
        teller = Teller(advance, show)
        if self.n == 1 or len(tasks) <= 1:
            set_threads(1)
            return (function(task, teller) for task in tasks)
        return self._in_pool(function, tasks, teller)

    def _in_pool(self, function: Callable[[T, Teller], R], tasks: Sequence[T], teller: Teller) -> Iterator[R]:
        pool = self._started()
        futures = [pool.submit(_call, function, task) for task in tasks]
        seen = self._done.value
        try:
            for future in futures:
                while not future.done():
                    wait(_unfinished(futures), timeout=_POLL_SECONDS, return_when=FIRST_COMPLETED)
                    seen = self._relay(seen, teller)
                result = future.result()
                seen = self._relay(seen, teller)
                yield result
        except BrokenProcessPool as error:
            raise UserError(
                "a worker process died, perhaps for want of memory; what is finished is kept: "
                "run the same command again, with --threads 1 to need less"
            ) from error
        finally:
            for future in futures:
                future.cancel()

    def _relay(self, seen: int | float, teller: Teller) -> int | float:
        done = self._done.value
        if done > seen:
            teller(done - seen)
        for row in _waiting(self._rows):
            teller.show(row)
        return done

    def _started(self) -> ProcessPoolExecutor:
        if self._pool is None:
            context = multiprocessing.get_context("spawn")
            self._done, self._rows = context.Value("d", 0.0), context.Queue()
            shared = (self._done, self._rows)
            self._pool = ProcessPoolExecutor(self.n, mp_context=context, initializer=_begin, initargs=shared)
        return self._pool


def _waiting(rows: Any) -> Iterator[Row]:
    """What has come through the queue so far."""
    while True:
        try:
            yield rows.get_nowait()
        except queue.Empty:
            return


def _unfinished(futures: Iterable["Future[Any]"]) -> list["Future[Any]"]:
    return list(itertools.islice((future for future in futures if not future.done()), 64))


_shared: list[Any] = []  # in a worker: the number that its tasks add to, and the queue of their rows


def _begin(done: Any, rows: Any) -> None:
    """What a worker does first: one thread; Ctrl-C is the parent's affair; not to outlive it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    rows.cancel_join_thread()  # rows that nobody wants any more must not keep it from ending
    _shared[:] = [done, rows]
    set_threads(1)
    keep_freed_memory()
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None  # a worker has one
    connection.wait([parent.sentinel])
    os._exit(1)


def _call(function: Callable[[T, Teller], R], task: T) -> R:
    try:
        return function(task, Teller(_advance, _shared[1].put))
    except KeyboardInterrupt:
        # The parent ends its workers (SIGTERM), and this task held the signal back until it had saved what it had; an
        # exception would be sent home, and the next task begun.
        os._exit(130)


def _advance(n: int | float) -> None:
    done = _shared[0]
    with done.get_lock():
        done.value += n
