"""What latents respond to: explanations from one split of the text, scored on another."""

from monosemy.interpretation.evidence import BUDGETS, TOP_LEVEL, Budget, Evidence, Sample
from monosemy.interpretation.judge import Explanation, Judge, JudgeIdentity, Simulation
from monosemy.interpretation.rules import RuleList
from monosemy.interpretation.text import Text, TextLabels, text_of

__all__ = [
    "BUDGETS",
    "TOP_LEVEL",
    "Budget",
    "Evidence",
    "Explanation",
    "Judge",
    "JudgeIdentity",
    "RuleList",
    "Sample",
    "Simulation",
    "Text",
    "TextLabels",
    "text_of",
]
