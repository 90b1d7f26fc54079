"""The first half of a case study: on which tokens a latent fires, by activation, with examples of each strength."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Int64

from monosemy.causal import (
    bin_of,
    compiled_pattern,
    histogram_edges,
    pattern_counts,
    pattern_histogram,
    pattern_matches,
    token_histogram,
)
from monosemy.core import UserError
from monosemy.experiments.case_bench import CaseBench, CaseText, ReadLatent

CONTEXT_BEFORE, CONTEXT_AFTER = 40, 10


@dataclass(frozen=True, kw_only=True, slots=True)
class ActivityConfig:
    """How the activating tokens are shown; the numbers are the paper's."""

    n_bins: int = 10  # of equal width, from the smallest to the largest activation
    n_common: int = 5  # tokens told apart in the histogram
    max_activations: int | None = 5_000  # activating tokens in the histogram, drawn; none: all
    n_top: int = 8  # examples of the highest activation, one a row of text
    regex: str | None = None  # a pattern over the decoded text whose matches are set against the latent

    def __post_init__(self) -> None:
        for name in ("n_bins", "n_common", "n_top"):
            if getattr(self, name) < 1:
                raise UserError(f"{name.replace('_', '-')} is {getattr(self, name)}; give at least 1")
        if self.max_activations is not None and self.max_activations < 1:
            raise UserError(f"max-activations is {self.max_activations}; give at least 1, or none for all")
        if self.regex is not None:
            compiled_pattern(self.regex)


def activity_part(bench: CaseBench, read: ReadLatent, config: ActivityConfig) -> dict[str, Any]:
    """What a latent fires on, as JSON; `shares` are over all activating tokens, the histogram is of a sample of them.

    The latent must fire somewhere.
    """
    fires = np.flatnonzero(read.values > 0)
    tokens = bench.text.tokens.ravel()[read.places]
    values = read.values[fires]
    sample = fires
    if config.max_activations is not None and len(fires) > config.max_activations:
        drawn = bench.generator("histogram", read.latent).choice(len(fires), config.max_activations, replace=False)
        sample = fires[np.sort(drawn)]
    histogram = token_histogram(read.values[sample], tokens[sample], config.n_bins, config.n_common)
    return {
        "n_tokens": len(read.values),
        "n_fired": len(fires),
        "density": len(fires) / len(read.values),
        "largest": float(values.max()),
        **_shares(bench, values, tokens[fires]),
        "histogram": {
            "n": len(sample),
            "edges": histogram.edges.tolist(),
            "tokens": [bench.words[token] for token in histogram.tokens],
            "counts": histogram.counts.tolist(),
        },
        "pattern": None if config.regex is None else _pattern_part(bench, read, sample, config),
        "top": [_example(bench, read, int(read.places[i])) for i in top_rows(bench.text, read, config.n_top)],
        "uniform": [
            {**_example(bench, read, int(read.places[i])), "bin": bin_}
            for bin_, i in _one_a_bin(bench, read, fires, config.n_bins)
        ],
    }


def top_rows(text: CaseText, read: ReadLatent, n: int) -> list[int]:
    """Where in `read` the highest activations stand, at most one of a row of text; of equals the first in the text."""
    found: list[int] = []
    seen: set[int] = set()
    for i in np.argsort(-read.values, kind="stable"):
        if read.values[i] <= 0 or len(found) == n:
            break
        row = int(read.places[i]) // text.length
        if row not in seen:
            seen.add(row)
            found.append(int(i))
    return found


def matched_tokens(pattern: re.Pattern[str], words: Sequence[str], text: CaseText) -> Bool[np.ndarray, "rows seq"]:
    """Which tokens of a text the pattern matches; it never sees across the end of a row or of a document."""
    found = np.zeros(text.tokens.shape, dtype=np.bool_)
    for row in range(len(text.tokens)):
        kept = np.flatnonzero(text.index[row] >= 0)
        ends = np.flatnonzero(np.diff(text.document[row, kept])) + 1
        for part in np.split(kept, ends):
            found[row, part] = pattern_matches(pattern, words, text.tokens[row, part])
    return found


def _shares(bench: CaseBench, values: np.ndarray, tokens: Int64[np.ndarray, " n"]) -> dict[str, Any]:
    """The most common activating token and its share, by count and by summed activation."""
    ids, inverse = np.unique(tokens, return_inverse=True)
    count, mass = (np.bincount(inverse, weights=w) for w in (np.ones(len(values)), values.astype(np.float64)))
    return {
        "token": bench.words[int(ids[count.argmax()])],
        "token_share": float(count.max() / count.sum()),
        "mass_token": bench.words[int(ids[mass.argmax()])],
        "mass_share": float(mass.max() / mass.sum()),
        "n_distinct": len(ids),
    }


def _pattern_part(bench: CaseBench, read: ReadLatent, sample: np.ndarray, config: ActivityConfig) -> dict[str, Any]:
    assert config.regex is not None
    matches = matched_tokens(compiled_pattern(config.regex), bench.words, bench.text).ravel()[read.places]
    counts = pattern_counts(matches, read.values > 0)
    edges, bins = pattern_histogram(read.values[sample], matches[sample], config.n_bins)
    return {
        "regex": config.regex,
        "edges": edges.tolist(),
        "counts": bins.tolist(),
        "both": counts.both,
        "pattern_only": counts.pattern_only,
        "latent_only": counts.latent_only,
        "neither": counts.neither,
    }


def _one_a_bin(bench: CaseBench, read: ReadLatent, fires: np.ndarray, n_bins: int) -> list[tuple[int, int]]:
    """One activation drawn from each bin that has one, the highest bin first: (bin, where in `read`)."""
    bins = bin_of(read.values[fires], histogram_edges(read.values[fires], n_bins))
    generator = bench.generator("examples", read.latent)
    drawn = ((b, fires[bins == b]) for b in range(n_bins - 1, -1, -1))
    return [(b, int(generator.choice(some))) for b, some in drawn if len(some)]


def _example(bench: CaseBench, read: ReadLatent, place: int) -> dict[str, Any]:
    """A place with the text around it; `at`: which of its tokens is meant."""
    text = bench.text
    around = text.around(place, CONTEXT_BEFORE, CONTEXT_AFTER)
    document = text.store.documents[int(text.document.ravel()[place])]
    return {
        "value": read.value(place),
        "at": int(np.searchsorted(around, place)),
        "tokens": [bench.words[token] for token in text.tokens.ravel()[around].tolist()],
        "activations": [read.value(p) for p in around.tolist()],
        "document": document.id,
        "unit": document.unit,
    }
