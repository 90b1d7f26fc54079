"""What steering leaves. Oracle: curves written out, whose best strength within the damage is known."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from monosemy.causal import SteeringCurve, Tried
from monosemy.core import read_results
from monosemy.dictionaries import Dictionary, ReLU
from monosemy.experiments import (
    STEERING_ARRAYS,
    STEERING_FILE,
    STEERING_RESULTS,
    CurvePair,
    SteeringAbout,
    write_steering,
)
from tests.unit.experiments.stores_of_experiments import card_of

STRENGTHS = (-1.0, 0.0, 1.0, 2.0)


def about(task: str = "C1") -> SteeringAbout:
    return SteeringAbout(
        task=task,
        description="close the quote",
        latent=3,
        is_given=False,
        quantile=2.5,
        tokens=("a", "b") if task == "own_tokens" else (),
        raised=(0.5, 0.25) if task == "own_tokens" else (),
        tried=(Tried(latent=3, first_order=0.4, effect=1.5), Tried(latent=1, first_order=0.5, effect=None)),
        accuracy=None if task == "own_tokens" else 0.95,
        gap=None if task == "own_tokens" else 6.0,
        lm="trained",
        prompts="sequences" if task == "own_tokens" else "pairs",
        n_sequences=4,
        seed=0,
    )


def curve(effects: tuple[float, ...], damage: tuple[float, ...]) -> SteeringCurve:
    spread = np.array([-0.1, 0.0, 0.1])
    n = np.tile([10.0, 30.0, 0.0], (4, 1))
    return SteeringCurve(
        strengths=STRENGTHS,
        effect=np.array(effects)[:, None] + spread * (np.array(effects)[:, None] != 0),
        ce_increase=np.array(damage)[:, None] * n,
        n_predictions=n,
    )


def pairs() -> list[CurvePair]:
    good = curve((-1, 0, 2, 3), (0.01, 0, 0.05, 0.3))
    shifted = curve((-1, 0, 1.5, 2.5), (0.01, 0, 0.12, 0.4))
    useless = curve((0.5, 0, 1, 2), (0.2, 0, 0.2, 0.3))
    return [
        CurvePair(method="topk", variant="add", choosing=good, reporting=shifted),
        CurvePair(method="topk", variant="scale", choosing=good, reporting=good),
        CurvePair(method="random", variant="directions", choosing=useless, reporting=good),
    ]


def written(folder: Path, task: str = "C1") -> Path:
    folder.mkdir(exist_ok=True)
    w = torch.eye(4)
    dictionary = Dictionary(W_enc=w, b_enc=torch.zeros(4), W_dec=w, b_dec=torch.zeros(4), sparsifier=ReLU())
    write_steering(folder, about(task), card_of(dictionary), pairs(), {"c": 1})
    return folder


def test_the_strength_is_chosen_on_the_one_and_reported_on_the_other(tmp_path: Path) -> None:
    data = json.loads((written(tmp_path / "s") / STEERING_FILE).read_text())
    assert [each["chosen"] for each in data["curves"]] == [2, 2, None]
    point = data["curves"][0]["points"][2]
    assert point["effect"]["value"] == pytest.approx(1.5)
    assert point["effect"]["low"] <= 1.5 <= point["effect"]["high"]
    assert point["damage"]["value"] == pytest.approx(0.12)
    assert (data["n_prompts"], data["dictionary"], data["gap"]) == (3, "topk-seed0", 6.0)


def test_results_say_at_what_strength_and_where_there_is_none(tmp_path: Path) -> None:
    results = read_results(written(tmp_path / "s") / STEERING_RESULTS)
    effect, damage = results[:2]
    assert (effect.metric, effect.definition, effect.n_unit) == ("steering_effect/C1", "steering_effect", "pairs")
    assert (damage.metric, damage.n, damage.n_unit) == ("steering_damage/C1", 2, "units")
    assert effect.reason is not None and effect.reason.startswith("strength 1, chosen on validation")
    assert damage.value == pytest.approx(0.12)
    assert [each.status for each in results[4:]] == ["not_applicable"] * 2


def test_sums_are_kept(tmp_path: Path) -> None:
    with np.load(written(tmp_path / "s") / STEERING_ARRAYS) as arrays:
        assert np.array_equal(arrays["0/reporting/effect"], pairs()[0].reporting.effect)
