"""Oracles: scipy, closed forms on seeded data, the bootstrap written as a plain loop, and laws that must hold."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from monosemy.core import (
    Interval,
    bootstrap,
    bootstrap_difference,
    bootstrap_mean,
    bootstrap_ratio,
    bootstrap_ratios,
    numpy_generator,
    smallest_detectable_difference,
    wilson,
)

LAW = settings(max_examples=25, deadline=None)  # a busy machine is not a fault


def generator(purpose: str = "test", seed: int = 0) -> np.random.Generator:
    return numpy_generator(seed, purpose)


def documents(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Planted documents: tokens 1..400, and per document a count of hits at rates around 0.3."""
    rng = generator("documents", seed)
    tokens = rng.integers(1, 400, size=n).astype(np.float64)
    return rng.binomial(tokens.astype(np.int64), rng.beta(3, 7, size=n)).astype(np.float64), tokens


counts = st.integers(1, 30).flatmap(
    lambda n: st.tuples(
        st.lists(st.integers(0, 50), min_size=n, max_size=n).map(lambda xs: np.array(xs, dtype=np.float64)),
        st.lists(st.integers(1, 50), min_size=n, max_size=n).map(lambda xs: np.array(xs, dtype=np.float64)),
    )
)


def test_the_interval_is_that_of_a_plain_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    # The same draws, resample by resample, with the documents themselves taken again; in chunks of five resamples.
    numerator, denominator = documents(40)
    monkeypatch.setattr("monosemy.core.statistics._CHUNK_ENTRIES", 5 * 40)
    interval = bootstrap_ratio(numerator, denominator, generator(), n_resamples=203, level=0.9)
    rng, ratios = generator(), []
    for start in range(0, 203, 5):
        for row in rng.integers(40, size=(min(5, 203 - start), 40)):
            ratios.append(numerator[row].sum() / denominator[row].sum())
    low, high = np.quantile(ratios, [0.05, 0.95])
    assert interval.value == pytest.approx(numerator.sum() / denominator.sum(), rel=1e-14)
    assert (interval.low, interval.high) == pytest.approx((low, high), rel=1e-12)


def test_the_interval_agrees_with_scipy() -> None:
    # Same method, other draws: with 20 000 resamples the ends' own standard error is near 1 % of the interval's width.
    numerator, denominator = documents(60)
    ours = bootstrap_ratio(numerator, denominator, generator(), n_resamples=20_000)
    theirs = scipy.stats.bootstrap(
        (numerator, denominator),
        lambda a, b, axis: a.sum(axis=axis) / b.sum(axis=axis),
        paired=True,
        vectorized=True,
        n_resamples=20_000,
        method="percentile",
        batch=2000,
        rng=generator("scipy"),
    ).confidence_interval
    width = theirs.high - theirs.low
    assert abs(ours.low - theirs.low) < 0.05 * width
    assert abs(ours.high - theirs.high) < 0.05 * width


def test_the_interval_of_a_mean_has_the_width_of_the_closed_form() -> None:
    # For a mean over many units the percentile interval tends to mean +- z s / sqrt(n) with s the population form.
    values = generator("values").normal(3.0, 2.0, size=2000)
    interval = bootstrap_mean(values, generator(), n_resamples=8000)
    half = scipy.stats.norm.ppf(0.975) * values.std() / np.sqrt(len(values))
    assert interval.value == pytest.approx(values.mean(), rel=1e-14)
    assert interval.low == pytest.approx(values.mean() - half, abs=0.06 * half)
    assert interval.high == pytest.approx(values.mean() + half, abs=0.06 * half)


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    # 400 sets of 80 normal values. The percentile interval of a mean lacks the small-sample factor: its coverage is
    # P(|t_79| < 1.96 sqrt(79 / 80)) = 0.944. 400 trials scatter around that by 0.0115; 3.5 times that is allowed.
    rng, covered = generator("coverage"), 0
    for i in range(400):
        interval = bootstrap_mean(rng.normal(1.0, 1.0, size=80), generator(seed=i), n_resamples=600)
        covered += interval.low <= 1.0 <= interval.high
    expected = 2 * scipy.stats.t.cdf(1.96 * np.sqrt(79 / 80), df=79) - 1
    assert covered / 400 == pytest.approx(expected, abs=3.5 * float(np.sqrt(expected * (1 - expected) / 400)))


