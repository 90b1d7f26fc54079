"""The order in which latents are patched when each step takes the one that helps most, measured exactly."""

import numpy as np

from monosemy.causal.attribution import attributions_with
from monosemy.causal.kl_curve import Order
from monosemy.causal.patching import Patching
from monosemy.causal.single_flips import SingleFlips
from monosemy.core import Advance, ignore_advance

GREEDY_CANDIDATES = 32
"""Latents that are run at each step; the others' estimates are not better than any of theirs."""


def greedy_order(
    patching: Patching, n_max: int, n_candidates: int = GREEDY_CANDIDATES, *, advance: Advance = ignore_advance
) -> Order:
    """The first n_max latents of greedy forward selection, fewer where no other latent is changed in any pair.

        S_0 = {};  S_{t+1} = S_t + argmin_j mean KL(S_t + j)        j among the candidates of this step

    The candidates are the n_candidates latents outside S_t whose first-order estimate at S_t is best
    (`attributions_with`); with n_candidates >= n_latents it is the plain greedy search over all. What a candidate does
    to a pair is run once as long as the latents patched in that pair stay the same, which is exact. A step is taken
    even where every candidate raises the mean KL. Ties go to the lowest number. Raises ValueError when n_max or
    n_candidates is below 1.
    """
    if n_max < 1 or n_candidates < 1:
        raise ValueError(f"a greedy search needs at least one step and one candidate, got {n_max} and {n_candidates}")
    flips = SingleFlips(patching, patching.none())
    can_help = patching.changed.any(axis=0)
    order: list[int] = []
    for _ in range(min(n_max, int(can_help.sum()))):
        outside = np.flatnonzero(can_help & ~flips.latents)
        if n_candidates < len(outside):
            estimate = attributions_with(patching, flips.latents)[outside]
            outside = np.sort(outside[np.argsort(estimate, kind="stable")[:n_candidates]])
        flips.run(outside.tolist())
        best = int(outside[np.argmin([flips.increase(latent) for latent in outside.tolist()])])
        flips.flip(best)
        order.append(best)
        advance(1)
    return np.array(order, dtype=np.int64)
