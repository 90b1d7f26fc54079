"""Which latent a causal tree is grown of where none is named: one that stands for a closing bracket or quote."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from monosemy.causal.site_text import SiteText
from monosemy.core import UserError


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class TargetCriterion:
    """A latent with one dominant token that closes something, and frequent enough; all of it on validation text.

    The dominant token is the most frequent one among the positions where the latent is at half of its peak or more.
    It has to be, but for white space, one of `characters` alone, with a share of at least `min_share` of those
    positions, of which there are at least `min_positions`. Characters are tried in their order, and of the latents that
    the first one with any gives, the one with the most positions is taken, of equals the first. The paper's own target
    stands for a closing parenthesis (Cunningham et al. 2023, Figure 5). Raises UserError where nothing could meet it.
    """

    characters: str = ")]}'\""
    min_share: float = 0.75
    min_positions: int = 100

    def __post_init__(self) -> None:
        if not self.characters or not 0 <= self.min_share <= 1 or self.min_positions < 1:
            raise UserError("a target needs characters, a share from 0 to 1, and at least one position")


def choose_target(text: SiteText, vocabulary: Sequence[str], criterion: TargetCriterion) -> int:
    """The latent that the criterion gives. Raises UserError where none meets it."""
    met: dict[str, list[tuple[int, int]]] = {character: [] for character in criterion.characters}
    for latent in range(text.dictionary.n_latents):
        values = text.activations(latent)
        peak = values.max(initial=0.0)
        rows = np.flatnonzero((values > 0) & (values >= peak / 2))
        if len(rows) < criterion.min_positions:
            continue
        [(token, share)] = text.frequent_tokens(latent, 1)
        character = vocabulary[token].strip()
        if character in met and share >= criterion.min_share:
            met[character].append((len(rows), -latent))
    for found in met.values():
        if found:
            return -max(found)[1]
    raise UserError(
        f"no latent of {text.name} stands for one of {criterion.characters} (share {criterion.min_share:g} of at least "
        f"{criterion.min_positions} validation positions at half of its peak); name one with --latent"
    )
