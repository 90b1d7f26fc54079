"""Rows of a concept. Oracle: the planted store, whose first dimension is near 1 where the label holds."""

import numpy as np
import pytest
import torch

from monosemy.activations import ActivationStore
from monosemy.core import UserError
from monosemy.corpus import frozen_labels
from monosemy.evaluation import sample_sequences
from monosemy.experiments import balanced_rows, concept_label, outside_concept, sampled_rows
from tests.unit.experiments.stores_of_experiments import PLANTED, SITE, labelled_store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ActivationStore:
    return ActivationStore.open(labelled_store(tmp_path_factory.mktemp("store") / "s", "test").path)


def shows(x: torch.Tensor) -> np.ndarray:
    return (x[:, 0] > 0.5).numpy()


def test_as_many_rows_of_each_kind_with_their_own_activations(store: ActivationStore) -> None:
    rows = balanced_rows(store, SITE, concept_label(PLANTED), "test", 50, 0)
    assert rows.holds.sum() == 50 and len(rows.holds) == len(rows.x) == len(rows.unit) == 100
    assert np.array_equal(shows(rows.x), rows.holds)
    again = balanced_rows(store, SITE, concept_label(PLANTED), "test", 50, 0)
    assert torch.equal(again.x, rows.x)
    assert not torch.equal(balanced_rows(store, SITE, concept_label(PLANTED), "test", 50, 1).x, rows.x)
    assert rows.mean_difference[0] == pytest.approx(1.0, abs=0.05)


def test_more_rows_than_there_are_gives_all_of_the_rarer_kind(store: ActivationStore) -> None:
    rows = balanced_rows(store, SITE, concept_label(PLANTED), "test", 10**6, 0)
    everything = sampled_rows(store, SITE, concept_label(PLANTED), "test", 10**6, 0)
    assert rows.holds.sum() * 2 == len(rows.holds)
    assert rows.holds.sum() == everything.holds.sum()
    assert np.array_equal(shows(everything.x), everything.holds)
    assert np.all(np.bincount(everything.unit, minlength=len(everything.units)) > 0)


def test_the_positions_outside_are_those_where_the_label_is_scored_and_does_not_hold(store: ActivationStore) -> None:
    sample = sample_sequences(store, 7, 0)
    label = concept_label(PLANTED)
    outside = outside_concept(store, sample, label)
    holds, scored = frozen_labels().values(label), frozen_labels().scored(label)
    sequences = store.sequences()
    for row, number in enumerate(sample.sequence):
        for position, index in enumerate(sequences.index[number]):
            first = store.documents[sequences.document[number, position]].first_token
            assert first is not None
            expected = index >= 0 and scored[first + index] and not holds[first + index]
            assert outside[row, position] == expected


def test_labels_that_cannot_be_erased_are_refused() -> None:
    with pytest.raises(UserError, match=r"there is no label 'coma'.*comma"):
        concept_label("coma")
    rare = next(label.name for label in frozen_labels().labels if label.n_positive["test"] == 0)
    with pytest.raises(UserError, match="too few; choose another concept"):
        concept_label(rare)
