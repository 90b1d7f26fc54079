"""Oracles: what a fake judge was asked and answered; weights summed by stratum."""

import numpy as np
import pytest

from monosemy.evaluation import Fragments
from monosemy.interpretation import Explanation, FitView, ScoreView
from monosemy.interpretation.detection import choose_cutoffs
from monosemy.interpretation.explaining import Explainer, simulated, thinned
from monosemy.interpretation.latent_scores import LatentTruth
from tests.unit.interpretation.interpreted import FailingJudge, FakeJudge, NonsenseJudge, fragments


@pytest.fixture(scope="module")
def found() -> Fragments:
    return fragments()


def test_a_latent_is_explained_once_and_its_cutoffs_are_chosen_on_validation(found: Fragments) -> None:
    view, judge = FitView(found.fit), FakeJudge()
    explainer = Explainer(view, judge, ("paper", "full"), 0.01, None)
    explained = explainer.explained(3)
    assert explainer.explained(3) is explained
    assert judge.n_explained == 2
    evidence = view.evidence(3)
    assert explained.peak == evidence.peak
    assert explained.threshold == view.threshold(3, 0.01)
    sample, threshold = evidence.full, explained.threshold * 10 / evidence.peak
    for budget, explanation in explained.explanations.items():
        assert explanation == judge.explain(evidence.of(budget))
        predicted = judge.simulate(explanation, sample.text).values
        mask = sample.text.fragments.mask
        assert explained.cutoffs[budget] == choose_cutoffs(predicted, sample.values > threshold, mask, sample.weight)


def test_what_is_predicted_on_the_uniform_fragments_is_kept_for_the_latent_before(found: Fragments) -> None:
    judge = FakeJudge()
    explainer = Explainer(FitView(found.fit), judge, ("full",), 0.01, None)
    scores = ScoreView(found.score)
    truths = {latent: LatentTruth(scores, latent, 0.0, 0) for latent in (3, 4, 5)}
    first, _ = explainer.predicted(4, "full", truths[3])
    before = judge.n_simulated
    again, _ = explainer.predicted(4, "full", truths[4])
    assert judge.n_simulated == before + 1  # the shown fragments are others
    assert again.uniform is first.uniform
    for latent in (5, 3):
        explainer.predicted(latent, "full", truths[latent])
    forgotten, _ = explainer.predicted(4, "full", truths[4])
    assert forgotten.uniform is not first.uniform
    np.testing.assert_array_equal(forgotten.uniform, first.uniform)


def test_a_sample_is_thinned_evenly_and_keeps_its_weight(found: Fragments) -> None:
    sample = FitView(found.fit).evidence(3).full
    assert thinned(sample, None) is thinned(sample, 10_000) is sample
    few = thinned(sample, 50)
    assert len(few.text) == len(few.weight) == len(few.values) == 50
    assert few.weight.sum() == pytest.approx(sample.weight.sum())
    rows = np.searchsorted(np.sort(sample.text.fragments.number), few.text.fragments.number)
    at = np.argsort(sample.text.fragments.number)[rows]
    np.testing.assert_array_equal(few.values, sample.values[at])


def test_answers_that_cannot_be_used_are_none(found: Fragments) -> None:
    text, explanation = ScoreView(found.score).uniform_text, Explanation(text="token 3")
    judge = NonsenseJudge()
    for word in ("not finite", "of shape"):
        answer = simulated(judge, explanation, text)
        assert not answer.answered.any()
        assert not answer.values.any()
        assert word in answer.reasons[-1]
    half = simulated(FailingJudge(), explanation, text)
    assert half.answered.mean() == 0.5
    assert half.reasons == ("a time-out",)
