"""Graphs of tasks. Oracle: one prompt at a time, the pass cut at every site, each latent's part subtracted in a loop.

And laws: everything kept is the model bit for bit, nothing kept does not depend on the prompt, the effects of a site
sum to what the site carries.
"""

import numpy as np
import pytest
import torch
from torch import Tensor

from monosemy.causal import (
    Kept,
    NodeGraph,
    NodeSite,
    complement,
    first_nodes,
    node_effects,
    node_site,
    prompt_metric,
)
from monosemy.core import UserError
from monosemy.corpus.tasks import Pair
from monosemy.dictionaries import Dictionary, TopK
from monosemy.lm import LanguageModel, Site
from tests.unit.causal.planted_wiring import planted
from tests.unit.lm.tiny_models import D_MODEL, VOCAB, tiny_lm

N = 9
SITES = tuple(Site(layer, "resid_post") for layer in (0, 1, 2))


def nodes_at(layer: int) -> NodeSite:
    generator = torch.Generator().manual_seed(layer)

    def drawn(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64) / D_MODEL**0.5

    dictionary = Dictionary(
        W_enc=drawn(N, D_MODEL), b_enc=drawn(N), W_dec=drawn(N, D_MODEL), b_dec=drawn(D_MODEL), sparsifier=TopK(4)
    )
    return NodeSite(site=SITES[layer], dictionary=dictionary, mean_z=drawn(N).abs(), mean_error=drawn(D_MODEL))


def graph(lm: LanguageModel | None = None) -> NodeGraph:
    return NodeGraph(lm=lm or tiny_lm("gpt_neox"), sites=tuple(nodes_at(layer) for layer in range(3)))


def pairs(n: int = 4) -> list[Pair]:
    """Prompts of two lengths."""
    generator = np.random.default_rng(0)
    made = []
    for i in range(n):
        clean = generator.integers(3, VOCAB, 5 + i % 2).tolist()
        corrupt = [*clean[:2], (clean[2] + 1) % VOCAB, *clean[3:]]
        ids = {"clean_ids": tuple(clean), "corrupt_ids": tuple(corrupt)}
        made.append(
            Pair(task="t", template="t", clean_text="", corrupt_text="", **ids, answer_ids=(1, 4), wrong_ids=(2,))
        )
    return made


def some_kept(seed: int) -> Kept:
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.rand(N + 1, generator=generator) < 0.5 for _ in SITES)


def slowly(of: NodeGraph, pair: Pair, kept: Kept) -> float:
    """The metric of one pair by the definition."""
    total = 0.0
    members = ((pair.clean_ids, pair.answer_ids, pair.wrong_ids), (pair.corrupt_ids, pair.wrong_ids, pair.answer_ids))
    for ids, right, wrong in members:
        x = of.lm.capture(torch.tensor([ids]), [of.sites[0].site])[of.sites[0].site].clone()
        for i, (nodes, mask) in enumerate(zip(of.sites, kept, strict=True)):
            if i:
                x = of.lm.capture_from(of.sites[i - 1].site, x, [nodes.site])[nodes.site].clone()
            for position in range(1, len(ids)):
                z = nodes.dictionary.encode(x[0, position][None])[0]
                error = x[0, position] - nodes.dictionary.decode(z[None])[0]
                for j in range(N):
                    if not mask[j]:
                        x[0, position] += (nodes.mean_z[j] - z[j]) * nodes.dictionary.W_dec[j]
                if not mask[N]:
                    x[0, position] += nodes.mean_error - error
        logits = of.lm.run_from(of.sites[-1].site, x)[0, -1]
        of_right, of_wrong = (torch.log(logits[list(some)].exp().sum()) for some in (right, wrong))
        total += float(of_right - of_wrong) / 2
    return total


@pytest.mark.parametrize("variant", ["gpt_neox", "gpt2"])
def test_the_metric_of_a_set_of_nodes_by_its_definition(variant: str) -> None:
    of = graph(tiny_lm(variant))
    for kept in (some_kept(0), some_kept(1), of.all(True), of.all(False)):
        expected = torch.tensor([slowly(of, pair, kept) for pair in pairs(2)], dtype=torch.float64)
        assert (prompt_metric(of, pairs(2), kept) - expected).abs().max() < 1e-5


