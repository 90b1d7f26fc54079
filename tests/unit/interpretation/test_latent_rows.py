"""Oracle: the statistics that the fragments carry, and values put in by hand."""

import numpy as np
import pytest

from monosemy.evaluation import Fragments
from monosemy.interpretation import Explanation, LatentChoice, RuleList, ScoreView
from monosemy.interpretation.detection import Cutoffs
from monosemy.interpretation.explaining import Explained
from monosemy.interpretation.latent_rows import failed_row, latent_facts, scored_row, skipped_row
from monosemy.interpretation.latent_scores import LatentTruth, predicted_everywhere, score_values
from tests.unit.interpretation.interpreted import ALWAYS, fragments


@pytest.fixture(scope="module")
def found() -> Fragments:
    return fragments()


def explained(text: str | None) -> Explained:
    rules = RuleList(rules=(), default=0.5)
    explanation = Explanation(text=text, rules=rules if text else None, bits=4.0 if text else None)
    cutoffs = Cutoffs(token=1.0, marks=1.0)
    return Explained(
        latent=3,
        peak=7.0,
        threshold=0.5,
        explanations={"full": explanation},
        cutoffs={"full": cutoffs},
        table_cutoffs=cutoffs,
    )


def test_facts_are_those_of_validation_and_what_is_undefined_is_null(found: Fragments) -> None:
    statistics = found.fit.statistics
    facts = latent_facts(found, LatentChoice(latent=3, place=5, skipped=None))
    assert (facts["latent"], facts["order"]) == (3, 5)
    assert facts["density"] == statistics.n_firing_tokens[3] / statistics.n_tokens
    assert facts["n_firing_fragments_fit"] == statistics.n_firing_fragments[3]
    assert facts["n_firing_fragments_score"] == found.score.statistics.n_firing_fragments[3]
    for name in ("mean", "variance", "skewness", "excess_kurtosis"):
        assert facts[name] == getattr(statistics, name)[3]
    assert latent_facts(found, LatentChoice(latent=ALWAYS, place=0, skipped=None))["skewness"] is None


def test_rows_have_the_same_fields_whatever_came_of_the_latent(found: Fragments) -> None:
    facts = latent_facts(found, LatentChoice(latent=3, place=5, skipped=None))
    truth = LatentTruth(ScoreView(found.score), 3, 0.5, 0)
    exact = predicted_everywhere(truth.shown.activations, truth.uniform.activations, Cutoffs(token=0.6, marks=1.0))
    counts = {"own": truth.counts(exact), "ceiling": truth.ceiling(), "unigram": truth.counts(exact)}
    curve = ((4.0, 0.1), (9.0, 1.0))
    scored = scored_row(facts, "full", explained("x"), answered=1.0, counts=counts, floor_of=None, curve=curve)
    failed = failed_row(facts, "full", explained(None), "it refused")
    skipped = skipped_row(facts, "too rare")
    assert list(scored) == list(failed) == list(skipped)
    assert (skipped["status"], skipped["reason"], skipped["budget"]) == ("skipped", "too rare", None)
    assert (failed["status"], failed["reason"], failed["explanation"]) == ("failed", "it refused", None)
    assert (scored["bits"], scored["rules"], scored["default"], scored["bits_to_90"]) == (4.0, [], 0.5, 9.0)
    uniform = scored["scores"]["uniform"]
    assert uniform["value"] == pytest.approx(1.0)
    assert uniform["ceiling"] == score_values(truth.ceiling())["uniform"][0]
    assert uniform["floor"] is None
    assert scored["scores"]["f1"]["ceiling"] == 1.0
    assert np.isfinite(scored["scores"]["ap_lift"]["unigram"])
