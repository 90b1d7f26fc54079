"""Which latents are explained, in which order, and which are left out and why."""

from dataclasses import dataclass
from typing import Literal, final

import numpy as np
from jaxtyping import Int64

from monosemy.core import numpy_generator
from monosemy.evaluation import FragmentPart, Fragments
from monosemy.evaluation.fragment_parts import position_of
from monosemy.interpretation.fit_view import FitView

Order = Literal["seeded", "first"]

MIN_FIRING_FIT = 20
"""On how many fragments of validation a latent must fire to be explained, as in the paper."""
MIN_FIRING_SCORE = 10
"""On how many fragments of test it must fire to be scored."""

NEVER_FIRES = "never fires on validation"
TOO_RARE_TO_EXPLAIN = f"fires on fewer than {MIN_FIRING_FIT} fragments of validation"
TOO_RARE_TO_SCORE = f"fires on fewer than {MIN_FIRING_SCORE} fragments of test"
NEVER_POSITIVE = "has no positive activation on the fragments to explain it from"


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class LatentChoice:
    """One latent that was looked at: its place in the order, and why it is left out (None: it is not)."""

    latent: int
    place: int
    skipped: str | None


def latent_order(latents: Int64[np.ndarray, " n_latents"], order: Order, seed: int) -> Int64[np.ndarray, " n_latents"]:
    """The latents in a random order of the seed, so that the first n are a fair sample; or ("first") by number.

    By number as in the published pipelines, a variant: components of PCA come by variance, and so does the bias.
    """
    if order == "first":
        return np.sort(latents)
    return numpy_generator(seed, "interpretation/latents").permutation(latents)


def choose_latents(
    fragments: Fragments, view: FitView, n_latents: int, order: Order, seed: int
) -> tuple[LatentChoice, ...]:
    """The latents of the fragments in their order, up to and including the n-th that can be explained and scored."""
    chosen: list[LatentChoice] = []
    n_eligible = 0
    for place, latent in enumerate(latent_order(fragments.fit.latents, order, seed).tolist()):
        if n_eligible == n_latents:
            break
        skipped = why_skipped(fragments, view, latent)
        n_eligible += skipped is None
        chosen.append(LatentChoice(latent=latent, place=place, skipped=skipped))
    return tuple(chosen)


def why_skipped(fragments: Fragments, view: FitView, latent: int) -> str | None:
    """Why a latent cannot be explained or scored; None where it can. Raises UserError when nothing was kept of it."""
    n_fit, n_score = (n_firing_fragments(part, latent) for part in (fragments.fit, fragments.score))
    if n_fit == 0:
        return NEVER_FIRES
    if n_fit < MIN_FIRING_FIT:
        return TOO_RARE_TO_EXPLAIN
    if n_score < MIN_FIRING_SCORE:
        return TOO_RARE_TO_SCORE
    return NEVER_POSITIVE if view.peak(latent) <= 0 else None


def n_firing_fragments(part: FragmentPart, latent: int) -> int:
    """On how many fragments of the whole split a latent fires. Raises UserError when nothing was kept of it."""
    return int(part.statistics.n_firing_fragments[position_of(latent, part.latents)])
