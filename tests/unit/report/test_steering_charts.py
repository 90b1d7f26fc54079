"""Figures of steering. Oracle: the planted curves, read back from the charts' data."""

from pathlib import Path

import pytest

from monosemy.report import read_steered, strength_chart, tradeoff_chart
from tests.unit.experiments.test_steering_files import STRENGTHS, written


def test_the_tradeoff_shows_what_does_not_destroy_the_text(tmp_path: Path) -> None:
    (found,) = read_steered([written(tmp_path / "s")])
    chart = tradeoff_chart(found)
    added = [row for row in chart.rows if row[0] == "latent 3 added everywhere"]
    assert [row[1] for row in added] == [0.0, 1.0, 2.0]
    assert [row[2] for row in added] == pytest.approx([0.0, 1.5, 2.5])
    assert [row[5] for row in added] == pytest.approx([0.0, 0.12, 0.4])
    # Scaling by one changes nothing: its line starts there.
    assert [row[1] for row in chart.rows if row[0] == "latent 3 scaled where active"] == [1.0, 2.0]


def test_every_strength_has_its_effect(tmp_path: Path) -> None:
    (found,) = read_steered([written(tmp_path / "s")])
    rows = strength_chart(found).rows
    assert [row[1] for row in rows] == list(STRENGTHS) * 3
