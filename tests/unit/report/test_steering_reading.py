"""Steering read back. Oracle: the planted curves."""

from pathlib import Path

import pytest

from monosemy.core import UserError
from monosemy.report import read_steered
from tests.unit.experiments.test_steering_files import written


def test_curves_have_words_and_the_point_that_was_chosen(tmp_path: Path) -> None:
    (found,) = read_steered([written(tmp_path / "s")])
    assert (found.task, found.of, found.title) == ("C1", "TopK k=2", "C1, TopK k=2")
    labels = [curve.label for curve in found.curves]
    assert labels == ["latent 3 added everywhere", "latent 3 scaled where active", "random directions"]
    assert found.curves[0].effect == pytest.approx(1.5)
    assert found.curves[2].effect is None and found.curves[2].point is None


def test_a_latent_s_own_tokens_are_named_by_it(tmp_path: Path) -> None:
    (found,) = read_steered([written(tmp_path / "s", "own_tokens")])
    assert found.title == "latent 3's own tokens, TopK k=2"


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"steering\.json is missing"):
        read_steered([tmp_path])
