"""The tree of a planted model of known wiring has its true edges and no others; refusals; the check of attributions.

Oracles: the wiring that `planted_wiring` writes into a transformer's weights, with the effects that follow from it on
paper; sets and ranks of a few numbers by hand.
"""

import re
from typing import Any

import pytest
import torch

from monosemy.causal import CausalTree, LayerTexts, TreeConfig, check_attributions, grow_tree
from monosemy.core import UserError
from tests.unit.causal.planted_wiring import (
    CAUSE_BEFORE,
    CAUSE_HERE,
    GAIN,
    MIDDLE,
    N_FEATURES,
    TARGET,
    Planted,
    planted,
)

THRESHOLD = 0.02
"""Far above what the LayerNorms pass on from an unrelated latent, some 2^2 / (2 * 100^2)."""


@pytest.fixture(scope="module")
def world() -> Planted:
    return planted()


def grown(world: Planted, **changed: Any) -> CausalTree:
    config = TreeConfig(n_contexts=15, window_tokens=10, min_share=THRESHOLD, **changed)
    return grow_tree(world.lm, world.layers, TARGET, config)


def edges_of(tree: CausalTree) -> set[tuple[tuple[int, int], tuple[int, int]]]:
    named = [(node.layer, node.latent) for node in tree.nodes]
    return {(named[edge.parent], named[edge.child]) for edge in tree.edges}


@pytest.mark.parametrize("exact", [True, False])
def test_the_tree_has_the_true_parents_and_nothing_else(world: Planted, exact: bool) -> None:
    tree = grown(world, exact=exact)
    assert edges_of(tree) == {
        ((2, TARGET), (1, MIDDLE)),
        ((1, MIDDLE), (0, CAUSE_HERE)),
        ((1, MIDDLE), (0, CAUSE_BEFORE)),
    }
    assert (tree.nodes[0].layer, tree.nodes[0].latent) == (2, TARGET)
    assert all(edge.score is not None and abs(edge.score.value - edge.fit) < 0.2 for edge in tree.edges)


def test_effects_are_what_the_wiring_says(world: Planted) -> None:
    """Without its only source the target is gone; the head's part is the mean of what the edited positions said."""
    tree = grown(world)
    by_name = dict(zip(_pairs(tree), tree.edges, strict=True))
    assert abs(by_name[(2, TARGET), (1, MIDDLE)].fit - 1.0) < 0.01
    middle = next(node for node in tree.nodes if node.layer == 1)
    contexts = middle.contexts
    for i in range(len(contexts)):
        said = world.z[contexts.tokens[i, : int(contexts.last[i]) + 1]]
        here, before = said[-1, CAUSE_HERE], GAIN * said[:, CAUSE_BEFORE].sum() / len(said)
        edited = GAIN * said[1:, CAUSE_BEFORE].sum() / len(said)
        drops = {cause: by_name[(1, MIDDLE), (0, cause)].drops[i] for cause in (CAUSE_HERE, CAUSE_BEFORE)}
        assert abs(drops[CAUSE_HERE] - here) < 0.02
        assert abs(drops[CAUSE_BEFORE] - edited) < 0.02
        assert abs(contexts.activation[i] - here - before) < 0.02


def _pairs(tree: CausalTree) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    named = [(node.layer, node.latent) for node in tree.nodes]
    return [(named[edge.parent], named[edge.child]) for edge in tree.edges]


def test_fewer_children_and_less_depth(world: Planted) -> None:
    assert edges_of(grown(world, depth=1)) == {((2, TARGET), (1, MIDDLE))}
    assert len(edges_of(grown(world, n_children=1))) == 2


def test_a_latent_that_two_others_need_is_one_node(world: Planted) -> None:
    """A copy of the middle latent in its dictionary has the same causes, which are not looked at twice."""
    tree = grow_tree(
        world.lm, world.layers[:2], 1 + CAUSE_HERE, TreeConfig(n_contexts=5, window_tokens=10, min_share=THRESHOLD)
    )
    assert edges_of(tree) == {((1, 1 + CAUSE_HERE), (0, CAUSE_HERE))}
    assert len(tree.nodes) == len({(node.layer, node.latent) for node in tree.nodes})


def test_the_same_seed_gives_the_same_tree(world: Planted) -> None:
    first, second = grown(world), grown(world)
    assert [edge.fit for edge in first.edges] == [edge.fit for edge in second.edges]
    assert [edge.score for edge in first.edges] == [edge.score for edge in second.edges]


def test_the_check_is_of_all_latents(world: Planted) -> None:
    check = grown(world, n_candidates=3).check
    assert check.n_latents == N_FEATURES + 2
    assert check.n_active == N_FEATURES + 1  # one is dead
    assert check.n_candidates == 3
    assert check.recall == 3 / check.n_latents  # there are fewer than ten: all are the top


def test_check_by_hand() -> None:
    """Twelve latents: of the exact top ten all but the two that attribution ranks last are candidates."""
    drops = torch.arange(12.0, 0.0, -1.0, dtype=torch.float64)
    promised = drops.clone()
    promised[0], promised[1] = -2.0, -1.0
    active = torch.ones(12, dtype=torch.bool)
    check = check_attributions(promised, drops, active, 10)
    assert check.recall == 0.8
    # Spearman by its formula: rank differences of the two that moved are 11 and 9, the ten others moved by 2.
    assert check.correlation == pytest.approx(1 - 6 * (11**2 + 9**2 + 10 * 2**2) / (12 * (12**2 - 1)))
    constant = check_attributions(torch.zeros(12, dtype=torch.float64), drops, active, 10)
    assert constant.correlation is None


def test_a_latent_that_never_fires_is_named(world: Planted) -> None:
    dead = N_FEATURES + 1
    message = f"latent {dead} of planted-2-seed0 never fires on {world.layers[2].fit.n_tokens} validation tokens"
    with pytest.raises(UserError, match=re.escape(message)):
        grow_tree(world.lm, world.layers, dead, TreeConfig(window_tokens=10))


def test_refusals(world: Planted) -> None:
    with pytest.raises(UserError, match=r"latent 99 does not exist: planted-2-seed0 has 0 to 7"):
        grow_tree(world.lm, world.layers, 99, TreeConfig(window_tokens=10))
    with pytest.raises(UserError, match="a dictionary at an earlier layer"):
        grow_tree(world.lm, world.layers[:1], 0, TreeConfig(window_tokens=10))
    with pytest.raises(UserError, match="n_contexts = 0; give at least 1"):
        TreeConfig(n_contexts=0)
    with pytest.raises(UserError, match="leave no position to ablate"):
        TreeConfig(window_tokens=1)
    with pytest.raises(UserError, match="from 0 to 1"):
        TreeConfig(min_share=1.5)


def test_texts_stand_side_by_side(world: Planted) -> None:
    assert all(isinstance(each, LayerTexts) and each.fit.site == each.score.site for each in world.layers)
