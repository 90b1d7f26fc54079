"""Which latents have a single meaning, by criteria written down beforehand.

A latent is proposed when it fires often enough to be judged and not nearly everywhere, one token makes up most of what
it fires on, ablating it does what its logit lens says, and, where it was explained by rules, a short explanation
foretells it. Everything is looked at on validation text; what is reported of the proposed is measured on test text.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Int64

from monosemy.causal.activating_tokens import LatentScan
from monosemy.core import UserError, numpy_generator


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchCriteria:
    """What a latent must be to be proposed; the values stand in the recipe."""

    share_of: Literal["mass", "count"]  # what the top token's share is of: activation summed, or activating tokens
    min_token_share: float  # of the most common token
    max_density: float  # share of tokens on which the latent fires
    min_fired: int  # tokens of validation on which it fires
    min_spearman: float  # between logit lens and ablation, over the vocabulary
    min_precision: float  # share of the ten tokens lowered most that are among the lens's ten highest
    min_rule_score: float  # correlation of the rules' prediction on fragments, of those that were explained
    max_rule_bits: float  # description length of the rules

    def __post_init__(self) -> None:
        for name in ("min_token_share", "max_density"):
            if not 0 <= getattr(self, name) <= 1:
                raise UserError(f"{name} is {getattr(self, name)}; it is a share: give 0 to 1")
        if self.min_fired < 1:
            raise UserError(f"min_fired is {self.min_fired}; who never fires cannot be judged: give 1 or more")


@dataclass(frozen=True, kw_only=True, slots=True)
class LatentFigures:
    """What the criteria look at, of one latent; None where it was not measured or is not defined.

    token: the one whose share is given. precision: of the ten most lowered tokens.
    """

    latent: int
    token: int
    token_share: float
    density: float
    fired: int
    spearman: float | None = None
    precision: float | None = None
    rule_score: float | None = None
    rule_bits: float | None = None


def figures_of(scan: LatentScan, latent: int, criteria: SearchCriteria) -> LatentFigures:
    """What the scan of a text says of a latent."""
    by_mass = criteria.share_of == "mass"
    return LatentFigures(
        latent=latent,
        token=int((scan.mass_token if by_mass else scan.top_token)[latent]),
        token_share=float((scan.mass_share if by_mass else scan.token_share)[latent]),
        density=float(scan.density[latent]),
        fired=int(scan.fired[latent]),
    )


def candidates(scan: LatentScan, criteria: SearchCriteria) -> list[LatentFigures]:
    """The latents that meet what needs no language model, the largest share first, of equals the lowest number."""
    found = [figures_of(scan, latent, criteria) for latent in range(len(scan.fired))]
    return sorted((f for f in found if fires_singly(f, criteria)), key=lambda f: (-f.token_share, f.latent))


def fires_singly(figures: LatentFigures, criteria: SearchCriteria) -> bool:
    """Whether it fires often enough, not too often, and mostly on one token."""
    return (
        figures.fired >= criteria.min_fired
        and figures.density <= criteria.max_density
        and figures.token_share >= criteria.min_token_share
    )


def lens_holds(figures: LatentFigures, criteria: SearchCriteria) -> bool:
    """Whether the ablation agrees with the lens; an undefined correlation does not."""
    spearman, precision = figures.spearman, figures.precision
    return (
        spearman is not None
        and precision is not None
        and spearman >= criteria.min_spearman
        and precision >= criteria.min_precision
    )


def rules_hold(figures: LatentFigures, criteria: SearchCriteria) -> bool:
    """Whether short rules foretell it; a latent that was not explained is not held back by that."""
    score, bits = figures.rule_score, figures.rule_bits
    return score is None or (score >= criteria.min_rule_score and bits is not None and bits <= criteria.max_rule_bits)


def meets(figures: LatentFigures, criteria: SearchCriteria) -> bool:
    """Whether a latent is proposed."""
    return fires_singly(figures, criteria) and lens_holds(figures, criteria) and rules_hold(figures, criteria)


def random_latents_of(
    scan: LatentScan, excluded: list[int], n: int, min_fired: int, seed: int
) -> Int64[np.ndarray, " n"]:
    """n latents, or as many as there are, drawn among those that fire on at least min_fired tokens, ascending."""
    known = np.setdiff1d(np.flatnonzero(scan.fired >= min_fired), np.array(excluded, dtype=np.int64))
    drawn = numpy_generator(seed, "case-study/random-latents").permutation(known)[:n]
    return np.sort(drawn).astype(np.int64)
