"""The shipped labels' file format and the token table, against slow code and planted data."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monosemy.corpus.frozen_labels import FrozenLabel, FrozenLabels, encode_labels, token_table_f1

V = 6


def _slow_table_f1(fit, score):
    """Every number of top tokens tried, F1 counted token by token."""
    tokens, values, scored = fit
    share = {}
    for token in range(V):
        rows = [v for t, v, s in zip(tokens, values, scored, strict=True) if t == token and s]
        share[token] = sum(rows) / len(rows) if rows else 0.0
    order = sorted(range(V), key=lambda token: (-share[token], token))

    def f1(chosen, part):
        tp = sum(t in chosen and v for t, v, s in zip(*part, strict=True) if s)
        wrong = sum((t in chosen) != v for t, v, s in zip(*part, strict=True) if s)
        return 2 * tp / (2 * tp + wrong) if tp else 0.0

    best = max(range(1, V + 1), key=lambda n: (f1(order[:n], fit), -n))
    return f1(order[:best], score)


part = st.lists(st.tuples(st.integers(0, V - 1), st.booleans(), st.booleans()), min_size=1, max_size=60)


def _arrays(rows):
    tokens, values, scored = zip(*rows, strict=True)
    return np.array(tokens), np.array(values), np.array(scored)


@given(part, part)
def test_token_table_equals_the_slow_count(fit, score) -> None:
    got = token_table_f1(_arrays(fit), _arrays(score), V)
    assert got == pytest.approx(_slow_table_f1(_arrays(fit), _arrays(score)))


def test_a_label_that_is_the_token_has_f1_one_and_an_independent_one_its_base_rate() -> None:
    rng = np.random.default_rng(0)
    tokens = rng.integers(0, V, 40_000)
    every = np.ones(len(tokens), dtype=bool)
    identity = tokens == 3
    assert token_table_f1((tokens, identity, every), (tokens, identity, every), V) == 1.0
    # Planted: independent with rate .2; the best rule says yes everywhere, F1 = 2 * .2 / (1 + .2) = 1/3.
    coin = rng.random(len(tokens)) < 0.2
    other = rng.integers(0, V, 40_000)
    fresh = rng.random(len(tokens)) < 0.2
    # standard error of the rate is .002, of F1 about .003; five of them
    assert token_table_f1((tokens, coin, every), (other, fresh, every), V) == pytest.approx(1 / 3, abs=0.015)


def test_what_is_not_scored_does_not_count() -> None:
    tokens = np.array([0, 0, 1, 1])
    values = np.array([True, False, False, False])
    scored = np.array([True, False, True, True])
    assert token_table_f1((tokens, values, scored), (tokens, values, scored), V) == 1.0


@given(st.integers(1, 70), st.integers(0, 2**32 - 1))
def test_planes_come_back_as_they_were(n_tokens: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    values, scored = rng.random((2, n_tokens)) < 0.3
    label = FrozenLabel("x", "lexical", "", 0, 1, {}, {}, {}, None)
    raw = b"".join(np.packbits(plane).tobytes() for plane in (values, scored))
    planes = np.frombuffer(raw, dtype=np.uint8).reshape(2, -1)
    frozen = FrozenLabels((label,), "0", 1, n_tokens, planes)
    assert (frozen.values(label) == values).all() and (frozen.scored(label) == scored).all()


def test_encoding_is_deterministic_and_holds_the_planes_hash() -> None:
    import hashlib
    import json
    import lzma

    label = FrozenLabel("x", "lexical", "a definition", 0, 0, {"test": 8}, {"test": 3}, {"test": 1}, 0.25)
    index, packed = encode_labels([label], [b"\x0f"], 8, 1)
    assert (index, packed) == encode_labels([label], [b"\x0f"], 8, 1)
    assert lzma.decompress(packed) == b"\x0f"
    assert json.loads(index)["planes_sha256"] == hashlib.sha256(b"\x0f").hexdigest()
    assert FrozenLabel(**json.loads(index)["labels"][0]) == label


@pytest.mark.parametrize(("f1", "contextual"), [(None, False), (0.49, True), (0.5, False)])
def test_contextual_is_what_the_token_alone_does_not_tell(f1: float | None, contextual: bool) -> None:
    label = FrozenLabel("x", "lexical", "", 0, 1, {}, {"test": 100}, {"test": 10}, f1)
    assert label.contextual is contextual
    assert label.enough("test")
