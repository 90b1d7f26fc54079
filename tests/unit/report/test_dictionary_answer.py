"""Oracle: planted differences, moved so that the intervals lie on either side of 0 or across it."""

import dataclasses
from pathlib import Path

import pytest

from monosemy.report import DictionaryRun, answers, question, read_dictionary_run, verdict
from monosemy.report.page import text
from tests.unit.report.dictionary_run import write_run
from tests.unit.report.test_page import Reader


def lead(run: DictionaryRun) -> str:
    return " ".join(Reader(" ".join(f"<p>{text(part)}</p>" for part in answers(run))).text.split())


def planted(folder: Path, shift: float, *, labels: bool = True) -> DictionaryRun:
    return read_dictionary_run(write_run(folder, shift=shift, labels=labels))


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [
        (0.01, 0.2, "better"),
        (-0.2, -0.01, "worse"),
        (-0.1, 0.1, "not distinguishable"),
        (0.0, 0.1, "not distinguishable"),
    ],
)
def test_the_verdict_is_where_the_interval_lies(low: float, high: float, word: str) -> None:
    assert verdict({"low": low, "high": high}) == word


def test_better_than_all(tmp_path: Path) -> None:
    said = lead(planted(tmp_path, 0.0))
    assert said.startswith("Yes, more than each of the 10 baselines.")
    assert "On the 14 labels" in said
    assert "TopK k=16 score an F1 of 0.321 [0.302, 0.340] (its 3 seeds 0.314 to 0.327), better than all" in said
    assert "all 10 baselines (the closest ICA, +0.076 [0.055, 0.098])" in said
    assert "worse than TopK k=16 (-0.018 [-0.030, -0.007])" in said
    assert "knowing only the token 0.234 (TopK k=16 is better than it)" in said
    assert "random weights 0.107 (TopK k=16 is better than it, +0.214 [0.193, 0.236])" in said
    assert "With 16 of 640 latents a token, TopK k=16 keeps 91.2 % of the activation's variance" in said


def test_better_than_some(tmp_path: Path) -> None:
    said = lead(planted(tmp_path, -0.09))
    assert said.startswith("In part: more than 8 of 10 baselines.")
    assert "not distinguishable from 2 of 10 baselines (the closest top-16 ICA, +0.002 [-0.019, 0.024]" in said
    assert "where a difference of 0.031 could have been seen" in said


@pytest.mark.parametrize(
    ("shift", "start"),
    [(-0.9, "No, less than each of the 10 baselines."), (-0.19, "No: not shown against any baseline.")],
)
def test_not_better(tmp_path: Path, shift: float, start: str) -> None:
    said = lead(planted(tmp_path, shift))
    assert said.startswith(start)
    assert "better than" not in said.split("Those of")[0]


def test_without_differences_no_judgment(tmp_path: Path) -> None:
    said = lead(dataclasses.replace(planted(tmp_path, 0.0), differences=[]))
    assert said.startswith("Not compared.")
    assert "better" not in said
    assert "worse" not in said


def test_without_labels_reconstruction_alone(tmp_path: Path) -> None:
    run = planted(tmp_path, 0.0, labels=False)
    said = lead(run)
    assert "was not scored: this text has no exact labels" in said
    assert "tied L1 \u03b1=1 keeps 87.2 %" in said
    assert "neurons" not in question(run)


def test_without_a_headline_nothing_is_claimed(tmp_path: Path) -> None:
    assert "No dictionary" in lead(dataclasses.replace(planted(tmp_path, 0.0), headline=()))
