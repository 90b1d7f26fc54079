"""The paper's search for the latents that matter: un-patch one after another as long as the answer hardly changes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from monosemy.causal.kl_curve import KLCurve, Order, PointsOfPairs, curve_along
from monosemy.causal.patching import LatentMask, LatentSets, Patching, PerPair
from monosemy.causal.single_flips import SingleFlips
from monosemy.core import Advance, UserError, ignore_advance, numpy_generator

PAPER_THRESHOLDS: tuple[float, ...] = tuple(np.logspace(-5, 0, 50).tolist())
"""tau of Cunningham et al. 2023, appendix F, in nats."""

CLOSE_CALL = 1e-6
"""In nats: about ten times what float32 rounding was seen to move a mean KL by, and a tenth of the smallest tau."""

MIN_ROWS, MAX_ROWS = 64, 1024
"""Rows (latent, pair) that run in one batch: fewer cost as much, more are mostly run in vain."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Sweep:
    """What a threshold sweep found.

    thresholds: tau, ascending, nats. sets `[thresholds n_latents]`: what was still patched after each. order: all
    latents, in the reverse of the order in which they were un-patched, those never un-patched first: `sets` are
    beginnings of it. kl, edit `[thresholds pairs]`: as in `KLCurve`. n_visits: decisions. n_passes: batches that were
    run; n_rows: prompts in them. n_skipped: visits that were decided without running anything. n_close_calls: visits
    that were decided by whole passes, as the fast arithmetic was too close to the threshold.
    """

    thresholds: Float64[np.ndarray, " thresholds"]
    sets: LatentSets
    order: Order
    kl: PointsOfPairs
    edit: PointsOfPairs
    n_visits: int
    n_passes: int
    n_rows: int
    n_skipped: int
    n_close_calls: int

    def curve(self, patching: Patching) -> KLCurve:
        """The curve through the sets, with nothing patched and all patched added; on these pairs or on held-out ones.

        The sets are nested, so that they are points of one order.
        """
        counts = {0, self.sets.shape[1], *self.sets.sum(axis=1).tolist()}
        return curve_along(patching, self.order, sorted(counts))


def threshold_sweep(
    patching: Patching,
    thresholds: Sequence[float] = PAPER_THRESHOLDS,
    seed: int = 0,
    *,
    advance: Advance = ignore_advance,
    close_call: float = CLOSE_CALL,
) -> Sweep:
    """The same sets as `naive_threshold_sweep`, and what is known already is not run again.

    - A latent that has the same value in both prompts of a pair changes nothing there and is never run; one that has so
      in all pairs is un-patched without a pass.
    - The KL of a pair without a latent stays known until another latent that is changed in that pair is un-patched.
    - Positions before the first difference of a pair's prompts are not computed again.
    - Latents that come next in the order are run in one batch, as if none of them were un-patched; where one is, what
      was run for the pairs that it changes is discarded.

    Batches and the reuse of positions round differently from whole passes, in the last bits. A decision whose
    KL(without i) - KL_prev lies within close_call of tau is therefore made again with whole passes, in the arithmetic
    of the naive sweep, so that both sweeps decide alike as long as rounding moves a mean KL by less than close_call.
    advance: told after each threshold. Raises UserError when the thresholds do not ascend.
    """
    record = _Record(patching, thresholds)
    flips = SingleFlips(patching, patching.all())
    judge = _WholePasses(flips)
    ahead = _Ahead(flips)
    generator = numpy_generator(seed, _PURPOSE)
    for tau in record.thresholds:
        order = generator.permutation(np.flatnonzero(flips.latents))
        for place, latent in enumerate(order.tolist()):
            record.n_visits += 1
            if len(flips.unknown(latent)) == 0:
                record.n_skipped += 1
            else:
                ahead.run(order[place:])
            increase = flips.increase(latent)
            if abs(increase - tau) <= close_call and patching.changed[:, latent].any():
                record.n_close_calls += 1
                increase = judge.increase_without(latent)
            if increase < tau:
                flips.flip(latent)
                record.removed.append(latent)
        record.after_threshold(flips.latents, flips.kl)
        advance(1)
    return record.sweep(flips.n_passes + judge.n_passes, flips.n_rows + judge.n_passes * patching.n_pairs)


