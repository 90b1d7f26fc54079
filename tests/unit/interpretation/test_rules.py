"""Oracle: the first rule that holds, looked for position by position; and the JSON of core/config.py both ways."""

import json
import math

import numpy as np
import pytest

from monosemy.core import from_json, to_json
from monosemy.interpretation import Rule, RuleList, rule_list_json
from monosemy.interpretation.predicates import AtPosition, HasLabel, HasSurface, Repeats, TokenIs
from monosemy.interpretation.rules import VALUE_BITS, conjunction_bits
from tests.unit.interpretation.texts_of_tests import WORDS, random_text

SELF = TokenIs(back=0, tokens=(WORDS.index("self"),), texts=("self",), n_tokens=len(WORDS))
ODD = TokenIs(back=1, tokens=(WORDS.index(WORDS[19]),), texts=(WORDS[19],), n_tokens=len(WORDS))
RULES = RuleList(
    rules=(
        Rule(when=(SELF, Repeats(what="token")), value=8.0),
        Rule(when=(SELF,), value=4.0),
        Rule(when=(ODD, HasSurface(back=0, form="word", negated=True)), value=-2.5),
        Rule(
            when=(
                AtPosition(place="line", least=0, most=2),
                HasLabel(back=0, label="first_label", definition="In a test.", n_labels=2),
            ),
            value=1.5,
        ),
    ),
    default=0.25,
)


def test_the_first_rule_that_holds_decides() -> None:
    text = random_text(seed=8)
    predicted = RULES.predict(text)
    holds = [rule.holds(text) for rule in RULES.rules]
    used = set()
    for row in range(len(text)):
        for position in range(64):
            first = next((i for i, where in enumerate(holds) if where[row, position]), None)
            expected = RULES.default if first is None else RULES.rules[first].value
            assert predicted[row, position] == np.float32(expected)
            used.add(first)
    assert used == {0, 1, 2, 3, None}


def test_a_prefix_is_the_list_of_the_first_rules() -> None:
    text = random_text(seed=8)
    assert RULES.prefix(len(RULES.rules)) == RULES
    assert RULES.prefix(2).rules == RULES.rules[:2]
    assert (RULES.prefix(0).predict(text) == np.float32(RULES.default)).all()
    bits = [RULES.prefix(n).bits for n in range(5)]
    assert bits == sorted(bits)
    assert bits[0] == VALUE_BITS


def test_bits_are_those_of_literals_values_and_their_number() -> None:
    rule = RULES.rules[0]
    literals = SELF.bits() + Repeats(what="token").bits()
    assert conjunction_bits(rule.when) == pytest.approx(literals + math.log2(3))
    assert rule.bits == pytest.approx(literals + math.log2(3) + 4)
    assert RULES.bits == pytest.approx(sum(rule.bits for rule in RULES.rules) + 4)


def test_json_both_ways() -> None:
    data = json.loads(json.dumps(to_json(RULES)))
    assert from_json(RuleList, data) == RULES


def test_json_for_readers() -> None:
    rows = json.loads(json.dumps(rule_list_json(RULES)))
    assert rows[0] == {
        "when": ["on `self`", "where the token stood before in the fragment"],
        "value": 8.0,
        "bits": pytest.approx(RULES.rules[0].bits),
    }
    assert len(rows) == 4


def test_a_rule_has_one_to_three_predicates() -> None:
    for when in ((), (SELF,) * 4):
        with pytest.raises(ValueError, match="1 to 3"):
            Rule(when=when, value=1.0)
