"""What the latents of one site do to one latent of a later site: attribution by gradient, and exact ablation."""

from dataclasses import dataclass, replace
from typing import final

import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor

from monosemy.causal.interventions import encoded
from monosemy.causal.site_text import Contexts, SiteText
from monosemy.dictionaries import Dictionary
from monosemy.lm import LanguageModel, Site

PASSES_AT_ONCE = 96
"""Windows that continue from the lower site in one batch."""


@final
@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Influence:
    """The windows on which latents of the site `below` are tested for what they do to one latent at `above`.

    x: the activations below, [contexts width d_site]. z: the latents below, 0 at positions where interventions do not
    act. target: the number of the latent above. activation: what it is at the last token of each window.
    """

    lm: LanguageModel
    below: Site
    dictionary_below: Dictionary
    above: Site
    dictionary_above: Dictionary
    target: int
    last: Int64[Tensor, " contexts"]
    x: Float[Tensor, "contexts width d_site"]
    z: Float[Tensor, "contexts width n_latents"]
    activation: Float64[Tensor, " contexts"]

    @property
    def active(self) -> Bool[Tensor, "contexts n_latents"]:
        """Which latents below are active anywhere in a window; ablating the others changes nothing."""
        return (self.z != 0).any(dim=1)


def influence(lm: LanguageModel, below: SiteText, above: SiteText, target: int, contexts: Contexts) -> Influence:
    """Run the windows once up to `below`. Raises UserError as `LanguageModel.capture_from` where it cannot go on."""
    x = lm.capture(contexts.tokens, [below.site])[below.site].clone()
    z = encoded(below.dictionary, x) * contexts.edited.unsqueeze(-1).to(x.device)
    started = Influence(
        lm=lm,
        below=below.site,
        dictionary_below=below.dictionary,
        above=above.site,
        dictionary_above=above.dictionary,
        target=target,
        last=contexts.last,
        x=x,
        z=z,
        activation=torch.zeros(len(contexts), dtype=torch.float64),
    )
    every = torch.arange(len(contexts))
    activation = torch.cat([_target(started, x[part], part) for part in every.split(PASSES_AT_ONCE)])
    return replace(started, activation=activation)


def promised_drops(between: Influence) -> Float64[Tensor, "contexts n_latents"]:
    """The drop of the target that its gradient promises for the ablation of each latent below.

        a_cj = sum over positions p of z_cpj (d_j . g_cp)
        g    = gradient of the target's pre-activation at the last token

    The pre-activation, w . x + b, has the gradient of the activation wherever the target is active, as it is on all
    contexts. In the unit of the target. Source: attribution patching against zero (Nanda 2022; Syed et al. 2023).
    """
    lm, above = between.lm, between.above
    x = between.x.detach().clone().requires_grad_()
    there = lm.capture_from(between.below, x, [above], grad=True)[above]
    at_last = there[torch.arange(len(between.last)), between.last]
    pre = at_last @ between.dictionary_above.W_enc[between.target].to(at_last)
    (gradient,) = torch.autograd.grad(pre.sum(), [x])
    per_direction = gradient.to(between.dictionary_below.W_dec.dtype) @ between.dictionary_below.W_dec.T
    return (between.z.double() * per_direction.double()).sum(dim=1).cpu()


def ablation_drops(between: Influence, latents: Int64[Tensor, " n"]) -> Float64[Tensor, "n contexts"]:
    """By how much the target falls, at each window's last token, when one latent below is ablated at all its positions.

    x' = x - z_j d_j, the forward pass continued from there to the target's site, and the target encoded anew. A latent
    that is inactive in a window is not run there: its drop is exactly 0. In the unit of the target; negative: it rises.
    """
    drops = torch.zeros(len(latents), len(between.last), dtype=torch.float64)
    which, context = between.active.cpu()[:, latents].T.nonzero(as_tuple=True)
    directions = between.dictionary_below.W_dec
    for start in range(0, len(which), PASSES_AT_ONCE):
        row, part = which[start : start + PASSES_AT_ONCE], context[start : start + PASSES_AT_ONCE]
        latent = latents[row]
        z = between.z[part, :, latent]
        written = (z.unsqueeze(-1) * directions[latent].unsqueeze(1)).to(between.x.dtype)
        drops[row, part] = between.activation[part] - _target(between, between.x[part] - written, part)
    return drops


def _target(between: Influence, x: Tensor, contexts: Tensor) -> Float64[Tensor, " some"]:
    """The target at the last token of some of the windows, continued from x `[some width d_site]` below."""
    above = between.lm.capture_from(between.below, x, [between.above])[between.above]
    at_last = above[torch.arange(len(x)), between.last[contexts]]
    return between.dictionary_above.encode(at_last)[:, between.target].double().cpu()
