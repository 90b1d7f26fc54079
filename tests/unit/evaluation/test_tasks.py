"""Scores of a task against a loop over single prompts, and the interval against Wilson's equation."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import norm

from monosemy.corpus import StdlibCorpus
from monosemy.corpus.tasks import TASKS, Task, generate
from monosemy.evaluation import TaskScore, score_task, tasks
from monosemy.lm import Architecture, LanguageModel, build, wrap

N_PAIRS = 10
CHARACTER, NAME = (next(task for task in TASKS if task.metric == metric) for metric in ("character", "name"))


@pytest.fixture(scope="module")
def corpus() -> StdlibCorpus:
    return StdlibCorpus()


@pytest.fixture(scope="module")
def lm(corpus: StdlibCorpus) -> LanguageModel:
    """Random weights, made large so that its guesses differ."""
    model = build(Architecture(n_layers=2, d_model=32, n_heads=2), 0)
    for parameter in model.parameters():
        parameter.data.mul_(10.0 if parameter.ndim == 2 else 1.0)
    return wrap(model.double(), corpus.tokenizer, "random")


@torch.no_grad()
def single(lm: LanguageModel, ids: tuple[int, ...]) -> torch.Tensor:
    """Log-probabilities of the token after one prompt, by the model itself."""
    return lm.model(torch.tensor([ids])).logits[0, -1].double().log_softmax(-1)


@pytest.mark.parametrize("task", [CHARACTER, NAME], ids=lambda task: task.name)
def test_scores_are_those_of_single_prompts(
    lm: LanguageModel, corpus: StdlibCorpus, monkeypatch: pytest.MonkeyPatch, task: Task
) -> None:
    monkeypatch.setattr(tasks, "BATCH_PAIRS", 4)
    score = score_task(lm, corpus.tokenizer, task, n_pairs=N_PAIRS, seed=2)
    assert len(score.pairs) == N_PAIRS
    assert len({pair.n_tokens for pair in score.pairs}) > 1  # so that padding is tried
    for i, pair in enumerate(score.pairs):
        clean, corrupt = single(lm, pair.clean_ids), single(lm, pair.corrupt_ids)
        right, wrong = list(pair.answer_ids), list(pair.wrong_ids)
        differences = [math.log(p.exp()[right].sum() / p.exp()[wrong].sum()) for p in (clean, corrupt)]
        kl = sum(math.exp(p) * (p - q) for p, q in zip(clean.tolist(), corrupt.tolist(), strict=True))
        assert score.logit_difference_clean[i] == pytest.approx(differences[0], abs=1e-7)
        assert score.logit_difference_corrupt[i] == pytest.approx(differences[1], abs=1e-7)
        assert score.kl[i] == pytest.approx(kl, abs=1e-7)
        assert score.right[i] == (differences[0] > 0 > differences[1])
    assert (score.kl > 0).all()
    assert score.accuracy.value == score.right.mean()


def test_half_of_the_pairs_are_of_the_held_out_templates(lm: LanguageModel, corpus: StdlibCorpus) -> None:
    score = score_task(lm, corpus.tokenizer, NAME, n_pairs=N_PAIRS, seed=0)
    expected = [
        pair
        for split in ("selection", "held_out")
        for pair in generate(NAME, corpus.tokenizer, N_PAIRS // 2, seed=0, split=split)
    ]
    assert list(score.pairs) == expected
    assert len(set(score.pairs)) == N_PAIRS


def test_the_same_seed_gives_the_same_score(lm: LanguageModel, corpus: StdlibCorpus) -> None:
    one, same, other = (score_task(lm, corpus.tokenizer, NAME, n_pairs=4, seed=seed) for seed in (0, 0, 1))
    assert np.array_equal(one.kl, same.kl)
    assert one.pairs == same.pairs != other.pairs


@pytest.mark.parametrize("n_right", [0, 1, 17, 40])
def test_the_accuracy_has_wilsons_interval(lm: LanguageModel, corpus: StdlibCorpus, n_right: int) -> None:
    """Its ends are the proportions p that the observed one is 1.96 standard errors sqrt(p (1 - p) / n) away from."""
    n = 40
    pairs = tuple(generate(NAME, corpus.tokenizer, n, seed=0))
    right, values = np.arange(n) < n_right, np.zeros(n)
    score = TaskScore(
        task=NAME, pairs=pairs, right=right, logit_difference_clean=values, logit_difference_corrupt=values, kl=values
    )
    accuracy = score.accuracy
    assert accuracy.value == n_right / n
    z = float(norm.ppf(0.975))
    for end, outermost in ((accuracy.low, 0.0), (accuracy.high, 1.0)):
        assert abs(accuracy.value - end) == pytest.approx(z * math.sqrt(end * (1 - end) / n), abs=1e-9)
        assert (end == pytest.approx(outermost, abs=1e-12)) == (accuracy.value == outermost)
