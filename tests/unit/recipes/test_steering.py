"""`monosemy steer` on a tiny model. Oracle: the results it leaves; refusals of what cannot be done."""

import pytest

from monosemy.core import Progress, UserError, read_results
from monosemy.recipes import Steer, opened_dictionary, steer
from monosemy.recipes.study import Target
from tests.unit.recipes.test_study import target

__all__ = ["target"]  # a fixture


def test_a_named_latent_is_steered_for_its_own_tokens(target: Target) -> None:
    options = Steer(target=target, tasks=("own_tokens",), latent=1, strengths=(-1.0, 0.0, 1.0), sequences=3, draws=1)
    with opened_dictionary(target, command=["monosemy"], progress=Progress(quiet=True)) as study:
        lines = steer(options, study)
        folder = study.run.folder
    assert lines[-1] == f"report: {folder / 'report' / 'steer.html'}"
    assert (folder / "report" / "steer.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    results = read_results(folder / "steer-results.jsonl")
    assert {each.metric for each in results} == {"steering_effect/own_tokens", "steering_damage/own_tokens"}
    assert "random" in {each.method for each in results}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tasks": ("C1",)}, "tasks are of the embedded model's Python"),
        ({"tasks": ("own_tokens",), "latent": 10_000}, "latent 10000 does not exist"),
        ({"tasks": ("own_tokens",), "strengths": (1.0, 0.0)}, "rising"),
        ({"dictionaries": ("none-seed0",)}, "there is no dictionary 'none-seed0'"),
    ],
    ids=["task", "latent", "strengths", "dictionary"],
)
def test_refusals(target: Target, options: dict, message: str) -> None:
    with (
        opened_dictionary(target, command=["monosemy"], progress=Progress(quiet=True)) as study,
        pytest.raises(UserError, match=message),
    ):
        steer(Steer(target=target, **options), study)
