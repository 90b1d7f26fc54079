"""A task's graph over the whole model: which latents and error terms carry its logit difference, and how completely.

Source: Marks et al. 2024 (sparse feature circuits, arXiv 2403.19647). What differs: nodes stand for all positions of a
prompt together, there are no edges, attribution is against the mean activation, against which what is left out is
ablated too, and the metric is averaged over both prompts of a pair.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import final

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor

from monosemy.causal.interventions import Intervention, encoded
from monosemy.causal.site_text import SiteText
from monosemy.core import UserError
from monosemy.corpus.tasks import Pair, logit_difference
from monosemy.dictionaries import Dictionary
from monosemy.lm import RESIDUAL_LOCATIONS, Edit, LanguageModel, Site

PROMPTS_AT_ONCE = 64


@final
@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class NodeSite:
    """The nodes of one site: every latent of its dictionary, and the error x - x_hat as the last one.

    mean_z, mean_error: over the validation tokens, at every position; what an ablated node is set to.
    """

    site: Site
    dictionary: Dictionary
    mean_z: Float[Tensor, " n_latents"]
    mean_error: Float[Tensor, " d_site"]

    @property
    def n_nodes(self) -> int:
        """Latents and the error."""
        return self.dictionary.n_latents + 1

    @property
    def mean_x(self) -> Float[Tensor, " d_site"]:
        """The activation where every node is ablated."""
        dictionary = self.dictionary
        return self.mean_z @ dictionary.W_dec + dictionary.b_dec + self.mean_error


Kept = tuple[Bool[Tensor, " _"], ...]
"""Which nodes of each site are left as they are, in the order of the sites; the last of each is its error."""


@final
@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class NodeGraph:
    """A language model with the nodes of some of its residual sites, in the order of the forward pass.

    Position 0 is no part of any node and is never changed: there attention sinks, and dictionaries do not read it.
    Raises UserError without a site, for one twice, and for one that is not of the residual stream.
    """

    lm: LanguageModel
    sites: tuple[NodeSite, ...]

    def __post_init__(self) -> None:
        named = [each.site for each in self.sites]
        if not named or named != sorted(set(named)):
            raise UserError("a task's graph needs dictionaries of residual sites, one a site, in the model's order")
        for site in named:
            self.lm.check(site)
            if site.location not in RESIDUAL_LOCATIONS:
                raise UserError(f"a task's graph is made of residual sites, not of {site}")

    def all(self, kept: bool) -> Kept:
        """Every node, or none."""
        return tuple(torch.full((each.n_nodes,), kept) for each in self.sites)


def node_site(text: SiteText, mean_x: Float64[np.ndarray, " d_site"]) -> NodeSite:
    """The nodes of a dictionary's site, with the means over a text; mean_x: of its activations."""
    dictionary = text.dictionary
    mean_z = torch.from_numpy(text.mean_latents())
    mean_error = torch.from_numpy(mean_x) - mean_z @ dictionary.W_dec.double() - dictionary.b_dec.double()
    dtype = dictionary.W_dec.dtype
    return NodeSite(site=text.site, dictionary=dictionary, mean_z=mean_z.to(dtype), mean_error=mean_error.to(dtype))


def prompt_metric(graph: NodeGraph, pairs: Sequence[Pair], kept: Kept) -> Float64[Tensor, " pairs"]:
    """m(C) of each pair: the logit difference, right minus wrong, mean of its clean and its corrupt prompt, in nats.

    C are the kept nodes. At each site in turn, from the bottom, the activation that the changed pass arrives with is
    taken apart and the nodes outside of C are set to their means, at every position but the first:

        x' = x + sum_{j not in C} (mean_j - z_j) d_j  +  (mean_error - (x - x_hat)) unless the error is in C

    All kept: the model itself, bit for bit.
    """
    edits = [
        Edit(each.site, _mean_ablated(each, mask))
        for each, mask in zip(graph.sites, kept, strict=True)
        if not mask.all()
    ]
    metric = torch.zeros(len(pairs), dtype=torch.float64)
    for numbers in _of_equal_length(pairs):
        some = [pairs[i] for i in numbers]
        for member in ("clean", "corrupt"):
            logits = graph.lm.run(_tokens(some, member), edits=edits, n_last=1).logits[:, -1]
            metric[numbers] += logit_difference(logits.double().cpu(), some, member) / 2
    return metric


