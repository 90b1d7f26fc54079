"""Who explains latents and predicts their activations from the explanation: rules, a language model, a recording."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Bool, Float32

from monosemy.interpretation.evidence import Sample
from monosemy.interpretation.rules import RuleList
from monosemy.interpretation.text import Text


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class JudgeIdentity:
    """Which judge a number is of: its name, the model with its revision, a hash of its prompts or settings."""

    name: str
    revision: str
    settings: str


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class Explanation:
    """What a latent is said to respond to, in one sentence; None with the reason where the judge had no answer.

    rules: what the sentence was made from, where it was made from rules; bits: their description length.
    """

    text: str | None
    rules: RuleList | None = None
    bits: float | None = None
    reason: str | None = None


@final
@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Simulation:
    """Predicted activations in tenths of the peak, and on which fragments the judge gave an answer (0 elsewhere)."""

    values: Float32[np.ndarray, "n_fragments position"]
    answered: Bool[np.ndarray, " n_fragments"]
    reasons: tuple[str, ...] = ()  # of those not answered


class Judge(ABC):
    """Explains from a sample of the validation split, and predicts from the explanation alone.

    Neither method raises for an answer that cannot be used: an explanation without text, or a fragment not answered, is
    counted by whoever scores. Both may be called from `concurrency` threads at once.
    """

    concurrency: int = 1

    @abstractmethod
    def identity(self) -> JudgeIdentity:
        """What stands beside every number."""

    @abstractmethod
    def explain(self, sample: Sample) -> Explanation:
        """What the latent responds to."""

    @abstractmethod
    def simulate(self, explanation: Explanation, text: Text) -> Simulation:
        """What somebody who knows the explanation, which must have text, expects of the latent on these fragments."""
