"""Oracle: SciPy's correlations, and the plain mean and pool over planted dictionaries."""

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import pearsonr, spearmanr

from monosemy.core import numpy_generator
from monosemy.experiments.interpretation_folders import Interpreted
from monosemy.experiments.interpretation_moments import (
    dictionary_correlations,
    known_pairs,
    mean_correlations,
    pearson,
    spearman,
)

METHOD = {"method": "topk", "variant": None, "lm": "trained", "order": "seeded"}


def interpreted(
    scores: list[float | None], kurtosis: list[float | None], site: str = "resid_post.1", seed: int = 0
) -> Interpreted:
    """One dictionary whose scores and kurtoses are given; every other moment is the kurtosis too."""
    rows: list[dict[str, Any]] = []
    for budget in ("paper", "full"):
        for score, moment in zip(scores, kurtosis, strict=True):
            status = "ok" if score is not None else "not_applicable"
            found = {"value": score, "status": status}
            rows.append(
                {
                    **{"budget": budget, "status": "ok", "scores": {"top_random": found, "uniform": found}},
                    **dict.fromkeys(("mean", "variance", "skewness", "excess_kurtosis"), moment),
                }
            )
    about = METHOD | {"name": f"topk-{site}-seed{seed}", "site": site, "seed": seed}
    return Interpreted(path=Path(), about=about, rows=tuple(rows), results=())


numbers = st.lists(st.tuples(st.integers(-5, 5), st.integers(-5, 5)), min_size=0, max_size=12)


@given(numbers)
def test_correlations_are_scipys(pairs: list[tuple[int, int]]) -> None:
    x, y = np.array(pairs, dtype=np.float64).reshape(-1, 2).T
    defined = len(x) >= 3 and np.ptp(x) > 0 and np.ptp(y) > 0
    for own, reference in ((pearson, pearsonr), (spearman, spearmanr)):
        if not defined:
            assert own(x, y) is None
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert own(x, y) == pytest.approx(reference(x, y)[0], abs=1e-9)


def test_undefined_moments_and_scores_are_left_out_and_the_moments_counted() -> None:
    found = interpreted([0.1, 0.2, 0.3, None, 0.5], [1.0, None, 2.0, 3.0, 5.0])
    x, y, n_undefined = known_pairs(found, "uniform", "full", "excess_kurtosis")
    assert (x.tolist(), y.tolist(), n_undefined) == ([0.1, 0.3, 0.5], [1.0, 2.0, 5.0], 1)
    row = dictionary_correlations(found)[-1]
    assert (row["n"], row["n_undefined"], row["score"], row["moment"]) == (3, 1, "uniform", "excess_kurtosis")
    assert row["pearson"] == pytest.approx(pearsonr(x, y)[0])
    assert row["spearman"] == pytest.approx(1.0)
    nan = interpreted([0.1, 0.2, 0.3], [1.0, float("nan"), 2.0])
    assert known_pairs(nan, "uniform", "full", "mean")[2] == 1


def rows_of(found: list[Interpreted]) -> dict[tuple[str, str | None], dict[str, Any]]:
    rows = mean_correlations(found, numpy_generator(0, "test"))
    return {
        (row["kind"], row["variant"]): row
        for row in rows
        if (row["score"], row["moment"]) == ("top_random", "excess_kurtosis")
    }


def test_the_mean_over_dictionaries_and_the_pool_differ_where_dictionaries_do() -> None:
    """Within each dictionary they fall together; between the two, one has higher scores and lower moments."""
    a = interpreted([0.1, 0.2, 0.3, 0.4], [10.0, 11.0, 12.0, 13.0])
    b = interpreted([0.6, 0.7, 0.8, 0.9], [1.0, 2.0, 3.0, 4.0], seed=1)
    rows = rows_of([a, b])
    assert rows["pearson", None]["value"] == pytest.approx(1.0)
    x, y = np.array([0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8, 0.9]), np.array([10.0, 11, 12, 13, 1, 2, 3, 4])
    assert rows["pearson", "pooled"]["value"] == pytest.approx(pearsonr(x, y)[0])
    assert rows["spearman", "pooled"]["value"] == pytest.approx(spearmanr(x, y)[0])
    assert rows["pearson", "pooled"]["n"] == 8
    for row in rows.values():
        assert row["low"] - 1e-9 <= row["value"] <= row["high"] + 1e-9
        assert (row["n_clusters"], row["n_dictionaries"]) == (2, 2)


def test_intervals_resample_sites_and_seeds_not_latents() -> None:
    """Two dictionaries of one site and seed always come together: their mean has no spread, and no interval."""
    up, down = [1.0, 2.0, 3.0], [3.0, 2.0, 1.0]
    scores: list[float | None] = [0.1, 0.2, 0.3]
    together = rows_of([interpreted(scores, [*up]), interpreted(scores, [*down])])["pearson", None]
    assert (together["value"], together["low"], together["high"]) == (pytest.approx(0.0), None, None)
    apart = rows_of([interpreted(scores, [*up]), interpreted(scores, [*down], site="resid_post.2")])["pearson", None]
    assert (apart["value"], apart["low"], apart["high"]) == (pytest.approx(0.0), pytest.approx(-1), pytest.approx(1))


def test_nothing_to_correlate_is_no_number() -> None:
    rows = rows_of([interpreted([0.1, 0.1, 0.1], [1.0, 2.0, 3.0])])
    assert [row["value"] for row in rows.values()] == [None] * 4
    empty = rows_of([replace(interpreted([], []), rows=())])
    assert [row["value"] for row in empty.values()] == [None] * 4
