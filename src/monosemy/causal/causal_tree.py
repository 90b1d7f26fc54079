"""The causal tree of a latent: the earlier latents without which it falls, theirs, and so on.

Source: Cunningham et al. 2023, section 5.3 and Figure 5. What differs: candidates are chosen by gradient (unless
`exact`), the effects that are reported are measured on another text than the one that chose the children, and a pass
leaves out the positions that dictionaries never read.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import final

import torch
from jaxtyping import Float64
from torch import Tensor

from monosemy.causal.logit_lens import rank_correlation
from monosemy.causal.site_text import Contexts, SiteText, sample_contexts
from monosemy.causal.tree_effects import ablation_drops, influence, promised_drops
from monosemy.core import Advance, Interval, UserError, bootstrap_ratio, ignore_advance, numpy_generator
from monosemy.lm import LanguageModel

N_RECALLED = 10


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class TreeConfig:
    """How a tree grows.

    n_contexts: windows with the target in [M/2, M]. window_tokens: their length. n_children, depth: of the tree.
    n_candidates: so many latents of the layer below are ablated exactly, those with the largest attribution; `exact`:
    all of them. min_share: a child whose ablation lowers its parent by less than this share of the parent's mean
    activation is not drawn. Raises UserError when a number makes no sense.
    """

    n_contexts: int = 20
    window_tokens: int = 48
    n_children: int = 3
    depth: int = 3
    n_candidates: int = 200
    exact: bool = False
    min_share: float = 0.05
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("n_contexts", "n_children", "depth", "n_candidates"):
            if getattr(self, name) < 1:
                raise UserError(f"a causal tree with {name} = {getattr(self, name)}; give at least 1")
        if self.window_tokens < 2:
            raise UserError(f"windows of {self.window_tokens} token(s) leave no position to ablate; give at least 2")
        if not 0 <= self.min_share <= 1:
            raise UserError(f"min_share is {self.min_share}; it is a share, from 0 to 1")


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class LayerTexts:
    """One dictionary on both held-out texts: `fit` (validation) chooses, `score` (test) is reported."""

    fit: SiteText
    score: SiteText


@final
@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class TreeNode:
    """A latent of the tree, with the contexts on which its own children were looked for.

    layer: the number of its dictionary in the list that the tree was grown from, the lowest first. why_leaf: why it has
    no children; None where it has, or lies at the tree's depth.
    """

    layer: int
    latent: int
    contexts: Contexts
    score_contexts: Contexts
    why_leaf: str | None = None


@final
@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class TreeEdge:
    """child -> parent, by their numbers among the nodes: by how much the ablation of the child lowers the parent.

    Shares of the parent's mean activation. fit: on the contexts that chose the child. score: on the other text's
    contexts, with an interval by bootstrap over them; None where that text has none. rank: of the child's attribution
    among all latents, from 1.
    """

    parent: int
    child: int
    fit: float
    score: Interval | None
    drops: Float64[Tensor, " contexts"]
    rank: int


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class AttributionCheck:
    """How well attribution finds what exact ablation finds, on the contexts of the root, all latents ablated.

    recall: share of the ten latents with the largest drops that are among the n_candidates with the largest
    attribution. correlation: Spearman's, between attribution and drop, over all latents; correlation_active: over those
    that are active in any context, the others being 0 in both. None where it is undefined.
    """

    n_latents: int
    n_active: int
    n_candidates: int
    recall: float
    correlation: float | None
    correlation_active: float | None


@final
@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class CausalTree:
    """Nodes, the target first; edges; and the check of the attribution. A latent that several need is one node."""

    nodes: tuple[TreeNode, ...]
    edges: tuple[TreeEdge, ...]
    check: AttributionCheck


def grow_tree(
    lm: LanguageModel,
    layers: Sequence[LayerTexts],
    latent: int,
    config: TreeConfig,
    advance: Advance = ignore_advance,
) -> CausalTree:
    """The tree of a latent of the last dictionary in `layers`, which come in the order of the forward pass.

    For each node: M is its largest activation on the fit text; `n_contexts` windows are drawn where it is in [M/2, M];
    every candidate of the dictionary below is ablated in them; the `n_children` that lower the node most become its
    children, and their trees are grown in the same way on contexts of their own. `advance` by 1 for each node looked
    at. Raises UserError when there is no such latent, it never fires or has no context left, and without a layer below.
    """
    if len(layers) < 2:
        raise UserError("a causal tree needs a dictionary at an earlier layer than the target's")
    nodes: list[TreeNode] = []
    edges: list[TreeEdge] = []
    number: dict[tuple[int, int], int] = {}
    check: AttributionCheck | None = None
    todo = [(len(layers) - 1, latent, 0)]
    number[todo[0][:2]] = 0
    while todo:
        layer, target, level = todo.pop(0)
        node = _node(lm, layers[layer], layer, target, config)
        is_grown = level < config.depth and layer > 0
        if len(node.contexts) == 0:
            reason = _no_context(layers[layer].fit, target, node.contexts, config)
            if level == 0:
                raise UserError(reason)
            nodes.append(_leaf(node, reason))
            continue
        children = _children(lm, layers[layer - 1], layers[layer], node, config) if is_grown else ()
        if level == 0:
            check = _check(lm, layers[layer - 1].fit, layers[layer].fit, node, config)
        advance(1)
        for child in children:
            key = (layer - 1, child.latent)
            if key not in number:
                number[key] = len(number)
                todo.append((*key, level + 1))
            edges.append(child.edge(len(nodes), number[key]))
        nodes.append(_leaf(node, _nothing_found(layers[layer - 1].fit, config)) if is_grown and not children else node)
    assert check is not None  # the root has been looked at
    return CausalTree(nodes=tuple(nodes), edges=tuple(edges), check=check)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Child:
    latent: int
    fit: float
    score: Interval | None
    drops: Tensor
    rank: int

    def edge(self, parent: int, child: int) -> TreeEdge:
        return TreeEdge(parent=parent, child=child, fit=self.fit, score=self.score, drops=self.drops, rank=self.rank)


def _node(lm: LanguageModel, texts: LayerTexts, layer: int, latent: int, config: TreeConfig) -> TreeNode:
    sizes = {"n_contexts": config.n_contexts, "window_tokens": config.window_tokens, "seed": config.seed}
    contexts = sample_contexts(lm, texts.fit, latent, **sizes)
    score = sample_contexts(lm, texts.score, latent, **sizes, peak=contexts.peak)
    return TreeNode(layer=layer, latent=latent, contexts=contexts, score_contexts=score)


def _leaf(node: TreeNode, why: str) -> TreeNode:
    return replace(node, why_leaf=why)


def _children(
    lm: LanguageModel, below: LayerTexts, above: LayerTexts, node: TreeNode, config: TreeConfig
) -> tuple[_Child, ...]:
    """The latents below that lower a node most, each by its share, the strongest first."""
    between = influence(lm, below.fit, above.fit, node.latent, node.contexts)
    promised = promised_drops(between).mean(dim=0)
    order = promised.argsort(descending=True, stable=True)
    candidates = order if config.exact else order[: config.n_candidates]
    drops = ablation_drops(between, candidates)
    share = drops.mean(dim=1) / between.activation.mean()
    best = share.argsort(descending=True, stable=True)[: config.n_children]
    best = best[(share[best] >= config.min_share) & (share[best] > 0)]
    scored = _scored(lm, below, above, node, candidates[best], config)
    return tuple(
        _Child(
            latent=int(candidates[i]),
            fit=float(share[i]),
            score=interval,
            drops=drops[i],
            rank=int((order == candidates[i]).nonzero()) + 1,
        )
        for i, interval in zip(best.tolist(), scored, strict=True)
    )


def _scored(
    lm: LanguageModel, below: LayerTexts, above: LayerTexts, node: TreeNode, latents: Tensor, config: TreeConfig
) -> list[Interval | None]:
    """The shares by which latents lower a node on the contexts of the text that did not choose them."""
    if len(node.score_contexts) == 0 or len(latents) == 0:
        return [None] * len(latents)
    between = influence(lm, below.score, above.score, node.latent, node.score_contexts)
    drops, activation = ablation_drops(between, latents).numpy(), between.activation.numpy()
    generator = numpy_generator(config.seed, "tree-intervals")
    return [bootstrap_ratio(row, activation, generator) for row in drops]


def _check(lm: LanguageModel, below: SiteText, above: SiteText, node: TreeNode, config: TreeConfig) -> AttributionCheck:
    between = influence(lm, below, above, node.latent, node.contexts)
    every = torch.arange(below.dictionary.n_latents)
    promised, drops = promised_drops(between).mean(dim=0), ablation_drops(between, every).mean(dim=1)
    return check_attributions(promised, drops, between.active.any(dim=0).cpu(), config.n_candidates)


def check_attributions(
    promised: Float64[Tensor, " n_latents"],
    drops: Float64[Tensor, " n_latents"],
    active: Tensor,
    n_candidates: int,
) -> AttributionCheck:
    """Recall of the exact top ten among the candidates, and rank correlations, as `AttributionCheck` says."""
    candidates = set(promised.argsort(descending=True, stable=True)[:n_candidates].tolist())
    top = drops.argsort(descending=True, stable=True)[:N_RECALLED].tolist()
    return AttributionCheck(
        n_latents=len(drops),
        n_active=int(active.sum()),
        n_candidates=min(n_candidates, len(drops)),
        recall=len(candidates & set(top)) / len(top),
        correlation=rank_correlation(promised.numpy(), drops.numpy()),
        correlation_active=rank_correlation(promised[active].numpy(), drops[active].numpy()),
    )


def _no_context(text: SiteText, latent: int, contexts: Contexts, config: TreeConfig) -> str:
    if contexts.n_firing == 0:
        return f"latent {latent} of {text.name} never fires on {text.n_tokens} validation tokens; name another one"
    return (
        f"latent {latent} of {text.name} has no context: in none of {contexts.n_dropped} windows of "
        f"{config.window_tokens} tokens that begin fresh does it reach half of its peak; take longer windows"
    )


def _nothing_found(below: SiteText, config: TreeConfig) -> str:
    return f"no latent of {below.name} lowers it by {100 * config.min_share:g} % or more"
