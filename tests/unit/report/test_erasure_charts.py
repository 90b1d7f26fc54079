"""Pareto figures. Oracle: the planted figures, read back from the chart's data."""

from pathlib import Path

import pytest

from monosemy.report import pareto_chart, read_erasures
from tests.unit.report.erased_folders import write_erased


@pytest.mark.parametrize("probe", ["linear", "hidden"])
def test_a_point_a_number_of_latents(tmp_path: Path, probe: str) -> None:
    concept = read_erasures(write_erased(tmp_path))[0]
    chart = pareto_chart(concept, probe, "kl")
    assert chart.columns[2:4] == ("kl", f"{probe}_accuracy")
    data = {(row[0], row[1]): row[2:4] for row in chart.rows}
    shift = 0.02 if probe == "hidden" else 0.0
    assert data["LEACE", 1] == (0.05, pytest.approx(0.5 + shift))
    assert data["TopK k=16 latents projected off", 4] == (0.3, pytest.approx(0.515 + shift))
    assert not any("origin" in str(name) for name, _ in data)
    assert "no edit" in chart.svg.html


def test_lengths_are_shares_of_the_typical_one(tmp_path: Path) -> None:
    concept = read_erasures(write_erased(tmp_path))[0]
    data = {row[0]: row[2] for row in pareto_chart(concept, "linear", "edit_norm").rows}
    assert data["LEACE"] == pytest.approx((20 * 0.05 + 1) / 20)
