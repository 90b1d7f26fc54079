"""Oracles: the text's activations encoded anew and counted one by one; expectations over many draws of the sampler."""

import numpy as np
import pytest
import torch

from monosemy.evaluation import FRAGMENT_LENGTH, FitFragments, FragmentConfig
from monosemy.interpretation import FitView
from tests.unit.interpretation.interpreted import ALWAYS, DEAD, dictionary, part, text

FIRING = 3


@pytest.fixture(scope="module")
def fit() -> FitFragments:
    return part(FitFragments)


@pytest.fixture(scope="module")
def view(fit: FitFragments) -> FitView:
    return FitView(fit)


def activations(n_sequences: int = 40) -> np.ndarray:
    """Every latent on every fragment [fragment position latent], 0 where nothing was recorded."""
    of, by = text(n_sequences, 0), dictionary()
    z = np.zeros((of.recorded.size, by.n_latents), dtype=np.float32)
    with torch.no_grad():
        z[of.place] = by.encode(of.x).numpy()
    return z.reshape(-1, FRAGMENT_LENGTH, by.n_latents)


def test_the_paper_sees_five_of_the_top_twenty_in_tenths_of_their_peak(fit: FitFragments, view: FitView) -> None:
    evidence, top = view.evidence(FIRING), fit.top(FIRING)
    assert len(top) == 20
    ranked = [top[rank] for rank in (0, 4, 8, 12, 16)]
    assert evidence.paper.text.fragments.number.tolist() == [example.fragment.number for example in ranked]
    assert evidence.peak == top[0].peak
    expected = [np.minimum(10, np.floor(10 * np.maximum(e.activations, 0) / top[0].peak)) for e in ranked]
    np.testing.assert_array_equal(evidence.paper.values, np.stack(expected))
    assert evidence.paper.values.max() == 10
    assert evidence.paper.weight.tolist() == [1.0] * 5
    assert view.peak(FIRING) == evidence.peak


def test_the_full_sample_is_of_four_strata_with_the_weights_of_the_text(fit: FitFragments, view: FitView) -> None:
    sample = view.evidence(FIRING).full
    number, truth = sample.text.fragments.number, activations()
    assert len({*number.tolist()}) == len(number)
    np.testing.assert_allclose(
        sample.values, 10 * truth[number, :, FIRING] / view.peak(FIRING), rtol=1e-3, atol=1e-6
    )  # uniform fragments have 16 bits
    certain = [e.fragment.number for e in (*fit.top(FIRING), *fit.near_misses(FIRING))]
    weight = dict(zip(number.tolist(), sample.weight.tolist(), strict=True))
    assert {weight[n] for n in certain} == {1.0}
    fires = (truth[..., FIRING] != 0).any(axis=1)
    n_firing, n_silent = int(fires.sum()), len(fires) - int(fires.sum())
    rest = [n for n in number.tolist() if n not in certain]
    assert sum(weight[n] for n in rest if fires[n]) == pytest.approx(n_firing - 20)
    assert sum(weight[n] for n in rest if not fires[n]) == pytest.approx(n_silent - 10)
    assert sample.weight.sum() == pytest.approx(fit.statistics.n_fragments)
    drawn = {e.fragment.number for e in fit.firing(FIRING)} | {*fit.uniform().fragments.number.tolist()}
    assert {*rest} == drawn - {*certain}


@pytest.mark.parametrize("n_sampled", [400, 3])
def test_weighted_sums_are_unbiased_for_the_whole_text(n_sampled: int) -> None:
    """The mean over 60 draws is the text's sum within 4 standard errors: of z, z^2, activity, and by parts of text."""
    truth = activations(8)[..., FIRING]
    parts = np.arange(len(truth)) % 3
    found = []
    for seed in range(60):
        config = FragmentConfig(n_top=2, n_firing=4, n_near_misses=3, n_uniform=12, seed=seed)
        view = FitView(part(FitFragments, 8, 0, config), seed=seed, n_sampled=n_sampled)
        sample = view.evidence(FIRING).full
        z = sample.values * view.peak(FIRING) / 10
        assert sample.weight.sum() == pytest.approx(len(truth))
        of_part = np.bincount(parts[sample.text.fragments.number], weights=sample.weight, minlength=3)
        found.append([sample.weight @ z.sum(axis=1), sample.weight @ (z**2).sum(axis=1), *of_part])
    mean, error = np.mean(found, axis=0), np.std(found, axis=0) / np.sqrt(len(found))
    expected = [truth.sum(), (truth**2).sum(), *np.bincount(parts)]
    assert (np.abs(mean - expected) <= 4 * error + 1e-3 * np.abs(expected)).all(), (mean, expected, error)


def test_the_samples_are_capped_and_the_same_for_all_latents_where_they_can_be() -> None:
    view = FitView(part(FitFragments, config=FragmentConfig(n_uniform=120, n_firing=5)), n_sampled=25)
    samples = {latent: view.evidence(latent).full for latent in (3, 4)}
    silent = {}
    for latent, sample in samples.items():
        is_silent = ~(sample.values != 0).any(axis=1) & (sample.weight != 1)
        silent[latent] = {*sample.text.fragments.number[is_silent].tolist()}
        assert len(silent[latent]) == 25
        assert len(sample.weight) <= 20 + 25 + 10 + 25
        assert sample.weight.sum() == pytest.approx(160)
    assert len(silent[3] & silent[4]) > 5


def test_a_latent_that_fires_everywhere_has_no_silent_strata_and_a_dead_one_no_evidence(view: FitView) -> None:
    sample = view.evidence(ALWAYS).full
    assert sample.weight.sum() == pytest.approx(160)
    recorded = sample.text.fragments.mask
    assert (sample.values[recorded] == 10).all()
    assert view.peak(DEAD) == 0
    with pytest.raises(ValueError, match="no positive activation"):
        view.evidence(DEAD)


@pytest.mark.parametrize("density", [0.001, 0.01, 0.1, 0.9])
def test_above_the_threshold_lies_at_most_the_density_and_no_lower_one_does(
    fit: FitFragments, view: FitView, density: float
) -> None:
    uniform = fit.uniform()
    for latent in (ALWAYS, FIRING, 7):
        values = uniform.activations(latent)[uniform.fragments.mask]
        threshold = view.threshold(latent, density)
        assert threshold >= 0
        assert (values > threshold).mean() <= density
        if threshold > 0:
            assert (values >= threshold).mean() > density
            assert threshold in values
    assert view.threshold(DEAD, density) == 0


def test_the_table_has_the_mean_of_each_token_and_that_of_all_for_others(fit: FitFragments, view: FitView) -> None:
    uniform, table = fit.uniform(), view.token_means(FIRING)
    values, mask = uniform.activations(FIRING).astype(np.float64), uniform.fragments.mask
    predicted = table.predict(view.text.take(np.arange(3)))
    tokens = view.text.fragments.tokens[:3]
    for place in np.ndindex(tokens.shape):
        assert predicted[place] == pytest.approx(values[mask & (uniform.fragments.tokens == tokens[place])].mean())
    assert table.mean[-1] == pytest.approx(values[mask].mean())
    small = part(FitFragments, config=FragmentConfig(n_uniform=1))
    rare = FitView(small)
    seen = rare.token_means(FIRING).predict(rare.text)
    unseen = ~np.isin(rare.text.fragments.tokens, small.uniform().fragments.tokens)
    assert unseen.any()
    np.testing.assert_array_equal(seen[unseen], rare.token_means(FIRING).mean[-1])
