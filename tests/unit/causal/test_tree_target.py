"""Which latent a tree is grown of by default. Oracle: a text of few tokens on which every latent is planted."""

from typing import Any

import numpy as np
import pytest
import torch

from monosemy.causal import SiteText, TargetCriterion, choose_target
from monosemy.core import UserError
from monosemy.dictionaries import Dictionary, ReLU
from monosemy.evaluation import sparse_rows
from monosemy.lm import Site

WORDS = [" x", ")", " ]", "'"]
N_EACH = 10


def text_of(values: list[list[float]]) -> SiteText:
    """values: of each latent its activation on each of the four tokens, which come N_EACH times each."""
    tokens = np.repeat(np.arange(4), N_EACH)[None]
    z = np.array(values, dtype=np.float32).T[tokens[0]]
    n = len(values)
    weights = torch.zeros(n, 2)
    return SiteText(
        name="planted-seed0",
        site=Site(0, "resid_post"),
        dictionary=Dictionary(
            W_enc=weights, b_enc=torch.zeros(n), W_dec=weights, b_dec=torch.zeros(2), sparsifier=ReLU()
        ),
        tokens=tokens,
        is_recorded=np.ones(tokens.shape, dtype=np.bool_),
        place=np.arange(tokens.size),
        codes=sparse_rows(z, np.float32),
    )


CRITERION = TargetCriterion(min_positions=5)


def test_the_first_character_with_a_latent_wins() -> None:
    everything = text_of([[0, 0, 0, 2], [0, 0, 2, 0], [0, 2, 0, 0], [9, 0, 0, 0]])
    assert choose_target(everything, WORDS, CRITERION) == 2
    assert choose_target(everything, WORDS, TargetCriterion(characters="']", min_positions=5)) == 0
    assert choose_target(text_of([[0, 0, 0, 2], [0, 0, 2, 0]]), WORDS, CRITERION) == 1  # white space does not count


def test_weak_activations_do_not_count_and_ties_go_to_the_first() -> None:
    """Latent 0 is as strong on x as on the parenthesis; latents 1 and 2 fire on x below half of their peak."""
    assert choose_target(text_of([[2, 2, 0, 0], [0.9, 2, 0, 0], [0.9, 2, 0, 0]]), WORDS, CRITERION) == 1


def test_nothing_meets_it() -> None:
    message = r"no latent of planted-seed0 stands for one of .* \(share 0.75 of at least 11 .*; name one with --latent"
    with pytest.raises(UserError, match=message):
        choose_target(text_of([[0, 2, 0, 0], [0, 0, 0, 0]]), WORDS, TargetCriterion(min_positions=11))


@pytest.mark.parametrize("changed", [{"characters": ""}, {"min_share": 1.5}, {"min_positions": 0}], ids=str)
def test_refusals(changed: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="a target needs characters"):
        TargetCriterion(**changed)
