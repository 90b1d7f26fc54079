"""Stages that record. Oracles: the texts themselves, and stages against each other."""

from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from monosemy.activations import ActivationStore
from monosemy.core import Workers
from monosemy.corpus import Corpus, StdlibCorpus, TextFolder
from monosemy.experiments import Recording, documents_for, store_stage, stores
from monosemy.lm import ModelSource
from monosemy.pipeline import Stage, run_stage
from tests.unit.lm.tiny_models import CONTEXT, D_MODEL, saved_model

SITES = ("resid_post.0", "resid_post.1")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> ModelSource:
    return ModelSource(name=str(saved_model(tmp_path_factory.mktemp("lm"), "gpt_neox")), device="cpu")


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> TextFolder:
    folder = tmp_path_factory.mktemp("texts")
    for i in range(60):
        (folder / f"{i}.txt").write_text(f"the quick brown fox and the lazy dog are number {i} in the end\n")
    return TextFolder(folder)


def recording(**changed: Any) -> Recording:
    fields: dict[str, Any] = {"split": "train", "sites": SITES, "context_length": CONTEXT, "max_sequences": 20}
    return Recording(**(fields | {"dtype": "bfloat16", "seed": 0} | changed))


def stage(source: ModelSource, corpus: Corpus, **changed: Any) -> Stage:
    return store_stage(recording(**changed), source, corpus, Workers(1))


def opened(made_by: Stage, root: Path) -> ActivationStore:
    return ActivationStore.open(run_stage(made_by, root).path)


@pytest.mark.parametrize(("split", "order"), [("train", "shuffled"), ("validation", "text"), ("test", "text")])
def test_train_is_shuffled_and_the_rest_is_in_the_order_of_the_text(
    source: ModelSource, texts: TextFolder, tmp_path: Path, split: str, order: str
) -> None:
    store = opened(stage(source, texts, split=split), tmp_path)
    places = [place for chunk in store.chunks(()) for place in chunk.place.tolist()]
    assert (sorted(places) == places) is (order == "text")
    assert store.order == order and store.sites == SITES and store.d_site("resid_post.1") == D_MODEL
    lm = source.load()
    documents = list(documents_for(lm, texts, store.config["split"]))
    assert [(d.id, d.n_tokens) for d in store.documents] == [(d.id, len(d.tokens)) for d in documents]
    assert {document.first_token for document in store.documents} == {None}
    assert (store.config["lm"], store.config["corpus"]) == (lm.fingerprint(), texts.fingerprint())
    read = store.sequences()
    for row in range(len(read.tokens)):
        for document, index, token in zip(read.document[row], read.index[row], read.tokens[row], strict=True):
            assert index < 0 or documents[document].tokens[index] == token


def test_as_many_sequences_as_asked_for(source: ModelSource, texts: TextFolder, tmp_path: Path) -> None:
    some, every = (opened(stage(source, texts, max_sequences=n), tmp_path) for n in (20, None))
    assert len(some.sequences().tokens) == 20 < len(every.sequences().tokens)


def test_a_key_is_of_all_that_decides(source: ModelSource, texts: TextFolder) -> None:
    key = stage(source, texts).key
    assert stage(source, texts).key == key
    control = ModelSource(name=source.name, device="cpu", random_seed=0)
    others = [
        stage(control, texts),
        stage(source, StdlibCorpus()),
        *(
            stage(source, texts, **{name: value})
            for name, value in {
                "split": "test",
                "sites": SITES[:1],
                "context_length": 8,
                "max_sequences": None,
                "dtype": "float16",
                "seed": 1,
            }.items()
        ),
    ]
    assert len({key, *(other.key for other in others)}) == 1 + len(others)


def test_the_embedded_corpus_read_by_another_model_has_no_place_among_the_labels(
    source: ModelSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "documents_for", lambda *args: islice(documents_for(*args), 2))
    store = opened(stage(source, StdlibCorpus()), tmp_path)
    assert {document.first_token for document in store.documents} == {None}
