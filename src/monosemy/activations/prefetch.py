"""The store's batches, read ahead by a thread into two buffers that are used again and again."""

import queue
import threading
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from monosemy.activations.store import ActivationStore, Pick, ReaderState

N_BUFFERS = 2
"""One that the consumer computes with, and one that is being filled."""


def prefetched(
    store: ActivationStore, sites: Sequence[str], batch_size: int, seed: int, state: ReaderState | None = None
) -> Generator[tuple[dict[str, Tensor], ReaderState], None, None]:
    """The batches and states of `ActivationStore.batches`, bit for bit; the next one is read while one is used.

    A batch is valid until the next is asked for: its memory is then written again. Rows are gathered in 16 bits and
    converted as a batch. The thread begins with the first batch, and ends when the generator is closed; what it raises
    is raised here. Raises UserError at once as `ActivationStore.batches` does.
    """
    return _batches(store.picks(sites, batch_size, seed, state), batch_size)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Buffer:
    stored: dict[str, Tensor]
    x: dict[str, Tensor]

    def fill(self, pick: Pick) -> None:
        for site, parts in pick.parts.items():
            start = 0
            for shard, rows in parts:
                end = start + len(rows)
                torch.index_select(shard, 0, rows, out=self.stored[site][start:end])
                start = end
            self.x[site].copy_(self.stored[site])


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Ready:
    """A buffer that was filled, or what went wrong; state None: the picks have ended."""

    buffer: _Buffer | None = None
    state: ReaderState | None = None
    error: BaseException | None = None


def _batches(picks: Iterator[Pick], batch_size: int) -> Generator[tuple[dict[str, Tensor], ReaderState], None, None]:
    free: queue.SimpleQueue[int | None] = queue.SimpleQueue()  # numbers of buffers; None: nobody wants another batch
    ready: queue.SimpleQueue[_Ready] = queue.SimpleQueue()
    for number in range(N_BUFFERS):
        free.put(number)
    thread = threading.Thread(target=_read, args=(picks, batch_size, free, ready), name="prefetch", daemon=True)
    thread.start()
    try:
        number = 0
        while True:
            found = ready.get()
            if found.error is not None:
                raise found.error
            if found.buffer is None or found.state is None:
                return
            yield found.buffer.x, found.state
            free.put(number)  # they come back in the order in which they went
            number = (number + 1) % N_BUFFERS
    finally:
        free.put(None)
        thread.join()


def _read(
    picks: Iterator[Pick],
    batch_size: int,
    free: "queue.SimpleQueue[int | None]",
    ready: "queue.SimpleQueue[_Ready]",
) -> None:
    """What the thread does."""
    buffers: list[_Buffer] = []
    try:
        for pick in picks:
            number = free.get()
            if number is None:
                return
            if number == len(buffers):
                buffers.append(_empty(pick, batch_size))
            buffers[number].fill(pick)
            ready.put(_Ready(buffer=buffers[number], state=pick.state))
        ready.put(_Ready())
    except BaseException as error:  # it is raised where somebody can do something about it
        ready.put(_Ready(error=error))


def _empty(pick: Pick, batch_size: int) -> _Buffer:
    shapes = {site: (batch_size, parts[0][0].shape[1]) for site, parts in pick.parts.items()}
    dtypes = {site: parts[0][0].dtype for site, parts in pick.parts.items()}
    return _Buffer(
        stored={site: torch.empty(shape, dtype=dtypes[site]) for site, shape in shapes.items()},
        x={site: torch.empty(shape) for site, shape in shapes.items()},
    )
