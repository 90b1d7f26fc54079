"""The best latent, sign and threshold of every label.

Oracle: a loop over all latents, signs and thresholds; scikit-learn's f1_score; numpy's quantile; planted latents.
"""

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import f1_score

from monosemy.evaluation import RATIOS, LabelData, latent_thresholds, select_latents, select_thresholds
from monosemy.evaluation.label_selection import levels_of
from tests.unit.evaluation.labelled import N_ROWS, codes_of, labels, noisy_codes

KINDS = [(signed, sparse) for signed in (False, True) for sparse in (False, True)]


def brute_force(z: np.ndarray, data: LabelData, thresholds: np.ndarray) -> np.ndarray:
    """F1 [latents signs levels labels], one by one: 2 tp / (rows that say yes + positive rows)."""
    f1 = np.zeros((*thresholds.shape, len(data.labels)))
    for latent, sign, level in np.ndindex(*thresholds.shape):
        says_yes = (1 - 2 * sign) * z[:, latent] > thresholds[latent, sign, level]
        for y in range(len(data.labels)):
            truth, yes = data.values[data.scored[:, y], y], says_yes[data.scored[:, y]]
            f1[latent, sign, level, y] = 2 * (truth & yes).sum() / (truth.sum() + yes.sum())
    return f1


@pytest.mark.parametrize(("signed", "sparse"), KINDS)
def test_the_choice_is_the_best_of_all(signed: bool, sparse: bool) -> None:
    data = labels()
    z = noisy_codes(data, signed=signed, sparse=sparse)
    thresholds = latent_thresholds(z)
    assert thresholds.shape == (7, 1 + signed, len(RATIOS))
    f1 = brute_force(z, data, thresholds)
    found = select_latents(codes_of(z), data)
    assert found.latent is not None
    np.testing.assert_allclose(found.f1, f1.reshape(-1, 5).max(axis=0), rtol=1e-12)
    for y in range(5):
        chosen = found.latent[y], (1 - found.sign[y]) // 2, found.level[y] - 1
        rows, says_yes = data.scored[:, y], found.sign[y] * z[:, found.latent[y]] > found.threshold[y]
        assert f1_score(data.values[rows, y], says_yes[rows]) == pytest.approx(found.f1[y], rel=1e-12)
        assert f1[(*chosen, y)] == pytest.approx(found.f1[y], rel=1e-12)
        assert thresholds[chosen] == found.threshold[y]
        assert np.array_equal(found.thresholds[y], thresholds[chosen[:2]])
    assert found.latent.tolist() == [0, 1, 2, 3, 4]
    assert found.sign.tolist() == ([1, -1, 1, -1, 1] if signed else [1] * 5)


@pytest.mark.parametrize(("signed", "sparse"), KINDS)
def test_the_best_label_of_each_latent(signed: bool, sparse: bool) -> None:
    data = labels(rare=True)
    z = np.concatenate([noisy_codes(data, signed=signed, sparse=sparse), np.zeros((N_ROWS, 1))], axis=1)
    z = z.astype(np.float32)
    found = select_latents(codes_of(z), data).of_latents
    assert found is not None
    f1 = brute_force(z, data, latent_thresholds(z))[..., :5]  # the sixth has too few rows
    np.testing.assert_allclose(found.f1, f1.reshape(len(z.T), -1).max(axis=1), rtol=1e-12)
    assert found.label[-1] == -1
    for latent, y in enumerate(found.label[:-1]):
        best = np.unravel_index(f1[latent].argmax(), f1[latent].shape)
        assert (y, found.sign[latent]) == (best[2], 1 - 2 * best[0])
        assert found.threshold[latent] == latent_thresholds(z)[latent][best[0], best[1]]


@pytest.mark.parametrize("block", [1, 64, 255, 256, 1200])
@pytest.mark.parametrize("sparse", [False, True])
def test_the_choice_does_not_depend_on_blocks(block: int, sparse: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    data = labels()
    z = noisy_codes(data, 150, signed=True, sparse=sparse)  # more latents than a group
    one, other = (select_latents(codes_of(z, size), data) for size in (100, block))
    assert same(one, other)


def same(a: Any, b: Any) -> bool:
    names = ("latent", "sign", "thresholds", "level", "f1")
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in names)


def test_rows_of_one_value_are_counted_beyond_a_byte() -> None:
    """5,000 rows at one level: counts are exact where a block's integers would be too small for all of them."""
    data = labels(n_rows=5000)
    for z in (np.ones((5000, 1)), np.eye(1, 40) * np.ones((5000, 40))):
        found = select_latents(codes_of(z.astype(np.float32), 5000), data)
        b = data.values.sum(axis=0) / data.scored.sum(axis=0)
        np.testing.assert_allclose(found.f1, 2 * b / (1 + b), rtol=1e-12)


