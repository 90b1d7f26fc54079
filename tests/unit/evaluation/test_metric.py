"""Sums by unit, and the results that speak of one subject.

Oracle: a loop over rows in float64; the fields written out.
"""

import numpy as np
import pytest
import torch

from monosemy.core import Interval, numpy_generator
from monosemy.evaluation import EvaluationBatch, Metric, Subject, add_by_unit_

SUBJECT = Subject(method="topk", lm="trained", dictionary="topk-seed0", site="resid_post.1", split="test", config="c")


@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
@pytest.mark.parametrize("n_units", [1, 4])
def test_sums_by_unit_are_those_of_a_loop(shape: tuple[int, ...], n_units: int) -> None:
    random = numpy_generator(0, "test-units")
    rows, unit = random.normal(size=(50, *shape)), random.integers(n_units, size=50)
    expected = np.ones((n_units + 2, *shape))
    for row, number in zip(rows, unit, strict=True):
        expected[number] += row
    totals = np.ones((n_units + 2, *shape))
    add_by_unit_(totals, unit, torch.from_numpy(rows))
    np.testing.assert_allclose(totals, expected, rtol=1e-12)


def test_float32_rows_are_summed_in_float64() -> None:
    """2^24 + 1 + 1 is 2^24 in float32."""
    totals = np.zeros(2)
    rows = torch.tensor([2.0**24, 1.0, 1.0, 5.0])
    add_by_unit_(totals, np.array([0, 0, 0, 1]), rows)
    assert totals.tolist() == [2.0**24 + 2, 5.0]


def test_a_result_carries_the_subject() -> None:
    result = SUBJECT.measured("fvu", Interval(value=0.2, low=0.1, high=0.3), "fraction", n=40)
    assert (result.metric, result.definition, result.value, result.ci_low, result.ci_high) == (
        "fvu", "fvu", 0.2, 0.1, 0.3,
    )  # fmt: skip
    assert (result.method, result.dictionary, result.site, result.split) == (
        "topk", "topk-seed0", "resid_post.1", "test",
    )  # fmt: skip
    assert (result.n, result.n_unit, result.reason, result.config) == (40, "units", None, "c")


def test_an_interval_over_few_units_says_so() -> None:
    result = SUBJECT.measured("fvu", Interval(value=0.2, low=0.1, high=0.3), "fraction", n=39, remark="a remark")
    assert result.reason is not None
    assert result.reason.startswith("a remark; 39 units: with fewer than 40")


def test_a_plain_number_has_no_interval() -> None:
    result = SUBJECT.measured("dead_eval", 3, "latents", n=7, n_unit="tokens")
    assert (result.value, result.ci_low, result.ci_high, result.n, result.n_unit, result.reason) == (
        3.0, None, None, 7, "tokens", None,
    )  # fmt: skip


def test_what_does_not_apply_says_why() -> None:
    result = SUBJECT.not_applicable("label_f1", "fraction", "no labels")
    assert (result.status, result.value, result.reason) == ("not_applicable", None, "no labels")


def test_a_metric_without_sums_cannot_be_made() -> None:
    class NoSums(Metric):
        def update(self, batch: EvaluationBatch) -> None: ...

    with pytest.raises(TypeError, match="sums"):
        NoSums()  # pyright: ignore[reportAbstractUsage]