def naive_threshold_sweep(
    patching: Patching,
    thresholds: Sequence[float] = PAPER_THRESHOLDS,
    seed: int = 0,
    *,
    advance: Advance = ignore_advance,
) -> Sweep:
    """The paper's search as it is defined: a pass of all pairs for every visit.

        start with all latents patched; for each tau, ascending, visit the patched latents in a random order:
            un-patch i if KL(without i) - KL_prev < tau, and then KL_prev = KL(without i)

    KL is the mean over pairs. The order of each round is drawn from the seed. Source: Cunningham et al. 2023, appendix
    F (Conmy et al. 2023, arXiv 2304.14997, algorithm 1, on a flat graph). Raises UserError as `threshold_sweep`.
    """
    record = _Record(patching, thresholds)
    generator = numpy_generator(seed, _PURPOSE)
    latents = patching.all()
    kl = patching.naive_kl(latents)
    for tau in record.thresholds:
        for latent in generator.permutation(np.flatnonzero(latents)).tolist():
            record.n_visits += 1
            latents[latent] = False
            without = patching.naive_kl(latents)
            if float(without.mean()) - float(kl.mean()) < tau:
                kl = without
                record.removed.append(latent)
            else:
                latents[latent] = True
        record.after_threshold(latents, kl)
        advance(1)
    n_passes = 1 + record.n_visits
    return record.sweep(n_passes, n_passes * patching.n_pairs)


_PURPOSE = "threshold sweep"


class _Record:
    """What is written down while a sweep goes on."""

    def __init__(self, patching: Patching, thresholds: Sequence[float]) -> None:
        self.patching = patching
        self.thresholds = [float(tau) for tau in thresholds]
        if not self.thresholds or (np.diff(self.thresholds) <= 0).any():
            raise UserError(f"the thresholds of a sweep ascend; got {list(thresholds)}")
        self.removed: list[int] = []
        self.n_visits = self.n_skipped = self.n_close_calls = 0
        self._sets: list[np.ndarray] = []
        self._kl: list[np.ndarray] = []

    def after_threshold(self, latents: LatentMask, kl: PerPair) -> None:
        """The set that is left, and the pairs' KL with it."""
        self._sets.append(latents.copy())
        self._kl.append(kl.copy())

    def sweep(self, n_passes: int, n_rows: int) -> Sweep:
        """All of it."""
        sets = np.stack(self._sets)
        left = np.flatnonzero(sets[-1])
        return Sweep(
            thresholds=np.array(self.thresholds),
            sets=sets,
            order=np.concatenate([left, np.array(self.removed[::-1], dtype=np.int64)]),
            kl=np.stack(self._kl),
            edit=np.stack([self.patching.edit_norm(latents) for latents in sets]),
            n_visits=self.n_visits,
            n_passes=n_passes,
            n_rows=n_rows,
            n_skipped=self.n_skipped,
            n_close_calls=self.n_close_calls,
        )


class _Ahead:
    """How far ahead flips are run: twice as far after a batch of which nothing was run in vain, else half as far."""

    def __init__(self, flips: SingleFlips) -> None:
        self._flips = flips
        self._n_rows = MIN_ROWS
        self._batch: list[int] = []

    def run(self, order: Int64[np.ndarray, " n"]) -> None:
        """Run what is unknown of the first latents of the order, as many as make up a batch."""
        in_vain = int(order[0]) in self._batch  # it was run, and a flip since then has changed what it was run from
        self._n_rows = max(self._n_rows // 2, MIN_ROWS) if in_vain else min(2 * self._n_rows, MAX_ROWS)
        n_rows = 0
        self._batch = []
        for latent in order.tolist():
            n_rows += len(self._flips.unknown(latent))
            self._batch.append(latent)
            if n_rows >= self._n_rows:
                break
        self._flips.run(self._batch)


class _WholePasses:
    """The naive sweep's own arithmetic, for decisions that the fast one is too close to call."""

    def __init__(self, flips: SingleFlips) -> None:
        self._flips = flips
        self._set: bytes = b""
        self._mean = 0.0
        self.n_passes = 0

    def increase_without(self, latent: int) -> float:
        """KL without the latent minus KL with the set as it is, each the mean of a whole pass."""
        latents = self._flips.latents.copy()
        if latents.tobytes() != self._set:
            self._set, self._mean = latents.tobytes(), self._mean_kl(latents)
        latents[latent] = False
        return self._mean_kl(latents) - self._mean

    def _mean_kl(self, latents: LatentMask) -> float:
        self.n_passes += 1
        return float(self._flips.patching.naive_kl(latents).mean())
