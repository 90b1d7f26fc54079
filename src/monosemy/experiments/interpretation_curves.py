"""How much of a latent is explained with how many bits: the mean curve of a method's latents."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float64

from monosemy.core import bootstrap_ratios
from monosemy.experiments.interpretation_folders import Interpreted

BITS = np.arange(0.0, 513.0, 8.0)
"""Where the mean curve is taken."""

AREA_BITS = 256
"""Up to where the area under it is taken; beyond, a list of rules is longer than most texts that it speaks of."""


def steps_at(
    curve: Sequence[Sequence[int | float | None]], bits: Float64[np.ndarray, " bits"]
) -> Float64[np.ndarray, " bits"]:
    """What a description of at most so many bits scores: the last point that is no longer than that, 0 before any.

    curve: [description length, score] of every prefix of a rule list; a score of None (a constant prediction) is 0.
    """
    points = sorted((float(length or 0), 0.0 if score is None else float(score)) for length, score in curve)
    lengths = np.array([length for length, _ in points])
    scores = np.array([0.0, *(score for _, score in points)])
    return scores[np.searchsorted(lengths, bits, side="right")]


def mean_curve(group: Sequence[Interpreted], generator: np.random.Generator) -> dict[str, Any] | None:
    """The mean over the latents of all seeds under the full budget, latents resampled; None where no judge has bits.

    `area`: the mean of the curve up to 256 bits. `bits_to_90`: the median over the latents that ever reach 90 % of
    their ceiling; `reached_share`: how many of the latents do.
    """
    rows = [row for each in group for row in each.scored("full") if row.get("curve") is not None]
    if not rows:
        return None
    curves = np.stack([steps_at(row["curve"], BITS) for row in rows])
    found = bootstrap_ratios(curves, np.ones_like(curves), generator, 1000)
    reached = [row["bits_to_90"] for row in rows if row.get("bits_to_90") is not None]
    return {
        **{"n": len(rows), "bits": BITS.tolist()},
        **{"value": found.value.tolist(), "low": found.low.tolist(), "high": found.high.tolist()},
        "area": float(curves[:, BITS <= AREA_BITS].mean()),
        "bits_to_90": float(np.median(reached)) if reached else None,
        "reached_share": len(reached) / len(rows),
        "median_bits": float(np.median([row["bits"] for row in rows if row["bits"] is not None] or [0.0])),
    }
