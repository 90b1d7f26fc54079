"""What explanations are made from: a latent's fragments of the validation split, weighted so that they stand for it."""

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float32, Float64, Int64

from monosemy.core import numpy_generator
from monosemy.evaluation import FitFragments
from monosemy.evaluation.fragment_parts import Group, position_of
from monosemy.interpretation.evidence import TOP_LEVEL, Evidence, Sample
from monosemy.interpretation.text import Text, text_of

N_EXPLAINED = 5
"""Fragments of the paper's budget: ranks 0, 4, 8, 12 and 16 of the 20 of the highest activation."""

N_SAMPLED = 400
"""At most so many fragments of the firing, and of the silent stratum are in the full sample."""


@final
@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Kept:
    """Fragments of one group of a latent: rows of the part's table, and the activations there."""

    row: Int64[np.ndarray, " n"]
    values: Float32[np.ndarray, "n position"]

    def take(self, which: Int64[np.ndarray, " n_taken"] | slice) -> "_Kept":
        """Some of them."""
        return _Kept(row=self.row[which], values=self.values[which])


@final
class FitView:
    """The fragments of the validation split as explanations need them: the same for all latents where they can be.

    The full sample of a latent has four strata, of which every fragment of the split is in one:

        top          the (up to 20) fragments of the highest activation, all of them
        firing       the other ones on which it fires: of those of the random sample and of the uniform fragments
        near misses  the (up to 10) silent fragments of the highest pre-activation, all of them
        silent       the other silent ones: of the uniform fragments

    Of firing and of silent ones at most `n_sampled` are taken, uniform fragments in one seeded order for all latents.

    A fragment of a stratum weighs the stratum's size / how many of it are in the sample, so that the weights sum to the
    number of the split's fragments, and weighted sums over the sample are unbiased for the split: given how many of
    a stratum are taken, each set of so many is equally likely. Where nothing of a stratum is at hand, its weight
    falls to the other one that is like it (firing or silent).
    """

    def __init__(self, fragments: FitFragments, *, seed: int = 0, n_sampled: int = N_SAMPLED) -> None:
        self._fragments = fragments
        self._n_sampled = n_sampled
        self.text: Text = text_of(fragments.table)
        self._uniform = fragments.uniform()
        self._place = numpy_generator(seed, "interpretation/fit").permutation(len(self._uniform))
        self._token = self._uniform.fragments.tokens[self._uniform.fragments.mask]
        self._token_count = np.bincount(self._token, minlength=1)

    def activations(self, latent: int) -> Float32[np.ndarray, "n_uniform position"]:
        """A latent's activations on the uniform fragments. Raises UserError when nothing was kept of it."""
        return self._uniform.activations(latent)

    def threshold(self, latent: int, density: float) -> float:
        """Above which activation a latent counts as active: max(0, its (1 - density) quantile over uniform tokens).

        The quantile is the lowest value above which at most the share `density` of the tokens lies. Raises as
        `activations`.
        """
        values = self.activations(latent)[self._uniform.fragments.mask]
        n_above = int(len(values) * density)
        positive = values[values > 0]
        if len(positive) <= n_above:
            return 0.0
        return float(np.partition(positive, len(positive) - n_above - 1)[len(positive) - n_above - 1])

    def token_means(self, latent: int) -> "TokenMeans":
        """The latent's mean activation on each token over the uniform fragments. Raises as `activations`."""
        values = self.activations(latent)[self._uniform.fragments.mask].astype(np.float64)
        total = np.bincount(self._token, weights=values, minlength=1)
        overall = float(values.mean()) if len(values) else 0.0
        means = np.where(self._token_count > 0, total / np.maximum(self._token_count, 1), overall)
        return TokenMeans(mean=np.append(means, overall).astype(np.float32))

    def peak(self, latent: int) -> float:
        """The largest activation on the fragments of the paper's budget; 0 where it never fires. Raises as above."""
        return _peak(self._kept("top", latent))

    def evidence(self, latent: int) -> Evidence:
        """What an explainer may see of a latent. Raises as `activations`, and ValueError unless the peak is above 0."""
        top = self._kept("top", latent)
        peak = _peak(top)
        if peak <= 0:
            raise ValueError(f"latent {latent} has no positive activation in the fragments to fit; leave it out")
        shown = _shown(len(top.row))
        levels = np.minimum(TOP_LEVEL, np.floor(TOP_LEVEL * np.maximum(top.values[shown], 0.0) / peak))
        paper = Sample(
            budget="paper",
            text=self.text.take(top.row[shown]),
            values=levels.astype(np.float32),
            weight=np.ones(len(shown)),
        )
        return Evidence(latent=latent, peak=peak, paper=paper, full=self._full(latent, top, peak))

    def _full(self, latent: int, top: _Kept, peak: float) -> Sample:
        firing, near = self._kept("firing", latent), self._kept("near_misses", latent)
        near = _Kept(row=near.row, values=np.zeros_like(near.values))  # what is kept there are pre-activations
        uniform = _Kept(row=self._fragments.uniform_row.astype(np.int64), values=self.activations(latent))
        fires = (uniform.values != 0).any(axis=1)
        recorded = self._uniform.fragments.mask.any(axis=1)
        silent = np.flatnonzero(~fires & recorded & ~np.isin(uniform.row, near.row))
        silent = np.sort(silent[np.argsort(self._place[silent])[: self._n_sampled]])
        also = np.flatnonzero(fires)
        also = uniform.take(also[np.argsort(self._place[also])])
        rest = _distinct(_without(firing, top.row), _without(also, top.row)).take(slice(self._n_sampled))
        statistics = self._fragments.statistics
        n_firing = int(statistics.n_firing_fragments[position_of(latent, self._fragments.latents)])
        strata = (top, rest, near, uniform.take(silent))
        n_silent = statistics.n_fragments - n_firing
        weights = _weights(
            tuple(len(stratum.row) for stratum in strata),
            (len(top.row), n_firing - len(top.row), len(near.row), n_silent - len(near.row)),
        )
        return Sample(
            budget="full",
            text=self.text.take(np.concatenate([stratum.row for stratum in strata])),
            values=(np.float32(TOP_LEVEL / peak) * np.concatenate([stratum.values for stratum in strata])),
            weight=weights,
        )

    def _kept(self, group: Group, latent: int) -> _Kept:
        kept, place = self._fragments.kept[group], position_of(latent, self._fragments.latents)
        m = kept.row.shape[1]
        there = kept.row[place] >= 0
        values = kept.values.dense(place * m, (place + 1) * m)
        return _Kept(row=kept.row[place][there].astype(np.int64), values=values[there])


