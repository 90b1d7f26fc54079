"""What training steps share: the threads that they may use, and the buffers of members of one size."""

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, TypeVar, final

import numpy as np
import torch
from torch import Tensor

R = TypeVar("R")
BLOCK_ROWS = 256
"""Rows of a batch that are encoded at a time: few enough that their pre-activations are still in the cache when the
active ones are selected, many enough for the product's full speed."""

BLOCK_LATENTS = 512
"""Latents whose gradients and update are one piece of work."""


@dataclass(frozen=True, slots=True)
class Size:
    """Of a step: rows of the batch, latents, dimensions, and how many entries a block of rows may list."""

    batch: int
    n_latents: int
    d: int
    entries_a_block: int


@final
class Workspace:
    """The buffers of one step: numpy arrays over memory of torch, which aligns it; nothing in them outlives it."""

    def __init__(self, size: Size, n_threads: int) -> None:
        self.size = size
        n_entries = -(-size.batch // BLOCK_ROWS) * size.entries_a_block
        self.pre_acts = [torch.empty(min(BLOCK_ROWS, size.batch), size.n_latents) for _ in range(n_threads)]
        self.row_start, self.row_end = np.zeros(size.batch, np.int64), np.zeros(size.batch, np.int64)
        self.index, self.value, self.slope = _int32(n_entries), _float32(n_entries), _float32(n_entries)
        self.column_start = np.zeros(size.n_latents + 1, np.int64)
        self.column_row, self.column_value = _int32(n_entries), _float32(n_entries)
        self.column_slope = _float32(n_entries)
        self.residual = _float32(size.batch, size.d)
        self.row_error = _float32(size.batch)
        self.encoder_gradient, self.decoder_gradient = (_float32(size.n_latents, size.d) for _ in range(2))
        self.bias_gradient = _float32(size.n_latents)
        self._dense: tuple[Tensor, Tensor] | None = None

    @property
    def dense(self) -> tuple[Tensor, Tensor]:
        """Two buffers `[batch n_latents]` for steps on dense latents; made when first wanted."""
        if self._dense is None:
            shape = self.size.batch, self.size.n_latents
            self._dense = torch.empty(shape), torch.empty(shape)
        return self._dense


@final
class Engine:
    """A context manager of `n_threads` threads and the workspaces that go round among members of one size.

    What a step computes does not depend on the number of threads: work is cut into pieces of fixed size, each piece is
    done by one thread, and no two write to one place.
    """

    def __init__(self, n_threads: int = 1) -> None:
        if n_threads < 1:
            raise ValueError(f"n_threads must be at least 1, got {n_threads}")
        self.n_threads = n_threads
        self._free: dict[Size, list[Workspace]] = {}
        self._here = threading.local()
        self._pool = ThreadPoolExecutor(n_threads, initializer=self._begin)

    def __enter__(self) -> "Engine":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, traceback: TracebackType | None) -> None:
        self._pool.shutdown()

    def share(self, function: Callable[[int, Any], R], items: Iterable[Any]) -> list[R]:
        """function(thread, item) for all items, in their order; each thread does a stretch of neighboring ones.

        What is shared by a function that runs in such a thread stays in it, as thread 0: whoever trains many members
        gives each thread members, whoever trains one gives each thread pieces of its step.
        """
        items = list(items)
        if self.n_threads == 1 or len(items) <= 1 or getattr(self._here, "is_inside", False):
            return [function(0, item) for item in items]
        n_each = -(-len(items) // self.n_threads)
        stretches = [items[first : first + n_each] for first in range(0, len(items), n_each)]
        futures = [
            self._pool.submit(lambda thread, some: [function(thread, item) for item in some], thread, some)
            for thread, some in enumerate(stretches)
        ]
        return [result for future in futures for result in future.result()]

    def _begin(self) -> None:
        """In each thread of the pool, once."""
        self._here.is_inside = True
        torch.set_num_threads(1)

    @contextmanager
    def workspace(self, size: Size) -> Iterator[Workspace]:
        """A workspace of a size, of nobody else's until the context ends."""
        free = self._free.setdefault(size, [])
        workspace = free.pop() if free else Workspace(size, self.n_threads)
        try:
            yield workspace
        finally:
            free.append(workspace)


def pieces(n: int, length: int) -> list[tuple[int, int]]:
    """0 to n in stretches of a length, the last one shorter."""
    return [(first, min(first + length, n)) for first in range(0, n, length)]


def _float32(*shape: int) -> np.ndarray:
    return torch.empty(shape).numpy()


def _int32(n: int) -> np.ndarray:
    return torch.empty(n, dtype=torch.int32).numpy()
