"""The embedded model as it is shipped: against its own loss curve, the corpus it was trained on, and the tasks' gate.

These run the shipped weights, so they hold only once the package has them.
"""

import math

import numpy as np
import pytest
import torch

from monosemy.core import from_json, numpy_generator
from monosemy.corpus import IGNORED_TARGET, StdlibCorpus, TokenizedDocument, scored_windows
from monosemy.corpus.tasks import TASKS, Task
from monosemy.evaluation import score_task, text_losses
from monosemy.lm import LanguageModel, embedded_provenance, load_embedded
from monosemy.recipes import EmbeddedLM
from monosemy.recipes.embedded_lm import validation_batches

MIN_ACCURACY = 0.9
N_PAIRS = 64


@pytest.fixture(scope="module")
def lm() -> LanguageModel:
    return load_embedded(device="cpu")


@pytest.fixture(scope="module")
def corpus() -> StdlibCorpus:
    return StdlibCorpus()


def best_validation_loss() -> float:
    """Nats a token of the weights that were kept, by the provenance's curve."""
    return min(point["validation_loss"] for point in embedded_provenance()["curve"])


def test_provenance_names_the_corpus_the_recipe_and_the_best_step(lm: LanguageModel, corpus: StdlibCorpus) -> None:
    provenance = embedded_provenance()
    assert provenance["corpus"] == corpus.fingerprint()
    architecture = from_json(EmbeddedLM, provenance["recipe"]).training.architecture
    assert (lm.n_layers, lm.d_model) == (architecture.n_layers, architecture.d_model)
    assert (lm.vocab_size, lm.context_length) == (architecture.vocabulary_size, architecture.context_length)
    best = next(point for point in provenance["curve"] if point["step"] == provenance["best_step"])
    assert best["validation_loss"] == best_validation_loss()


def test_the_tokenizer_is_the_corpus_own(lm: LanguageModel, corpus: StdlibCorpus) -> None:
    assert lm.vocab_size == corpus.tokenizer.get_vocab_size()
    for document in list(corpus.documents("test"))[:5]:
        ids = corpus.tokenizer.encode(document.text, add_special_tokens=False).ids
        assert lm.tokenizer.encode(document.text, add_special_tokens=False) == ids


@torch.no_grad()
def test_the_packed_weights_have_the_loss_of_the_curve(lm: LanguageModel, corpus: StdlibCorpus) -> None:
    """On the first of the very rows that chose them: what is missing is rounding, and that they are a part."""
    recipe = from_json(EmbeddedLM, embedded_provenance()["recipe"])
    batches = list(validation_batches(corpus, lm.context_length, recipe.validation_rows, recipe.batch_sequences))
    losses = [
        torch.nn.functional.cross_entropy(lm.logits(batch.tokens).flatten(0, 1), batch.targets.flatten()).item()
        for batch in batches
    ]
    assert np.mean(losses) == pytest.approx(best_validation_loss(), abs=0.02)


def sampled_test_documents(corpus: StdlibCorpus) -> list[TokenizedDocument]:
    documents = list(corpus.tokenized("test"))
    chosen = numpy_generator(0, "test-embedded").choice(len(documents), size=8, replace=False)
    return [documents[i] for i in chosen]


def test_bits_a_byte_of_test_documents_are_near_those_of_the_curve(lm: LanguageModel, corpus: StdlibCorpus) -> None:
    """The curve's nats a token, over the test split's bytes a token; 8 documents of 50 may be 25 % harder."""
    documents = list(corpus.tokenized("test"))
    bytes_a_token = sum(d.n_bytes for d in documents) / sum(len(d.tokens) for d in documents)
    expected = best_validation_loss() / math.log(2) / bytes_a_token
    found = text_losses(lm, sampled_test_documents(corpus), lm.context_length)
    assert found.bits_per_byte < 1.25 * expected
    assert found.bits_per_byte > 0.6 * expected


@pytest.mark.parametrize("task", [task for task in TASKS if not task.hard_case], ids=lambda task: task.name)
def test_the_model_does_its_tasks(lm: LanguageModel, corpus: StdlibCorpus, task: Task) -> None:
    assert task.name in {"C1", "C3", "A2", "E1", "E2"}
    assert score_task(lm, corpus.tokenizer, task, n_pairs=N_PAIRS).accuracy.value >= MIN_ACCURACY


def test_loading_and_running_twice_gives_the_same_bits(lm: LanguageModel, corpus: StdlibCorpus) -> None:
    again = load_embedded(device="cpu")
    assert again.fingerprint() == lm.fingerprint()
    window = scored_windows(sampled_test_documents(corpus)[0], lm.context_length)
    rows = window.tokens[:4]
    assert (window.targets[:1] != IGNORED_TARGET).any()
    assert torch.equal(lm.logits(rows), lm.logits(rows))
    assert torch.equal(again.logits(rows), lm.logits(rows))
