"""The form of a loss whose exact gradients need the active values only, said in numbers for the fast paths."""

from dataclasses import dataclass
from typing import Literal

from torch import nn


@dataclass(frozen=True, kw_only=True, slots=True)
class AuxKForm:
    """The auxiliary loss `auxk`: its coefficient, and how many dead latents a row uses."""

    coefficient: int | float
    k: int


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SparseForm:
    """Squared error + elementwise penalty of the active values, by the parameters that it trains.

        pre   = x W_enc^T + b_enc
        z     = max(pre, 0) where selected, else 0
        x_hat = z D + b_dec                           D: the rows of W_dec, which have unit norm after each step
        loss  = error_weight |x - x_hat|^2 + sparsity_factor penalty sum_j z_j + auxk       mean over the batch

    W_dec None: encoder and decoder are tied, both have the rows of W_enc divided by their norms, which no step sets
    back. b_dec None: none. The terms are called `reconstruction`, `l1` and `auxk`; those that are None do not exist.
    In an untied form the gradient of a row of W_dec is tangent to the sphere, as if it were normalized in the forward
    pass. k: how many are kept, None for all that are positive; of each row, or k times the
    rows of the whole batch, as `selected_in` says. trains_decoder False: W_dec keeps its values.
    """

    W_enc: nn.Parameter
    b_enc: nn.Parameter
    W_dec: nn.Parameter | None
    b_dec: nn.Parameter | None
    error_weight: int | float
    penalty: int | float | None = None
    k: int | None = None
    selected_in: Literal["row", "batch"] = "row"
    auxk: AuxKForm | None = None
    trains_decoder: bool = True