def test_documents_are_resampled_not_tokens() -> None:
    # Ten tokens a document that all agree: the interval is that of 100 documents, not the sqrt(10) times narrower one
    # of 1000 tokens. Closed form: a proportion of 100 independent trials.
    hits = generator("hits").binomial(1, 0.4, size=100) * 10.0
    interval = bootstrap_ratio(hits, np.full(100, 10.0), generator(), n_resamples=8000)
    half = 1.96 * np.sqrt(interval.value * (1 - interval.value) / 100)
    assert (interval.high - interval.low) / 2 == pytest.approx(half, rel=0.06)


@LAW
@given(counts, st.integers(0, 5))
def test_the_interval_holds_the_value(pair: tuple[np.ndarray, np.ndarray], seed: int) -> None:
    interval = bootstrap_ratio(*pair, generator(seed=seed), n_resamples=40)
    assert interval.low <= interval.value <= interval.high


@LAW
@given(counts, st.sampled_from([-4.0, 0.5, 8.0]))
def test_scaling_the_numerators_scales_the_interval(pair: tuple[np.ndarray, np.ndarray], scale: float) -> None:
    # Powers of two, so that no rounding differs; a negative one swaps the ends, up to the quantiles' interpolation.
    numerator, denominator = pair
    plain = bootstrap_ratio(numerator, denominator, generator(), n_resamples=41)
    scaled = bootstrap_ratio(numerator * scale, denominator, generator(), n_resamples=41)
    ends = sorted([plain.low * scale, plain.high * scale])
    assert scaled.value == plain.value * scale
    assert (scaled.low, scaled.high) == pytest.approx(ends, rel=1e-12, abs=1e-12)


def test_the_order_of_the_documents_does_not_matter() -> None:
    # Beyond the noise of resampling: at 8000 resamples an end scatters by about 1.5 % of the width; 6 % allowed.
    numerator, denominator = documents(100)
    order = generator("order").permutation(100)
    a = bootstrap_ratio(numerator, denominator, generator(), n_resamples=8000)
    b = bootstrap_ratio(numerator[order], denominator[order], generator(), n_resamples=8000)
    assert b.value == pytest.approx(a.value, rel=1e-14)
    assert abs(a.low - b.low) < 0.06 * (a.high - a.low)
    assert abs(a.high - b.high) < 0.06 * (a.high - a.low)


def test_a_wider_level_holds_the_narrower_one_and_a_seed_repeats() -> None:
    pair = documents(50)
    inner, outer = (bootstrap_ratio(*pair, generator(), level=level) for level in (0.8, 0.99))
    assert outer.low < inner.low < inner.high < outer.high
    assert bootstrap_ratio(*pair, generator(), level=0.8) == inner


def test_a_joint_difference_knows_what_the_methods_share() -> None:
    # b = a + a constant rate: the documents' own scatter cancels, which it does not when each is resampled alone.
    numerator, denominator = documents(80)
    shifted = numerator + 0.125 * denominator
    difference = bootstrap_difference(numerator, denominator, shifted, denominator, generator())
    assert difference.value == pytest.approx(-0.125, rel=1e-12)
    assert difference.high - difference.low < 1e-12
    alone = bootstrap_ratio(numerator, denominator, generator())
    assert alone.high - alone.low > 0.03


@LAW
@given(counts)
def test_exchanging_the_methods_turns_the_difference_around(pair: tuple[np.ndarray, np.ndarray]) -> None:
    numerator, denominator = pair
    other = denominator[::-1].copy()
    a = bootstrap_difference(numerator, denominator, other, denominator, generator(), n_resamples=41)
    b = bootstrap_difference(other, denominator, numerator, denominator, generator(), n_resamples=41)
    assert (a.value, a.low, a.high) == pytest.approx((-b.value, -b.high, -b.low), rel=1e-12, abs=1e-12)


