"""Oracle: factors worked out by hand."""

import pytest

from monosemy.training import linear_decay, warm_up


def test_warm_up_by_hand() -> None:
    assert [warm_up(step, 4) for step in range(6)] == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]
    assert warm_up(0, 0) == 1.0


def test_decay_by_hand() -> None:
    """Ten steps, the last two fifths of which decay."""
    found = [linear_decay(step, 10, 0.4) for step in range(10)]
    assert found == pytest.approx([1, 1, 1, 1, 1, 1, 1, 0.75, 0.5, 0.25])
    assert linear_decay(9, 10, 0.0) == 1.0
    assert linear_decay(10, 10, 0.4) == 0.0
