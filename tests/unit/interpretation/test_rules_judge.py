"""Oracle: a planted rule, and the rules of the explanation themselves."""

import numpy as np
import pytest

from monosemy.core import UserError
from monosemy.interpretation import Explanation, RulesConfig, RulesJudge, Sample
from monosemy.interpretation.predicates import TokenIs
from tests.unit.interpretation.texts_of_tests import WORDS, random_text

SELF = TokenIs(back=0, tokens=(WORDS.index("self"),), texts=("self",), n_tokens=len(WORDS))


def planted() -> Sample:
    text = random_text(n_fragments=60)
    values = 8.0 * (SELF.holds(text) & text.fragments.mask)
    return Sample(budget="full", text=text, values=values.astype(np.float32), weight=np.ones(len(text)))


def test_a_planted_rule_is_found_said_and_predicted() -> None:
    judge, sample = RulesJudge(RulesConfig()), planted()
    explanation = judge.explain(sample)
    assert explanation.text == "fires on `self`"
    assert explanation.rules is not None
    assert explanation.bits == explanation.rules.bits
    other = random_text(n_fragments=5, seed=9)
    simulation = judge.simulate(explanation, other)
    assert simulation.answered.all()
    np.testing.assert_allclose(simulation.values, 8.0 * SELF.holds(other), atol=1e-5)


def test_a_silent_latent_has_an_explanation_without_rules() -> None:
    sample = planted()
    silent = Sample(budget="full", text=sample.text, values=np.zeros_like(sample.values), weight=sample.weight)
    explanation = RulesJudge(RulesConfig()).explain(silent)
    assert explanation.text == "nothing that rules can tell"
    assert explanation.rules is not None
    assert (explanation.rules.rules, explanation.bits) == ((), 4.0)
    assert not RulesJudge(RulesConfig()).simulate(explanation, sample.text).values.any()


def test_the_identity_tells_settings_apart() -> None:
    identity = RulesJudge(RulesConfig()).identity()
    assert identity.name == "rules"
    assert identity == RulesJudge(RulesConfig()).identity()
    assert identity.settings != RulesJudge(RulesConfig(max_rules=2)).identity().settings


def test_an_explanation_without_rules_is_refused() -> None:
    with pytest.raises(UserError, match="only text"):
        RulesJudge(RulesConfig()).simulate(Explanation(text="fires on verbs"), random_text())
