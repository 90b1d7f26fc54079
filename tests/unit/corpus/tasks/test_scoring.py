"""Scores of pairs: against probabilities in float64 and against logits made so that the answer is known."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from monosemy.core import torch_generator
from monosemy.corpus.tasks import Pair, both_right, logit_difference, stack_pairs

N_VOCABULARY = 12


def pair(n_tokens: int, answer: tuple[int, ...], wrong: tuple[int, ...]) -> Pair:
    clean = tuple(range(1, n_tokens + 1))
    return Pair(
        task="task",
        template="template",
        clean_text="clean",
        corrupt_text="corrupt",
        clean_ids=clean,
        corrupt_ids=(11, *clean[1:]),
        answer_ids=answer,
        wrong_ids=wrong,
    )


PAIRS = [pair(3, (0, 1), (2,)), pair(5, (4,), (5,)), pair(4, (6, 7, 8), (9, 10))]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.1, 1.0, 30.0]))
def test_the_difference_is_the_log_of_the_ratio_of_probabilities(seed: int, scale: float) -> None:
    generator = torch_generator(seed, "logits")
    logits = scale * torch.randn(len(PAIRS), N_VOCABULARY, generator=generator, dtype=torch.float64)
    found = {member: logit_difference(logits, PAIRS, member) for member in ("clean", "corrupt")}
    for i, each in enumerate(PAIRS):
        p = logits[i].softmax(0)
        expected = math.log(p[list(each.answer_ids)].sum() / p[list(each.wrong_ids)].sum())
        assert found["clean"][i].item() == pytest.approx(expected, abs=1e-9)
        assert found["corrupt"][i].item() == pytest.approx(-expected, abs=1e-9)


def test_one_token_each_gives_the_plain_difference() -> None:
    logits = torch.zeros(1, N_VOCABULARY)
    logits[0, 4], logits[0, 5] = 3.5, -1.0
    assert logit_difference(logits, PAIRS[1:2], "clean").tolist() == [4.5]
    assert logit_difference(logits, PAIRS[1:2], "corrupt").tolist() == [-4.5]


def test_the_difference_has_a_gradient() -> None:
    logits = torch.zeros(len(PAIRS), N_VOCABULARY, requires_grad=True)
    logit_difference(logits, PAIRS, "clean").sum().backward()
    assert logits.grad is not None
    assert logits.grad[0].tolist() == [0.5, 0.5, -1.0, *[0.0] * 9]


def test_a_pair_is_right_only_in_both_prompts() -> None:
    right, wrong = torch.zeros(3, N_VOCABULARY), torch.zeros(3, N_VOCABULARY)
    for row, each in enumerate(PAIRS):
        right[row, list(each.answer_ids)] = 5.0
        wrong[row, list(each.wrong_ids)] = 5.0
    assert both_right(right, wrong, PAIRS).tolist() == [True] * 3
    assert both_right(wrong, right, PAIRS).tolist() == [False] * 3
    # A model that gives the same answer to both prompts is right in neither pair, whichever answer it is.
    assert both_right(right, right, PAIRS).tolist() == [False] * 3
    assert both_right(wrong, wrong, PAIRS).tolist() == [False] * 3
    # Nor does a tie count.
    assert both_right(torch.zeros(1, 12), torch.zeros(1, 12), PAIRS[1:2]).tolist() == [False]


def test_as_many_rows_as_pairs_are_needed() -> None:
    with pytest.raises(ValueError, match="zip"):
        logit_difference(torch.zeros(2, N_VOCABULARY), PAIRS, "clean")


def test_no_pair_gives_no_difference() -> None:
    assert logit_difference(torch.zeros(0, N_VOCABULARY), [], "clean").shape == (0,)


def test_a_batch_holds_every_pair_and_padding_only_after_it() -> None:
    batch = stack_pairs(PAIRS)
    assert batch.clean.shape == batch.corrupt.shape == batch.is_real.shape == (3, 5)
    for row, each in enumerate(PAIRS):
        assert tuple(batch.clean[row, batch.is_real[row]].tolist()) == each.clean_ids
        assert tuple(batch.corrupt[row, batch.is_real[row]].tolist()) == each.corrupt_ids
        assert batch.is_real[row].tolist() == [True] * each.n_tokens + [False] * (5 - each.n_tokens)
    assert batch.last.tolist() == [2, 4, 3]


def test_the_last_position_is_that_of_each_pair() -> None:
    values = torch.arange(3 * 5 * 2, dtype=torch.float32).reshape(3, 5, 2)
    expected = [values[row, each.n_tokens - 1].tolist() for row, each in enumerate(PAIRS)]
    assert stack_pairs(PAIRS).at_last(values).tolist() == expected


def test_no_pair_makes_no_batch() -> None:
    with pytest.raises(ValueError, match="no pair to stack"):
        stack_pairs([])
