"""The rows on which a concept is erased: activations with an exact label, as many of each kind as are asked for."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Int64

from monosemy.activations import ActivationStore
from monosemy.causal import ConceptRows
from monosemy.core import UserError, nearest, numpy_generator
from monosemy.corpus import FrozenLabel, FrozenLabels, Split, frozen_labels
from monosemy.evaluation import SpliceSample, labels_for_store
from monosemy.evaluation.label_data import label_bits


@dataclass(frozen=True, kw_only=True, slots=True)
class RowCounts:
    """How many activations are used: of each kind to fit, to train probes and to choose, of all to report."""

    fit: int = 4_000  # of each kind, of the train split
    probe: int = 4_000  # of each kind, others of the train split
    choose: int = 2_000  # of each kind, of validation
    report: int = 20_000  # of test, as they come


def concept_label(name: str) -> FrozenLabel:
    """The label of that name. Raises UserError where there is none, or it is too rare to be erased and tested."""
    labels = frozen_labels().labels
    names = [label.name for label in labels]
    if name not in names:
        raise UserError(f"there is no label {name!r}{nearest(name, names)}; the labels are {', '.join(names)}")
    label = labels[names.index(name)]
    for split in ("train", "validation", "test"):
        if not label.enough(split):
            raise UserError(
                f"{name!r} holds for {label.n_positive[split]} tokens of {split}, too few; choose another concept"
            )
    return label


def balanced_rows(
    store: ActivationStore, site: str, label: FrozenLabel, split: Split, n_each: int, seed: int
) -> ConceptRows:
    """Of the rows on which the label is scored, n_each of each kind at random (fewer where there are fewer)."""
    values, scored, unit, units = _labelled(store, label, split)
    generator = numpy_generator(seed, f"erasure/{label.name}/{split}")
    kinds = [np.flatnonzero(scored & values), np.flatnonzero(scored & ~values)]
    n = min(n_each, *(len(kind) for kind in kinds))
    if n == 0:
        raise UserError(f"the activations of {split} hold no token of both kinds of {label.name!r}; record more")
    rows = np.sort(np.concatenate([generator.permutation(kind)[:n] for kind in kinds]))
    return _gathered(store, site, rows, values, unit, units)


def sampled_rows(
    store: ActivationStore, site: str, label: FrozenLabel, split: Split, n_rows: int, seed: int
) -> ConceptRows:
    """Rows on which the label is scored, at random: as the text has them."""
    values, scored, unit, units = _labelled(store, label, split)
    generator = numpy_generator(seed, f"erasure/{label.name}/{split}")
    rows = np.sort(generator.permutation(np.flatnonzero(scored))[:n_rows])
    return _gathered(store, site, rows, values, unit, units)


def outside_concept(
    store: ActivationStore, sample: SpliceSample, label: FrozenLabel
) -> Bool[np.ndarray, "sequences seq"]:
    """The positions of a sample at which the label is scored and does not hold."""
    stored = store.sequences()
    document, index = stored.document[sample.sequence], sample.index
    first = np.array([place.first_token for place in store.documents], dtype=np.int64)
    token = np.where(index >= 0, first[document] + index, 0).ravel().astype(np.int64)
    holds, scored = (label_bits(frozen_labels(), [plane], token) for plane in (label.values_plane, label.scored_plane))
    return (~holds & scored).reshape(index.shape) & (index >= 0)


def _labelled(
    store: ActivationStore, label: FrozenLabel, split: Split
) -> tuple[Bool[np.ndarray, " rows"], Bool[np.ndarray, " rows"], Int64[np.ndarray, " rows"], tuple[str, ...]]:
    only: FrozenLabels = replace(frozen_labels(), labels=(label,))
    data = labels_for_store(store, only, split)
    return data.values[:, 0], data.scored[:, 0], data.unit, data.units


def _gathered(
    store: ActivationStore,
    site: str,
    rows: Int64[np.ndarray, " some"],
    values: Bool[np.ndarray, " rows"],
    unit: Int64[np.ndarray, " rows"],
    units: Sequence[str],
) -> ConceptRows:
    """The activations of rows given by their number, ascending."""
    parts: list[torch.Tensor] = []
    start = 0
    for chunk in store.chunks((site,)):
        x = chunk.x[site]
        first, last = np.searchsorted(rows, [start, start + len(x)])
        parts.append(x[torch.from_numpy(rows[first:last] - start)])
        start += len(x)
    return ConceptRows(x=torch.cat(parts), holds=values[rows], unit=unit[rows], units=tuple(units))
