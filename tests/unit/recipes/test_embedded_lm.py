"""The embedded model's recipe: its validation rows against a loop, a whole small training, and the files it leaves."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from monosemy.core import UserError, from_json
from monosemy.corpus import END_OF_TEXT_ID, StdlibCorpus
from monosemy.lm import Architecture, LMTraining, TrainedLM, load, read_packed
from monosemy.recipes import EmbeddedLM, train_embedded_lm, write_embedded_lm
from monosemy.recipes.embedded_lm import validation_batches

CONTEXT = 128
SMALL = EmbeddedLM(
    training=LMTraining(
        architecture=Architecture(n_layers=1, d_model=16, n_heads=2, context_length=CONTEXT),
        n_steps=4,
        warmup_steps=1,
        evaluate_every_steps=2,
    ),
    batch_sequences=2,
    repeat_fraction=0.5,
    validation_rows=4,
)


@pytest.fixture(scope="module")
def corpus() -> StdlibCorpus:
    return StdlibCorpus()


def full_rows(corpus: StdlibCorpus) -> set[tuple[int, ...]]:
    """Every run of CONTEXT tokens, from a document's start on, of the validation split."""
    return {
        tuple(document.tokens[start : start + CONTEXT].tolist())
        for document in corpus.tokenized("validation")
        for start in range(0, len(document.tokens) - CONTEXT + 1, CONTEXT)
    }


def test_validation_rows_are_a_fixed_sample_of_full_rows(corpus: StdlibCorpus) -> None:
    batches = list(validation_batches(corpus, CONTEXT, 50, 8))
    assert [len(batch.targets) for batch in batches] == [8, 8, 8, 8, 8, 8, 2]
    targets = torch.cat([batch.targets for batch in batches])
    tokens = torch.cat([batch.tokens for batch in batches])
    rows = [tuple(row) for row in targets.tolist()]
    assert set(rows) <= full_rows(corpus)
    assert len(set(rows)) > 45  # without replacement; some texts share a row
    assert (tokens[:, 0] == END_OF_TEXT_ID).all()
    assert torch.equal(tokens[:, 1:], targets[:, :-1])
    other = torch.cat([batch.targets for batch in validation_batches(corpus, CONTEXT, 50, 5)])
    assert torch.equal(other, targets)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TrainedLM]:
    """The checkpoint of a small training, and what it made."""
    checkpoint = tmp_path_factory.mktemp("training") / "checkpoint.pt"
    return checkpoint, train_embedded_lm(SMALL, checkpoint)


def test_a_small_training_begins_at_chance(trained: tuple[Path, TrainedLM]) -> None:
    """Four steps of a tiny model: the losses are within a few percent of ln 2048."""
    curve = trained[1].curve
    assert [point.step for point in curve] == [2, 4]
    assert curve[0].train_loss == pytest.approx(math.log(2048), rel=0.05)
    assert curve[1].validation_loss < curve[0].validation_loss


@pytest.mark.parametrize(
    "other",
    [
        replace(SMALL, repeat_fraction=0.0),
        replace(SMALL, batch_sequences=1),
        replace(SMALL, validation_rows=6),
        replace(SMALL, training=replace(SMALL.training, seed=1)),
    ],
    ids=["repeats", "batch", "validation", "seed"],
)
def test_a_checkpoint_of_another_recipe_is_refused(trained: tuple[Path, TrainedLM], other: EmbeddedLM) -> None:
    with pytest.raises(UserError, match="was left by a training with other settings or data"):
        train_embedded_lm(other, trained[0])


def test_the_same_recipe_gives_the_same_model(trained: tuple[Path, TrainedLM], tmp_path: Path) -> None:
    again = train_embedded_lm(SMALL, tmp_path / "checkpoint.pt").model.state_dict()
    assert all(torch.equal(value, again[name]) for name, value in trained[1].model.state_dict().items())


def test_what_is_written(trained: tuple[Path, TrainedLM], corpus: StdlibCorpus, tmp_path: Path) -> None:
    model = trained[1].model
    expected = {name: value.clone() for name, value in model.state_dict().items()}
    write_embedded_lm(tmp_path, SMALL, trained[1], command="make it", n_threads=1, precision="float16")

    loaded = load(str(tmp_path / "model"), device="cpu")
    found = loaded.model.state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], value) for name, value in expected.items())
    text = "def f(self):\n    return 'é'\n"
    ids = corpus.tokenizer.encode(text).ids
    assert loaded.tokenizer.encode(text, add_special_tokens=False) == ids
    assert loaded.tokenizer.decode(ids) == text

    packed = read_packed(tmp_path / "embedded").eval()
    with torch.no_grad():
        tokens = torch.tensor([[END_OF_TEXT_ID, *ids]])
        torch.testing.assert_close(packed(tokens).logits, loaded.model(tokens).logits, rtol=0.0, atol=1e-3)

    provenance = json.loads((tmp_path / "embedded" / "provenance.json").read_text(encoding="utf-8"))
    assert from_json(EmbeddedLM, provenance["recipe"]) == SMALL
    assert provenance["corpus"] == corpus.fingerprint()
    assert (provenance["command"], provenance["n_threads"], provenance["precision"]) == ("make it", 1, "float16")
    assert provenance["best_step"] == trained[1].best_step
    assert [point["validation_loss"] for point in provenance["curve"]] == [
        point.validation_loss for point in trained[1].curve
    ]
