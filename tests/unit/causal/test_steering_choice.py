"""The choice of a latent to steer with.

Oracle: a dictionary one of whose rows is the direction that the model's own unembedding reads a token from.
"""

import numpy as np
import pytest
import torch

from monosemy.causal import NeutralText, PairGoal, choose_for_pairs, expressive_latent, raised_tokens
from monosemy.core import UserError
from monosemy.dictionaries import Dictionary, ReLU
from monosemy.evaluation import sample_sequences
from monosemy.evaluation.splice_reference import log_probabilities, recorded
from monosemy.lm import Site
from tests.unit.causal.test_steering_goals import pairs
from tests.unit.evaluation.splice_rows import rows
from tests.unit.lm.tiny_models import D_MODEL, tiny_lm

SITE = Site.parse("resid_post.1")
PLANTED = 4


def with_row(direction: torch.Tensor, bias: float = 0.0) -> Dictionary:
    generator = torch.Generator().manual_seed(0)
    w = torch.randn(8, D_MODEL, generator=generator, dtype=torch.float64)
    w[PLANTED] = direction
    w = torch.nn.functional.normalize(w, dim=1)
    b = torch.full((8,), bias, dtype=torch.float64)
    return Dictionary(W_enc=w, b_enc=b, W_dec=w, b_dec=torch.zeros(D_MODEL).double(), sparsifier=ReLU())


def test_the_direction_of_the_gradient_is_tried_first() -> None:
    lm = tiny_lm("gpt_neox")
    goal = PairGoal(lm, SITE, pairs())
    text = NeutralText(lm, SITE, sample_sequences(rows(), 4, seed=0))
    of = with_row(goal.gradient())
    tried = choose_for_pairs(of, np.full(8, 0.1), goal, text, n_candidates=3)
    assert len(tried) == 3
    best = max(tried, key=lambda each: each.first_order)
    assert best.latent == PLANTED
    assert best.first_order == pytest.approx(float(goal.gradient().norm()))
    effects = [each.effect for each in tried if each.effect is not None]
    assert effects == sorted(effects, reverse=True)
    with pytest.raises(UserError, match="no latent"):
        choose_for_pairs(of, np.zeros(8), goal, text)


def test_the_expressive_latent_is_the_one_whose_direction_the_unembedding_reads() -> None:
    unembedding = torch.randn(50, D_MODEL, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    unembedding[:5] += 6.0 * torch.nn.functional.one_hot(torch.tensor(2), D_MODEL)
    of = with_row(torch.nn.functional.one_hot(torch.tensor(2), D_MODEL).double())
    z = torch.zeros(4000, 8, dtype=torch.float64)
    z[:150] = 1.0
    assert expressive_latent(of, z, np.ones(8), unembedding) == PLANTED
    z[:, PLANTED] = 1.0  # active everywhere: no longer a candidate
    assert expressive_latent(of, z, np.ones(8), unembedding) != PLANTED
    with pytest.raises(UserError, match="no latent is active"):
        expressive_latent(of, torch.ones(4000, 8), np.ones(8), unembedding)


def test_raised_tokens_are_those_that_ablation_lowers_where_the_latent_is_active() -> None:
    lm, sample = tiny_lm("gpt_neox"), sample_sequences(rows(), 5, seed=0)
    of = with_row(torch.ones(D_MODEL).double())
    tokens, raised = raised_tokens(lm, SITE, of, PLANTED, sample, n_tokens=6)
    total, n = torch.zeros(lm.vocab_size, dtype=torch.float64), 0
    for row in range(5):
        ids = torch.from_numpy(sample.tokens[row : row + 1]).long()
        x = lm.capture(ids, [SITE])[SITE].clone()
        z = of.encode(x[0])[:, PLANTED]
        at = torch.from_numpy(recorded(sample.index[row : row + 1]))[0]
        lowered = torch.where(at[:, None], x[0] - z[:, None] * of.W_dec[PLANTED], x[0])[None]
        change = log_probabilities(lm.logits(ids)) - log_probabilities(lm.run_from(SITE, lowered))
        for position in range(ids.shape[1] - 1):
            if at[position] and z[position] > 0:
                total += change[0, position].double()
                n += 1
    assert raised == pytest.approx((total / n).topk(6).values.tolist(), abs=1e-6)
    assert tokens == tuple((total / n).topk(6).indices.tolist())
    with pytest.raises(UserError, match="latent 4 never fires"):
        raised_tokens(lm, SITE, with_row(torch.ones(D_MODEL).double(), bias=-1e6), PLANTED, sample)
