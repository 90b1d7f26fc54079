"""Which dictionaries a causal tree goes through. Oracle: cards of a run, written out, and the chain by hand."""

import re
from pathlib import Path

import pytest

from monosemy.causal import TargetCriterion
from monosemy.core import UserError
from monosemy.dictionaries import DictionaryCard
from monosemy.recipes import check_latent, dictionary_chain
from monosemy.recipes.causal_tree import Tree, tree_config
from monosemy.recipes.study import Target


def card(name: str, method: str, site: str, sparsity: str = "k=16", n_latents: int = 64) -> DictionaryCard:
    return DictionaryCard(
        name=name,
        method=method,
        lm="lm-a",
        lm_kind="trained",
        site=site,
        seed=int(name[-1]),
        n_latents=n_latents,
        expansion_factor=4.0,
        sparsity=sparsity,
        n_steps=3,
        n_tokens=96,
        store="s",
    )


CARDS = {
    each.name: each
    for each in (
        card("topk-resid_post.1-seed1", "topk", "resid_post.1"),
        card("topk-resid_post.1-seed0", "topk", "resid_post.1"),
        card("topk-resid_post.0-seed0", "topk", "resid_post.0"),
        card("wide-resid_post.1-seed0", "topk", "resid_post.1", n_latents=128),
        card("topk-resid_post.3-seed0", "topk", "resid_post.3"),
        card("l1-resid_post.1-seed0", "tied_l1", "resid_post.1", "l1=2"),
        card("mlp-seed0", "topk", "mlp_out.2"),
    )
}
HEAD = "topk-resid_post.1-seed0"
BOTTOM, TOP = "topk-resid_post.0-seed0", "topk-resid_post.3-seed0"


def test_the_chain_is_of_one_kind_from_the_bottom_up() -> None:
    assert dictionary_chain(CARDS, HEAD, None, ()) == [BOTTOM, HEAD, TOP]
    assert dictionary_chain(CARDS, HEAD, HEAD, ()) == [BOTTOM, HEAD]


def test_dictionaries_below_can_be_named_in_any_order() -> None:
    assert dictionary_chain(CARDS, HEAD, "l1-resid_post.1-seed0", (BOTTOM,)) == [BOTTOM, "l1-resid_post.1-seed0"]
    assert dictionary_chain(CARDS, HEAD, TOP, ("l1-resid_post.1-seed0", BOTTOM)) == [
        BOTTOM,
        "l1-resid_post.1-seed0",
        TOP,
    ]


@pytest.mark.parametrize(
    ("name", "below", "message"),
    [
        ("none-seed0", (), "there is no dictionary 'none-seed0'; there are: topk-resid_post.1-seed1"),
        (HEAD, ("none-seed0",), "there is no dictionary 'none-seed0'"),
        ("mlp-seed0", (), "mlp-seed0 is of mlp_out.2; a causal tree goes through residual sites only"),
        (BOTTOM, (), "is of resid_post.0, the lowest layer: it has no earlier one"),
        ("l1-resid_post.1-seed0", (), f"needs a dictionary at an earlier site (resid_post.0), and none is made in the "
         f"same way; there are at earlier sites: {BOTTOM}: --below {BOTTOM}"),
        (HEAD, (TOP,), f"{TOP} is of resid_post.3; --below takes one dictionary for each residual site before"),
        (TOP, (HEAD, "l1-resid_post.1-seed0"), "--below takes one dictionary for each residual site before"),
    ],
    ids=["unknown", "unknown_below", "not_residual", "lowest", "needed", "later", "twice"],
)  # fmt: skip
def test_refusals(name: str, below: tuple[str, ...], message: str) -> None:
    with pytest.raises(UserError, match=re.escape(message)):
        dictionary_chain(CARDS, HEAD, name, below)


def test_a_latent_that_does_not_exist_is_refused_before_anything_is_done() -> None:
    check_latent(CARDS[HEAD], None)
    check_latent(CARDS[HEAD], 63)
    with pytest.raises(UserError, match=re.escape(f"latent 64 does not exist: {HEAD} has 0 to 63")):
        check_latent(CARDS[HEAD], 64)


def test_options_become_the_stages_configuration() -> None:
    options = Tree(target=Target(target=Path("x")), latent=3, contexts=7, exact=True, min_share=0.1)
    config = tree_config(options, 5)
    assert (config.latent, config.criterion) == (3, TargetCriterion())
    assert (config.tree.n_contexts, config.tree.exact, config.tree.min_share, config.tree.seed) == (7, True, 0.1, 5)
    with pytest.raises(UserError, match="n_children = 0"):
        tree_config(Tree(target=Target(target=Path("x")), children=0), 0)
