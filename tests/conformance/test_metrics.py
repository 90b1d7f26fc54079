"""Every streaming metric meets every check, and every check finds the fault it is there for.

Oracle: values computed by hand (metric_cases), the definitions' page, the metric itself on the same rows otherwise cut.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from monosemy.core import Result
from tests.conformance import metric_checks
from tests.conformance.conformance import Check, checks_for, pairs
from tests.conformance.metric_cases import CASES, MetricCase, MetricEvidence, gather

evidence_of = cache(gather)


@pytest.mark.parametrize(("case", "check"), pairs(CASES, metric_checks))
def test_metric(case: MetricCase, check: Check) -> None:
    assert check(evidence_of(case)) == []


def off(results: list[Result]) -> list[Result]:
    """Every value and interval moved by a thousandth."""
    moved = 1.001
    return [
        replace(
            r,
            value=(r.value or 1.0) * moved,
            ci_low=None if r.ci_low is None else r.ci_low * moved,
            ci_high=None if r.ci_high is None else r.ci_high * moved,
        )
        for r in results
    ]


def bent(sums: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: value + 0.5 for name, value in sums.items()}


def outside(result: Result) -> Result:
    """The result with a value beyond its interval, without the checks that a Result makes of itself."""
    spoiled = replace(result)
    object.__setattr__(spoiled, "value", (result.ci_high or 0.0) + 1.0)
    return spoiled


SPOILED: dict[str, Callable[[MetricEvidence], MetricEvidence]] = {
    "values_are_those_computed_by_hand": lambda e: replace(e, hand=off(e.hand)),
    "sums_are_float64_with_one_row_a_unit": lambda e: replace(
        e, whole={name: value.astype(np.float32) for name, value in e.whole.items()}
    ),
    "sums_do_not_depend_on_the_batches": lambda e: replace(e, cuts=[*e.cuts[:-1], bent(e.cuts[-1])]),
    "sums_do_not_depend_on_the_order_of_rows": lambda e: replace(e, permuted=bent(e.permuted)),
    "sums_of_units_add_up_to_those_of_all_rows": lambda e: replace(e, one_unit=bent(e.one_unit)),
    "each_token_weighs_the_same_whatever_its_batch": lambda e: replace(e, twice=off(e.twice)),
    "a_mean_far_from_the_origin_changes_nothing": lambda e: replace(e, offset=off(e.offset)),
    "known_predictors_have_their_documented_values": lambda e: replace(
        e, predicted=e.predicted | {"mean": off(e.predicted["mean"])}
    ),
    "a_value_lies_in_its_interval": lambda e: replace(e, once=[outside(e.once[0]), *e.once[1:]]),
    "name_and_unit_stand_in_the_definitions": lambda e: replace(
        e, once=[replace(e.once[0], unit="percent"), *e.once[1:]]
    ),
}


@pytest.mark.parametrize("name", SPOILED)
def test_a_planted_fault_is_found(name: str) -> None:
    evidence = SPOILED[name](evidence_of(CASES[0]))
    assert name in {check.__name__ for check in checks_for(metric_checks) if check(evidence)}


def test_every_check_has_a_planted_fault() -> None:
    assert set(SPOILED) == {check.__name__ for check in checks_for(metric_checks)}
