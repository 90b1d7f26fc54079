"""Oracle: every beginning of the list predicts by itself, and scipy correlates."""

import numpy as np
import pytest
from scipy.stats import pearsonr

from monosemy.evaluation import ScoreFragments
from monosemy.interpretation import Rule, RuleList, ScoreView, bits_curve, bits_to_share
from monosemy.interpretation.predicates import TokenIs
from tests.unit.interpretation.interpreted import part


def rule_list(values: list[float], default: float) -> RuleList:
    sets = [(3 * i, 3 * i + 1, 3 * i + 4) for i in range(len(values))]
    rules = tuple(
        Rule(when=(TokenIs(back=0, tokens=ids, texts=("a", "b", "c"), n_tokens=50),), value=value)
        for ids, value in zip(sets, values, strict=True)
    )
    return RuleList(rules=rules, default=default)


@pytest.mark.parametrize(
    ("values", "default"), [([7.0, 2.5, 4.0], 0.1), ([7.0, 2.0, 7.0], 0.0), ([0.0, 5.0], 0.0), ([], 0.3)]
)
def test_each_point_is_the_score_of_the_first_rules(values: list[float], default: float) -> None:
    rules, scored = rule_list(values, default), ScoreView(part(ScoreFragments)).uniform(3)
    curve = bits_curve(rules, scored, rules.predict(scored.text))
    assert len(curve) == len(values) + 1
    for n, (bits, value) in enumerate(curve):
        prefix = rules.prefix(n)
        assert bits == prefix.bits
        p, t = prefix.predict(scored.text)[scored.mask], scored.activations[scored.mask]
        expected = 0.0 if len(np.unique(p)) == 1 else pearsonr(p, t)[0]
        assert value == pytest.approx(expected, abs=1e-6)


def test_the_bits_that_reach_a_share_of_the_ceiling() -> None:
    curve = ((4.0, 0.0), (20.0, 0.5), (30.0, 0.73), (50.0, 0.71))
    assert bits_to_share(curve, 0.8) == 30.0
    assert bits_to_share(curve, 0.5) == 20.0
    assert bits_to_share(curve, 0.9) is None
    assert bits_to_share(curve, None) is None
    assert bits_to_share(curve, 0.9, share=0.5) == 20.0