def test_ties_go_to_the_lowest_latent_the_positive_sign_and_the_lowest_threshold() -> None:
    data = labels()
    z = np.where(data.values[:, 2], 1.0, 0.0)[:, None] * np.array([0.0, 1.0, 1.0, -1.0])
    found = select_latents(codes_of(z.astype(np.float32)), data)
    assert found.latent is not None
    assert (found.latent[2], found.sign[2], found.level[2], found.f1[2]) == (1, 1, 1, 1.0)


def test_silent_latents_detect_nothing() -> None:
    found = select_latents(codes_of(np.zeros((N_ROWS, 3), dtype=np.float32)), labels())
    assert found.f1.tolist() == [0.0] * 5
    assert found.of_latents is not None
    assert found.of_latents.label.tolist() == [-1] * 3


def test_labels_are_looked_at_on_their_scored_rows_only() -> None:
    data = labels()
    z = noisy_codes(data, signed=False, sparse=True)
    spoiled = z.copy()
    spoiled[~data.scored[:, 1], 1] = 9.0
    sample = latent_thresholds(z)
    assert select_latents(codes_of(z), data).f1[1] == pytest.approx(brute_force(z, data, sample)[..., 1].max())
    f1 = brute_force(spoiled, data, latent_thresholds(spoiled))
    assert select_latents(codes_of(spoiled), data).f1[1] == pytest.approx(f1[..., 1].max())


def test_thresholds_are_quantiles_of_the_values_of_a_sign() -> None:
    z = noisy_codes(labels(), signed=True, sparse=True)
    found = latent_thresholds(z)
    for latent, sign in np.ndindex(*found.shape[:2]):
        values = (1 - 2 * sign) * z[:, latent].astype(np.float64)
        expected = np.quantile(values[values > 0], 1 - np.array(RATIOS))
        assert found[latent, sign, 0] == 0.0
        np.testing.assert_allclose(found[latent, sign, 1:], expected[1:], rtol=1e-6)
        assert (np.diff(found[latent, sign]) >= 0).all()


def test_thresholds_of_a_latent_without_a_value_let_any_value_pass() -> None:
    found = latent_thresholds(np.zeros((50, 2), dtype=np.float32))
    assert found[:, :, 0].tolist() == [[0.0], [0.0]]
    assert np.isinf(found[:, :, 1:]).all()


def test_only_a_sample_of_rows_makes_the_thresholds() -> None:
    data = labels()
    z = noisy_codes(data, signed=False, sparse=False)
    found = select_latents(codes_of(z), data, n_sample_rows=N_ROWS // 4)
    assert found.latent is not None
    assert np.array_equal(found.thresholds, latent_thresholds(z[::4])[found.latent, 0])


def test_levels_count_the_thresholds_below() -> None:
    z = noisy_codes(labels(), signed=True, sparse=True)
    thresholds = latent_thresholds(z)
    z[0], z[1] = thresholds[:, 0, 3], -thresholds[:, 1, 5]  # a value at a threshold is not above it
    expected = np.zeros(z.shape, dtype=int)
    for row, latent in np.ndindex(*z.shape):
        value = z[row, latent]
        side = thresholds[latent, int(value < 0)]
        expected[row, latent] = sum(abs(value) > t for t in side) + (16 if value < 0 else 0)
    assert np.array_equal(levels_of(z, thresholds), expected)


def test_scores_of_one_column_a_label_are_cut_at_their_own_quantiles() -> None:
    data = labels()
    scores = noisy_codes(data, 5, signed=False, sparse=False) - 0.5
    found = select_thresholds(scores, data)
    assert found.latent is None
    for y in range(5):
        rows = data.scored[:, y]
        expected = np.quantile(scores[rows, y].astype(np.float64), 1 - np.array(RATIOS))
        np.testing.assert_allclose(found.thresholds[y, 1:], expected[1:], rtol=1e-5, atol=1e-6)
        assert found.thresholds[y, 0] == -np.inf
        f1 = [f1_score(data.values[rows, y], scores[rows, y] > t) for t in found.thresholds[y]]
        assert found.f1[y] == pytest.approx(max(f1), rel=1e-12)
        assert found.level[y] == 1 + int(np.argmax(f1))


def test_codes_and_labels_must_have_the_same_rows() -> None:
    data, z = labels(), noisy_codes(labels(), signed=False, sparse=False)
    for other in (z[:-1], np.concatenate([z, z])):
        with pytest.raises(ValueError, match="labelled"):
            select_latents(codes_of(other), data)
    with pytest.raises(ValueError, match="for labels"):
        select_thresholds(z[:, :3], data)
