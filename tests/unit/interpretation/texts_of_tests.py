"""Small texts with documents, separators, labels and odd tokens, and a plain-Python look at what stands to the left."""

from dataclasses import dataclass

import numpy as np

from monosemy.activations import StoredDocument
from monosemy.evaluation import FragmentTable
from monosemy.interpretation import Text, TextLabels

WORDS = (
    *(" the", "self", ".", "(", ")", "\n    ", " ", "value", " Value", "VALUE", "x1", "_name", "42", " =", "'s", "ing"),
    *("\n", "walking", " talking", "é", b"\xf0\x9f".decode(errors="surrogateescape"), "`", "a", "ab", "abc", "abcdefg"),
)
SEPARATOR = len(WORDS)
LABELS = ("first_label", "second_label")


def text_of_tokens(
    tokens: np.ndarray, document: np.ndarray, index: np.ndarray, words: tuple[str, ...] = WORDS, seed: int = 0
) -> Text:
    """Fragments of 64 positions; at separators index is -1, and no first position of a fragment is recorded."""
    mask = index >= 0
    mask[:, 0] = False
    n_documents = int(document.max()) + 1
    values = np.random.default_rng(seed).random((*tokens.shape, len(LABELS))) < 0.3
    return Text(
        fragments=FragmentTable(
            number=np.arange(len(tokens)),
            tokens=tokens.astype(np.int32),
            mask=mask,
            document=document.astype(np.int32),
            index=index.astype(np.int32),
            main_document=np.array([np.bincount(d[m]).argmax() for d, m in zip(document, mask, strict=True)], np.int32),
            start=np.zeros(len(tokens), dtype=np.int32),
            text=dict(enumerate((*words, "<end>"))),
            documents=tuple(
                StoredDocument(id=f"d{i}", unit=f"u{i}", n_tokens=1, first_token=None) for i in range(n_documents)
            ),
        ),
        labels=TextLabels(names=LABELS, definitions=("In a test.", "A word."), values=values & (index >= 0)[..., None]),
    )


def random_text(n_fragments: int = 20, seed: int = 0, words: tuple[str, ...] = WORDS, longest: int = 150) -> Text:
    """Random tokens, few of them often, in documents of 5 tokens and more, put end to end with separators."""
    rng = np.random.default_rng(seed)
    n = n_fragments * 64
    share = 1 / np.arange(1, len(words) + 1)
    tokens = rng.permutation(len(words))[rng.choice(len(words), n, p=share / share.sum())]
    document, index = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64)
    at = number = 0
    while at < n:
        length = min(int(rng.integers(5, longest)), n - at - 1)
        document[at : at + length + 1] = number
        index[at : at + length + 1] = np.arange(-1, length)
        tokens[at] = len(words)
        at += length + 1
        number += 1
    shape = (n_fragments, 64)
    return text_of_tokens(tokens.reshape(shape), document.reshape(shape), index.reshape(shape), words, seed)


@dataclass(frozen=True)
class Seen:
    """What a reader of one fragment knows at one position: the words of the document so far, the last one included."""

    row: int
    position: int
    words: tuple[str, ...]
    index: int


def seen_of(text: Text) -> list[Seen]:
    """Every token of a text that is no separator, found by walking to the left one place at a time."""
    table = text.fragments
    found = []
    for row in range(len(text)):
        for position in range(64):
            if table.index[row, position] < 0:
                continue
            start = position
            while start > 0 and table.index[row, start - 1] >= 0:
                if table.document[row, start - 1] != table.document[row, position]:
                    break
                start -= 1
            words = tuple(table.text[token] for token in table.tokens[row, start : position + 1].tolist())
            found.append(Seen(row, position, words, int(table.index[row, position])))
    return found
