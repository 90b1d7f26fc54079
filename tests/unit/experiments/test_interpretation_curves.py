"""Oracle: the score of the longest beginning that is short enough, looked for one by one; planted curves."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monosemy.core import numpy_generator
from monosemy.experiments.interpretation_curves import AREA_BITS, BITS, mean_curve, steps_at
from monosemy.experiments.interpretation_folders import read_interpreted
from tests.unit.experiments.interpreted_folders import TOPK, write_interpretation


@given(
    st.lists(st.tuples(st.floats(0, 600), st.floats(-1, 1) | st.none()), max_size=6),
    st.lists(st.floats(0, 600), min_size=1, max_size=6),
)
def test_the_longest_beginning_that_is_short_enough(curve: list[tuple[float, float | None]], bits: list[float]) -> None:
    found = steps_at(curve, np.array(sorted(bits)))
    ordered = sorted((length, 0.0 if score is None else score) for length, score in curve)
    for allowed, value in zip(sorted(bits), found, strict=True):
        short = [score for length, score in ordered if length <= allowed]
        assert value == (short[-1] if short else 0.0)


def test_the_mean_over_latents_of_all_seeds(tmp_path: Path) -> None:
    group = [read_interpreted(write_interpretation(tmp_path, replace(TOPK, seed=seed)).path) for seed in range(2)]
    found = mean_curve(group, numpy_generator(0, "test"))
    assert found is not None
    curves = [row["curve"] for each in group for row in each.rows if row["budget"] == "full"]
    assert found["n"] == len(curves) == 48
    last = [curve[-1][1] for curve in curves]
    assert found["value"][-1] == pytest.approx(np.mean(last))
    at_16 = list(BITS).index(16.0)
    assert found["value"][at_16] == pytest.approx(np.mean([curve[1][1] for curve in curves]))
    assert found["value"][0] == 0
    assert all(
        low <= value <= high for low, value, high in zip(found["low"], found["value"], found["high"], strict=True)
    )
    assert found["area"] == pytest.approx(np.mean(np.array(found["value"])[BITS <= AREA_BITS]))
    assert found["bits_to_90"] == pytest.approx(np.median([20.0 + i for i in range(24) if i % 2]))
    assert found["reached_share"] == 0.5
    assert found["median_bits"] == pytest.approx(20 + 11.5)


def test_a_judge_without_bits_has_no_curve(tmp_path: Path) -> None:
    found = read_interpreted(write_interpretation(tmp_path, TOPK).path)
    rows = tuple(row | {"curve": None, "bits": None} for row in found.rows)
    assert mean_curve([replace(found, rows=rows)], numpy_generator(0, "test")) is None