def test_many_ratios_at_once_are_each_the_ratio_alone() -> None:
    pairs = [documents(30, seed) for seed in range(3)]
    numerators, denominators = (np.stack(arrays, axis=1) for arrays in zip(*pairs, strict=True))
    together = bootstrap_ratios(numerators, denominators, generator())
    for i, pair in enumerate(pairs):
        alone = bootstrap_ratio(*pair, generator())
        ends = (together.value[i], together.low[i], together.high[i])
        assert ends == pytest.approx((alone.value, alone.low, alone.high), rel=1e-12)


def test_an_undefined_ratio_is_nan_beside_the_defined_ones_and_refused_alone() -> None:
    numerator, denominator = np.array([[1.0, 0.0], [2.0, 0.0]]), np.array([[2.0, 0.0], [2.0, 0.0]])
    both = bootstrap_ratios(numerator, denominator, generator(), n_resamples=50)
    assert (both.value[0], both.low[0], both.high[0]) == (0.75, 0.5, 1.0)
    assert np.isnan([both.value[1], both.low[1], both.high[1]]).all()
    with pytest.raises(ValueError, match="undefined"):
        bootstrap_ratio(numerator[:, 1], denominator[:, 1], generator())


def test_resamples_without_a_denominator_are_left_out() -> None:
    # One of three documents carries all of the denominator: each resample that holds it gives exactly 0.5.
    interval = bootstrap_ratio(np.array([1.0, 0.0, 0.0]), np.array([2.0, 0.0, 0.0]), generator(), n_resamples=100)
    assert interval == Interval(value=0.5, low=0.5, high=0.5)


def test_any_statistic_of_sums_can_be_resampled() -> None:
    # exp(log a - log b) is the ratio again, up to rounding.
    numerator, denominator = documents(30)
    sums = np.stack([numerator, denominator], axis=1)
    found = bootstrap(sums, lambda totals: np.exp(np.diff(-np.log(totals))), generator())
    expected = bootstrap_ratio(numerator, denominator, generator())
    ends = (found.value[0], found.low[0], found.high[0])
    assert ends == pytest.approx((expected.value, expected.low, expected.high), rel=1e-12)


@pytest.mark.parametrize(
    ("sums", "n_resamples", "level"),
    [
        (np.zeros((0, 2)), 10, 0.95),
        (np.array([[1.0, np.nan]]), 10, 0.95),
        (np.array([[1.0, np.inf]]), 10, 0.95),
        (np.ones((3, 2)), 0, 0.95),
        (np.ones((3, 2)), 10, 1.0),
    ],
)
def test_what_cannot_be_resampled_is_refused(sums: np.ndarray, n_resamples: int, level: float) -> None:
    with pytest.raises(ValueError, match="bootstrap needs"):
        bootstrap(sums, lambda totals: totals, generator(), n_resamples, level)


@LAW
@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.sampled_from([0.8, 0.95]))
def test_wilson_agrees_with_scipy(trials: tuple[int, int], level: float) -> None:
    ours = wilson(*trials, level=level)
    theirs = scipy.stats.binomtest(*trials).proportion_ci(confidence_level=level, method="wilson")
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), rel=1e-9, abs=1e-12)
    assert ours.low <= ours.value == trials[0] / trials[1] <= ours.high


@pytest.mark.parametrize(("successes", "n"), [(0, 0), (-1, 5), (6, 5)])
def test_wilson_refuses_impossible_counts(successes: int, n: int) -> None:
    with pytest.raises(ValueError, match="wilson needs"):
        wilson(successes, n)


def test_the_smallest_detectable_difference_is_found_as_often_as_it_says() -> None:
    # Closed form: a z test with standard error 0.5 detects it with probability 0.8, and 0.9 when asked for 0.9.
    z = float(scipy.stats.norm.ppf(0.975))
    interval = Interval(value=0.1, low=0.1 - 0.5 * z, high=0.1 + 0.5 * z)
    for power in (0.8, 0.9):
        smallest = smallest_detectable_difference(interval, power=power)
        assert scipy.stats.norm.sf(z - smallest / 0.5) == pytest.approx(power, rel=1e-12)
