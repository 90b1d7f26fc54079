"""What a language model's bits a byte are compared with: n-gram tables and general-purpose compressors."""

import gzip
import lzma
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64, Integer

Stream = Integer[np.ndarray, " n_tokens"]

_MIN_XZ_DICTIONARY_BYTES = 1 << 12


@dataclass(frozen=True, slots=True)
class _Contexts:
    """Counts of one order: n-grams and contexts as sorted codes; followers = distinct tokens after a context."""

    grams: Int64[np.ndarray, " grams"]
    gram_counts: Int64[np.ndarray, " grams"]
    contexts: Int64[np.ndarray, " contexts"]
    context_counts: Int64[np.ndarray, " contexts"]
    followers: Int64[np.ndarray, " contexts"]


@dataclass(frozen=True, slots=True)
class NgramModel:
    """Interpolated Witten-Bell n-gram model of token streams.

    P_n(w | h) = (c(h w) + T(h) P_{n-1}(w | h')) / (c(h) + T(h)),   P_0(w) = 1 / V
    with c the training counts, T(h) the number of distinct tokens seen after h, h' the context without its first token.
    A document is preceded by symbols outside the vocabulary, so its first tokens have contexts of their own.
    Source: Witten and Bell 1991, method C, in the interpolated form of Chen and Goodman 1998.
    """

    vocabulary_size: int
    orders: tuple[_Contexts, ...]

    @classmethod
    def fit(cls, documents: Sequence[Integer[np.ndarray, " _"]], order: int, vocabulary_size: int) -> "NgramModel":
        """Count the n-grams up to `order` (1 unigram, 2 bigram, 3 trigram) of documents that share no context.

        Raises ValueError when there is no token, or the n-grams of this order have no 64-bit codes.
        """
        if order < 1 or (vocabulary_size + 1) ** order >= 2**63:
            raise ValueError(f"order {order} of {vocabulary_size} tokens: it must be at least 1 and have 64-bit codes")
        if not any(len(document) for document in documents):
            raise ValueError("no token to count")
        parts = []
        for n in range(1, order + 1):
            codes = np.concatenate([_codes(document, n, vocabulary_size) for document in documents])
            grams, gram_counts = np.unique(codes, return_counts=True)
            contexts, inverse = np.unique(grams // (vocabulary_size + 1), return_inverse=True)
            context_counts = np.bincount(inverse, weights=gram_counts).astype(np.int64)
            parts.append(_Contexts(grams, gram_counts, contexts, context_counts, np.bincount(inverse).astype(np.int64)))
        return cls(vocabulary_size, tuple(parts))

    def nats(self, document: Stream) -> Float64[np.ndarray, " n_tokens"]:
        """-log P of every token of a document given the ones before it."""
        probability = np.full(len(document), 1 / self.vocabulary_size)
        for n, part in enumerate(self.orders, start=1):
            codes = _codes(document, n, self.vocabulary_size)
            of_context = codes // (self.vocabulary_size + 1)
            gram_count = _lookup(part.grams, part.gram_counts, codes)
            context_count = _lookup(part.contexts, part.context_counts, of_context)
            followers = _lookup(part.contexts, part.followers, of_context)
            seen = context_count + followers > 0
            mixed = (gram_count + followers * probability) / np.where(seen, context_count + followers, 1)
            probability = np.where(seen, mixed, probability)
        return -np.log(probability)


def _codes(document: Stream, n: int, vocabulary_size: int) -> Int64[np.ndarray, " n_tokens"]:
    """One number for each position's n-gram (context first); V stands for what is before the document's start."""
    padded = np.concatenate([np.full(n - 1, vocabulary_size), document.astype(np.int64)])
    codes = np.zeros(len(document), dtype=np.int64)
    for i in range(n):
        codes = codes * (vocabulary_size + 1) + padded[i : i + len(document)]
    return codes


def _lookup(keys: np.ndarray, values: np.ndarray, wanted: np.ndarray) -> Int64[np.ndarray, " n_tokens"]:
    """values[k] where keys[k] == wanted, 0 where there is none."""
    index = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[index] == wanted, values[index], 0)


def gzip_bytes(text: bytes) -> int:
    """|gzip -9 (text)|."""
    return len(gzip.compress(text, compresslevel=9, mtime=0))


def xz_bytes(text: bytes) -> int:
    """|xz -9e (text)|, with a dictionary that holds the whole text; xz's own forgets a long text's beginning.

    xz_bytes(given + text) - xz_bytes(given) is what the text costs once `given` is known.
    """
    dictionary_bytes = max(_MIN_XZ_DICTIONARY_BYTES, len(text))
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "dict_size": dictionary_bytes}]
    return len(lzma.compress(text, filters=filters))
