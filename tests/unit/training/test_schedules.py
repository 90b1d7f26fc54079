"""Oracle: factors worked out by hand."""

import pytest

from monosemy.training import cosine_decay, linear_decay, warm_up


def test_warm_up_by_hand() -> None:
    assert [warm_up(step, 4) for step in range(6)] == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]
    assert warm_up(0, 0) == 1.0


def test_decay_by_hand() -> None:
    """Ten steps, the last two fifths of which decay."""
    found = [linear_decay(step, 10, 0.4) for step in range(10)]
    assert found == pytest.approx([1, 1, 1, 1, 1, 1, 1, 0.75, 0.5, 0.25])
    assert linear_decay(9, 10, 0.0) == 1.0
    assert linear_decay(10, 10, 0.4) == 0.0


def test_cosine_by_hand() -> None:
    """The last four of eight steps: (1 - cos(pi f)) / 2 at f = 1, 3/4, 1/2, 1/4."""
    found = [cosine_decay(step, 8, 0.5) for step in range(9)]
    assert found == pytest.approx([1, 1, 1, 1, 1, 0.853553, 0.5, 0.146447, 0], abs=1e-6)
    assert cosine_decay(7, 8, 0.0) == 1.0
