"""What a judge sees. Oracle: the corpus' labels, looked up one token at a time."""

import numpy as np

from monosemy.activations import StoredDocument
from monosemy.corpus import frozen_labels
from monosemy.corpus.labels import CATALOGUE
from monosemy.evaluation import FragmentTable
from monosemy.interpretation import text_of

LENGTH = 64


def table(first_token: int | None, place: int = 10) -> FragmentTable:
    """Two fragments of one document of the corpus, from the token `place` and from 100 later; a separator in front."""
    index = np.array([[-1, *range(place, place + LENGTH - 1)], list(range(place + 100, place + 100 + LENGTH))])
    return FragmentTable(
        number=np.arange(2, dtype=np.int64),
        tokens=np.ones((2, LENGTH), dtype=np.int32),
        mask=index >= 0,
        document=np.zeros((2, LENGTH), dtype=np.int32),
        index=index.astype(np.int32),
        main_document=np.zeros(2, dtype=np.int32),
        start=np.array([place, place + 100], dtype=np.int32),
        text={1: "x"},
        documents=(StoredDocument(id="a", unit="a", n_tokens=500, first_token=first_token),),
    )


def test_labels_are_those_of_the_corpus() -> None:
    first = 1_000
    found = text_of(table(first)).labels
    assert found is not None
    causal = {label.name for label in CATALOGUE if label.causal}
    assert set(found.names) <= causal and "callee" not in found.names
    labels = frozen_labels()
    assert first + 300 < labels.n_tokens
    for column in (0, 7, len(found.names) - 1):
        label = next(each for each in labels.labels if each.name == found.names[column])
        holds = labels.values(label) & labels.scored(label)
        index = table(first).index
        expected = [[i >= 0 and bool(holds[first + i]) for i in row] for row in index.tolist()]
        assert found.values[..., column].tolist() == expected


def test_other_texts_have_no_labels() -> None:
    assert text_of(table(None)).labels is None


def test_some_of_the_fragments() -> None:
    whole = text_of(table(1_000))
    some = whole.take(np.array([1, 1, 0]))
    assert len(some) == 3 and some.labels is not None and whole.labels is not None
    assert some.fragments.index[:, 1].tolist() == [111, 111, 10]
    np.testing.assert_array_equal(some.labels.values[1], whole.labels.values[1])
