"""Fragments small enough to enumerate, and judges that answer from a table, wrongly, or not at all."""

from dataclasses import replace
from typing import TypeVar

import numpy as np

from monosemy.dictionaries import Dictionary, ReLU
from monosemy.evaluation import FitFragments, FragmentConfig, FragmentPart, Fragments, ScoreFragments
from monosemy.interpretation import Explanation, Judge, JudgeIdentity, Sample, Simulation, Text
from tests.unit.evaluation import fragments_of_tests as small

P = TypeVar("P", bound=FragmentPart)

DEAD, ALWAYS = 0, 1
"""Latents of `dictionary()`: the one never fires, the other has the same activation everywhere."""


def dictionary() -> Dictionary:
    return small.dictionary(n_latents=12, sparsifier=ReLU(), bias=-11)


def text(n_sequences: int, seed: int) -> small.Text:
    """As those of the sampler's tests; no document has a place in the embedded corpus."""
    of = small.text(n_sequences=n_sequences, seed=seed)
    return replace(of, documents=tuple(replace(document, first_token=None) for document in of.documents))


def part(kind: type[P], n_sequences: int = 40, seed: int = 0, config: FragmentConfig | None = None) -> P:
    return small.sampled(kind, text(n_sequences, seed), dictionary(), config or FragmentConfig(n_uniform=60))


def fragments(n_sequences: int = 40, config: FragmentConfig | None = None) -> Fragments:
    return Fragments(fit=part(FitFragments, n_sequences, 0, config), score=part(ScoreFragments, n_sequences, 1, config))


class FakeJudge(Judge):
    """Explains a sample by the token of its highest value, and predicts 10 on that token; counts what it was asked."""

    def __init__(self, concurrency: int = 1) -> None:
        self.concurrency = concurrency
        self.n_explained = self.n_simulated = 0

    def identity(self) -> JudgeIdentity:
        return JudgeIdentity(name="fake", revision="1", settings="none")

    def explain(self, sample: Sample) -> Explanation:
        self.n_explained += 1
        at = np.unravel_index(sample.values.argmax(), sample.values.shape)
        return Explanation(text=f"token {sample.text.fragments.tokens[at]}")

    def simulate(self, explanation: Explanation, text: Text) -> Simulation:
        self.n_simulated += 1
        assert explanation.text is not None
        token = int(explanation.text.split()[1])
        values = np.where(text.fragments.tokens == token, 10, 0).astype(np.float32)
        return Simulation(values=values, answered=np.ones(len(text), dtype=np.bool_))


class NonsenseJudge(FakeJudge):
    """Predicts infinities, or for another number of fragments than it was asked."""

    def simulate(self, explanation: Explanation, text: Text) -> Simulation:
        self.n_simulated += 1
        if self.n_simulated % 2 == 0:
            return Simulation(values=np.zeros((1, 64), dtype=np.float32), answered=np.ones(1, dtype=np.bool_))
        shape = text.fragments.mask.shape
        return Simulation(values=np.full(shape, np.inf, dtype=np.float32), answered=np.ones(len(text), dtype=np.bool_))


class ConstantJudge(FakeJudge):
    """Predicts the same everywhere."""

    def simulate(self, explanation: Explanation, text: Text) -> Simulation:
        values = np.full(text.fragments.mask.shape, 0.1, dtype=np.float32)
        return Simulation(values=values, answered=np.ones(len(text), dtype=np.bool_))


class FailingJudge(FakeJudge):
    """Has no explanation of every third sample, and no answer for every second fragment."""

    def explain(self, sample: Sample) -> Explanation:
        explanation = super().explain(sample)
        return Explanation(text=None, reason="it refused") if self.n_explained % 3 == 0 else explanation

    def simulate(self, explanation: Explanation, text: Text) -> Simulation:
        simulation = super().simulate(explanation, text)
        answered = np.arange(len(text)) % 2 == 0
        values = np.where(answered[:, None], simulation.values, 0).astype(np.float32)
        return Simulation(values=values, answered=answered, reasons=("a time-out",))
