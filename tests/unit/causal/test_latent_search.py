"""The search's criteria. Oracle: figures made by hand, each of which fails one criterion."""

from dataclasses import replace

import numpy as np
import pytest

from monosemy.causal import (
    LatentFigures,
    LatentScan,
    SearchCriteria,
    candidates,
    figures_of,
    fires_singly,
    lens_holds,
    meets,
    random_latents_of,
    rules_hold,
)
from monosemy.core import UserError

CRITERIA = SearchCriteria(
    share_of="mass",
    min_token_share=0.5,
    max_density=0.1,
    min_fired=10,
    min_spearman=0.3,
    min_precision=0.2,
    min_rule_score=0.4,
    max_rule_bits=50.0,
)
GOOD = LatentFigures(
    latent=1,
    token=5,
    token_share=0.6,
    density=0.05,
    fired=20,
    spearman=0.5,
    precision=0.3,
    rule_score=0.6,
    rule_bits=40.0,
)


def test_a_latent_that_meets_all_is_proposed() -> None:
    assert meets(GOOD, CRITERIA)
    assert meets(replace(GOOD, rule_score=None, rule_bits=None), CRITERIA)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("token_share", 0.49),
        ("density", 0.11),
        ("fired", 9),
        ("spearman", 0.29),
        ("spearman", None),
        ("precision", 0.1),
        ("precision", None),
        ("rule_score", 0.3),
        ("rule_bits", 51.0),
    ],
)
def test_each_criterion_alone_holds_it_back(field: str, value: float | None) -> None:
    figures = replace(GOOD, **{field: value})
    assert not meets(figures, CRITERIA)
    holds = {
        fires_singly: field in ("token_share", "density", "fired"),
        lens_holds: field in ("spearman", "precision"),
        rules_hold: field.startswith("rule"),
    }
    assert {test: not test(figures, CRITERIA) for test in holds} == holds


SCAN = LatentScan(
    n_rows=200,
    fired=np.array([20, 0, 15, 100, 18, 11]),
    top_token=np.array([1, -1, 2, 3, 4, 5]),
    token_share=np.array([0.9, 0.0, 0.2, 0.9, 0.7, 0.8]),
    mass_token=np.array([6, -1, 7, 8, 9, 10]),
    mass_share=np.array([0.6, 0.0, 0.9, 0.9, 0.6, 0.4]),
)


def test_candidates_are_sorted_by_the_share_that_is_asked_for() -> None:
    assert [f.latent for f in candidates(SCAN, CRITERIA)] == [2, 0, 4]
    by_count = replace(CRITERIA, share_of="count")
    assert [f.latent for f in candidates(SCAN, by_count)] == [0, 5, 4]
    assert figures_of(SCAN, 2, CRITERIA).token == 7 and figures_of(SCAN, 2, by_count).token == 2
    assert figures_of(SCAN, 0, CRITERIA).density == pytest.approx(0.1)


def test_random_latents_fire_and_are_not_the_proposed() -> None:
    drawn = random_latents_of(SCAN, [0], 3, 10, seed=1).tolist()
    assert drawn == sorted(drawn) and len(drawn) == 3 and set(drawn) <= {2, 3, 4, 5}
    assert drawn == random_latents_of(SCAN, [0], 3, 10, seed=1).tolist()
    assert random_latents_of(SCAN, [0], 99, 16, seed=1).tolist() == [3, 4]


def test_criteria_that_make_no_sense_are_refused() -> None:
    with pytest.raises(UserError, match="min_token_share"):
        replace(CRITERIA, min_token_share=1.2)
    with pytest.raises(UserError, match="min_fired"):
        replace(CRITERIA, min_fired=0)
