"""Rules: conjunctions of predicates with a value, in a list of which the first that holds decides."""

from dataclasses import dataclass
from typing import final


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class RuleList:
    """Placeholder until the rules stand."""
