"""Nothing scored at a token may depend on what comes after it: texts are cut after a token and continued otherwise."""

from collections.abc import Callable, Iterable

import numpy as np
import pytest

from monosemy.core import numpy_generator
from monosemy.corpus import StdlibCorpus, token_bytes
from monosemy.corpus.labels import CATALOGUE, label_tokens
from tests.unit.corpus.labels.continuations import closing, continuations
from tests.unit.corpus.labels.texts import TEXTS, lengths, odd_pieces

LIBRARY_BYTES = (1500, 3000)
CUTS_PER_FILE = 8

Labeller = Callable[[str, list[int]], np.ndarray]


def rows(text: str, token_lengths: list[int]) -> np.ndarray:
    """Values and masks side by side: where a label is scored must not depend on what follows, either."""
    labels = label_tokens(text, token_lengths)
    assert labels.status == "ok", text
    return np.concatenate([labels.values, labels.scored], axis=1)


def changes(text: str, token_lengths: list[int], cuts: Iterable[int], labels_of: Labeller) -> tuple[int, list[str]]:
    """How often a text was cut and continued otherwise, and what then changed before the cut."""
    ours, n_compared, found = labels_of(text, token_lengths), 0, []
    for n_kept in cuts:
        kept = token_lengths[:n_kept]
        prefix = text.encode()[: sum(kept)].decode()
        for other in continuations(prefix, start=11 * int(n_kept)):
            theirs = labels_of(other, [*kept, len(other.encode()) - sum(kept)])
            n_compared += 1
            for column in np.flatnonzero((ours[:n_kept] != theirs[:n_kept]).any(axis=0)):
                found.append(f"{CATALOGUE[column % len(CATALOGUE)].name}: {prefix[-40:]!r} -> {other[len(prefix) :]!r}")
    return n_compared, found


@pytest.mark.parametrize("stride", [4, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", TEXTS)
def test_no_value_of_a_snippet_depends_on_what_follows(name: str, stride: int) -> None:
    parts = odd_pieces(TEXTS[name])
    assert "".join(parts) == TEXTS[name]
    n_compared, found = changes(TEXTS[name], lengths(parts), range(1, len(parts), stride), rows)
    assert found == []
    assert n_compared > len(parts) // (2 * stride)


@pytest.mark.slow
def test_no_value_of_the_library_depends_on_what_follows() -> None:
    corpus, generator = StdlibCorpus(), numpy_generator(0, "cuts")
    n_bytes = [len(token) for token in token_bytes(corpus.tokenizer)]
    n_documents = n_compared = 0
    for document in corpus.tokenized("test"):
        if LIBRARY_BYTES[0] < document.n_bytes < LIBRARY_BYTES[1]:
            cuts = generator.choice(len(document.tokens) - 1, size=CUTS_PER_FILE, replace=False) + 1
            token_lengths = [n_bytes[token] for token in document.tokens]
            n_here, found = changes(corpus.text(document), token_lengths, cuts, rows)
            assert found == [], document.id
            n_documents, n_compared = n_documents + 1, n_compared + n_here
    assert n_compared > n_documents * CUTS_PER_FILE > 20


def test_labels_that_look_ahead_are_found_out() -> None:
    # Pieces that are given the labels of their whole words, and the name before a parenthesis: both need what follows.
    def of_whole_words(text: str, token_lengths: list[int]) -> np.ndarray:
        labels = label_tokens(text, [1] * len(text.encode())).values
        ends = [
            next((j for j in range(i, len(text)) if not text[j].isalnum()), len(text)) - 1 for i in range(len(text))
        ]
        return labels[np.maximum(ends, 0)][np.cumsum([0, *token_lengths[:-1]])]

    def callee(text: str, token_lengths: list[int]) -> np.ndarray:
        ends = np.cumsum(token_lengths)
        return np.array([[text[end : end + 1] == "("] for end in ends])

    parts = odd_pieces(TEXTS["inline"])
    for labels_of in (of_whole_words, callee):
        assert changes(TEXTS["inline"], lengths(parts), range(1, len(parts)), labels_of)[1] != []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("f(a, [1", "])"),
        ("x = 'a(", "'"),
        ('f("""a"b\n', '""")'),
        ("(a  # b(", "\n)"),
        ("{'\\'(': [", "]}"),
        ("a()", ""),
    ],
)
def test_the_scanner_closes_what_is_open(text: str, expected: str) -> None:
    assert closing(text) == expected
