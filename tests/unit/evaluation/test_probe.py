"""Oracles: sklearn's Ridge of each label on its own scored rows; planted labels; limits of the penalty."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from monosemy.core import UserError
from monosemy.corpus import FrozenLabel
from monosemy.evaluation import (
    LabelData,
    LinearProbe,
    ProbeSums,
    best_probe,
    distinct_masks,
    fit_probes,
    labelled_rows,
)

N, D, LABELS = 900, 6, 5
RNG = np.random.default_rng(0)
X = torch.from_numpy((RNG.normal(size=(N, D)) @ RNG.normal(size=(D, D)) + 50 * RNG.normal(size=D)).astype(np.float32))
NOISE, CUTS = RNG.normal(size=(N, LABELS)), RNG.normal(size=LABELS)
VALUES = (X - X.mean(dim=0)).numpy() @ RNG.normal(size=(D, LABELS)) + NOISE > CUTS
# Labels 0 and 3 are scored everywhere, 1 nearly everywhere, 2 and 4 in a third of the rows.
SCORED = np.ones((N, LABELS), dtype=bool)
SCORED[:, 1] = RNG.random(N) < 0.95
SCORED[:, 2] = SCORED[:, 4] = RNG.random(N) < 0.33
PENALTIES = (1e-6, 0.1, 3.0)


def oracle(label: int, penalty: float, x: torch.Tensor = X) -> np.ndarray:
    """Predictions of sklearn's ridge, whose loss is a sum, so its alpha is n times the penalty."""
    rows, x64 = SCORED[:, label], X.double().numpy()
    scale = np.sqrt(x64.var(axis=0).mean())
    ridge = Ridge(alpha=penalty * rows.sum(), solver="cholesky")
    ridge.fit((x64[rows] - x64.mean(axis=0)) / scale, VALUES[rows, label].astype(float))
    return ridge.predict((x.double().numpy() - x64.mean(axis=0)) / scale)


def probes(size: int = 128, penalties: tuple[float, ...] = PENALTIES) -> tuple[LinearProbe, ...]:
    return fit_probes(X.split(size), VALUES, SCORED, penalties)


@pytest.mark.parametrize("label", range(LABELS))
def test_probes_are_the_ridge_of_each_label_on_its_own_rows(label: int) -> None:
    assert len(distinct_masks(SCORED)[0].T) == 3
    for probe, penalty in zip(probes(), PENALTIES, strict=True):
        assert probe.penalty == penalty
        np.testing.assert_allclose(probe.scores(X)[:, label], oracle(label, penalty), atol=1e-6)


def test_what_is_not_scored_is_not_looked_at() -> None:
    other = fit_probes(X.split(128), np.where(SCORED, VALUES, ~VALUES), SCORED, PENALTIES)
    for a, b in zip(other, probes(), strict=True):
        np.testing.assert_array_equal(a.W, b.W)


def test_batch_boundaries_do_not_matter() -> None:
    for size in (7, 450, N):
        for a, b in zip(probes(size), probes(), strict=True):
            np.testing.assert_allclose(a.W, b.W, rtol=1e-8, atol=1e-12)
            np.testing.assert_allclose(a.scores(X), b.scores(X), atol=1e-6)


def test_a_large_penalty_leaves_the_base_rate() -> None:
    (probe,) = probes(penalties=(1e9,))
    expected = [VALUES[SCORED[:, label], label].mean() for label in range(LABELS)]
    np.testing.assert_allclose(probe.scores(X), np.tile(expected, (N, 1)), atol=1e-6)


def test_scale_and_place_of_the_activations_do_not_matter() -> None:
    moved = 7.0 * X.double() - 300.0
    before = moved.clone()
    found = fit_probes(moved.split(128), VALUES, SCORED, PENALTIES)
    assert torch.equal(moved, before)  # 64-bit activations could have been centered in place
    for a, b in zip(found, probes(), strict=True):
        np.testing.assert_allclose(a.scores(moved), b.scores(X), atol=1e-6)


