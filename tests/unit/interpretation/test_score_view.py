"""Oracles: the examples that the fragments give, and ranks counted by hand."""

import numpy as np
import pytest

from monosemy.core import UserError
from monosemy.evaluation import FragmentConfig, ScoreFragments
from monosemy.interpretation import ScoreView
from tests.unit.interpretation.interpreted import DEAD, part

FIRING = 3


@pytest.mark.parametrize(
    ("n_kept", "ranks"),
    [(20, [2, 6, 10, 14, 18]), (10, [1, 3, 5, 7, 9]), (7, [0, 2, 3, 4, 6]), (5, [0, 1, 2, 3, 4]), (3, [0, 1, 2])],
)
def test_the_ranks_are_the_middles_of_fifths_and_of_twenty_those_of_the_paper(n_kept: int, ranks: list[int]) -> None:
    fragments = part(ScoreFragments, config=FragmentConfig(n_top=n_kept, n_uniform=9))
    shown, n_top = ScoreView(fragments).shown(FIRING)
    top, firing = fragments.top(FIRING), fragments.firing(FIRING)
    expected = [*(top[rank] for rank in ranks), *firing[:5]]
    assert n_top == len(ranks)
    assert shown.text.fragments.number.tolist() == [example.fragment.number for example in expected]
    np.testing.assert_array_equal(shown.activations, np.stack([example.activations for example in expected]))
    np.testing.assert_array_equal(shown.mask, np.stack([example.fragment.mask for example in expected]))
    units = ScoreView(fragments).units
    assert [units[number] for number in shown.unit] == [example.fragment.unit for example in expected]


def test_the_uniform_fragments_are_one_text_for_all_latents_and_may_be_drawn_from() -> None:
    fragments = part(ScoreFragments)
    view, uniform = ScoreView(fragments), fragments.uniform()
    scored = view.uniform(FIRING)
    assert scored.text is view.uniform(7).text is view.uniform_text
    np.testing.assert_array_equal(scored.text.fragments.number, uniform.fragments.number)
    np.testing.assert_array_equal(scored.activations, uniform.activations(FIRING))
    assert tuple(view.units[number] for number in scored.unit) == uniform.fragments.units()
    few = [ScoreView(fragments, n_uniform=11, seed=seed).uniform(FIRING) for seed in (0, 0, 1)]
    numbers = [of.text.fragments.number.tolist() for of in few]
    assert numbers[0] == numbers[1] == sorted(numbers[0])
    assert numbers[0] != numbers[2]
    assert {*numbers[0]} < {*uniform.fragments.number.tolist()}
    assert len(numbers[0]) == 11
    at = np.searchsorted(uniform.fragments.number, few[0].text.fragments.number)
    np.testing.assert_array_equal(few[0].activations, uniform.activations(FIRING)[at])
    assert len(ScoreView(fragments, n_uniform=10_000).uniform_text) == len(uniform)


def test_a_dead_latent_is_shown_nothing_and_one_that_was_not_kept_is_refused() -> None:
    view = ScoreView(part(ScoreFragments))
    shown, n_top = view.shown(DEAD)
    assert (len(shown.text), n_top) == (0, 0)
    assert not view.uniform(DEAD).activations.any()
    with pytest.raises(UserError, match="no fragments of latent 99"):
        view.shown(99)
