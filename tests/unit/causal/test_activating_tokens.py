"""On which tokens a latent fires. Oracles: loops over rows, Python's `re`, counts by hand."""

import re
from collections import Counter

import numpy as np
import pytest
import torch

from monosemy.causal import (
    bin_of,
    compiled_pattern,
    flipped,
    histogram_edges,
    is_dense,
    pattern_counts,
    pattern_histogram,
    pattern_matches,
    read_latents,
    scan_latents,
    token_histogram,
)
from monosemy.core import UserError
from monosemy.dictionaries import AbsTopK, Dictionary, Identity, ReLU, TopK
from tests.unit.evaluation.rows_in_memory import memory_rows

SITE = "resid_post.1"


def dictionary_of(sparsifier: Identity | AbsTopK | ReLU | TopK, n_latents: int = 4, d: int = 5) -> Dictionary:
    generator = torch.Generator().manual_seed(1)
    W = torch.randn(n_latents, d, generator=generator)
    return Dictionary(
        W_enc=W, b_enc=-torch.ones(n_latents), W_dec=W.clone(), b_dec=torch.zeros(d), sparsifier=sparsifier
    )


def test_a_histogram_by_hand() -> None:
    values = np.array([1.0, 1.1, 2.0, 2.9, 3.0, 5.0], dtype=np.float32)
    found = token_histogram(values, np.array([7, 7, 8, 9, 7, 9]), n_bins=4, n_common=2)
    np.testing.assert_allclose(found.edges, [1, 2, 3, 4, 5])
    assert found.tokens == (7, 9)
    assert found.counts.tolist() == [[2, 0, 0], [0, 1, 1], [1, 0, 0], [0, 1, 0]]
    assert token_histogram(values, np.full(6, 3)).counts.sum(axis=0).tolist() == [6, 0]


def test_one_activation_is_a_histogram_too() -> None:
    found = token_histogram(np.array([2.0], dtype=np.float32), np.array([4]), n_bins=3)
    assert found.counts.sum() == 1
    with pytest.raises(ValueError, match="at least one"):
        histogram_edges(np.zeros(0, dtype=np.float32), 3)


def test_every_value_is_in_the_bin_that_holds_it() -> None:
    values = np.random.default_rng(0).exponential(size=500).astype(np.float32)
    edges = histogram_edges(values, 10)
    for value, found in zip(values.astype(float), bin_of(values, edges), strict=True):
        expected = [b for b in range(10) if edges[b] <= value < edges[b + 1]]
        assert found == (expected[0] if expected else 9)


@pytest.mark.parametrize("sparsifier", [Identity(), TopK(2)], ids=["identity", "topk"])
def test_a_scan_counts_what_a_loop_counts(sparsifier: Identity | TopK) -> None:
    dictionary = dictionary_of(sparsifier)
    rows = memory_rows(rows_per_chunk=17)
    found = scan_latents(dictionary, rows, SITE, 300)
    places, values = read_latents(dictionary, rows, SITE, [3, 1])
    assert places.tolist() == rows.place.tolist()
    tokens = rows.packed.tokens.ravel()
    for latent in range(4):
        count: Counter[int] = Counter()
        mass: Counter[int] = Counter()
        for x, place in zip(rows.x[SITE], rows.place.tolist(), strict=True):
            z = float(dictionary.encode(x[None])[0, latent])
            if latent in (3, 1):
                assert values[list(places).index(place), [3, 1].index(latent)] == pytest.approx(z, abs=1e-6)
            if z > 0:
                count[int(tokens[place])] += 1
                mass[int(tokens[place])] += z  # pyright: ignore
        assert found.fired[latent] == sum(count.values())
        assert found.density[latent] == pytest.approx(sum(count.values()) / rows.n_rows)
        if not count:
            assert found.top_token[latent] == -1 and found.token_share[latent] == 0
            continue
        assert found.token_share[latent] == pytest.approx(max(count.values()) / sum(count.values()))
        assert count[int(found.top_token[latent])] == max(count.values())
        assert found.mass_share[latent] == pytest.approx(max(mass.values()) / sum(mass.values()), rel=1e-5)
        assert mass[int(found.mass_token[latent])] == pytest.approx(max(mass.values()))


def test_a_latent_that_never_fires_has_no_token() -> None:
    silent = Dictionary(
        W_enc=torch.zeros(1, 5), b_enc=-torch.ones(1), W_dec=torch.ones(1, 5), b_dec=torch.zeros(5), sparsifier=ReLU()
    )
    found = scan_latents(silent, memory_rows(), SITE, 300)
    assert (found.fired[0], found.top_token[0], found.mass_token[0], found.mass_share[0]) == (0, -1, -1, 0.0)


def test_the_negative_side_is_the_positive_one_of_the_flipped_latent() -> None:
    dictionary, x = dictionary_of(Identity()), torch.randn(9, 5, generator=torch.Generator().manual_seed(2))
    turned = flipped(dictionary, 2)
    assert is_dense(dictionary) and not is_dense(dictionary_of(TopK(2)))
    torch.testing.assert_close(turned.encode(x)[:, 2], -dictionary.encode(x)[:, 2])
    torch.testing.assert_close(turned.reconstruct(x), dictionary.reconstruct(x))
    torch.testing.assert_close(turned.encode(x)[:, :2], dictionary.encode(x)[:, :2])
    with pytest.raises(UserError, match="negative side"):
        flipped(dictionary_of(ReLU()), 2)


WORDS = ["", "if", " (", "A", "\udcc3", "\udca9", "b(", "\n"]


def test_a_token_matches_where_a_match_covers_part_of_it() -> None:
    tokens = np.array([1, 2, 3, 6, 3, 7, 4, 5])  # "if (Ab(A\n" and an e with an accent in two tokens
    text = "if (Ab(A\né"

    def found(pattern: str) -> list[bool]:
        return pattern_matches(re.compile(pattern), WORDS, tokens).tolist()

    assert "".join(WORDS[t] for t in tokens).encode("utf-8", "surrogateescape").decode() == text
    assert found(r"\((?=[A-Z])") == [False, True, False, True, False, False, False, False]
    assert found("é") == [False] * 6 + [True, True]
    assert found(r"f \(A") == [True, True, True] + [False] * 5
    assert found("(?=b)") == [False, False, False, True, False, False, False, False]
    assert found("x") == [False] * 8


def test_matches_and_firings_are_counted() -> None:
    matches, fires = np.array([True, True, False, False, True]), np.array([True, False, True, False, True])
    found = pattern_counts(matches, fires)
    assert (found.both, found.pattern_only, found.latent_only, found.neither) == (2, 1, 1, 1)
    edges, counts = pattern_histogram(np.array([1, 2, 3], dtype=np.float32), np.array([True, False, True]), 2)
    assert edges.tolist() == [1, 2, 3] and counts.tolist() == [[1, 0], [1, 1]]
    with pytest.raises(UserError, match="no regular expression"):
        compiled_pattern("(")
