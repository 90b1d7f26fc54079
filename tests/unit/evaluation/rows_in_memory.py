"""A stand-in for an activation store in text order: rows that are simply there."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from monosemy.core import UserError, numpy_generator


@dataclass(frozen=True, kw_only=True)
class MemoryDocument:
    unit: str
    first_token: int | None
    id: str = "d"
    n_tokens: int = 0


@dataclass(frozen=True, kw_only=True)
class MemorySequences:
    tokens: np.ndarray
    document: np.ndarray
    index: np.ndarray


@dataclass(frozen=True, kw_only=True)
class MemoryChunk:
    place: np.ndarray
    x: dict[str, Tensor]


@dataclass(frozen=True, kw_only=True)
class MemoryRows:
    """x: site -> [rows d_site]; `rows_per_chunk` caps what one chunk holds, whatever is asked for."""

    x: dict[str, Tensor]
    place: np.ndarray
    documents: Sequence[MemoryDocument]
    packed: MemorySequences
    rows_per_chunk: int = 1 << 20
    config: dict[str, Any] = field(default_factory=lambda: {"lm": "lm-of-the-rows"})

    @property
    def n_rows(self) -> int:
        return len(self.place)

    def d_site(self, site: str) -> int:
        if site not in self.x:
            raise UserError(f"no activations at {site!r}; it has: {', '.join(self.x)}")
        return self.x[site].shape[1]

    def sequences(self) -> MemorySequences:
        return self.packed

    def chunks(self, sites: Sequence[str], max_rows: int = 8192, n_rows: int | None = None) -> Iterator[MemoryChunk]:
        n, step = self.n_rows if n_rows is None else n_rows, min(max_rows, self.rows_per_chunk)
        for start in range(0, n, step):
            rows = slice(start, min(start + step, n))
            yield MemoryChunk(place=self.place[rows], x={site: self.x[site][rows] for site in sites})


def packed_rows(
    n_documents: int, document_tokens: int, context_length: int, *, separator: bool = True, vocabulary: int = 300
) -> tuple[list[MemoryDocument], MemorySequences, np.ndarray]:
    """Documents (two a unit, in units whose names do not sort in their order) packed; and the places of the rows."""
    random = numpy_generator(0, "packed-rows")
    documents = [
        MemoryDocument(unit=f"u{(7 * (i // 2)) % 10}", first_token=100 + i * document_tokens, n_tokens=document_tokens)
        for i in range(n_documents)
    ]
    width = document_tokens + separator
    stream = np.concatenate(
        [np.stack([np.full(width, i), np.arange(width) - separator]) for i in range(n_documents)], axis=1
    )
    n_sequences = stream.shape[1] // context_length
    document, index = stream[:, : n_sequences * context_length].reshape(2, n_sequences, context_length).astype(np.int32)
    tokens = random.integers(1, vocabulary, document.shape).astype(np.int32)
    tokens[index < 0] = 0
    recorded = index >= 0
    recorded[:, 0] = False
    packed = MemorySequences(tokens=tokens, document=document, index=index)
    return documents, packed, np.flatnonzero(recorded).astype(np.int64)


def memory_rows(*, n_documents: int = 12, d: int = 5, rows_per_chunk: int = 1 << 20, seed: int = 0) -> MemoryRows:
    """A small store with one site, "resid_post.1", of random rows far from the origin."""
    documents, packed, place = packed_rows(n_documents, 13, 8)
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(len(place), d, generator=generator) + 3.0
    return MemoryRows(
        x={"resid_post.1": x}, place=place, documents=documents, packed=packed, rows_per_chunk=rows_per_chunk
    )
