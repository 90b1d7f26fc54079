"""What a corpus is: documents, each on one side of a split that only its unit decides."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from monosemy.core import UserError

Split = Literal["train", "validation", "test"]

SPLITS: tuple[Split, ...] = ("train", "validation", "test")

MIN_TEXTS = 400
"""Below this, a tenth of the texts is fewer than the 40 units that an interval over documents is stated for."""

_TRAIN_FRACTION, _VALIDATION_FRACTION = 0.8, 0.1


@dataclass(frozen=True, slots=True)
class Document:
    """One text of a corpus.

    id: names the text within its corpus (a path, or a file and a row).
    unit: what the split and the bootstrap resample; texts that share it are never on two sides of a split
    (a top-level package for the embedded corpus, the content itself for a user's texts: see `content_unit`).
    text: the text, newlines as "\\n".
    """

    id: str
    unit: str
    text: str


class Corpus(ABC):
    """Documents that can be read again and again, a split at a time, in an order that never changes."""

    @property
    @abstractmethod
    def name(self) -> str:
        """A short name for reports and for messages."""

    @abstractmethod
    def documents(self, split: Split) -> Iterator[Document]:
        """Yield the documents of one split, always in the same order, without holding them all in memory."""

    @abstractmethod
    def fingerprint(self) -> str:
        """Return a hexadecimal digest that changes when any document, or its side of the split, changes."""


def split_of(key: str) -> Split:
    """Return the side on which a key falls: train 80 %, validation 10 %, test 10 %.

    u = (first 8 bytes of sha256(key)) / 2^64;  train when u < 0.8, validation when u < 0.9, test otherwise.
    It depends on the key alone: not on the order, on the other documents or on a seed.
    """
    u = int.from_bytes(hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()[:8], "big") / 2**64
    if u < _TRAIN_FRACTION:
        return "train"
    return "validation" if u < _TRAIN_FRACTION + _VALIDATION_FRACTION else "test"


def content_unit(text: str) -> str:
    """Return the unit of a text that belongs to no larger one: the first 32 hexadecimal digits of its sha256.

    Exact duplicates so share a unit: they fall on the same side of the split and are resampled as one.
    """
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def clean_text(text: str) -> str:
    """Return a user's text as the corpora keep it.

    Line ends become "\\n", a byte-order mark goes, and half of a surrogate pair (which JSON can hold and UTF-8 cannot)
    becomes U+FFFD.
    """
    unified = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    return unified.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def documents_in(split: Split, rows: Iterable[tuple[str, str]], name: str) -> Iterator[Document]:
    """Yield the texts that fall in one split, each as a document that is its own unit.

    rows: (id, text) in a fixed order; texts of white space alone are left out. name: the corpus, for the message.
    Raises UserError after the last row when no text fell in the split, as nothing could be measured on it.
    """
    n_texts = n_in_split = 0
    for row, raw in rows:
        text = clean_text(raw)
        if not text.strip():
            continue
        n_texts += 1
        unit = content_unit(text)
        if split_of(unit) == split:
            n_in_split += 1
            yield Document(id=row, unit=unit, text=text)
    if n_in_split == 0:
        raise UserError(empty_split(name, n_texts, split))


def empty_split(name: str, n_texts: int, split: Split) -> str:
    """Return the message for a corpus that has no text, or none in a split."""
    if n_texts == 0:
        return f"{name!r} holds no text: all of it is empty; give a corpus with at least {MIN_TEXTS} texts"
    return (
        f"{name!r} holds {n_texts} text(s) and none of them falls in the {split} part (texts are divided 80/10/10 "
        f"by their content); give at least {MIN_TEXTS} different texts"
    )
