"""fvu, l0, density, dead and alive latents.

Oracle: the definitions in numpy's extended precision over all rows at once; resamples made of repeated rows.
"""

import numpy as np
import pytest
import torch

from monosemy.core import numpy_generator
from monosemy.evaluation import (
    EvaluationBatch,
    Reconstruction,
    Subject,
    Sums,
    alive_paper,
    alive_paper_result,
    dead_eval,
    density,
    density_intervals,
    fvu,
    l0,
    reconstruction_results,
)
from monosemy.evaluation.reconstruction import _fvu

N, D, L, UNITS = 400, 4, 6, 5
SUBJECT = Subject(method="topk", lm="trained", split="test", config="c")


def batch(seed: int = 0, shift: float = 2.0) -> EvaluationBatch:
    random = numpy_generator(seed, "test-reconstruction")
    x = random.normal(size=(N, D)) * [1, 2, 3, 4] + shift
    z = np.maximum(random.normal(size=(N, L)), 0.0) * (random.random((N, L)) < 0.4)
    z[:, 5] = 0.0
    x_hat = x + random.normal(size=(N, D))
    unit = np.sort(random.integers(UNITS, size=N))
    parts = [torch.from_numpy(part).float() for part in (x, z, x_hat)]
    return EvaluationBatch(x=parts[0], z=parts[1], x_hat=parts[2], unit=unit)


def sums_of(data: EvaluationBatch, n_units: int = UNITS, center: np.ndarray | None = None) -> Sums:
    metric = Reconstruction(n_units, L, np.zeros(D) if center is None else center)
    metric.update(data)
    return metric.sums()


def fvu_by_hand(x: torch.Tensor, x_hat: torch.Tensor) -> float:
    a, b = x.numpy().astype(np.longdouble), x_hat.numpy().astype(np.longdouble)
    return float(((a - b) ** 2).sum() / ((a - a.mean(axis=0)) ** 2).sum())


@pytest.mark.parametrize("center", [np.zeros(D), np.array([2.0, 2.0, 2.0, 2.0]), np.array([-5.0, 9.0, 0.0, 1.0])])
def test_fvu_is_its_definition_whatever_the_center(center: np.ndarray) -> None:
    data = batch()
    interval = fvu(sums_of(data, center=center), numpy_generator(0, "b"))
    assert interval.value == pytest.approx(fvu_by_hand(data.x, data.x_hat), rel=1e-12)
    assert interval.low < interval.value < interval.high


def test_fvu_of_a_resample_takes_the_mean_of_the_resample() -> None:
    """Drawing units 0, 0, 3, 4, 4 is the data set of those units' rows, repeated."""
    data, counts = batch(), np.array([2.0, 0.0, 0.0, 1.0, 2.0])
    sums = sums_of(data)
    table = np.column_stack([sums["n_tokens"], sums["square_error"], sums["square"], sums["x"]])
    rows = np.concatenate([np.flatnonzero(data.unit == unit) for unit in (0, 0, 3, 4, 4)])
    expected = fvu_by_hand(data.x[rows], data.x_hat[rows])
    assert _fvu((counts @ table)[None])[0, 0] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("shift", [1e3, 1e5])
def test_a_mean_far_from_the_origin_costs_no_digits(shift: float) -> None:
    data = batch(shift=shift)
    value = fvu(sums_of(data, center=np.full(D, shift)), numpy_generator(0, "b")).value
    assert value == pytest.approx(fvu_by_hand(data.x, data.x_hat), rel=1e-9)


def test_l0_density_and_dead_are_counts() -> None:
    data = batch()
    sums, active = sums_of(data), data.z.numpy() != 0
    assert l0(sums, numpy_generator(0, "b")).value == pytest.approx(active.sum(axis=1).mean())
    np.testing.assert_allclose(density(sums), active.mean(axis=0))
    assert dead_eval(sums) == 1
    intervals = density_intervals(sums, numpy_generator(0, "b"))
    np.testing.assert_allclose(intervals.value, active.mean(axis=0))
    assert (intervals.low[:5] < intervals.value[:5]).all()
    assert (intervals.low[5], intervals.high[5]) == (0.0, 0.0)


def test_negative_latents_fire_too() -> None:
    data = batch()
    negative = EvaluationBatch(x=data.x, z=-data.z, x_hat=data.x_hat, unit=data.unit)
    assert np.array_equal(sums_of(negative)["fired"], sums_of(data)["fired"])


def test_alive_by_the_papers_count_is_more_than_ten() -> None:
    assert alive_paper(np.array([0, 10, 11, 2000])) == 2
    result = alive_paper_result(np.array([0.0, 10.0, 11.0]), 77, SUBJECT)
    assert (result.metric, result.value, result.n, result.n_unit) == ("alive_paper", 1.0, 77, "tokens")


def test_units_without_a_token_are_not_resampled() -> None:
    data = batch()
    few, many = sums_of(data), sums_of(data, n_units=UNITS + 30)
    assert fvu(few, numpy_generator(0, "b")) == fvu(many, numpy_generator(0, "b"))
    assert l0(few, numpy_generator(0, "b")) == l0(many, numpy_generator(0, "b"))
    assert reconstruction_results(many, SUBJECT, numpy_generator(0, "b"))[0].n == UNITS


def test_results_name_what_they_count() -> None:
    results = {r.metric: r for r in reconstruction_results(sums_of(batch()), SUBJECT, numpy_generator(0, "b"))}
    assert list(results) == ["fvu", "l0", "dead_eval"]
    assert [(r.unit, r.n, r.n_unit) for r in results.values()] == [
        ("fraction", UNITS, "units"),
        ("latents a token", UNITS, "units"),
        ("latents", N, "tokens"),
    ]


def test_constant_activations_have_no_fvu() -> None:
    data = batch()
    constant = EvaluationBatch(x=torch.full((N, D), 3.0), z=data.z, x_hat=data.x_hat, unit=data.unit)
    with pytest.raises(ValueError, match="do not vary"):
        fvu(sums_of(constant, center=np.full(D, 3.0)), numpy_generator(0, "b"))