@final
@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class TokenMeans:
    """A latent's mean activation on each token id, what the token alone tells of it.

    The last entry is the mean over all tokens; it stands for ids that were not seen, too.
    """

    mean: Float32[np.ndarray, " n_ids"]

    def predict(self, text: Text) -> Float32[np.ndarray, "n_fragments position"]:
        """The mean of the token at every position."""
        return self.mean[np.minimum(text.fragments.tokens, len(self.mean) - 1)]


def _shown(n: int) -> list[int]:
    """The ranks of the paper's budget: 0, 4, 8, 12, 16 of 20, as evenly of fewer."""
    n_shown = min(N_EXPLAINED, n)
    return [i * n // n_shown for i in range(n_shown)]


def _peak(top: _Kept) -> float:
    shown = _shown(len(top.row))
    return float(top.values[shown].max()) if shown else 0.0


def _without(kept: _Kept, rows: Int64[np.ndarray, " n_rows"]) -> _Kept:
    return kept.take(np.flatnonzero(~np.isin(kept.row, rows)))


def _distinct(first: _Kept, second: _Kept) -> _Kept:
    """The fragments of both, those of the first in front, each once."""
    rest = _without(second, first.row)
    return _Kept(row=np.concatenate([first.row, rest.row]), values=np.concatenate([first.values, rest.values]))


def _weights(n_drawn: tuple[int, ...], size: tuple[int, ...]) -> Float64[np.ndarray, " n"]:
    """What each fragment of the strata stands for, one stratum after the other."""
    sizes = list(size)
    for one, other in ((1, 0), (3, 2), (2, 3)):  # nothing of the one is at hand: the other stands for it as well
        if n_drawn[one] == 0 and n_drawn[other] > 0:
            sizes[other] += sizes[one]
            sizes[one] = 0
    return np.concatenate([np.full(n, total / n) for n, total in zip(n_drawn, sizes, strict=True) if n > 0])
