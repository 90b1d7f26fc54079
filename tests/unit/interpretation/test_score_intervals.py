"""Oracles: resamples drawn out one by one; closed forms of means; coverage of a known truth."""

import numpy as np
import pytest
from scipy.stats import pearsonr

from monosemy.core import numpy_generator
from monosemy.interpretation import (
    UnitSums,
    interval_around,
    mean_pearson,
    mean_statistic,
    pearson,
    resamples,
    value_and_interval,
)

U, L = 6, 5


def latents(seed: int = 0) -> tuple[list[tuple[np.ndarray, np.ndarray]], np.ndarray, np.ndarray]:
    """Predictions and truths of each latent [fragment position], their units, and the sums. Latent 4 is constant."""
    rng = np.random.default_rng(seed)
    unit = np.repeat(np.arange(U), 2)
    values = []
    for latent in range(L):
        truth = rng.normal(size=(2 * U, 64)).astype(np.float32)
        noise = rng.normal(size=truth.shape)
        predicted = np.zeros(truth.shape) if latent == L - 1 else truth + (latent + 1) * noise
        values.append((predicted.astype(np.float32), truth))
    mask = np.ones((2 * U, 64), dtype=np.bool_)
    sums = np.stack([UnitSums(truth, mask, unit, U).of(predicted) for predicted, truth in values])
    return values, unit, sums


def test_a_resample_is_the_mean_over_its_latents_on_the_tokens_of_its_units() -> None:
    values, unit, sums = latents()
    unit_counts, latent_counts = resamples(U, L, numpy_generator(0, "test"), 20)
    assert (unit_counts.sum(axis=1) == U).all()
    assert (latent_counts.sum(axis=1) == L).all()
    found = mean_pearson(sums, unit_counts, latent_counts)
    for row in range(20):
        fragments = np.repeat(np.arange(2 * U), unit_counts[row][unit])
        scores = [pearsonr(p[fragments].ravel(), t[fragments].ravel())[0] for p, t in values[:-1]] + [0.0]
        assert found[row] == pytest.approx(np.average(scores, weights=latent_counts[row]), abs=1e-6)


def test_units_are_the_same_whatever_the_number_of_latents() -> None:
    few, many = (resamples(U, n, numpy_generator(0, "test"), 10)[0] for n in (2, 300))
    np.testing.assert_array_equal(few, many)


def test_a_latent_without_a_fragment_in_a_resample_is_left_out_of_it() -> None:
    _, _, sums = latents()
    sums[0, 1:] = 0  # only in unit 0
    unit_counts = np.array([[0, 6, 0, 0, 0, 0], [6, 0, 0, 0, 0, 0]])
    found = mean_pearson(sums, unit_counts, np.array([[3, 2, 0, 0, 0], [3, 2, 0, 0, 0]]))
    of_unit = pearson(sums)
    assert found[0] == pytest.approx(of_unit[1, 1])
    assert found[1] == pytest.approx((3 * of_unit[0, 0] + 2 * of_unit[1, 0]) / 5)
    assert np.isnan(mean_pearson(sums, unit_counts[:1], np.array([[5, 0, 0, 0, 0]]))[0])


def test_a_prediction_that_is_constant_by_chance_leaves_its_latent_out_and_one_that_always_is_counts_as_zero() -> None:
    """Latent 0 is predicted, rightly, in unit 0 alone; latent 1 is predicted 0.3 everywhere."""
    truth = np.random.default_rng(0).normal(size=(U, 64)).astype(np.float32)
    in_one = np.where(np.arange(U)[:, None] == 0, truth, 0).astype(np.float32)
    same = np.full(truth.shape, 0.3, dtype=np.float32)
    of = UnitSums(truth, np.ones(truth.shape, dtype=np.bool_), np.arange(U), U)
    sums = np.stack([of.of(in_one), of.of(same)])
    unit_counts, latent_counts = np.array([[0, 6, 0, 0, 0, 0], [6, 0, 0, 0, 0, 0]]), np.array([[1, 1], [1, 1]])
    np.testing.assert_allclose(mean_pearson(sums, unit_counts, latent_counts), [0.0, 0.5], atol=1e-9)
    assert np.isnan(mean_pearson(sums[:1], unit_counts, latent_counts[:, :1])[0])


def test_blocks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    _, _, sums = latents()
    draws = resamples(U, L, numpy_generator(0, "test"), 50)
    whole = mean_pearson(sums, *draws)
    monkeypatch.setattr("monosemy.interpretation.score_intervals._BLOCK_ENTRIES", 7 * L * 6)
    np.testing.assert_allclose(mean_pearson(sums, *draws), whole, rtol=1e-12)


def test_counts_of_more_axes_are_resampled_alike() -> None:
    counts = np.random.default_rng(0).integers(0, 9, (L, U, 3, 2))
    draws = resamples(U, L, numpy_generator(0, "test"), 10)
    found = mean_statistic(counts, lambda totals: totals.sum(axis=(-1, -2)), *draws)
    expected = np.einsum("ru,lu,rl->r", draws[0], counts.sum(axis=(2, 3)), draws[1]) / L
    np.testing.assert_allclose(found, expected)


def test_the_value_is_the_mean_over_defined_latents_inside_its_interval() -> None:
    values, _, sums = latents()
    sums = np.concatenate([sums, np.zeros((1, U, 6))])  # a latent without any score
    interval = value_and_interval(sums, pearson, *resamples(U, L + 1, numpy_generator(0, "test")))
    assert interval is not None
    scores = [pearsonr(p.ravel(), t.ravel())[0] for p, t in values[:-1]] + [0.0]
    assert interval.value == pytest.approx(np.mean(scores), abs=1e-6)
    assert interval.low < interval.value < interval.high
    nothing = value_and_interval(np.zeros((2, U, 6)), pearson, *resamples(U, 2, numpy_generator(0, "test")))
    assert nothing is None
    assert value_and_interval(np.zeros((0, U, 6)), pearson, *resamples(U, 0, numpy_generator(0, "test"))) is None


def test_an_interval_holds_the_value_even_where_the_resamples_do_not() -> None:
    assert interval_around(2.0, np.array([0.0, 1.0, np.nan])).high == 2.0
    alone = interval_around(0.5, np.array([np.nan]))
    assert (alone.low, alone.high) == (0.5, 0.5)


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    """A mean over units of a normal variable, one latent: of 200 intervals 95 % hold 0, within 4 standard errors."""
    rng, held = np.random.default_rng(0), 0
    for _ in range(200):
        sums = np.stack([np.ones(60), rng.normal(size=60)], axis=1)[None]
        draws = resamples(60, 1, rng, 300)
        interval = value_and_interval(sums, lambda totals: totals[..., 1] / totals[..., 0], *draws)
        assert interval is not None
        held += interval.low <= 0 <= interval.high
    assert 0.95 - 4 * np.sqrt(0.95 * 0.05 / 200) <= held / 200 <= 1.0