def node_effects(graph: NodeGraph, pairs: Sequence[Pair], n_points: int) -> tuple[Float64[Tensor, "pairs _"], ...]:
    """What each node adds to m, against its mean, by attribution with integrated gradients; one matrix a site.

        effect_j = sum over positions p of (z_pj - mean_j) d_j . G_p
        G        = mean over a of dm/dx at mean_x + a (x - mean_x)

    with a = (i + 1/2) / n_points, each site by itself; for the error with (x - x_hat) - mean_error in place of the
    latent's contribution. Summed over the nodes of a site they approach m(model) - m(x = mean_x at this site) as
    n_points grows (Sundararajan et al. 2017), which a test checks. Mean of the two prompts of a pair, in nats. Raises
    UserError when n_points < 1.
    """
    if n_points < 1:
        raise UserError(f"integrated gradients over {n_points} points; give at least 1")
    effects = tuple(torch.zeros(len(pairs), each.n_nodes, dtype=torch.float64) for each in graph.sites)
    for numbers in _of_equal_length(pairs):
        some = [pairs[i] for i in numbers]
        for member in ("clean", "corrupt"):
            tokens = _tokens(some, member)
            captured = graph.lm.capture(tokens, [each.site for each in graph.sites])
            for found, each in zip(effects, graph.sites, strict=True):
                found[numbers] += _site_effects(graph.lm, each, captured[each.site], some, member, n_points) / 2
    return effects


def first_nodes(graph: NodeGraph, effects: Sequence[Float64[Tensor, " _"]], n: int, *, errors: bool) -> Kept:
    """The n nodes of the largest |effect|, of equals the first; without `errors` only latents are taken."""
    size = [effect.abs().clone() for effect in effects]
    if not errors:
        for each in size:
            each[-1] = -1.0
    flat = torch.cat(size)
    n_allowed = int((flat >= 0).sum())
    chosen = flat.argsort(descending=True, stable=True)[: min(n, n_allowed)]
    kept = torch.zeros(len(flat), dtype=torch.bool)
    kept[chosen] = True
    return tuple(kept.split([each.n_nodes for each in graph.sites]))


def complement(kept: Kept) -> Kept:
    """The nodes that are not kept."""
    return tuple(~mask for mask in kept)


def _mean_ablated(nodes: NodeSite, kept: Bool[Tensor, " nodes"]) -> Intervention:
    """x -> x', with the nodes outside of `kept` at their means, at every position but the first."""
    dictionary = nodes.dictionary

    def intervene(x: Tensor) -> Tensor:
        z = encoded(dictionary, x)
        if kept[-1]:
            new = x + (torch.where(kept[:-1].to(x.device), 0.0, nodes.mean_z - z) @ dictionary.W_dec).to(x.dtype)
        else:  # x - (x - x_hat) is x_hat: what is left is the sum over the latents
            set_z = torch.where(kept[:-1].to(x.device), z, nodes.mean_z)
            new = (set_z @ dictionary.W_dec + dictionary.b_dec + nodes.mean_error).to(x.dtype)
        return torch.cat([x[:, :1], new[:, 1:]], dim=1)

    return intervene


def _site_effects(
    lm: LanguageModel, nodes: NodeSite, x: Tensor, pairs: Sequence[Pair], member: str, n_points: int
) -> Float64[Tensor, "some nodes"]:
    x = x.clone()
    mean_x = nodes.mean_x.to(x)
    away = x - mean_x
    away[:, 0] = 0  # the first position stays as it is
    gradient = torch.zeros_like(x)
    for i in range(n_points):
        there = (x - (1 - (i + 0.5) / n_points) * away).requires_grad_()
        logits = lm.run_from(nodes.site, there, grad=True, n_last=1)[:, -1]
        metric = logit_difference(logits, pairs, "clean" if member == "clean" else "corrupt").sum()
        gradient += torch.autograd.grad(metric, [there])[0] / n_points
    gradient[:, 0] = 0
    dictionary = nodes.dictionary
    z = encoded(dictionary, x)
    along = (gradient.to(z.dtype) @ dictionary.W_dec.T).double()
    latents = ((z - nodes.mean_z).double() * along).sum(dim=1)
    error = x.to(z.dtype) - dictionary.decode(z.flatten(0, 1)).unflatten(0, z.shape[:2]) - nodes.mean_error
    of_error = (error.double() * gradient.double()).sum(dim=(1, 2))
    return torch.cat([latents, of_error[:, None]], dim=1).cpu()


def _of_equal_length(pairs: Sequence[Pair]) -> list[list[int]]:
    """The numbers of the pairs in groups of one length, so that nothing is padded, at most PROMPTS_AT_ONCE a group."""
    order = sorted(range(len(pairs)), key=lambda i: pairs[i].n_tokens)
    groups = [list(same) for _, same in groupby(order, key=lambda i: pairs[i].n_tokens)]
    return [group[i : i + PROMPTS_AT_ONCE] for group in groups for i in range(0, len(group), PROMPTS_AT_ONCE)]


def _tokens(pairs: Sequence[Pair], member: str) -> Int64[Tensor, "pairs seq"]:
    return torch.tensor([pair.clean_ids if member == "clean" else pair.corrupt_ids for pair in pairs])
