"""The letters of the dimensions, and the shapes that most signatures speak of.

In long functions a variable carries its dimensions as a suffix of one-letter names, `z_BL`:

    B batch (rows of activations, or sequences)      S sequence (positions of a sequence)      P position (of a token)
    D d_model (width of the site)                    L n_latents                               K k (latents kept a row)
    V vocabulary                                     M members (of an ensemble)

The checks by jaxtyping and beartype are on under test only; outside they cost nothing.
"""

from jaxtyping import Float, Int
from torch import Tensor

Activations = Float[Tensor, "batch d_model"]
"""LM vectors at one site, one row a token."""

Latents = Float[Tensor, "batch n_latents"]
"""Latent activations z of one dictionary, one row a token."""

Directions = Float[Tensor, "n_latents d_model"]
"""Decoder rows: one direction a latent."""

Tokens = Int[Tensor, "batch seq"]
"""Token ids, one row a packed sequence."""

Logits = Float[Tensor, "batch seq vocab"]
"""Unnormalized log probabilities of the next token."""
