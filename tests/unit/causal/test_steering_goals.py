"""What steering is for. Oracle: full passes of the bare float64 model with hooks of the tests, one prompt at a time."""

import numpy as np
import pytest
import torch
from torch import Tensor

from monosemy.causal import PairGoal, TokenGoal, added
from monosemy.corpus.tasks import Pair
from monosemy.evaluation import sample_sequences
from monosemy.lm import LanguageModel, Site
from tests.unit.evaluation.splice_rows import replaced, rows
from tests.unit.lm.direct import direct_edit
from tests.unit.lm.tiny_models import D_MODEL, tiny_lm

SITES = tuple(Site.parse(name) for name in ("resid_post.1", "mlp_out.1"))
TOKENS = (7, 9, 30)


def pairs() -> list[Pair]:
    """Prompts of two lengths that differ in their third token."""
    return [
        Pair(
            task="t",
            template="t",
            clean_text="a",
            corrupt_text="b",
            clean_ids=tuple(ids),
            corrupt_ids=(*ids[:2], 50 + i, *ids[3:]),
            answer_ids=(4, 5),
            wrong_ids=(6,),
        )
        for i, ids in enumerate([[0, 11, 12, 13, 14], [0, 21, 22, 23, 24, 25, 26]])
    ]


def vector() -> Tensor:
    return torch.randn(D_MODEL, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def last_logits(lm: LanguageModel, site: Site, ids: tuple[int, ...], push: Tensor | None) -> Tensor:
    """Of one prompt, its edit at every position but the first."""

    def change(x: Tensor) -> Tensor:
        moved = x.clone()
        if push is not None:
            moved[:, 1:] += push
        return moved

    return direct_edit(lm.model, torch.tensor([list(ids)]), site.layer, site.location, change)[0, -1]


def difference(logits: Tensor, pair: Pair) -> float:
    return float(logits[list(pair.answer_ids)].logsumexp(0) - logits[list(pair.wrong_ids)].logsumexp(0))


@torch.no_grad()
@pytest.mark.parametrize("site", SITES, ids=str)
def test_the_effect_on_pairs_is_that_of_single_prompts(site: Site) -> None:
    lm, push = tiny_lm("gpt_neox"), vector()
    goal = PairGoal(lm, site, pairs())
    found = goal.effect(added(push, 0.7))
    for number, pair in enumerate(pairs()):
        base = difference(last_logits(lm, site, pair.corrupt_ids, None), pair)
        edited = difference(last_logits(lm, site, pair.corrupt_ids, 0.7 * push), pair)
        clean = difference(last_logits(lm, site, pair.clean_ids, None), pair)
        assert found[number] == pytest.approx(edited - base, abs=1e-8)
        assert goal.gap[number] == pytest.approx(clean - base, abs=1e-8)


def test_the_gradient_is_the_slope_of_the_effect() -> None:
    lm, push = tiny_lm("gpt_neox"), vector()
    goal = PairGoal(lm, SITES[0], pairs())
    slope = (goal.effect(added(push, 1e-4)) - goal.effect(added(push, -1e-4))).mean() / 2e-4
    assert float(goal.gradient() @ push) == pytest.approx(slope, rel=1e-5)


def test_the_mean_difference_of_pairs_begins_where_they_differ() -> None:
    lm, site = tiny_lm("gpt_neox"), SITES[0]
    total, n = torch.zeros(D_MODEL, dtype=torch.float64), 0
    for pair in pairs():
        clean, corrupt = (
            lm.capture(torch.tensor([list(ids)]), [site])[site][0] for ids in (pair.clean_ids, pair.corrupt_ids)
        )
        assert torch.allclose(clean[:2], corrupt[:2])
        total += (clean - corrupt)[2:].sum(dim=0)
        n += pair.n_tokens - 2
    assert torch.allclose(PairGoal(lm, site, pairs()).mean_difference(), total / n)


@torch.no_grad()
@pytest.mark.parametrize("site", SITES, ids=str)
def test_the_effect_on_tokens_is_that_of_passes_with_other_hooks(site: Site) -> None:
    lm, push, sample = tiny_lm("gpt_neox"), vector(), sample_sequences(rows(), 5, seed=0)
    at = torch.from_numpy(replaced(sample.index))[:, :, None]
    ids = torch.from_numpy(sample.tokens).long()

    def change(x: Tensor) -> Tensor:
        return torch.where(at, x + 0.5 * push, x)

    edited = direct_edit(lm.model, ids, site.layer, site.location, change)
    log_q, log_p = (logits.softmax(-1)[:, :-1, list(TOKENS)].sum(-1).log() for logits in (edited, lm.logits(ids)))
    found = TokenGoal(lm, site, sample, TOKENS).effect(added(push, 0.5))
    for row in range(5):
        counted = sample.index[row, 1:] >= 0
        expected = (log_q - log_p)[row].numpy()[counted].mean()
        assert found[row] == pytest.approx(expected, abs=1e-5)  # log-probabilities are kept in float32


def test_the_mean_difference_of_tokens_is_that_of_the_positions_before_them() -> None:
    lm, sample = tiny_lm("gpt_neox"), sample_sequences(rows(), 5, seed=0)
    tokens = tuple(int(token) for token in np.unique(sample.tokens[sample.index >= 0])[:40])
    x = lm.capture(torch.from_numpy(sample.tokens).long(), [SITES[0]])[SITES[0]]
    kinds: dict[bool, list[Tensor]] = {True: [], False: []}
    for row in range(5):
        for position in range(1, sample.tokens.shape[1] - 1):
            if sample.index[row, position] >= 0 and sample.index[row, position + 1] >= 0:
                kinds[int(sample.tokens[row, position + 1]) in tokens].append(x[row, position])
    expected = torch.stack(kinds[True]).mean(dim=0) - torch.stack(kinds[False]).mean(dim=0)
    assert torch.allclose(TokenGoal(lm, SITES[0], sample, tokens).mean_difference(), expected, atol=1e-6)
