"""How the rows of a store get to their shards: chunks of the text are captured apart, then every shard is put together.

A chunk is a run of sequences; its file holds its rows in the order of `ShardLayout.rows_of_chunk`, so that what a shard
takes from it is one slice. All choices are functions of (seed, number of the chunk or shard): neither the number of
workers nor an interruption changes a byte.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int64, Shaped
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from monosemy.activations.store import PLACE, StoreOrder, shard_file
from monosemy.core import numpy_generator


@dataclass(frozen=True, kw_only=True, slots=True)
class ShardLayout:
    """Which rows of which chunk stand where in which shard.

    "text": the rows of all chunks one after another, cut into `n_shards` pieces that differ by at most one row.
    "shuffled": the rows of a chunk in random order, cut into `n_shards` such pieces; piece g of chunk c goes to shard
    (g + c) mod n_shards, and each shard's rows are put into random order once more. Each shard so is a sample of the
    whole text.

    chunk_rows: recorded rows of each chunk.
    """

    chunk_rows: tuple[int, ...]
    n_shards: int
    order: StoreOrder
    seed: int

    def rows_of_chunk(self, chunk: int) -> Int64[np.ndarray, " rows"]:
        """The chunk's rows, as numbers in the order of the text, in the order in which its file holds them."""
        n = self.chunk_rows[chunk]
        if self.order == "text":
            return np.arange(n)
        return numpy_generator(self.seed, "harvest-scatter", rank=chunk).permutation(n)

    def rows_of_shard(self, shard: int) -> Int64[np.ndarray, " rows"]:
        """The shard's rows, as numbers in the order of its parts, in the order in which it holds them."""
        n = sum(stop - start for _, start, stop in self.parts(shard))
        if self.order == "text":
            return np.arange(n)
        return numpy_generator(self.seed, "harvest-shuffle", rank=shard).permutation(n)

    def parts(self, shard: int) -> list[tuple[int, int, int]]:
        """What a shard takes, as (chunk, first row in the chunk's file, row after the last)."""
        return [part for part in self._parts(shard) if part[1] < part[2]]

    def shard_rows(self) -> tuple[int, ...]:
        """The number of rows of each shard."""
        return tuple(sum(stop - start for _, start, stop in self.parts(shard)) for shard in range(self.n_shards))

    def _parts(self, shard: int) -> Iterator[tuple[int, int, int]]:
        if self.order == "shuffled":
            for chunk, n in enumerate(self.chunk_rows):
                piece = (shard - chunk) % self.n_shards
                yield chunk, piece * n // self.n_shards, (piece + 1) * n // self.n_shards
            return
        n_rows = sum(self.chunk_rows)
        first, last = (number * n_rows // self.n_shards for number in (shard, shard + 1))
        for chunk, end in enumerate(accumulate(self.chunk_rows)):
            begin = end - self.chunk_rows[chunk]
            yield chunk, max(first, begin) - begin, min(last, end) - begin


def chunk_file(scratch: Path, chunk: int, name: str) -> Path:
    """The file of a chunk's rows at one site, or of their places."""
    return scratch / "chunks" / f"{chunk:05d}" / f"{name}.safetensors"


def sealed_file(scratch: Path, name: str, shard: int) -> Path:
    """The file of a finished shard, before the store is complete."""
    return scratch / "shards" / shard_file(name, shard)


def seal_shard(scratch: Path, layout: ShardLayout, name: str, shard: int) -> None:
    """Put a shard of one site (or of the places) together from the chunks' files; it is there whole or not at all."""
    key = PLACE if name == PLACE else "x"
    parts: list[Tensor] = []
    for chunk, start, stop in layout.parts(shard):
        with safe_open(chunk_file(scratch, chunk, name), framework="pt") as file:
            parts.append(file.get_slice(key)[start:stop])
    rows = torch.cat(parts)
    if layout.order == "shuffled":
        rows = rows.index_select(0, torch.from_numpy(layout.rows_of_shard(shard)))
    save_whole(sealed_file(scratch, name, shard), key, rows)


def save_whole(path: Path, key: str, rows: Shaped[Tensor, "rows ..."]) -> None:
    """Write one tensor so that the file is there whole or not at all after the process is killed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        save_file({key: rows.contiguous()}, temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def is_whole(path: Path) -> bool:
    """Whether a safetensors file is there with all the bytes that its header tells of."""
    try:
        with safe_open(path, framework="np"):
            return True
    except (OSError, SafetensorError):
        return False
