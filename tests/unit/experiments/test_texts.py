"""A corpus as a model reads it. Oracles: the text itself, and labels that the token alone decides."""

from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import pytest
from transformers import ByT5Tokenizer, GPTNeoXForCausalLM

from monosemy.core import UserError
from monosemy.corpus import SPLITS, Split, StdlibCorpus, TextFolder, frozen_labels
from monosemy.experiments import corpus_named, documents_for, has_labels
from monosemy.experiments.texts import backend_tokenizer, first_tokens
from monosemy.lm import LanguageModel
from monosemy.lm.embedded import wrap
from tests.unit.lm.tiny_models import tiny_lm, tiny_model, tiny_tokenizer


def named(name: str) -> LanguageModel:
    """A tiny model with the embedded corpus' tokenizer."""
    model = tiny_model("gpt_neox")
    assert isinstance(model, GPTNeoXForCausalLM)
    return wrap(model, StdlibCorpus().tokenizer, name)


@pytest.fixture(scope="module")
def corpus() -> StdlibCorpus:
    return StdlibCorpus()


def folder_of_texts(folder: Path) -> TextFolder:
    for i in range(40):
        (folder / f"{i}.txt").write_text(f"the end of the lazy fox, number {i}: é\n", encoding="utf-8")
    return TextFolder(folder)


def test_corpora_by_name(tmp_path: Path) -> None:
    assert isinstance(corpus_named("stdlib", "text"), StdlibCorpus)
    folder_of_texts(tmp_path)
    assert isinstance(corpus_named(str(tmp_path), "text"), TextFolder)
    (tmp_path / "x.jsonl").write_text("".join(f'{{"code": "line {i}"}}\n' for i in range(50)))
    texts = [d.text for split in SPLITS for d in corpus_named(str(tmp_path / "x.jsonl"), "code").documents(split)]
    assert sorted(texts) == sorted(f"line {i}" for i in range(50))


def test_who_has_labels(corpus: StdlibCorpus, tmp_path: Path) -> None:
    """The embedded model and its random control, on the embedded corpus."""
    folder = folder_of_texts(tmp_path)
    assert has_labels(named("embedded"), corpus) and has_labels(named("embedded-random-seed3"), corpus)
    assert not has_labels(tiny_lm("gpt_neox"), corpus)
    assert not has_labels(named("embedded"), folder)


def test_a_name_does_not_make_a_model_the_embedded_one(corpus: StdlibCorpus) -> None:
    """`load` calls a model by its folder; this one has 280 tokens, and the labels are of 2048."""
    lm = LanguageModel(tiny_model("gpt_neox"), tiny_tokenizer(), "embedded")
    assert not has_labels(lm, corpus)


def test_the_embedded_corpus_comes_as_it_was_frozen(corpus: StdlibCorpus) -> None:
    documents = list(documents_for(named("embedded"), corpus, "validation"))
    frozen = [document for document in corpus.frozen_documents if document.split == "validation"]
    assert [(d.id, len(d.tokens)) for d in documents] == [(f.id, f.n_tokens) for f in frozen]
    assert max(int(document.tokens.max()) for document in documents) == 2047


@pytest.mark.parametrize("embedded", [False, True])
def test_other_texts_are_tokenized_by_the_model(corpus: StdlibCorpus, tmp_path: Path, *, embedded: bool) -> None:
    lm = tiny_lm("gpt_neox")
    text_of = corpus if embedded else folder_of_texts(tmp_path)
    documents = list(islice(documents_for(lm, text_of, "train"), 5))
    texts = list(islice(text_of.documents("train"), 5))
    assert [lm.tokenizer.decode(d.tokens.tolist()) for d in documents] == [text.text for text in texts]
    assert [(d.id, d.unit) for d in documents] == [(text.id, text.unit) for text in texts]


def test_a_tokenizer_without_a_fast_form_is_one_line() -> None:
    lm = LanguageModel(tiny_model("gpt_neox"), ByT5Tokenizer(), "bytes")
    with pytest.raises(UserError, match="the tokenizer of bytes has no fast form") as caught:
        backend_tokenizer(lm)
    assert "\n" not in str(caught.value)


def test_first_tokens_tile_the_labels(corpus: StdlibCorpus) -> None:
    """The documents of all splits, each from its first token on, are the labels' tokens, each once."""
    parts: list[tuple[int, int]] = []
    for split in SPLITS:
        documents = list(corpus.tokenized(split))
        starts = first_tokens(corpus, documents)
        assert starts is not None
        parts += [(start, start + len(d.tokens)) for start, d in zip(starts, documents, strict=True)]
    parts.sort()
    assert parts[0][0] == 0 and parts[-1][1] == frozen_labels().n_tokens
    assert all(this[1] == following[0] for this, following in pairwise(parts))


@pytest.mark.parametrize("split", ["validation", "test"])
def test_a_label_that_the_token_decides_agrees_with_the_tokens_there(corpus: StdlibCorpus, split: Split) -> None:
    """`white_space` (table F1 of 1): each token id always has it or never. One token off, and it would not be so."""
    labels = frozen_labels()
    (label,) = (label for label in labels.labels if label.name == "white_space")
    assert label.table_f1 == 1.0
    values, scored = labels.values(label), labels.scored(label)
    documents = list(corpus.tokenized(split))[::-1]  # in any order
    starts = first_tokens(corpus, documents)
    assert starts is not None

    def share_of_mixed(shift: int) -> float:
        """Of the tokens, how many are of an id that has both values."""
        with_label: dict[int, list[int]] = {}
        for start, document in zip(starts, documents, strict=True):
            at = np.arange(start, start + len(document.tokens)) + shift
            kept = scored[at]
            for token, value in zip(document.tokens[kept].tolist(), values[at][kept].tolist(), strict=True):
                with_label.setdefault(token, [0, 0])[value] += 1
        mixed = [sum(counts) for counts in with_label.values() if all(counts)]
        return sum(mixed) / sum(map(sum, with_label.values()))

    assert share_of_mixed(0) < 0.001
    assert share_of_mixed(-1) > 0.5


def test_other_corpora_have_no_first_tokens(tmp_path: Path) -> None:
    folder = folder_of_texts(tmp_path)
    assert first_tokens(folder, list(documents_for(tiny_lm("gpt_neox"), folder, "train"))) is None
