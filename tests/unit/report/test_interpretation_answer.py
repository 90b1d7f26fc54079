"""Oracle: differences planted above, across and below 0."""

import dataclasses
import re
from typing import Any

import pytest

from monosemy.report import InterpretationRun, interpretation_answer, read_interpretation
from tests.unit.experiments.interpreted_folders import planted, write_summary


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> InterpretationRun:
    few = [each for each in planted() if each.method in ("topk", "pca", "ica")]
    return read_interpretation(write_summary(tmp_path_factory.mktemp("summary"), few))


def told(run: InterpretationRun, **low_high: tuple[float, float]) -> str:
    """The answer when the headline minus each of these methods lies in the given interval."""
    rows: list[dict[str, Any]] = []
    for row in run.differences:
        method = next((name for name in low_high if row["against"].startswith(f"{name}-")), None)
        if method is not None and row["kind"] == "methods":
            low, high = low_high[method]
            row = {**row, "low": low, "high": high, "value": (low + high) / 2, "smallest_detectable": 0.125}
        rows.append(dict(row))
    html = interpretation_answer(dataclasses.replace(run, differences=tuple(rows))).html
    return re.sub(r"<[^>]+>", "", html)


def test_better_than_all(run: InterpretationRun) -> None:
    score = run.heads[0].scores["uniform", "full"]
    text = told(run, pca=(0.2, 0.4), ica=(0.1, 0.2))
    assert text.startswith(f"Explained by rules, the latents of TopK k=16 score a correlation of {score.value:.3f} [")
    assert "better than all 2 baselines (the closest ICA, +0.150 [0.100, 0.200])" in text
    assert "the same on a model with random weights" in text
    assert "the same with directions frozen at random" in text
    assert text.endswith("not comparable with scores of language-model judges.")


def test_worse_and_not_distinguishable(run: InterpretationRun) -> None:
    text = told(run, pca=(-0.4, -0.2), ica=(-0.1, 0.2))
    assert "not distinguishable from ICA (+0.050 [-0.100, 0.200], where 0.125 could have been seen)" in text
    assert "worse than PCA (-0.300 [-0.400, -0.200])" in text
    assert "better than all" not in text


def test_another_judge_is_named_as_such(run: InterpretationRun) -> None:
    other = dataclasses.replace(run, judges=({"name": "openai", "revision": "m", "settings": "s"},))
    text = interpretation_answer(other).html
    assert text.startswith("Explained by a judge") and "rule-explainability" not in text


def test_nothing_to_say(run: InterpretationRun) -> None:
    empty = dataclasses.replace(run, groups=(), headline=())
    assert interpretation_answer(empty).html == "What latents respond to was not scored on uniform fragments."
