"""The labels of stored rows.

Oracle: the planes unpacked by numpy and looked up token by token; the shipped labels and texts.
"""

from dataclasses import replace

import numpy as np
import pytest

from monosemy.core import UserError
from monosemy.corpus import END_OF_TEXT_ID, StdlibCorpus, frozen_labels
from monosemy.evaluation import LabelData, labelled_rows, labels_for_store
from tests.unit.evaluation.labelled import labels
from tests.unit.evaluation.rows_in_memory import MemoryDocument, MemoryRows, MemorySequences, packed_rows


def store_of_the_library(n_documents: int = 3, context_length: int = 32) -> MemoryRows:
    """The first validation documents of the shipped corpus, packed; in reverse, so that order is no accident."""
    corpus = StdlibCorpus()
    first_of, start = {}, 0
    for document in corpus.frozen_documents:
        first_of[document.id], start = start, start + document.n_tokens
    chosen = list(corpus.tokenized("validation"))[:n_documents][::-1]
    documents = [MemoryDocument(unit=text.unit, first_token=first_of[text.id], id=text.id) for text in chosen]
    parts = []
    for number, text in enumerate(chosen):
        n = len(text.tokens)
        body = np.stack([text.tokens.astype(np.int32), np.full(n, number), np.arange(n)])
        parts += [np.array([[END_OF_TEXT_ID], [number], [-1]]), body]
    stream = np.concatenate(parts, axis=1).astype(np.int32)
    n_sequences = stream.shape[1] // context_length
    tokens, document, index = stream[:, : n_sequences * context_length].reshape(3, n_sequences, context_length)
    at = index >= 0
    at[:, 0] = False
    packed = MemorySequences(tokens=tokens, document=document, index=index)
    return MemoryRows(x={}, place=np.flatnonzero(at).astype(np.int64), documents=documents, packed=packed)


def test_rows_have_the_labels_of_their_tokens() -> None:
    store, shipped = store_of_the_library(), frozen_labels()
    found = labels_for_store(store, shipped, "validation")
    document, index = (part.ravel()[store.place] for part in (store.packed.document, store.packed.index))
    token = np.array([store.documents[d].first_token or 0 for d in document]) + index
    for column, label in enumerate(shipped.labels):
        assert np.array_equal(found.values[:, column], (shipped.values(label) & shipped.scored(label))[token])
        assert np.array_equal(found.scored[:, column], shipped.scored(label)[token])
    assert np.array_equal(found.document, document)
    assert [found.units[number] for number in found.unit] == [store.documents[d].unit for d in document]


def test_a_keyword_is_found_at_the_keyword() -> None:
    """Independent of planes and places: the text of the token itself."""
    store, shipped = store_of_the_library(), frozen_labels()
    found = labels_for_store(store, shipped, "validation")
    column = [label.name for label in shipped.labels].index("def_keyword")
    texts = StdlibCorpus().tokenizer
    rows = np.flatnonzero(found.values[:, column])
    assert len(rows) > 20
    tokens = store.packed.tokens.ravel()[store.place[rows]]
    assert {texts.decode([int(token)]).strip() for token in tokens} == {"def"}


def test_only_the_first_rows_are_labelled() -> None:
    store = store_of_the_library()
    whole, part = (labels_for_store(store, frozen_labels(), "validation", n_rows=n) for n in (None, 50))
    assert part.n_rows == 50
    assert np.array_equal(part.values, whole.values[:50])


def test_texts_without_labels_are_refused() -> None:
    documents, packed, place = packed_rows(4, 9, 16)
    without = [replace(document, first_token=None) for document in documents]
    beyond = [replace(document, first_token=10**9) for document in documents]
    for given, message in ((without, "for the embedded corpus only"), (beyond, "the labels have")):
        store = MemoryRows(x={}, place=place, documents=given, packed=packed)
        with pytest.raises(UserError, match=message):
            labels_for_store(store, frozen_labels(), "test")


def test_values_hold_only_where_scored() -> None:
    data = labels()
    assert not (data.values & ~data.scored).any()
    assert (data.values[:, 1].sum(), data.values[:, 3].sum()) > (0, 0)


def test_labels_of_too_few_rows_say_why() -> None:
    data = labels(rare=True)
    assert [reason == "" for reason in data.why_not] == [True] * 5 + [False]
    assert f"{data.values[:, 5].sum()} positive tokens of the validation split, fewer than 100" == data.why_not[5]


def test_labels_in_too_few_documents_say_why() -> None:
    data = labels(n_rows=6000)
    first = data.document < 9
    few = labels_in(data.values & first[:, None], data)
    assert few == ("positive in 9 documents of the test split, fewer than 10",) * 5
    assert labels_in(data.values & (data.document < 10)[:, None], data) == ("",) * 5


def labels_in(values: np.ndarray, data: LabelData) -> tuple[str, ...]:
    """Why these values of the labels could not be scored."""
    return labelled_rows(
        values, data.scored, unit=data.unit, document=data.document, units=data.units, labels=data.labels, split="test"
    ).why_not
