"""Oracles: rows written by hand, and the law that every token stands in exactly one place."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monosemy.activations import pack
from monosemy.core import UserError
from monosemy.corpus import TokenizedDocument

BOS = 0


def documents(sizes: list[int]) -> list[TokenizedDocument]:
    """Documents whose tokens are all different: token = 1000 * (number + 1) + place."""
    return [
        TokenizedDocument(id=f"d{i}", unit="u", tokens=(1000 * (i + 1) + np.arange(n)).astype(np.uint16), n_bytes=n)
        for i, n in enumerate(sizes)
    ]


def test_rows_by_hand() -> None:
    packed = pack(documents([4, 3]), 4, BOS)
    assert packed.tokens.tolist() == [[0, 1000, 1001, 1002], [0, 1003, 0, 2000]]
    assert packed.document.tolist() == [[0, 0, 0, 0], [0, 0, 1, 1]]
    assert packed.index.tolist() == [[-1, 0, 1, 2], [-1, 3, -1, 0]]
    assert packed.n_dropped_tokens == 2


def test_rows_by_hand_without_a_beginning_token() -> None:
    packed = pack(documents([3, 2]), 2, None)
    assert packed.tokens.tolist() == [[1000, 1001], [1002, 2000]]
    assert packed.document.tolist() == [[0, 0], [0, 1]]
    assert packed.index.tolist() == [[0, 1], [2, 0]]
    assert packed.n_dropped_tokens == 1


@settings(max_examples=80, deadline=None)
@given(
    sizes=st.lists(st.integers(0, 30), max_size=8), context_length=st.integers(2, 12), bos=st.sampled_from([BOS, None])
)
def test_every_token_but_the_dropped_tail_appears_once(sizes: list[int], context_length: int, bos: int | None) -> None:
    texts = documents(sizes)
    packed = pack(iter(texts), context_length, bos)
    real = packed.index >= 0
    n_bos = 0 if bos is None else 1
    assert packed.tokens.shape == packed.document.shape == packed.index.shape
    assert packed.tokens.shape[1] == context_length
    whole = [token for text in texts for token in text.tokens.tolist()]
    n_kept = len(whole) - packed.n_dropped_tokens
    assert packed.tokens[real].tolist() == whole[:n_kept]
    assert 0 <= packed.n_dropped_tokens < context_length
    for token, document, index in zip(*(a[real] for a in (packed.tokens, packed.document, packed.index)), strict=True):
        assert texts[document].tokens[index] == token
    if bos is not None:
        assert (packed.tokens[:, 0] == bos).all()
        assert (packed.index[:, 0] == -1).all()
        assert (packed.tokens[~real] == bos).all()
    else:
        assert real.all()
    n_stream = len(whole) + n_bos * max(0, len(texts) - 1)
    assert len(packed.tokens) == n_stream // (context_length - n_bos)


def test_a_row_without_room_is_refused() -> None:
    with pytest.raises(UserError, match="no room for a token; give at least 2"):
        pack(documents([3]), 1, BOS)