def test_a_planted_direction_is_found() -> None:
    direction = np.random.default_rng(1).normal(size=(D, 1))
    centered = X.double().numpy() - X.double().numpy().mean(axis=0)
    values = centered @ direction > 0
    (probe,) = fit_probes(X.split(100), values, np.ones((N, 1), dtype=bool), (1e-4,))
    assert ((probe.scores(X) > 0.5) == values).mean() > 0.97


def test_a_label_without_a_scored_row_scores_nothing() -> None:
    scored = SCORED.copy()
    scored[:, 2] = False
    found = fit_probes(X.split(128), VALUES, scored, PENALTIES)[0]
    assert (found.scores(X)[:, 2] == 0).all()
    np.testing.assert_allclose(found.scores(X)[:, 4], oracle(4, PENALTIES[0]), atol=1e-6)


def test_a_constant_dimension_is_no_fault() -> None:
    x = X.clone()
    x[:, 1] = 0.1
    for probe in fit_probes(x.split(100), VALUES, SCORED, PENALTIES):
        assert np.abs(probe.W[1]).max() < 1e-6


def validation(values: np.ndarray, n_documents: int = 20) -> LabelData:
    n, n_labels = values.shape
    labels = [
        FrozenLabel(f"label_{i}", "planted", "planted", 0, 0, {}, {}, {}, None)  #
        for i in range(n_labels)
    ]
    unit = np.arange(n) % n_documents
    units = tuple(f"unit_{i}" for i in range(n_documents))
    everywhere = np.ones(values.shape, dtype=bool)
    return labelled_rows(values, everywhere, unit=unit, document=unit, units=units, labels=labels, split="validation")


def column_probe(*columns: int) -> LinearProbe:
    """A probe whose scores are these dimensions of the activation."""
    W = np.zeros((D, len(columns)))
    W[list(columns), range(len(columns))] = 1.0
    return LinearProbe(mean=np.zeros(D), W=W, b=np.zeros(len(columns)), penalty=1.0)


def test_the_best_probe_is_that_of_the_highest_mean_f1() -> None:
    values = (X[:, :2] > X[:, :2].median(dim=0).values).numpy()
    right, half, wrong = column_probe(0, 1), column_probe(0, 3), column_probe(3, 4)
    best, means = best_probe([wrong, half, right, right], X, validation(values))
    assert best is right
    assert means[0] < means[1] < means[2] == means[3]
    assert means[2] > 0.97


def test_labels_with_too_few_positives_do_not_count() -> None:
    values = np.stack([X[:, 0].numpy() > X[:, 0].median().item(), np.arange(N) < 50], 1)
    _, means = best_probe([column_probe(0, 3), column_probe(0, 4)], X, validation(values))
    assert means[0] == means[1] > 0.97
    with pytest.raises(UserError, match="no label has enough positive tokens on validation"):
        best_probe([column_probe(0, 3)], X, validation(np.zeros((N, 2), dtype=bool)))


def test_what_cannot_be_fitted_is_refused() -> None:
    spoiled = X.clone()
    spoiled[3, 3] = float("nan")
    with pytest.raises(UserError, match="holds a NaN or an infinity"):
        fit_probes(spoiled.split(100), VALUES, SCORED)
    with pytest.raises(UserError, match="do not vary"):
        fit_probes(torch.full((N, D), 0.1).split(100), VALUES, SCORED)
    with pytest.raises(UserError, match="do not vary"):
        ProbeSums(D, np.zeros(3, dtype=int)).solve()
    with pytest.raises(UserError, match=r"penalties of a probe are \[0.1, 0\]"):
        fit_probes(X.split(100), VALUES, SCORED, (0.1, 0))
    with pytest.raises(UserError, match="of width 6 and was given width 5"):
        probes()[0].scores(X[:, :5])
    for n in (N - 1, N + 1):
        with pytest.raises(ValueError, match="rows"):
            fit_probes(torch.cat([X, X])[:n].split(100), VALUES, SCORED)
