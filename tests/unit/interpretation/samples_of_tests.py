"""Small fragments and samples made by hand, for the tests of judges."""

from collections.abc import Sequence

import numpy as np

from monosemy.activations import StoredDocument
from monosemy.evaluation import FragmentTable
from monosemy.interpretation import Budget, Sample, Text

WORDS = ("def", " self", "(", ")", "\n", "\t", " é", b"\xc3".decode(errors="surrogateescape"), " two", "x", " y", ".")


def table(rows: Sequence[Sequence[str]], unrecorded: Sequence[int] = ()) -> FragmentTable:
    """Fragments of these tokens, all rows of one length; the positions `unrecorded` have no activation in any row."""
    vocabulary = sorted({token for row in rows for token in row})
    shape = (len(rows), len(rows[0]) if rows else 64)
    tokens = np.array([[vocabulary.index(token) for token in row] for row in rows], dtype=np.int32).reshape(shape)
    mask = np.ones(shape, dtype=np.bool_)
    mask[:, list(unrecorded)] = False
    n = len(rows)
    return FragmentTable(
        number=np.arange(n, dtype=np.int64),
        tokens=tokens,
        mask=mask,
        document=np.broadcast_to(np.arange(n, dtype=np.int32)[:, None], shape).copy(),
        index=np.broadcast_to(np.arange(shape[1], dtype=np.int32), shape).copy(),
        main_document=np.arange(n, dtype=np.int32),
        start=np.zeros(n, dtype=np.int32),
        text=dict(enumerate(vocabulary)),
        documents=tuple(
            StoredDocument(id=f"d{i}", unit=f"u{i}", n_tokens=shape[1], first_token=None) for i in range(n)
        ),
    )


def texts(n: int, length: int = 64, seed: int = 0, unrecorded: Sequence[int] = ()) -> Text:
    """n fragments of random words, each of them different from the others."""
    rng = np.random.default_rng(seed)
    rows = [[f" n{seed}_{i}", *(WORDS[k] for k in rng.integers(0, len(WORDS), length - 1))] for i in range(n)]
    return Text(fragments=table(rows, unrecorded), labels=None)


def sample(budget: Budget = "paper", n: int = 5, length: int = 64, seed: int = 0, share: float = 0.1) -> Sample:
    """Random levels on random words, a share of them above 0; under the full budget the second half is silent."""
    rng = np.random.default_rng(seed + 1000)
    values = np.where(rng.random((n, length)) < share, rng.integers(1, 11, (n, length)), 0).astype(np.float32)
    values[:, 1] = rng.integers(1, 11, n)
    if budget == "full":
        values[n // 2 :] = 0.0
    return Sample(budget=budget, text=texts(n, length, seed), values=values, weight=np.ones(n))
