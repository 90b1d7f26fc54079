"""Erased concepts read back. Oracle: the planted folders."""

from pathlib import Path

import pytest

from monosemy.core import UserError
from monosemy.report import read_erasures
from tests.unit.report.erased_folders import CONCEPTS, write_erased


def test_folders_are_put_together_by_concept(tmp_path: Path) -> None:
    concepts = read_erasures(write_erased(tmp_path))
    assert [each.concept for each in concepts] == list(CONCEPTS)
    first = concepts[0]
    assert len(first.edits) == 6 + 5 + 5
    best = first.only("leace")
    assert best is not None and best.value("linear_accuracy") == 0.5 and best.value("kl_outside") is None
    assert first.only("leace", "origin") is None
    curves = {curve[0].label: [edit.n_removed for edit in curve] for curve in first.curves()}
    assert curves["TopK k=16 latents projected off"] == [1, 4]
    assert curves["random directions projected off"] == [1, 4]
    assert curves["random dictionary's latents set to zero"] == [1]
    assert "no edit" not in curves


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"erasure\.json is missing"):
        read_erasures([tmp_path])
