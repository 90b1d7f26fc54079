"""Documents packed into rows of equal length, each token with the place it came from."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int32

from monosemy.core import UserError
from monosemy.corpus import TokenizedDocument


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PackedSequences:
    """Full rows of tokens, and for each token its document and its place there.

    tokens: ids. document: number of the token's document in the order given; at the beginning-of-sequence token, that
    of the token after it. index: number of the token in its document, -1 at the beginning-of-sequence token.
    n_dropped_tokens: tokens of documents in the last row, which was not full.
    """

    tokens: Int32[np.ndarray, "n_sequences seq"]
    document: Int32[np.ndarray, "n_sequences seq"]
    index: Int32[np.ndarray, "n_sequences seq"]
    n_dropped_tokens: int


def pack(documents: Iterable[TokenizedDocument], context_length: int, bos_id: int | None) -> PackedSequences:
    """Join the documents in order and cut the stream into rows `[bos] + context_length - 1 tokens`.

    Between two documents stands one more `bos`. Without one (`bos_id` None) the documents touch and a row is
    `context_length` tokens. Every token of every document stands in exactly one row, but for those of the last partial
    row. Raises UserError when a row has no room for a token.
    """
    n_bos = 0 if bos_id is None else 1
    width = context_length - n_bos
    if width < 1:
        raise UserError(f"a context length of {context_length} leaves no room for a token; give at least {1 + n_bos}")
    parts = [_with_separator(number, document, bos_id) for number, document in enumerate(documents)]
    empty = np.empty((3, 0), dtype=np.int32)
    stream = np.concatenate([empty, *parts], axis=1)[:, n_bos:]  # no separator before the first
    n_rows = stream.shape[1] // width
    rows, rest = stream[:, : n_rows * width].reshape(3, n_rows, width), stream[:, n_rows * width :]
    if bos_id is not None:
        head = np.stack([np.full(n_rows, bos_id), rows[1, :, 0], np.full(n_rows, -1)]).astype(np.int32)
        rows = np.concatenate([head[:, :, None], rows], axis=2)
    return PackedSequences(
        tokens=rows[0], document=rows[1], index=rows[2], n_dropped_tokens=int(np.count_nonzero(rest[2] >= 0))
    )


def _with_separator(
    number: int, document: TokenizedDocument, bos_id: int | None
) -> Int32[np.ndarray, "fields n_tokens"]:
    """Rows tokens, document, index of one document, after the separator where there is one."""
    n = len(document.tokens)
    part = np.stack(
        [document.tokens.astype(np.int32), np.full(n, number, dtype=np.int32), np.arange(n, dtype=np.int32)]
    )
    if bos_id is None:
        return part
    return np.concatenate([np.array([[bos_id], [number], [-1]], dtype=np.int32), part], axis=1)
