"""Rules: conjunctions of predicates with a value, in a list of which the first that holds decides."""

import math
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from jaxtyping import Bool, Float32

from monosemy.interpretation.predicates import AnyPredicate
from monosemy.interpretation.text import Text

VALUE_BITS = 4.0
"""What a value costs: a fifteenth of its range is as much as the score can tell apart."""

MAX_LITERALS = 3

_LITERAL_COUNT_BITS = math.log2(MAX_LITERALS)


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """Where all predicates hold the activation is `value`, in tenths of the latent's peak.

    Raises ValueError unless there are 1 to 3 predicates.
    """

    when: tuple[AnyPredicate, ...]
    value: float

    def __post_init__(self) -> None:
        if not 1 <= len(self.when) <= MAX_LITERALS:
            raise ValueError(f"a rule has 1 to {MAX_LITERALS} predicates, not {len(self.when)}")

    def holds(self, text: Text) -> Bool[np.ndarray, "n_fragments position"]:
        """Where all predicates hold."""
        return np.logical_and.reduce([predicate.holds(text) for predicate in self.when])

    @property
    def bits(self) -> float:
        """The description length: the predicates, how many there are, and 4 bits for the value."""
        return conjunction_bits(self.when) + VALUE_BITS


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class RuleList:
    """The first rule that holds gives the activation; where none does it is `default`. In tenths of the peak."""

    rules: tuple[Rule, ...]
    default: float

    @property
    def bits(self) -> float:
        """The description length: that of the rules, and 4 bits for the default."""
        return sum((rule.bits for rule in self.rules), VALUE_BITS)

    def prefix(self, n: int) -> "RuleList":
        """The list of the first n rules, with the same default."""
        return RuleList(rules=self.rules[:n], default=self.default)

    def predict(self, text: Text) -> Float32[np.ndarray, "n_fragments position"]:
        """The activation at every position of a text."""
        predicted = np.full(text.fragments.mask.shape, self.default, dtype=np.float32)
        for rule in reversed(self.rules):
            predicted[rule.holds(text)] = rule.value
        return predicted


def conjunction_bits(when: tuple[AnyPredicate, ...]) -> float:
    """The description length of predicates that all hold, without a value."""
    return sum((predicate.bits() for predicate in when), _LITERAL_COUNT_BITS)


def rule_list_json(rules: RuleList) -> list[dict[str, Any]]:
    """The rules as they stand in files for readers: each with its predicates in words, its value and its bits.

    What reads a list back into predicates is `core.from_json(RuleList, core.to_json(rules))`.
    """
    return [
        {"when": [predicate.words() for predicate in rule.when], "value": rule.value, "bits": rule.bits}
        for rule in rules.rules
    ]
