"""Oracle: the squared errors computed unit by unit, each time with that unit left out."""

import numpy as np
import pytest

from monosemy.interpretation import RulesConfig, Sample
from monosemy.interpretation.rule_rows import Uncovered, fit_rows, held_out_gain, weighted_mean
from tests.unit.interpretation.texts_of_tests import random_text


def sample(seed: int = 0, n_fragments: int = 30, longest: int = 150) -> Sample:
    text = random_text(n_fragments=n_fragments, seed=seed, longest=longest)
    rng = np.random.default_rng(seed)
    values = np.where(text.fragments.mask, rng.normal(size=text.fragments.mask.shape), 0).astype(np.float32)
    return Sample(budget="full", text=text, values=values, weight=rng.uniform(0.5, 3, len(text)))


def test_the_held_out_gain_is_that_of_leaving_documents_out() -> None:
    rows = fit_rows(sample(), RulesConfig())
    assert rows is not None
    every = np.arange(rows.table.n_rows)
    inside = np.flatnonzero(np.random.default_rng(3).random(len(every)) < 0.1)
    gain = held_out_gain(rows.unit_sums(inside), rows.unit_sums(every))
    is_in = np.isin(every, inside)
    y, w = rows.y, rows.wy_w[1]
    assert len(gain) == rows.n_units >= 8
    for unit in range(rows.n_units):
        here, others = rows.unit == unit, rows.unit != unit
        mean, of_in, of_out = (
            np.average(y[which], weights=w[which]) for which in (others, others & is_in, others & ~is_in)
        )
        before = (w * (y - mean) ** 2)[here].sum()
        after = (w * (y - of_in) ** 2)[here & is_in].sum() + (w * (y - of_out) ** 2)[here & ~is_in].sum()
        assert gain[unit] == pytest.approx(before - after, abs=1e-9)


def test_of_few_documents_fragments_are_held_out() -> None:
    rows = fit_rows(sample(n_fragments=6, longest=10_000), RulesConfig())
    assert rows is not None
    assert rows.n_units == 6
    np.testing.assert_array_equal(rows.unit, rows.table.fragment)


def test_what_is_left_is_what_one_would_start_from() -> None:
    rows = fit_rows(sample(seed=2), RulesConfig())
    assert rows is not None
    every = np.arange(rows.table.n_rows)
    start = Uncovered.everything(rows)
    covered, left = every[::3], np.setdiff1d(every, every[::3])
    rest = start.without(rows, covered)
    np.testing.assert_array_equal(rest.rows, left)
    np.testing.assert_allclose(rest.sums, rows.table.sums(left, rows.wy_w[:, left]), atol=1e-2)
    assert rest.weight == pytest.approx(rows.wy_w[1, left].sum())
    assert rest.mean == pytest.approx(np.average(rows.y[left], weights=rows.wy_w[1, left]))
    assert rest.mean == pytest.approx(weighted_mean(rows, left))
    assert weighted_mean(rows, every[:0]) == 0.0


def test_from_nothing_that_varies_nothing_is_learned() -> None:
    one = sample()
    still = Sample(budget="full", text=one.text, values=np.zeros_like(one.values), weight=one.weight)
    assert fit_rows(still, RulesConfig()) is None
    first = np.array([0])
    alone = Sample(budget="full", text=one.text.take(first), values=one.values[first], weight=one.weight[first])
    assert fit_rows(alone, RulesConfig()) is None
