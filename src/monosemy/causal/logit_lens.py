"""The logit lens of directions: what a direction would add to the logits if it reached the unembedding unchanged.

    v = W (g * (f - mean(f)))        W: the unembedding less its mean over the vocabulary, g: the final norm's gain

f is the direction as it stands in the residual stream: one of the MLP's neurons or of the heads' outputs goes through
the block's output projection first. A LayerNorm removes the mean of f over d_model, an RMSNorm does not. The division
by the norm's standard deviation is left out: it is one factor for all tokens. Source: nostalgebraist 2020; for
directions of a dictionary Cunningham et al. 2023 (arXiv 2309.08600), section 5, whose plain f W_U is `plain_lens`.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64
from scipy.stats import rankdata
from torch import Tensor

from monosemy.lm import FAMILIES, LanguageModel, Location, Site

MAX_USED_NORM = 20.0
"""The paper's notebooks take a token whose unembedding is longer than this for one that was never used (Pythia)."""

_VOCABULARY_CHUNK = 16_384
_CONSTANT = 1e-12


@dataclass(frozen=True, kw_only=True, slots=True)
class LensAgreement:
    """How well the lens foretells an ablation.

    spearman: over the vocabulary, between the lens and how much the ablation lowers each token; None where one of the
    two is constant. precision: share of the k tokens lowered most that are among the k highest of the lens.
    """

    spearman: float | None
    precision: float
    k: int


@torch.no_grad()
def written(lm: LanguageModel, site: Site, directions: Float[Tensor, "n d_site"]) -> Float64[Tensor, "n d_model"]:
    """What directions at a site add to the residual stream. Raises UserError when the model does not have the site."""
    lm.check(site)
    if site.location not in _PROJECTED:
        return directions.double()
    family = FAMILIES[lm.family]
    path = family.mlp_projection if site.location == "mlp_hidden" else family.attn_projection
    projection = lm.model.get_submodule(f"{family.blocks}.{site.layer}.{path}")
    given = directions.to(device=lm.device, dtype=lm.dtype)
    # The projection is linear but for its bias, which the difference takes away.
    return (projection(given) - projection(torch.zeros_like(given))).double()


def logit_lens(lm: LanguageModel, site: Site, directions: Float[Tensor, "n d_site"]) -> Float64[Tensor, "n vocab"]:
    """v of each direction, float64 on the CPU, in logits for a residual stream of standard deviation 1.

    Raises UserError when the model does not have the site.
    """
    f = written(lm, site, directions)
    if FAMILIES[lm.family].norm == "LayerNorm":
        f = f - f.mean(dim=1, keepdim=True)
    gain = lm.final_norm.weight
    assert isinstance(gain, Tensor)  # every family of the table has one
    v = _unembedded(lm, f * gain.double().to(f.device))
    return v - v.mean(dim=1, keepdim=True)


def plain_lens(lm: LanguageModel, site: Site, directions: Float[Tensor, "n d_site"]) -> Float64[Tensor, "n vocab"]:
    """f W_U as the paper has it: without the norm's gain, not centered; float64 on the CPU."""
    return _unembedded(lm, written(lm, site, directions))


def used_tokens(lm: LanguageModel, max_norm: float = MAX_USED_NORM) -> Bool[np.ndarray, " vocab"]:
    """The tokens that the paper's rule takes for used: those whose unembedding is at most max_norm long."""
    return (lm.unembedding.detach().double().norm(dim=1) <= max_norm).cpu().numpy()


def excess_kurtosis(v: Float64[np.ndarray, "n vocab"]) -> Float64[np.ndarray, " n"]:
    """m4 / m2^2 - 3 of each row: 0 for a normal distribution, large where few tokens stand out; 0 of a constant row."""
    centered = v - v.mean(axis=1, keepdims=True)
    second = (centered**2).mean(axis=1)
    fourth = (centered**4).mean(axis=1)
    is_constant = second <= _CONSTANT * (v**2).mean(axis=1)
    return np.where(is_constant, 0.0, fourth / np.where(is_constant, 1.0, second) ** 2 - 3.0)


def lens_agreement(
    lens: Float64[np.ndarray, " vocab"], change: Float64[np.ndarray, " vocab"], k: int = 10
) -> LensAgreement:
    """The lens against the change of logits (or of log-probabilities: the ranks are the same) under an ablation."""
    k = min(k, len(lens))
    expected = np.argsort(-lens, kind="stable")[:k]
    lowered = np.argsort(change, kind="stable")[:k]
    return LensAgreement(spearman=rank_correlation(lens, -change), precision=_shared(expected, lowered) / k, k=k)


def rank_correlation(a: Float64[np.ndarray, " n"], b: Float64[np.ndarray, " n"]) -> float | None:
    """Spearman's correlation, ties at their mean rank; None where one of the two is constant."""
    ranks = [rankdata(values) - (len(values) + 1) / 2 for values in (a, b)]
    norms = [float(np.linalg.norm(rank)) for rank in ranks]
    return float(ranks[0] @ ranks[1] / (norms[0] * norms[1])) if all(norms) else None


def _shared(a: np.ndarray, b: np.ndarray) -> int:
    return len(np.intersect1d(a, b))


@torch.no_grad()
def _unembedded(lm: LanguageModel, f: Float64[Tensor, "n d_model"]) -> Float64[Tensor, "n vocab"]:
    """f W_U; the matrix is widened to float64 in parts, as a large one would not fit twice."""
    parts = [f @ part.double().T for part in lm.unembedding.detach().split(_VOCABULARY_CHUNK)]
    return torch.cat(parts, dim=1).cpu()


_PROJECTED: tuple[Location, ...] = ("mlp_hidden", "attn_heads")
