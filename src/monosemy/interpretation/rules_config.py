"""How rules are fitted."""

from dataclasses import dataclass
from typing import final

from monosemy.core import UserError
from monosemy.interpretation.rules import MAX_LITERALS


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class RulesConfig:
    """How rules are fitted.

    max_tokens: of a token set. beam: how many conjunctions are extended. bits_penalty: what a bit costs under the full
    budget, in units of 2 ln 2 / n of the variance, n the effective number of rows (the sum of the weights squared / the
    sum of their squares): 1 would be the two-part code of independent normal rows. paper_bits_penalty: under the
    paper's. min_fragments: in how many fragments a rule must hold at least. min_gain_se: the held-out gain must be so
    many standard errors. Raises UserError for a number out of range.

    The defaults were chosen by the uniform Pearson correlation on held-out documents of the validation split, over 60
    latents of each of two dictionaries (topk, tied_l1) of the embedded model; no fragment of the test split was seen.
    """

    max_rules: int = 8
    max_literals: int = 3
    max_tokens: int = 8
    beam: int = 4
    bits_penalty: float = 3.0
    paper_bits_penalty: float = 0.5
    min_fragments: int = 2
    min_gain_se: float = 1.0

    def __post_init__(self) -> None:
        for name in ("max_rules", "max_literals", "max_tokens", "beam", "min_fragments"):
            if getattr(self, name) < 1:
                raise UserError(f"rules: {name} is {getattr(self, name)}; give at least 1")
        if self.max_literals > MAX_LITERALS:
            raise UserError(f"rules: max_literals is {self.max_literals}; give at most {MAX_LITERALS}")
        for name in ("bits_penalty", "paper_bits_penalty", "min_gain_se"):
            if getattr(self, name) < 0:
                raise UserError(f"rules: {name} is {getattr(self, name)}; give 0 or more")
