"""Lookup tables: what the token, or the token and the one before it, says of each label. No language model involved."""

from dataclasses import dataclass

import numpy as np
import scipy.sparse
from jaxtyping import Bool, Float32, Int32, Int64, Integer

from monosemy.core import UserError

NO_TOKEN = -1
"""Stands for the previous token where there is none: at the start of a row or after a separator."""

STRENGTH = 2.0
"""How many occurrences of a pair weigh as much as its second token's own share; the best of 0.5, 1, 2, 5, 10 and 20 for
F1 on validation, of which 0.5 to 5 are alike within 0.002."""

_ROWS_AT_ONCE = 1 << 16  # converted to 32-bit numbers for the sums: 30 MB at 116 labels

Rows = Integer[np.ndarray, " rows"]
PerRow = Bool[np.ndarray, "rows labels"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class TokenTable:
    """p(label | token) = positives / scored occurrences of the token in the text it was fitted on.

    p `[vocabulary labels]`; a token that was never scored there has the label's overall share of positives.
    """

    p: Float32[np.ndarray, "vocabulary labels"]

    def scores(self, tokens: Rows) -> Float32[np.ndarray, "rows labels"]:
        """p(label | token) of each row; raises UserError on a token outside of the vocabulary."""
        _check_tokens(tokens, len(self.p), lowest=0)
        return self.p[tokens]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class BigramTable:
    """p(label | previous, token), with back-off to the token alone.

        p(label | previous, token) = (n_positive + a p(label | token)) / (n + a)

    n, n_positive: scored occurrences of the pair, and positive ones; a = `strength` pseudo-observations (a Dirichlet
    prior around the token's own share; MacKay and Peto 1995). A pair never seen has p(label | token). codes:
    (previous + 1) * vocabulary + token of the pairs seen, ascending; p `[pairs labels]`.
    """

    unigram: TokenTable
    codes: Int64[np.ndarray, " pairs"]
    p: Float32[np.ndarray, "pairs labels"]
    strength: float

    def scores(self, tokens: Rows, previous: Rows) -> Float32[np.ndarray, "rows labels"]:
        """p(label | previous, token) of each row, `previous` being `NO_TOKEN` where there is none."""
        scores = self.unigram.scores(tokens)
        codes = _codes(tokens, previous, len(self.unigram.p))
        place = np.minimum(np.searchsorted(self.codes, codes), len(self.codes) - 1)
        seen = self.codes[place] == codes
        scores[seen] = self.p[place[seen]]
        return scores


def fit_token_table(tokens: Rows, values: PerRow, scored: PerRow, vocabulary_size: int) -> TokenTable:
    """The table of one text (the train split): `values` whether the label holds, `scored` where that is decided.

    Raises UserError on a token outside of the vocabulary.
    """
    _check_tokens(tokens, vocabulary_size, lowest=0)
    return _token_table(_count(tokens.astype(np.int64), vocabulary_size, values, scored))


def fit_bigram_table(
    tokens: Rows,
    previous: Rows,
    values: PerRow,
    scored: PerRow,
    unigram: TokenTable,
    strength: int | float = STRENGTH,
) -> BigramTable:
    """The table of pairs of the text that `unigram` was fitted on; `previous` is `NO_TOKEN` where there is none.

    Raises UserError as `fit_token_table`, when there is no row, and unless strength > 0.
    """
    if not strength > 0:
        raise UserError(f"the strength of the back-off is {strength}; it must be above 0, the default is {STRENGTH}")
    if len(tokens) == 0:
        raise UserError("there is no token to fit a table on; give the tokens of the train split")
    vocabulary_size = len(unigram.p)
    codes, pair = np.unique(_codes(tokens, previous, vocabulary_size), return_inverse=True)
    counts = _count(pair, len(codes), values, scored)
    p = unigram.p[codes % vocabulary_size] * np.float32(strength)
    p += counts.positive
    p /= counts.scored[:, counts.mask_of_label] + np.float32(strength)
    return BigramTable(unigram=unigram, codes=codes, p=p, strength=float(strength))


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Counts:
    """Of each group: its scored rows under each mask, and its positive ones of each label."""

    scored: Int32[np.ndarray, "groups masks"]
    positive: Int32[np.ndarray, "groups labels"]
    mask_of_label: Int64[np.ndarray, " labels"]


def _count(group: Int64[np.ndarray, " rows"], n_groups: int, values: PerRow, scored: PerRow) -> _Counts:
    """Rows are read in the order of their groups; a block of them is summed as a product with a sparse matrix."""
    masks, mask_of_label = distinct_masks(scored)
    counts = _Counts(
        scored=np.zeros((n_groups, masks.shape[1]), dtype=np.int32),
        positive=np.zeros((n_groups, values.shape[1]), dtype=np.int32),
        mask_of_label=mask_of_label,
    )
    order = np.argsort(group, kind="stable")
    for start in range(0, len(order), _ROWS_AT_ONCE):
        rows = order[start : start + _ROWS_AT_ONCE]
        of_row = group[rows]
        first, last = of_row[0], of_row[-1]
        starts = np.searchsorted(of_row, np.arange(first, last + 2))
        add = scipy.sparse.csr_matrix((np.ones(len(rows), dtype=np.int32), np.arange(len(rows)), starts))
        counts.scored[first : last + 1] += add @ masks[rows].astype(np.int32)
        counts.positive[first : last + 1] += add @ (values[rows] & scored[rows]).astype(np.int32)
    return counts


def _token_table(counts: _Counts) -> TokenTable:
    n = counts.scored[:, counts.mask_of_label]
    overall = counts.positive.sum(axis=0) / np.maximum(n.sum(axis=0, dtype=np.int64), 1)
    return TokenTable(p=np.where(n > 0, counts.positive / np.maximum(n, 1), overall).astype(np.float32))


def distinct_masks(scored: PerRow) -> tuple[Bool[np.ndarray, "rows masks"], Int64[np.ndarray, " labels"]]:
    """The different columns of `scored`, in the order of their first labels, and for each label the number of its own.

    Where labels are scored changes seldom from row to row, so only rows unlike the one before are compared.
    """
    unlike = np.ones(len(scored), dtype=bool)
    for start in range(1, len(scored), _ROWS_AT_ONCE):
        block = scored[start - 1 : start + _ROWS_AT_ONCE]
        unlike[start : start + _ROWS_AT_ONCE] = (block[1:] != block[:-1]).any(axis=1)
    columns = np.ascontiguousarray(scored[unlike].T)
    number: dict[bytes, int] = {}
    mask_of_label = [number.setdefault(column.tobytes(), len(number)) for column in columns]
    first = [mask_of_label.index(mask) for mask in range(len(number))]
    return scored[:, first], np.array(mask_of_label, dtype=np.int64)


def _codes(tokens: Rows, previous: Rows, vocabulary_size: int) -> Int64[np.ndarray, " rows"]:
    _check_tokens(tokens, vocabulary_size, lowest=0)
    _check_tokens(previous, vocabulary_size, lowest=NO_TOKEN)
    return (previous.astype(np.int64) + 1) * vocabulary_size + tokens.astype(np.int64)


def _check_tokens(tokens: Rows, vocabulary_size: int, *, lowest: int) -> None:
    if len(tokens) and not lowest <= tokens.min() <= tokens.max() < vocabulary_size:
        raise UserError(
            f"tokens {tokens.min()} to {tokens.max()} do not fit a vocabulary of {vocabulary_size}; give the tokens of"
            " the model whose labels these are"
        )
