"""Oracles: scipy and scikit-learn over the tokens put end to end; the truth itself, and its absence, as predictions."""

import numpy as np
import pytest
from scipy.stats import pearsonr
from sklearn.metrics import average_precision_score, balanced_accuracy_score, f1_score

from monosemy.evaluation import ScoreFragments
from monosemy.interpretation import SCORES, Cutoffs, ScoreView
from monosemy.interpretation.latent_scores import (
    LatentTruth,
    Predicted,
    no_counts,
    predicted_everywhere,
    score_values,
)
from tests.unit.interpretation.interpreted import ALWAYS, part

LATENT, THRESHOLD = 3, 2.0


@pytest.fixture(scope="module")
def view() -> ScoreView:
    return ScoreView(part(ScoreFragments))


@pytest.fixture(scope="module")
def truth(view: ScoreView) -> LatentTruth:
    return LatentTruth(view, LATENT, THRESHOLD, 0)


def noisy(truth: LatentTruth, seed: int = 0) -> Predicted:
    rng = np.random.default_rng(seed)
    values = [
        np.round(scored.activations + rng.normal(0, 1, scored.activations.shape)).astype(np.float32)
        for scored in (truth.shown, truth.uniform)
    ]
    return predicted_everywhere(values[0], values[1], Cutoffs(token=2.0, marks=1.0))


def test_every_score_is_what_it_says(truth: LatentTruth) -> None:
    says = noisy(truth)
    values = {name: value for name, (value, _) in score_values(truth.counts(says)).items()}
    assert list(values) == [score.name for score in SCORES]
    shown, uniform, n = truth.shown, truth.uniform, truth.n_top
    for name, part_ in (("top_random", slice(None)), ("top", slice(n)), ("random", slice(n, None))):
        mask = shown.mask[part_]
        expected = pearsonr(says.shown[part_][mask], shown.activations[part_][mask])[0]
        assert values[name] == pytest.approx(expected, abs=1e-6)
    p, t = says.uniform[uniform.mask], uniform.activations[uniform.mask]
    active = t > THRESHOLD
    assert values["uniform"] == pytest.approx(pearsonr(p, t)[0], abs=1e-6)
    base, precision = active.mean(), average_precision_score(active, p)
    assert values["ap_lift"] == pytest.approx((precision - base) / (1 - base))
    assert values["f1"] == pytest.approx(f1_score(active, p >= 2))
    has = ((uniform.activations > THRESHOLD) & uniform.mask).any(axis=1)
    says_so = ((says.uniform >= 2) & uniform.mask).any(axis=1)
    assert values["detection_f1"] == pytest.approx(f1_score(has, says_so))
    new = [i for i in range(n, len(shown.text)) if shown.text.fragments.number[i] not in uniform.text.fragments.number]
    new = [i for i in new if (shown.activations[i] > THRESHOLD).any()]
    assert new
    added = ((says.shown >= 2) & shown.mask)[new].any(axis=1)
    expected = balanced_accuracy_score(np.append(has, np.ones(len(new))), np.append(says_so, added))
    assert values["detection"] == pytest.approx(expected)


def test_the_truth_scores_one_and_its_binary_form_is_the_ceiling(truth: LatentTruth) -> None:
    exact = predicted_everywhere(
        truth.shown.activations, truth.uniform.activations, Cutoffs(token=THRESHOLD + 1, marks=2.5)
    )
    assert {name: value for name, (value, _) in score_values(truth.counts(exact)).items()} == pytest.approx(
        {score.name: 1.0 for score in SCORES}
    )
    ceiling = score_values(truth.ceiling())
    t = truth.uniform.activations[truth.uniform.mask]
    assert ceiling["uniform"][0] == pytest.approx(pearsonr(t > THRESHOLD, t)[0], abs=1e-6)
    assert set(ceiling) == {"top_random", "top", "random", "uniform"}
    binary = predicted_everywhere(
        truth.shown_active.astype(np.float32), truth.uniform_active.astype(np.float32), Cutoffs(token=1.0, marks=0.5)
    )
    values = score_values(truth.counts(binary))
    assert {name: values[name] for name in ceiling} == ceiling
    assert all(values[score.name][0] == 1.0 for score in SCORES if score.name not in ceiling)


def test_a_constant_prediction_is_chance(truth: LatentTruth) -> None:
    shape = truth.uniform.mask.shape
    constant = predicted_everywhere(
        np.full(truth.shown.mask.shape, 0.3, np.float32), np.full(shape, 0.3, np.float32), Cutoffs(token=0.3, marks=0.3)
    )
    values = score_values(truth.counts(constant))
    for score in SCORES:
        value, status = values[score.name]
        assert status == ("constant" if score.is_correlation else "ok")
        if score.name not in ("f1", "detection_f1"):
            assert value == pytest.approx(score.chance)


def test_fragments_without_an_answer_are_as_if_they_were_not_there(truth: LatentTruth) -> None:
    says = noisy(truth, 1)
    answered = np.arange(len(says.uniform)) % 3 != 0
    garbage = Predicted(
        shown=says.shown,
        uniform=np.where(answered[:, None], says.uniform, 99).astype(np.float32),
        shown_answered=np.arange(len(says.shown)) % 2 == 0,
        uniform_answered=answered,
        cutoffs=says.cutoffs,
    )
    values, mask = score_values(truth.counts(garbage)), truth.uniform.mask & answered[:, None]
    p, t = says.uniform[mask], truth.uniform.activations[mask]
    assert values["uniform"][0] == pytest.approx(pearsonr(p, t)[0], abs=1e-6)
    assert values["f1"][0] == pytest.approx(f1_score(t > THRESHOLD, p >= 2))
    n_answered = int(answered.sum()) + (len(says.shown) + 1) // 2
    assert garbage.share_answered == pytest.approx(n_answered / (len(answered) + len(says.shown)))


def test_a_constant_latent_and_one_of_which_nothing_was_predicted_have_no_score(view: ScoreView) -> None:
    always = LatentTruth(view, ALWAYS, 0.0, 0)
    assert score_values(always.counts(noisy(always)))["uniform"] == (None, "not_applicable")
    values = score_values(no_counts(len(view.units)))
    assert {value for value, _ in values.values()} == {None}
    assert values.keys() == {score.name for score in SCORES}
    shapes = {key: array.shape for key, array in always.counts(noisy(always)).items()}
    assert {key: array.shape for key, array in no_counts(len(view.units)).items()} == shapes
