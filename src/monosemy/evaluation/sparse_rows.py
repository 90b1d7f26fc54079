"""Rows of mostly zeros, kept as their non-zero values; or as they are, where that takes less room."""

from dataclasses import dataclass
from typing import Any, final

import numpy as np
from jaxtyping import Float, Float32, Int64, UInt

SMALLEST_HALF = float(np.finfo(np.float16).smallest_subnormal)
LARGEST_HALF = float(np.finfo(np.float16).max)


@final
@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SparseRows:
    """A matrix of `width` columns: in row r, `value[row_start[r]:row_start[r + 1]]` stand in the columns `index[...]`.

    Columns ascend within a row; index has the narrowest unsigned type that holds them. Where index and row_start are
    None, `value` is the whole matrix, row after row.
    """

    width: int
    row_start: Int64[np.ndarray, " n_starts"] | None
    index: UInt[np.ndarray, " n_values"] | None
    value: Float[np.ndarray, " n_values"]

    @property
    def n_rows(self) -> int:
        """The number of rows."""
        return len(self.value) // self.width if self.row_start is None else len(self.row_start) - 1

    @property
    def n_bytes(self) -> int:
        """The size of the arrays."""
        return sum(array.nbytes for array in (self.row_start, self.index, self.value) if array is not None)

    def dense(self, start: int, stop: int) -> Float32[np.ndarray, "n_rows width"]:
        """The rows from start up to stop."""
        if self.row_start is None or self.index is None:
            return self.value.reshape(-1, self.width)[start:stop].astype(np.float32)
        row_start = self.row_start[start : stop + 1]
        dense = np.zeros((stop - start, self.width), dtype=np.float32)
        inside = slice(row_start[0], row_start[-1])
        dense[np.repeat(np.arange(stop - start), np.diff(row_start)), self.index[inside]] = self.value[inside]
        return dense

    def column(self, column: int) -> Float32[np.ndarray, " n_rows"]:
        """One column of all rows."""
        if self.row_start is None or self.index is None:
            return self.value.reshape(-1, self.width)[:, column].astype(np.float32)
        hits = np.flatnonzero(self.index == column)
        dense = np.zeros(self.n_rows, dtype=np.float32)
        dense[np.searchsorted(self.row_start, hits, side="right") - 1] = self.value[hits]
        return dense


def sparse_rows(dense: Float[np.ndarray, "n_rows width"], dtype: type[np.floating[Any]]) -> SparseRows:
    """The non-zero values of a matrix, in 32 or 16 bits.

    In 16 bits a magnitude outside of 6e-8 to 65504 is set to the nearer end: what is not zero stays so, and finite.
    """
    n_rows, width = dense.shape
    hits = np.flatnonzero(dense != 0)  # of truth values several times as fast as of numbers
    row, column = np.divmod(hits, width)
    counts = np.bincount(row, minlength=n_rows)
    return SparseRows(
        width=width,
        row_start=np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(counts)]),
        index=column.astype(np.min_scalar_type(max(width - 1, 0))),
        value=_narrowed(np.ravel(dense)[hits], dtype),
    )


def joined(pieces: list[SparseRows]) -> SparseRows:
    """The rows of several sparse matrices one below the other, in whichever form is the smaller.

    Raises ValueError when there is none, or one is not sparse.
    """
    counts = [np.diff(piece.row_start) for piece in pieces if piece.row_start is not None]
    index = [piece.index for piece in pieces if piece.index is not None]
    if not pieces or len(index) != len(pieces):
        raise ValueError(f"{len(pieces)} pieces, {len(index)} of them sparse")
    whole = SparseRows(
        width=pieces[0].width,
        row_start=np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(np.concatenate(counts))]),
        index=np.concatenate(index),
        value=np.concatenate([piece.value for piece in pieces]),
    )
    return _smaller_form(whole)


def _smaller_form(rows: SparseRows) -> SparseRows:
    if rows.index is None or rows.row_start is None:
        return rows
    n_dense_bytes = rows.n_rows * rows.width * rows.value.itemsize
    if n_dense_bytes >= rows.n_bytes:
        return rows
    dense = np.zeros((rows.n_rows, rows.width), dtype=rows.value.dtype)
    dense[np.repeat(np.arange(rows.n_rows), np.diff(rows.row_start)), rows.index] = rows.value
    return SparseRows(width=rows.width, row_start=None, index=None, value=dense.reshape(-1))


def _narrowed(value: np.ndarray, dtype: type[np.floating[Any]]) -> np.ndarray:
    if dtype is not np.float16:
        return value.astype(dtype)
    return np.copysign(np.clip(np.abs(value), SMALLEST_HALF, LARGEST_HALF), value).astype(np.float16)
