"""Edits of an activation through a dictionary: latents are given other values, and all else stays as it is.

    x' = x + sum_{j in F} (v_j - z_j) d_j          z = encode(x), d_j the rows of W_dec, v_j the new values

The reconstruction error x - x_hat stays in x'. Every function here maps x `[batch seq d_site]` to x' of the same shape
and dtype, and is what `monosemy.lm.Edit` and `run_from` take. Source: Cunningham et al. 2023 (arXiv 2309.08600),
section 4; the patch is the one of its equation for x'.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from monosemy.core import UserError
from monosemy.dictionaries import Dictionary

Activations = Float[Tensor, "batch seq d_site"]
Latents = Int64[Tensor, " n"]
Intervention = Callable[[Tensor], Tensor]


def encoded(dictionary: Dictionary, x: Activations) -> Float[Tensor, "batch seq n_latents"]:
    """z of every position. Raises UserError as `Dictionary.encode` does."""
    return dictionary.encode(x.flatten(0, 1)).unflatten(0, x.shape[:2])


def latent_indices(dictionary: Dictionary, latents: list[int] | tuple[int, ...]) -> Latents:
    """The latents' numbers as a tensor. Raises UserError when the dictionary has no such latent, or one comes twice."""
    for latent in latents:
        if not 0 <= latent < dictionary.n_latents:
            raise UserError(f"latent {latent} does not exist: the dictionary has 0 to {dictionary.n_latents - 1}")
    if len(set(latents)) < len(latents):
        raise UserError("a latent is named twice; name each once")
    return torch.tensor(latents, dtype=torch.int64)


def reconstructed(dictionary: Dictionary) -> Intervention:
    """x' = decode(encode(x)): the error is dropped. Raises UserError for a dictionary that writes another width."""
    _check_square(dictionary)

    def intervene(x: Activations) -> Activations:
        return dictionary.reconstruct(x.flatten(0, 1)).unflatten(0, x.shape[:2]).to(x.dtype)

    return intervene


def with_values(dictionary: Dictionary, latents: Latents, values: Float[Tensor, "*#where n"]) -> Intervention:
    """x' = x + sum_j (v_j - z_j) d_j: the latents get the values [n], or [batch seq n]; no latents: x itself.

    Zero values ablate by what the latent contributes (the paper's "less than rank one": for a tied dictionary with unit
    rows, x is lowered along the direction just until the latent is inactive); means are the mean ablation, the latents
    of another prompt the patch, of other rows the resample ablation, a constant is the clamp.
    """
    _check_square(dictionary)

    def intervene(x: Activations) -> Activations:
        if len(latents) == 0:
            return x
        difference = values.to(x.device) - encoded(dictionary, x)[..., latents]
        return x + _written(dictionary, latents, difference, x)

    return intervene


def ablated(dictionary: Dictionary, latents: Latents) -> Intervention:
    """`with_values` of zero: x' = x - sum_j z_j d_j."""
    return with_values(dictionary, latents, torch.zeros(len(latents), dtype=dictionary.W_dec.dtype))


def scaled(dictionary: Dictionary, latents: Latents, factor: float) -> Intervention:
    """x' = x + (factor - 1) sum_j z_j d_j: the latents times a factor; 1: x itself."""
    _check_square(dictionary)

    def intervene(x: Activations) -> Activations:
        if len(latents) == 0 or factor == 1.0:
            return x
        return x + _written(dictionary, latents, (factor - 1.0) * encoded(dictionary, x)[..., latents], x)

    return intervene


def added(direction: Float[Tensor, " d_site"], amount: float) -> Intervention:
    """x' = x + amount * direction, at every position: steering. amount in units of the direction's length."""

    def intervene(x: Activations) -> Activations:
        return x + amount * direction.to(device=x.device, dtype=x.dtype)

    return intervene


def projected_out(directions: Float[Tensor, "n d_site"]) -> Intervention:
    """x' = x - Q Q^T x, Q an orthonormal basis of the directions' span: all that lies along them is removed.

    For one direction f: x' = x - (x . f) f / |f|^2, the full rank-one ablation. Directions that depend on the others,
    to 1e-6 of the largest singular value, add nothing. No direction: x itself.
    """
    basis = _basis(directions)

    def intervene(x: Activations) -> Activations:
        if len(basis) == 0:
            return x
        q = basis.to(device=x.device, dtype=x.dtype)
        return x - (x @ q.T) @ q

    return intervene


def _basis(directions: Float[Tensor, "n d_site"]) -> Float[Tensor, "rank d_site"]:
    _, singular, rows = torch.linalg.svd(directions.double(), full_matrices=False)
    return rows[singular > 1e-6 * singular.amax().clamp_min(torch.finfo(torch.float64).tiny)] if len(rows) else rows


def _written(dictionary: Dictionary, latents: Latents, difference: Tensor, x: Activations) -> Activations:
    """sum_j difference_j d_j in the dictionary's precision, then in x's."""
    return (difference.to(dictionary.W_dec.dtype) @ dictionary.W_dec[latents]).to(x.dtype)


def _check_square(dictionary: Dictionary) -> None:
    if dictionary.d_in != dictionary.d_out:
        raise UserError(
            f"the dictionary reads width {dictionary.d_in} and writes width {dictionary.d_out}: a transcoder, which "
            "cannot edit the activation that it reads; use a dictionary of one site"
        )
