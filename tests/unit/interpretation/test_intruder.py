"""Oracle: judges whose rate of right answers is known, and closed forms."""

import numpy as np
import pytest

from monosemy.core import wilson
from monosemy.interpretation import (
    IntruderPick,
    IntruderTrial,
    Picker,
    Reply,
    Sample,
    detect_intruders,
    intruder_result,
    intruder_trial,
)
from monosemy.interpretation.prompts import passage
from tests.unit.interpretation.samples_of_tests import texts


def full_sample(n_firing: int, n_silent: int, n_rare: int = 0) -> Sample:
    """Peaks falling from the first fragment on; then silent ones, the last n_rare of them of weight 0."""
    n = n_firing + n_silent
    values = np.zeros((n, 8), dtype=np.float32)
    values[:n_firing, 3] = np.linspace(10, 1, n_firing)
    weight = np.ones(n)
    weight[n - n_rare :] = 0.0
    return Sample(budget="full", text=texts(n, 8), values=values, weight=weight)


def passages(sample: Sample) -> list[str]:
    return [passage(sample.text.fragments.fragment(row).text) for row in range(len(sample.text))]


def test_a_trial_has_four_of_the_highest_and_one_silent_fragment_in_a_random_order() -> None:
    of = full_sample(40, 30, n_rare=10)
    of_row = {text: row for row, text in enumerate(passages(of))}
    odd_at = np.zeros(5)
    silent: set[int] = set()
    active: set[int] = set()
    for number in range(500):
        trial = intruder_trial(of, latent=7, seed=0, number=number)
        assert trial is not None and trial.latent == 7
        rows = [of_row[text] for text in trial.passages]
        odd = rows.pop(trial.odd)
        assert len(set(rows)) == 4 and max(rows) < 20
        odd_at[trial.odd] += 1
        silent.add(odd)
        active |= set(rows)
    assert silent == set(range(40, 60))  # those of weight 0 never
    assert active == set(range(20))
    assert ((odd_at - 100) ** 2 / 100).sum() < 18.5  # chi-square with 4 degrees of freedom, p = .001
    assert intruder_trial(of, latent=7, seed=0, number=3) == intruder_trial(of, latent=7, seed=0, number=3)
    assert intruder_trial(of, latent=7, seed=1) != intruder_trial(of, latent=7, seed=0)


@pytest.mark.parametrize(("n_firing", "n_silent", "n_rare"), [(3, 10, 0), (10, 0, 0), (10, 2, 2), (0, 5, 0)])
def test_without_enough_fragments_there_is_no_trial(n_firing: int, n_silent: int, n_rare: int) -> None:
    assert intruder_trial(full_sample(n_firing, n_silent, n_rare), latent=0, seed=0) is None


class Knowing(Picker):
    """Knows the odd one in the first trials, fails in the next, and picks the one after the odd one in the others."""

    def __init__(self, trials: list[IntruderTrial], n_right: int, n_failed: int) -> None:
        self.answers = {
            trial.passages: None if n_right <= k < n_right + n_failed else (trial.odd + (k >= n_right)) % 5
            for k, trial in enumerate(trials)
        }

    def pick(self, passages: tuple[str, ...]) -> Reply[int]:
        picked = self.answers[passages]
        return Reply(value=None, status="refused", reason="no") if picked is None else Reply(value=picked)


def test_the_accuracy_is_of_the_answers_and_failures_count_as_chance() -> None:
    trials = [IntruderTrial(latent=k, passages=tuple(f"{k}/{i}" for i in range(5)), odd=k % 5) for k in range(100)]
    done: list[float] = []
    result = detect_intruders(trials, Knowing(trials, 48, 20), n_threads=4, advance=lambda n: done.append(n))
    assert (result.n_trials, result.n_answered, result.n_right) == (100, 80, 48)
    assert result.accuracy == wilson(48, 80)
    mixed = result.with_failures_as_chance
    assert mixed is not None
    assert mixed.value == pytest.approx((48 + 20 * 0.2) / 100)
    assert mixed.low == pytest.approx(0.8 * wilson(48, 80).low + 0.04)
    assert sum(done) == 100
    assert [pick.latent for pick in result.picks] == list(range(100))
    assert {pick.status for pick in result.picks} == {"ok", "refused"}


def test_without_answers_there_is_only_chance() -> None:
    failed = IntruderPick(latent=0, odd=1, picked=None, status="refused", reason=None)
    result = intruder_result([failed] * 3)
    assert result.accuracy is None and result.with_failures_as_chance is not None
    assert result.with_failures_as_chance.value == pytest.approx(0.2)
    assert intruder_result([]).with_failures_as_chance is None
