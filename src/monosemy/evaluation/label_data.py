"""The exact labels of the tokens whose activations a store holds, row by row."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int64

from monosemy.core import UserError
from monosemy.corpus import MIN_DOCUMENTS, MIN_POSITIVES, FrozenLabel, FrozenLabels, Split
from monosemy.evaluation.streaming import TextOrderRows, unit_names, unit_of_documents


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class LabelData:
    """Labels of rows: whether each holds, whether the text so far decides it, and whose row it is.

    values, scored `[rows labels]`; a value is False where it is not scored. unit: number of the row's unit in `units`.
    document: number of its document. why_not: of each label the reason why these rows cannot score it, or "".
    """

    values: Bool[np.ndarray, "rows labels"]
    scored: Bool[np.ndarray, "rows labels"]
    unit: Int64[np.ndarray, " rows"]
    document: Int64[np.ndarray, " rows"]
    units: tuple[str, ...]
    labels: tuple[FrozenLabel, ...]
    split: Split
    why_not: tuple[str, ...]

    @property
    def n_rows(self) -> int:
        """How many tokens."""
        return len(self.unit)


def labelled_rows(
    values: Bool[np.ndarray, "rows labels"],
    scored: Bool[np.ndarray, "rows labels"],
    *,
    unit: Int64[np.ndarray, " rows"],
    document: Int64[np.ndarray, " rows"],
    units: tuple[str, ...],
    labels: Sequence[FrozenLabel],
    split: Split,
) -> LabelData:
    """LabelData whose values are False where not scored, with what its rows are too few for.

    A label with fewer than 100 positive rows, or positive rows in fewer than 10 documents, is not scored.
    """
    values = values & scored
    return LabelData(
        values=values,
        scored=scored,
        unit=unit,
        document=document,
        units=units,
        labels=tuple(labels),
        split=split,
        why_not=tuple(_why_not(values[:, column], document, split) for column in range(len(labels))),
    )


def labels_for_store(store: TextOrderRows, labels: FrozenLabels, split: Split, n_rows: int | None = None) -> LabelData:
    """The labels of the first `n_rows` rows of a text-order store of the embedded corpus, in stored order.

    Row i is token `first_token` of its document + its index there, in the labels' order of all documents. Raises
    UserError when the store's documents are not those of the labels.
    """
    first = [document.first_token for document in store.documents]
    if any(number is None for number in first):
        raise UserError("exact labels exist for the embedded corpus only; these activations are of other texts")
    places = [chunk.place for chunk in store.chunks((), n_rows=n_rows)]
    place = np.concatenate([np.empty(0, dtype=np.int64), *places])
    sequences = store.sequences()
    document = sequences.document.ravel()[place].astype(np.int64)
    token = np.array(first, dtype=np.int64)[document] + sequences.index.ravel()[place]
    if len(token) and not 0 <= token.min() <= token.max() < labels.n_tokens:
        raise UserError(
            f"the store speaks of token {token.max()}, the labels have {labels.n_tokens}; harvest the activations anew"
        )
    return labelled_rows(
        label_bits(labels, [label.values_plane for label in labels.labels], token),
        label_bits(labels, [label.scored_plane for label in labels.labels], token),
        unit=unit_of_documents(store.documents)[document],
        document=document,
        units=unit_names(store.documents),
        labels=labels.labels,
        split=split,
    )


def label_bits(
    labels: FrozenLabels, planes: Sequence[int], token: Int64[np.ndarray, " rows"]
) -> Bool[np.ndarray, "rows planes"]:
    """The bits of the given tokens of the corpus, a column a plane (`FrozenLabel.values_plane`, `scored_plane`)."""
    # Eight tokens a byte, the first in the highest bit.
    byte, shift = token >> 3, (7 - (token & 7)).astype(np.uint8)
    distinct, column = np.unique(planes, return_inverse=True)
    bits = np.empty((len(distinct), len(token)), dtype=np.bool_)
    for number, plane in enumerate(distinct):
        np.bitwise_and(labels.planes[plane][byte] >> shift, 1, out=bits[number].view(np.uint8))
    return np.ascontiguousarray(bits.T) if len(distinct) == len(planes) else bits[column].T


def _why_not(values: Bool[np.ndarray, " rows"], document: Int64[np.ndarray, " rows"], split: Split) -> str:
    positive = document[values]
    if len(positive) < MIN_POSITIVES:
        return f"{len(positive)} positive tokens of the {split} split, fewer than {MIN_POSITIVES}"
    n_documents = len(np.unique(positive))
    if n_documents < MIN_DOCUMENTS:
        return f"positive in {n_documents} documents of the {split} split, fewer than {MIN_DOCUMENTS}"
    return ""
