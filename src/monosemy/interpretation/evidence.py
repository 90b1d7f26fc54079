"""What an explanation may be made from: fragments of the validation split, and nothing of those that score it."""

from dataclasses import dataclass
from typing import Literal, final

import numpy as np
from jaxtyping import Float32, Float64

from monosemy.interpretation.text import Text

Budget = Literal["paper", "full"]
BUDGETS: tuple[Budget, ...] = ("paper", "full")

TOP_LEVEL = 10
"""Activations are shown to explainers, and predicted, in tenths of a latent's peak: 0 to 10."""


@final
@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Sample:
    """Fragments with what one latent does on them.

    values: in tenths of the peak, 0 where nothing was recorded. Under the paper's budget whole levels
    min(10, floor(10 relu(a) / peak)), otherwise 10 a / peak, signed as a is. weight: how many fragments of the text
    each one stands for, so that weighted sums estimate those over the whole text; all 1 under the paper's budget.
    """

    budget: Budget
    text: Text
    values: Float32[np.ndarray, "n_fragments position"]
    weight: Float64[np.ndarray, " n_fragments"]


@final
@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Evidence:
    """One latent under both budgets. peak: its largest activation on the fragments of the paper's budget."""

    latent: int
    peak: float
    paper: Sample
    full: Sample

    def of(self, budget: Budget) -> Sample:
        """The sample of a budget."""
        return self.paper if budget == "paper" else self.full
