"""On which tokens a latent is active: by activation bin, by token, and by whether a pattern matches there.

A latent *fires* where it is above zero. A dense dictionary (the neurons, PCA) has latents of both signs that fire on
about half of all tokens: it is their positive part that is looked at, and "inactive" means no more than "not above
zero".
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse
from jaxtyping import Bool, Float32, Float64, Int64, Integer

from monosemy.core import Advance, UserError, ignore_advance
from monosemy.dictionaries import AbsTopK, Dictionary, Identity
from monosemy.evaluation import TextOrderRows, check_fits

CHUNK_ROWS = 8192


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class TokenHistogram:
    """Activating tokens by activation: bins of equal width from the smallest to the largest activation.

    tokens: the most common activating ones, the most common first. counts: of each of these and, last, of all others.
    """

    edges: Float64[np.ndarray, " edges"]
    tokens: tuple[int, ...]
    counts: Int64[np.ndarray, "bins kinds"]


@dataclass(frozen=True, kw_only=True, slots=True)
class PatternCounts:
    """How many tokens a pattern matches and the latent fires on; only one of the two; or neither."""

    both: int
    pattern_only: int
    latent_only: int
    neither: int


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class LatentScan:
    """What every latent of a dictionary fires on: tokens it fires on, their most common token and its share.

    fired: number of tokens of the n_rows. top_token, token_share: the token that most of them are, and which part of
    them are it. mass_token, mass_share: the same with each weighed by the activation. Shares of a latent that never
    fires are 0, its tokens -1.
    """

    n_rows: int
    fired: Int64[np.ndarray, " latents"]
    top_token: Int64[np.ndarray, " latents"]
    token_share: Float64[np.ndarray, " latents"]
    mass_token: Int64[np.ndarray, " latents"]
    mass_share: Float64[np.ndarray, " latents"]

    @property
    def density(self) -> Float64[np.ndarray, " latents"]:
        """Share of tokens on which each latent fires."""
        return self.fired / self.n_rows


def is_dense(dictionary: Dictionary) -> bool:
    """Whether its latents take both signs, so that half of them are "active" anywhere."""
    return isinstance(dictionary.sparsifier, Identity | AbsTopK)


def flipped(dictionary: Dictionary, latent: int) -> Dictionary:
    """The same dictionary with the sign of one latent and of its direction turned: its negative side looked at.

    Raises UserError unless the latents take both signs.
    """
    if not is_dense(dictionary):
        raise UserError(f"latent {latent} is never below zero, so that it has no negative side; leave the side out")
    weights = {name: getattr(dictionary, name).clone() for name in ("W_enc", "b_enc", "W_dec")}
    for weight in weights.values():
        weight[latent] = -weight[latent]
    return Dictionary(**weights, b_dec=dictionary.b_dec, sparsifier=dictionary.sparsifier)


def read_latents(
    dictionary: Dictionary, store: TextOrderRows, site: str, latents: Sequence[int], advance: Advance = ignore_advance
) -> tuple[Int64[np.ndarray, " rows"], Float32[np.ndarray, "rows n"]]:
    """The flat place of every row of a store in its sequences, and the latents there.

    Raises UserError when the dictionary does not fit the site.
    """
    check_fits(dictionary, store, site)
    places, values = [np.zeros(0, dtype=np.int64)], [np.zeros((0, len(latents)), dtype=np.float32)]
    for chunk in store.chunks((site,), CHUNK_ROWS):
        places.append(chunk.place)
        values.append(dictionary.encode(chunk.x[site])[:, list(latents)].float().numpy())
        advance(len(chunk.place))
    return np.concatenate(places), np.concatenate(values)


def scan_latents(
    dictionary: Dictionary, store: TextOrderRows, site: str, n_vocabulary: int, advance: Advance = ignore_advance
) -> LatentScan:
    """Look at all latents over all rows. Raises UserError when the dictionary does not fit the site."""
    check_fits(dictionary, store, site)
    tokens = store.sequences().tokens.ravel()
    shape = (dictionary.n_latents, n_vocabulary)
    count, mass = scipy.sparse.csr_matrix(shape), scipy.sparse.csr_matrix(shape)
    for chunk in store.chunks((site,), CHUNK_ROWS):
        z = dictionary.encode(chunk.x[site]).clamp_min(0).numpy()
        row, latent = np.nonzero(z)
        where = (latent, tokens[chunk.place[row]])
        count += scipy.sparse.csr_matrix((np.ones(len(row)), where), shape=shape)
        mass += scipy.sparse.csr_matrix((z[row, latent].astype(np.float64), where), shape=shape)
        advance(len(z))
    (top_token, token_share), (mass_token, mass_share) = _largest_share(count), _largest_share(mass)
    return LatentScan(
        n_rows=store.n_rows,
        fired=np.asarray(count.sum(axis=1)).ravel().astype(np.int64),
        top_token=top_token,
        token_share=token_share,
        mass_token=mass_token,
        mass_share=mass_share,
    )


def histogram_edges(values: Float32[np.ndarray, " n"], n_bins: int) -> Float64[np.ndarray, " edges"]:
    """n_bins + 1 edges, evenly from the smallest to the largest value. Raises ValueError without a value."""
    if len(values) == 0:
        raise ValueError("a histogram needs at least one activation")
    return np.linspace(float(values.min()), float(values.max()), n_bins + 1)


def bin_of(values: Float32[np.ndarray, " n"], edges: Float64[np.ndarray, " edges"]) -> Int64[np.ndarray, " n"]:
    """The bin of each value: from its lower edge up to, but not with, its upper; the largest value is in the last."""
    return np.clip(np.searchsorted(edges, values.astype(np.float64), side="right") - 1, 0, len(edges) - 2)


def token_histogram(
    values: Float32[np.ndarray, " n"], tokens: Integer[np.ndarray, " n"], n_bins: int = 10, n_common: int = 5
) -> TokenHistogram:
    """Activations above zero and the token of each -> the stacked histogram of the paper's Figure 4.

    Of equally common tokens the lower id comes first. Raises ValueError without an activation.
    """
    edges = histogram_edges(values, n_bins)
    ids, inverse, n_of = np.unique(tokens, return_inverse=True, return_counts=True)
    common = np.argsort(-n_of, kind="stable")[:n_common]
    kind = np.full(len(ids), len(common))
    kind[common] = np.arange(len(common))
    counts = np.zeros((n_bins, len(common) + 1), dtype=np.int64)
    np.add.at(counts, (bin_of(values, edges), kind[inverse]), 1)
    return TokenHistogram(edges=edges, tokens=tuple(ids[common].tolist()), counts=counts)


def compiled_pattern(pattern: str) -> re.Pattern[str]:
    """Raises UserError, saying where, when it is no regular expression."""
    try:
        return re.compile(pattern)
    except re.error as error:
        raise UserError(f"{pattern!r} is no regular expression of Python ({error}); correct it") from error


def pattern_matches(
    pattern: re.Pattern[str], texts: Sequence[str], tokens: Integer[np.ndarray, " n"]
) -> Bool[np.ndarray, " n"]:
    """Which tokens of one text the pattern matches, the text being what its tokens stand for put together.

    texts: what each token id stands for; bytes that are no UTF-8 by themselves as surrogates (`surrogateescape`). A
    token matches where a match covers a part of it; a match of no width belongs to the token that begins or goes on
    there, and to none at the text's end.
    """
    pieces = [texts[int(token)].encode("utf-8", "surrogateescape") for token in tokens]
    text = b"".join(pieces).decode("utf-8", "surrogateescape")
    # The first byte of every character, then the token of every byte: a character of several tokens is all theirs.
    first = np.cumsum([0, *(len(character.encode("utf-8", "surrogateescape")) for character in text)])
    owner = np.repeat(np.arange(len(pieces)), [len(piece) for piece in pieces])
    found = np.zeros(len(pieces), dtype=np.bool_)
    for match in pattern.finditer(text):
        start, stop = first[match.start()], first[match.end()]
        found[owner[start : max(stop, start + 1)]] = True
    return found


def pattern_counts(matches: Bool[np.ndarray, " n"], fires: Bool[np.ndarray, " n"]) -> PatternCounts:
    """Tokens by match and firing."""
    both, pattern_only = int((matches & fires).sum()), int((matches & ~fires).sum())
    latent_only = int((~matches & fires).sum())
    return PatternCounts(
        both=both,
        pattern_only=pattern_only,
        latent_only=latent_only,
        neither=len(matches) - both - pattern_only - latent_only,
    )


def pattern_histogram(
    values: Float32[np.ndarray, " n"], matches: Bool[np.ndarray, " n"], n_bins: int = 10
) -> tuple[Float64[np.ndarray, " edges"], Int64[np.ndarray, "bins 2"]]:
    """Edges, and the counts [match, no match] of each bin of activations above zero."""
    edges = histogram_edges(values, n_bins)
    counts = np.zeros((n_bins, 2), dtype=np.int64)
    np.add.at(counts, (bin_of(values, edges), (~matches).astype(np.int64)), 1)
    return edges, counts


def _largest_share(table: scipy.sparse.csr_matrix) -> tuple[np.ndarray, np.ndarray]:
    """Column and share of the largest entry of each row; -1 and 0 of an empty row."""
    total = np.asarray(table.sum(axis=1)).ravel()
    largest = table.max(axis=1).toarray().ravel()
    column = np.asarray(table.argmax(axis=1)).ravel().astype(np.int64)
    empty = total <= 0
    return np.where(empty, -1, column), np.where(empty, 0.0, largest / np.where(empty, 1.0, total))