def test_batched_equals_one_by_one() -> None:
    of, kept = graph(), some_kept(2)
    apart = torch.cat([prompt_metric(of, [pair], kept) for pair in pairs()])
    assert (prompt_metric(of, pairs(), kept) - apart).abs().max() < 1e-10


def test_all_kept_is_the_model_and_none_kept_is_the_same_for_every_prompt() -> None:
    of = graph()
    plain = torch.zeros(4, dtype=torch.float64)
    for i, pair in enumerate(pairs()):
        logits = of.lm.logits(torch.tensor([pair.clean_ids, pair.corrupt_ids]))[:, -1].double()
        right = logits[:, [1, 4]].logsumexp(1) - logits[:, 2]
        plain[i] = (right[0] - right[1]) / 2
    assert (prompt_metric(of, pairs(), of.all(True)) - plain).abs().max() < 1e-12
    assert prompt_metric(of, pairs(), of.all(False)).abs().max() < 1e-12  # right and wrong change places


@pytest.mark.slow
def test_effects_of_a_site_sum_to_what_it_carries() -> None:
    """Integrated gradients' completeness: against the pass whose site alone is at its mean, beyond the first token."""
    of = graph()
    effects = node_effects(of, pairs(4)[::2], 24)
    for i, nodes in enumerate(of.sites):
        ablated = tuple(torch.full((N + 1,), j != i) for j in range(3))
        expected = prompt_metric(of, pairs(4)[::2], of.all(True)) - prompt_metric(of, pairs(4)[::2], ablated)
        assert (effects[i].sum(dim=1) - expected).abs().max() < 3e-3
        assert effects[i].shape == (2, nodes.n_nodes)
    assert max(float(each.abs().max()) for each in effects) > 0.01


@pytest.mark.slow
def test_effects_do_not_depend_on_who_shares_a_batch() -> None:
    of = graph()
    together = node_effects(of, pairs(), 3)
    apart = [node_effects(of, [pair], 3) for pair in pairs()]
    for i in range(3):
        assert (together[i] - torch.cat([each[i] for each in apart])).abs().max() < 1e-10


def test_first_nodes_are_the_largest_in_size() -> None:
    of = graph()
    effects = [torch.zeros(N + 1, dtype=torch.float64) for _ in SITES]
    effects[0][3], effects[1][N], effects[2][0] = 1.0, -5.0, -2.0
    with_errors = first_nodes(of, effects, 2, errors=True)
    assert [mask.nonzero().flatten().tolist() for mask in with_errors] == [[], [N], [0]]
    latents = first_nodes(of, effects, 2, errors=False)
    assert [mask.nonzero().flatten().tolist() for mask in latents] == [[3], [], [0]]
    assert sum(int(mask.sum()) for mask in first_nodes(of, effects, 1000, errors=False)) == 3 * N
    assert all(torch.equal(a, ~b) for a, b in zip(complement(latents), latents, strict=True))
    assert not any(mask.any() for mask in first_nodes(of, effects, 0, errors=True))


def test_means_of_a_text_are_set_at_a_site() -> None:
    """With every node at its mean the activation is the mean of the activations."""
    world = planted()
    text, x = world.layers[1].fit, world.stores[0].x["resid_post.1"]
    nodes = node_site(text, x.mean(dim=0).numpy())
    assert (nodes.mean_x - x.mean(dim=0)).abs().max() < 1e-9
    assert (nodes.mean_z - text.dictionary.encode(x).mean(dim=0)).abs().max() < 1e-6


def test_refusals() -> None:
    lm = tiny_lm("gpt_neox")
    with pytest.raises(UserError, match="one a site"):
        NodeGraph(lm=lm, sites=(nodes_at(1), nodes_at(0)))
    with pytest.raises(UserError, match="one a site"):
        NodeGraph(lm=lm, sites=())
    with pytest.raises(UserError, match="give at least 1"):
        node_effects(graph(lm), pairs(), 0)
