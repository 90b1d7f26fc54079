"""Oracles: the published generators' own figures (mean L0 2.83 and 5.02), scipy, and frequencies counted."""

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import scipy.stats

from monosemy.corpus import PlantedConfig, PlantedData

SMALL = PlantedConfig(d=32, n_features=128, mean_active=5.0, decay=0.99)
FEW = PlantedConfig(d=8, n_features=12, mean_active=3.0, decay=1.0)


@pytest.mark.parametrize(
    ("config", "l0"),
    [
        (replace(SMALL, draw="uncorrelated"), 2.83),
        (replace(SMALL, draw="uncorrelated", n_features=512), 0.97),
        (replace(SMALL, draw="correlated"), 5.02),
        (replace(SMALL, draw="legacy"), 5.02),
    ],
)
def test_the_mean_l0_is_the_published_one(config: PlantedConfig, l0: float) -> None:
    """16,000 samples of standard deviation below 2.3: a standard error of .02, and .005 of rounding."""
    data = PlantedData(config)
    counts = [np.count_nonzero(data.codes(batch, 100), axis=1).mean() for batch in range(160)]
    assert np.mean(counts) == pytest.approx(l0, abs=0.06)


@pytest.mark.parametrize("draw", ["uncorrelated", "correlated", "legacy"])
def test_values_are_uniform(draw: str) -> None:
    """But for the ones of samples that had no feature; a product of two uniforms would have p < 1e-100 here."""
    codes = PlantedData(replace(SMALL, draw=draw)).codes(0, 2000)
    values = codes[(codes > 0) & (codes < 1)]
    assert len(values) > 4000
    assert scipy.stats.kstest(values, "uniform").pvalue > 0.001


def test_features_become_rarer_as_the_decay_says() -> None:
    codes = PlantedData(replace(SMALL, draw="uncorrelated", decay=0.9)).codes(0, 50_000)
    frequency = (codes[:, :20] > 0).mean(axis=0)
    expected = 5 / 128 * 0.9 ** np.arange(20)
    np.testing.assert_allclose(frequency, expected, atol=5 * np.sqrt(expected[0] / 50_000))


def test_correlations_are_there_in_each_sample() -> None:
    """Pairs with a larger covariance are active together more often: within a batch, and only if z is of the sample."""
    pairs = np.triu_indices(FEW.n_features, 1)
    found = {}
    for draw in ("correlated", "legacy"):
        data = PlantedData(replace(FEW, draw=draw))
        together = np.asarray(np.corrcoef((data.codes(0, 60_000) > 0).T))[pairs]
        found[draw] = float(np.corrcoef(together, data.covariance()[pairs])[0, 1])
    assert found["correlated"] > 0.8
    assert abs(found["legacy"]) < 0.5  # 66 pairs: 4 standard errors of nothing


def test_legacy_draws_once_a_batch() -> None:
    """How often a feature is active differs from batch to batch as in one draw, or as in many."""
    spread = {}
    for draw in ("correlated", "legacy"):
        data = PlantedData(replace(FEW, draw=draw))
        spread[draw] = np.std([(data.codes(batch, 400) > 0).mean(axis=0) for batch in range(40)], axis=0)
    assert spread["legacy"].min() > 4 * spread["correlated"].max()


def test_no_sample_is_empty_where_correlated() -> None:
    for draw in ("correlated", "legacy"):
        codes = PlantedData(replace(SMALL, draw=draw, mean_active=0.5)).codes(0, 500)
        assert codes.any(axis=1).all()
        assert (codes == 1.0).sum() > 100
    assert not PlantedData(replace(SMALL, draw="uncorrelated", mean_active=0.5)).codes(0, 500).any(axis=1).all()


def test_activations_are_the_codes_times_the_features() -> None:
    data = PlantedData(SMALL)
    np.testing.assert_allclose(np.linalg.norm(data.features, axis=1), 1.0)
    np.testing.assert_allclose(data.batch(3, 50), data.codes(3, 50) @ data.features, atol=1e-5)
    noise = PlantedData(replace(SMALL, noise=0.3)).batch(3, 2000) - data.batch(3, 2000)
    assert noise.std() == pytest.approx(0.3, rel=0.02)


def test_batches_are_resumable_and_of_their_seed() -> None:
    data = PlantedData(SMALL)
    first = list(islice(data.batches(10), 5))
    again = list(islice(PlantedData(SMALL).batches(10, first=3), 2))
    for found, expected in zip(again, first[3:], strict=True):
        np.testing.assert_array_equal(found, expected)
    assert not np.array_equal(first[0], first[1])
    other = PlantedData(replace(SMALL, seed=1))
    assert not np.array_equal(other.features, data.features)
    assert not np.array_equal(other.batch(0, 10), first[0])


def test_the_covariance_is_positive_definite() -> None:
    covariance = PlantedData(SMALL).covariance()
    assert np.linalg.eigvalsh(covariance)[0] > 0
    off_diagonal = covariance[~np.eye(128, dtype=bool)]
    assert (off_diagonal.min() >= 0, off_diagonal.max() <= 1) == (True, True)


@pytest.mark.parametrize("change", [{"d": 0}, {"mean_active": 0.0}, {"mean_active": 129.0}, {"decay": 0.0}])
def test_what_cannot_be_is_refused(change: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be"):
        replace(SMALL, **change)
    with pytest.raises(ValueError, match="noise at least 0"):
        replace(SMALL, noise=-1.0)
