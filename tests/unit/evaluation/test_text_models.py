"""N-gram tables against a slow dictionary of fractions of float64, and compressors against the libraries' own calls."""

import gzip
import lzma
import math
from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monosemy.core import numpy_generator
from monosemy.evaluation import NgramModel, gzip_bytes, xz_bytes

V = 5
DOCUMENTS = st.lists(st.lists(st.integers(0, V - 1), max_size=15), min_size=1, max_size=4).filter(any)


class SlowWittenBell:
    """The recursion as it is written, over tuples; None stands before a document's start."""

    def __init__(self, documents: list[list[int]], order: int) -> None:
        self.order = order
        self.followers: dict[tuple[int | None, ...], Counter[int]] = defaultdict(Counter)
        for document in documents:
            for n in range(order):
                padded = [None] * n + document
                for i, token in enumerate(document):
                    self.followers[tuple(padded[i : i + n])][token] += 1

    def probability(self, token: int, context: tuple[int | None, ...]) -> float:
        """P(token | the last order - 1 of the context)."""
        below = 1 / V
        for n in range(self.order):
            seen = self.followers[context[len(context) - n :]]
            total, distinct = sum(seen.values()), len(seen)
            if total:
                below = (seen[token] + distinct * below) / (total + distinct)
        return below

    def nats(self, document: list[int]) -> list[float]:
        padded = [None] * (self.order - 1) + document
        return [
            -math.log(self.probability(token, tuple(padded[i : i + self.order - 1])))
            for i, token in enumerate(document)
        ]


def arrays(documents: list[list[int]]) -> list[np.ndarray]:
    return [np.array(document, dtype=np.uint16) for document in documents]


@settings(max_examples=60, deadline=None)
@given(DOCUMENTS, st.lists(st.integers(0, V - 1), max_size=12), st.integers(1, 4))
def test_nats_are_those_of_the_recursion(documents: list[list[int]], asked: list[int], order: int) -> None:
    found = NgramModel.fit(arrays(documents), order, V).nats(arrays([asked])[0])
    np.testing.assert_allclose(found, SlowWittenBell(documents, order).nats(asked), rtol=1e-12)


@settings(max_examples=60, deadline=None)
@given(DOCUMENTS, st.lists(st.integers(0, V - 1), max_size=6), st.integers(1, 4))
def test_probabilities_of_the_next_token_sum_to_one(documents: list[list[int]], before: list[int], order: int) -> None:
    model = NgramModel.fit(arrays(documents), order, V)
    last = [model.nats(np.array([*before, token], dtype=np.int64))[-1] for token in range(V)]
    assert np.exp(-np.array(last)).sum() == pytest.approx(1.0, abs=1e-12)


def test_unigrams_have_a_closed_form() -> None:
    """Counts 3, 1, 0, 0, 0 of 5 tokens, 2 distinct: P(0) = (3 + 2/5) / 6, P(1) = (1 + 2/5) / 6, P(2) = (2/5) / 6."""
    model = NgramModel.fit([np.array([0, 0, 1, 0])], 1, V)
    expected = [3.4 / 6, 1.4 / 6, 0.4 / 6]
    np.testing.assert_allclose(model.nats(np.array([0, 1, 2])), -np.log(expected), rtol=1e-14)


def test_a_long_deterministic_cycle_is_learned_by_bigrams_only() -> None:
    """0 1 2 3 4 0 1 ...: unigrams give ln 5 a token; bigrams are wrong with probability about 1 / 1000."""
    cycle = np.tile(np.arange(V), 1000)
    assert NgramModel.fit([cycle], 1, V).nats(cycle).mean() == pytest.approx(math.log(V), abs=1e-3)
    assert NgramModel.fit([cycle], 2, V).nats(cycle)[1:].max() < 2e-3


def test_documents_share_no_context() -> None:
    apart = NgramModel.fit([np.array([1, 2]), np.array([3, 4])], 2, V)
    together = NgramModel.fit([np.array([1, 2, 3, 4])], 2, V)
    after_two = np.array([1, 2, 3])
    assert apart.nats(after_two)[2] > together.nats(after_two)[2]


def test_large_vocabularies_have_codes_of_their_own() -> None:
    """Two trigrams whose tokens are the largest ones must not be taken for each other."""
    size = 2_000_000
    a, b = np.array([size - 1, size - 1, size - 1]), np.array([size - 1, size - 1, size - 2])
    model = NgramModel.fit([a, a, a, b], 3, size)
    # After the same two tokens: 3 of 4, 1 of 4, and 2 distinct ones.
    assert math.exp(-model.nats(a)[2]) == pytest.approx(3 / 6 + 2 / 6 * math.exp(-_lower(model, a)), rel=1e-9)
    assert model.nats(b)[2] > model.nats(a)[2]


def _lower(model: NgramModel, document: np.ndarray) -> float:
    return float(NgramModel(model.vocabulary_size, model.orders[:2]).nats(document)[2])


@pytest.mark.parametrize(("order", "size"), [(0, 5), (-1, 5), (3, 2**21), (6, 2048)])
def test_orders_without_codes_are_refused(order: int, size: int) -> None:
    with pytest.raises(ValueError, match="at least 1 and have 64-bit codes"):
        NgramModel.fit([np.array([1])], order, size)


def test_nothing_to_count_is_refused() -> None:
    with pytest.raises(ValueError, match="no token"):
        NgramModel.fit([np.array([], dtype=np.uint16)], 2, V)


TEXT = b"def f(x):\n    return x + 1\n\n\ndef g(x):\n    return f(x) + 2\n" * 20


def random_bytes(n: int, name: str) -> bytes:
    return numpy_generator(0, name).integers(256, size=n).astype(np.uint8).tobytes()


def test_gzip_is_the_modules_own() -> None:
    assert gzip_bytes(TEXT) == len(gzip.compress(TEXT, 9)) == gzip_bytes(TEXT)


def test_xz_is_the_modules_own() -> None:
    assert xz_bytes(TEXT) == len(lzma.compress(TEXT, preset=9 | lzma.PRESET_EXTREME))


def test_random_bytes_cannot_be_compressed() -> None:
    text, given = random_bytes(20_000, "a"), random_bytes(20_000, "b")
    for n_bytes in (gzip_bytes(text), xz_bytes(text), xz_bytes(given + text) - xz_bytes(given)):
        assert 0.99 * len(text) < n_bytes < 1.006 * len(text)


@pytest.mark.parametrize("between", [0, 100_000])
def test_a_text_costs_next_to_nothing_once_it_is_given(between: int) -> None:
    """Of a random byte a twentieth is left, also where the given text ends with much else."""
    text = random_bytes(20_000, "a")
    given = text + random_bytes(between, "c")
    assert 0 <= xz_bytes(given + text) - xz_bytes(given) < 0.05 * len(text)
