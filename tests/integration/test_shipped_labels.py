"""The shipped labels are those that the labelling code gives to the shipped text, at the shipped tokens."""

import numpy as np
import pytest

from monosemy.corpus import CONTEXTUAL_F1, StdlibCorpus, frozen_labels, token_bytes, token_table_f1
from monosemy.corpus.labels import CATALOGUE, CATALOGUE_VERSION, label_tokens


@pytest.fixture(scope="module")
def corpus() -> StdlibCorpus:
    return StdlibCorpus()


def _starts(corpus: StdlibCorpus) -> dict[str, int]:
    lengths = [document.n_tokens for document in corpus.frozen_documents]
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]]).tolist()
    return dict(zip((document.id for document in corpus.frozen_documents), starts, strict=True))


def test_the_index_fits_the_catalogue_and_the_corpus(corpus: StdlibCorpus) -> None:
    frozen = frozen_labels()
    assert frozen.catalogue_version == CATALOGUE_VERSION
    assert [label.name for label in frozen.labels] == [label.name for label in CATALOGUE if label.causal]
    assert [label.definition for label in frozen.labels] == [label.definition for label in CATALOGUE if label.causal]
    assert frozen.n_tokens == sum(document.n_tokens for document in corpus.frozen_documents)


def test_a_sample_of_documents_is_labelled_as_shipped(corpus: StdlibCorpus) -> None:
    frozen, starts = frozen_labels(), _starts(corpus)
    lengths = np.array([len(token) for token in token_bytes(corpus.tokenizer)])
    small = [d for split in ("train", "validation", "test") for d in corpus.tokenized(split) if 500 < d.n_bytes < 6_000]
    columns = [i for i, label in enumerate(CATALOGUE) if label.causal]
    for document in small[::12]:
        fresh = label_tokens(corpus.text(document), lengths[document.tokens].tolist())
        rows = slice(starts[document.id], starts[document.id] + len(document.tokens))
        for column, label in zip(columns, frozen.labels, strict=True):
            assert (frozen.scored(label)[rows] == fresh.scored[:, column]).all(), (document.id, label.name)
            assert (frozen.values(label)[rows] == fresh.values[:, column]).all(), (document.id, label.name)


def test_the_token_table_of_some_labels_is_as_shipped(corpus: StdlibCorpus) -> None:
    """Counted anew from the planes, for a few labels; the contextual ones are those below the threshold."""
    frozen, starts = frozen_labels(), _starts(corpus)
    parts = {}
    for split in ("train", "validation"):
        documents = list(corpus.tokenized(split))
        rows = np.concatenate([np.arange(starts[d.id], starts[d.id] + len(d.tokens)) for d in documents])
        parts[split] = rows, np.concatenate([d.tokens for d in documents])
    for label in frozen.labels[::20]:
        if label.table_f1 is None:
            continue
        values, scored = frozen.values(label), frozen.scored(label)
        fit, score = ((tokens, values[rows], scored[rows]) for rows, tokens in parts.values())
        assert token_table_f1(fit, score, corpus.tokenizer.get_vocab_size()) == pytest.approx(label.table_f1)
        assert label.contextual == (label.table_f1 < CONTEXTUAL_F1)
