"""What whoever predicts activations may see: text and what is exactly known of it, without a trace of activations."""

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Bool, Integer

from monosemy.corpus import frozen_labels
from monosemy.corpus.labels import CATALOGUE
from monosemy.evaluation import FragmentTable, label_bits


@final
@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class TextLabels:
    """The exact labels that a causal model can know, at every position; False where one is not decided by the text."""

    names: tuple[str, ...]
    definitions: tuple[str, ...]
    values: Bool[np.ndarray, "n_fragments position n_labels"]


@final
@dataclass(frozen=True, kw_only=True, slots=True, eq=False, weakref_slot=True)
class Text:
    """Fragments, and their labels where the corpus has any; what is computed from one is kept as long as it lives."""

    fragments: FragmentTable
    labels: TextLabels | None

    def __len__(self) -> int:
        return len(self.fragments)

    def take(self, rows: Integer[np.ndarray, " n_taken"]) -> "Text":
        """Some of the fragments, in the order given; one may come more than once."""
        labels = self.labels
        if labels is not None:
            labels = TextLabels(names=labels.names, definitions=labels.definitions, values=labels.values[rows])
        return Text(fragments=self.fragments.take(rows.astype(np.int32)), labels=labels)


def text_of(fragments: FragmentTable) -> Text:
    """The fragments with their labels, which those of the embedded corpus have (its documents know their place)."""
    first = [document.first_token for document in fragments.documents]
    known = [number for number in first if number is not None]
    if len(known) < len(first) or not first:
        return Text(fragments=fragments, labels=None)
    labels = frozen_labels()
    causal = {label.name for label in CATALOGUE if label.causal}
    kept = [label for label in labels.labels if label.name in causal]
    has_token = fragments.index >= 0
    token = np.array(known)[fragments.document[has_token]] + fragments.index[has_token]
    values = np.zeros((*has_token.shape, len(kept)), dtype=np.bool_)
    values[has_token] = label_bits(labels, [label.values_plane for label in kept], token) & label_bits(
        labels, [label.scored_plane for label in kept], token
    )
    return Text(
        fragments=fragments,
        labels=TextLabels(
            names=tuple(label.name for label in kept),
            definitions=tuple(label.definition for label in kept),
            values=values,
        ),
    )
