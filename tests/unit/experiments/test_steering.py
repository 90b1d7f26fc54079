"""Jobs that steer the embedded model. Oracle: a dictionary that has the gradient of a task as one of its directions."""

import json
from pathlib import Path

import pytest
import torch

from monosemy.causal import PairGoal, unit_vector
from monosemy.core import Artifact, UserError, read_results
from monosemy.corpus.tasks import generate, task_named
from monosemy.dictionaries import Dictionary, ReLU
from monosemy.experiments import (
    OWN_TOKENS,
    STEERING_FILE,
    STEERING_RESULTS,
    SteeringConfig,
    backend_tokenizer,
    steering_job,
)
from monosemy.lm import ModelSource, Site
from tests.unit.experiments.stores_of_experiments import SITE, labelled_store, made, write_dictionary

SOURCE = ModelSource(device="cpu")
D, PLANTED = 160, 4


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> tuple[Artifact, Artifact]:
    root = tmp_path_factory.mktemp("stores")
    return tuple(labelled_store(root / split, split, d=D, n_sequences=1) for split in ("validation", "test"))  # type: ignore[return-value]


@pytest.fixture(scope="module")
def dictionary(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """Latents that are active everywhere, of which one's direction is the task's gradient at the first pairs."""
    lm = SOURCE.load()
    pairs = generate(task_named("C1"), backend_tokenizer(lm), 6, seed=0, split="selection")
    w = torch.nn.functional.normalize(torch.randn(8, D, generator=torch.Generator().manual_seed(0)), dim=1)
    w[PLANTED] = unit_vector(PairGoal(lm, Site.parse(SITE), pairs).gradient()).float()
    made_of = Dictionary(W_enc=w, b_enc=torch.full((8,), 3.0), W_dec=w.clone(), b_dec=torch.zeros(D), sparsifier=ReLU())
    return write_dictionary(tmp_path_factory.mktemp("dictionary") / "d", made_of)


def config(task: str, **options: object) -> SteeringConfig:
    few = {"strengths": (-1.0, 0.0, 0.25, 1.0), "n_pairs": 6, "n_sequences": 2, "n_candidates": 2, "n_draws": 2}
    return SteeringConfig(task=task, site=SITE, **(few | options))  # type: ignore[arg-type]


def test_a_task_is_turned_by_the_latent_of_its_gradient(
    stores: tuple[Artifact, Artifact], dictionary: Artifact, tmp_path: Path
) -> None:
    (found,) = made(steering_job(config("C1"), dictionary, *stores, SOURCE), tmp_path)
    data = json.loads(found.file(STEERING_FILE).read_text())
    assert PLANTED in [each["latent"] for each in data["tried"]]
    assert len(data["tried"]) == 2 and data["latent"] == data["tried"][0]["latent"]
    assert data["accuracy"] > 0.8 and data["gap"] > 2
    names = [(each["method"], each["variant"]) for each in data["curves"]]
    assert names == [
        *(("topk", mode) for mode in ("add", "clamp", "scale")),
        ("mean_difference", None),
        ("random", "directions"),
    ]
    added = data["curves"][0]["points"]
    assert added[1]["effect"]["value"] == added[1]["damage"]["value"] == 0
    assert added[3]["effect"]["value"] > 0
    scaled = data["curves"][2]["points"]
    assert scaled[3]["effect"]["value"] == scaled[3]["damage"]["value"] == 0
    assert {each.metric for each in read_results(found.file(STEERING_RESULTS))} == {
        "steering_effect/C1",
        "steering_damage/C1",
    }


def test_a_named_latent_raises_its_own_tokens(
    stores: tuple[Artifact, Artifact], dictionary: Artifact, tmp_path: Path
) -> None:
    (found,) = made(steering_job(config(OWN_TOKENS, latent=2), dictionary, *stores, SOURCE), tmp_path)
    data = json.loads(found.file(STEERING_FILE).read_text())
    assert data["latent"] == 2 and data["is_given"] and len(data["tokens"]) == 5
    assert list(data["raised"]) == sorted(data["raised"], reverse=True)
    assert data["curves"][0]["points"][3]["effect"]["value"] > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [({"task": "C9"}, "there is no task 'C9'"), ({"strengths": (1.0, 0.0)}, "rising"), ({"strengths": ()}, "one or")],
    ids=["task", "falling", "none"],
)
def test_refusals_of_options(options: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        config(**({"task": "C1"} | options))


def test_a_latent_that_is_not_there_is_refused(
    stores: tuple[Artifact, Artifact], dictionary: Artifact, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="latent 8 does not exist: the dictionary has 0 to 7"):
        made(steering_job(config("C1", latent=8), dictionary, *stores, SOURCE), tmp_path)
