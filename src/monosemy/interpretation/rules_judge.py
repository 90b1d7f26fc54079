"""The judge without a model: rules fitted to a sample, one sentence made from them, predictions by evaluating them."""

from typing import final

import numpy as np

from monosemy.core import UserError, fingerprint
from monosemy.interpretation.evidence import Sample
from monosemy.interpretation.judge import Explanation, Judge, JudgeIdentity, Simulation
from monosemy.interpretation.rule_search import fit_rules
from monosemy.interpretation.rule_sentence import rule_sentence
from monosemy.interpretation.rules_config import RulesConfig
from monosemy.interpretation.text import Text

RULES_VERSION = 1
"""Changes whenever the same sample and configuration would give another list."""


@final
class RulesJudge(Judge):
    """Explains by rules; what it scores is called rule-explainability, and is compared with no other judge's figure."""

    def __init__(self, config: RulesConfig) -> None:
        self._config = config

    def identity(self) -> JudgeIdentity:
        """Name `rules`, the version of the fit, the fingerprint of its settings."""
        return JudgeIdentity(name="rules", revision=str(RULES_VERSION), settings=fingerprint(self._config))

    def explain(self, sample: Sample) -> Explanation:
        """The rules of a sample with the sentence they make; a sample without anything to learn gives no rule."""
        rules = fit_rules(sample, self._config)
        return Explanation(text=rule_sentence(rules), rules=rules, bits=rules.bits)

    def simulate(self, explanation: Explanation, text: Text) -> Simulation:
        """What the rules predict. Raises UserError for an explanation that was not made from rules."""
        if explanation.rules is None:
            raise UserError("the judge `rules` predicts from rules; this explanation has only text, take another judge")
        answered = np.ones(len(text), dtype=np.bool_)
        return Simulation(values=explanation.rules.predict(text), answered=answered)
