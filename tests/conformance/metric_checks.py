"""What every streaming metric must do. Each function is a check: evidence in, faults out."""

import math
import re
from pathlib import Path

import numpy as np

from monosemy.core import Result
from tests.conformance.metric_cases import MetricEvidence

DEFINITIONS = Path(__file__).parents[2] / "docs" / "definitions.md"
_ROUNDING = 1e-6


def _values(results: list[Result]) -> dict[str, float]:
    return {result.metric: math.nan if result.value is None else result.value for result in results}


def _differences(found: dict[str, float], expected: dict[str, float], tolerance: float = 1e-9) -> list[str]:
    return [
        f"{name}: {found.get(name)}, expected {value}"
        for name, value in expected.items()
        if not math.isclose(found.get(name, math.nan), value, rel_tol=tolerance, abs_tol=tolerance)
    ]


def _unequal(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> list[str]:
    if set(one) != set(other):
        return [f"other names: {sorted(set(one) ^ set(other))}"]
    return [name for name in one if not np.allclose(one[name], other[name], rtol=1e-12, atol=1e-9)]


def values_are_those_computed_by_hand(evidence: MetricEvidence) -> list[str]:
    return _differences(_values(evidence.hand), evidence.case.by_hand)


def sums_are_float64_with_one_row_a_unit(evidence: MetricEvidence) -> list[str]:
    n_units = len(next(iter(evidence.whole.values())))
    return [
        f"{name}: {value.dtype} {value.shape}"
        for name, value in evidence.whole.items()
        if value.dtype != np.float64 or len(value) != n_units or not np.isfinite(value).all()
    ]


def sums_do_not_depend_on_the_batches(evidence: MetricEvidence) -> list[str]:
    return [fault for cut in evidence.cuts for fault in _unequal(evidence.whole, cut)]


def sums_do_not_depend_on_the_order_of_rows(evidence: MetricEvidence) -> list[str]:
    return _unequal(evidence.whole, evidence.permuted)


def sums_of_units_add_up_to_those_of_all_rows(evidence: MetricEvidence) -> list[str]:
    total, one = (
        {name: value.sum(axis=0) for name, value in sums.items()} for sums in (evidence.whole, evidence.one_unit)
    )
    return _unequal(total, one)


def each_token_weighs_the_same_whatever_its_batch(evidence: MetricEvidence) -> list[str]:
    """Every row twice, in one large batch and two small ones: all means stay, and so do counts of latents."""
    return _differences(_values(evidence.twice), _values(evidence.once))


def a_mean_far_from_the_origin_changes_nothing(evidence: MetricEvidence) -> list[str]:
    return _differences(_values(evidence.offset), _values(evidence.once))


def known_predictors_have_their_documented_values(evidence: MetricEvidence) -> list[str]:
    return [
        f"{name} predictor, {fault}"
        for name, expected in evidence.case.predictors.items()
        for fault in _differences(_values(evidence.predicted[name]), expected, _ROUNDING)
    ]


def a_value_lies_in_its_interval(evidence: MetricEvidence) -> list[str]:
    return [
        f"{r.metric}: {r.value} in [{r.ci_low}, {r.ci_high}]"
        for r in evidence.once
        if r.ci_low is not None and not r.ci_low <= (r.value or 0.0) <= (r.ci_high or 0.0)
    ]


def name_and_unit_stand_in_the_definitions(evidence: MetricEvidence) -> list[str]:
    entries = dict(re.findall(r"^\| `([a-z0-9_]+)` \|.*\| ([^|]+) \|$", DEFINITIONS.read_text(encoding="utf-8"), re.M))
    return [
        f"{result.metric} in {result.unit!r}; defined: {entries.get(result.definition)!r}"
        for result in evidence.once
        if not entries.get(result.definition, "").startswith(result.unit)
    ]
