"""The sampling of contexts. Oracles: the text of the documents, and the tokens of the two stores."""

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

from monosemy.corpus import StdlibCorpus
from monosemy.dictionaries import ReLU
from monosemy.evaluation import FragmentConfig, FragmentPart, read_fragments
from monosemy.experiments import fragments_job
from monosemy.experiments.contexts import vocabulary
from monosemy.experiments.learning import opened_store
from monosemy.lm import LanguageModel, ModelSource
from tests.unit.experiments.stores_of_experiments import labelled_store, linear, made, write_dictionary
from tests.unit.lm.tiny_models import tiny_lm, tiny_model, tiny_tokenizer

SOURCE = ModelSource(device="cpu")


def test_the_words_of_a_document_are_its_text() -> None:
    """Bytes of a character that stands in several tokens come together again."""
    corpus, words = StdlibCorpus(), vocabulary(SOURCE.load())
    assert len(words) == 2048
    n_split = 0
    for document in islice(corpus.tokenized("validation"), 20):
        joined = "".join(words[token] for token in document.tokens)
        n_split += sum("\udc80" <= character <= "\udcff" for character in joined)
        assert joined.encode("utf-8", "surrogateescape").decode() == corpus.text(document)
    lm, text = tiny_lm("gpt_neox"), "the fox says «é»"  # whose tokenizer has only single bytes for these
    words = vocabulary(lm)
    joined = "".join(words[token] for token in lm.tokenizer(text)["input_ids"])
    assert joined != text and joined.encode("utf-8", "surrogateescape").decode() == text


def test_a_tokenizer_of_words_is_asked_for_each_of_them() -> None:
    tokenizer = Tokenizer(models.WordLevel({"<unk>": 0, "fox": 1, "dog": 2}, unk_token="<unk>"))
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>")
    lm = LanguageModel(tiny_model("gpt_neox"), fast, "words")
    assert vocabulary(lm) == ["<unk>", "fox", "dog"]


def test_an_added_token_that_is_no_special_one_keeps_its_text() -> None:
    fast = tiny_tokenizer()
    fast.add_tokens(["        "])
    lm, text = LanguageModel(tiny_model("gpt_neox"), fast, "spaces"), "the        end"
    tokens = fast(text)["input_ids"]
    assert len(fast) - 1 in tokens and fast.decode(tokens) == text
    assert "".join(vocabulary(lm)[token] for token in tokens) == text


def read_in(part: FragmentPart, folder: Path) -> set[tuple[int, ...]]:
    """The fragments that are rows of the store in a folder."""
    rows = {tuple(row) for row in opened_store(folder).sequences().tokens.tolist()}
    return {tuple(row) for row in part.table.tokens.tolist()} & rows


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stores")
    for split in ("validation", "test"):
        labelled_store(folder / split, split, n_sequences=2)
    return folder


def test_fragments_to_fit_are_of_validation_and_those_to_score_of_test(folder: Path, tmp_path: Path) -> None:
    validation, test = (opened_store(folder / split).artifact for split in ("validation", "test"))
    dictionary = write_dictionary(tmp_path / "d", linear(torch.eye(4), ReLU()))
    config = FragmentConfig(n_top=5, n_firing=5, n_near_misses=2, n_uniform=30)
    (found,) = made(fragments_job(config, dictionary, validation, test, SOURCE), tmp_path)
    fragments = read_fragments(found.path)
    for part, name, other in ((fragments.fit, "validation", "test"), (fragments.score, "test", "validation")):
        assert len(read_in(part, folder / name)) == len({tuple(row) for row in part.table.tokens.tolist()})
        assert not read_in(part, folder / other)
        assert part.statistics.n_tokens == opened_store(folder / name).n_rows
        corpus = StdlibCorpus()
        texts = {d.id: corpus.text(d) for d in corpus.tokenized(opened_store(folder / name).config["split"])}
        example = part.top(0)[0]
        recorded = "".join(np.array(example.fragment.text)[example.fragment.mask])
        assert recorded.encode("utf-8", "surrogateescape").decode() in texts[example.fragment.document_id]
        assert example.peak > 0.8  # the planted label's
    parents = {"dictionary": dictionary, "validation": validation, "test": test}
    assert found.parents == {name: parent.fingerprint for name, parent in parents.items()}
