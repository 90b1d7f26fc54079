"""Asking a judge: explanations of latents with the cutoffs of what is predicted from them, made when first needed."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import numpy as np

from monosemy.interpretation.detection import Cutoffs, choose_cutoffs
from monosemy.interpretation.evidence import TOP_LEVEL, Budget, Sample
from monosemy.interpretation.fit_view import FitView
from monosemy.interpretation.judge import Explanation, Judge, Simulation
from monosemy.interpretation.latent_scores import LatentTruth, Predicted
from monosemy.interpretation.text import Text


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class Explained:
    """What was found of one latent on validation: its explanations, and what predictions of it are judged by.

    threshold: above which activation it is active. cutoffs: of predictions from each explanation; table_cutoffs: of
    those from the mean activation of each token.
    """

    latent: int
    peak: float
    threshold: float
    explanations: Mapping[Budget, Explanation]
    cutoffs: Mapping[Budget, Cutoffs]
    table_cutoffs: Cutoffs


@final
class Explainer:
    """The explanations of a judge, each made once, when somebody asks for it; from several threads, too.

    n_calibrated: on how many fragments of the full sample the cutoffs are chosen, at every budget; None: all of it.
    """

    def __init__(
        self, view: FitView, judge: Judge, budgets: tuple[Budget, ...], density: float, n_calibrated: int | None
    ) -> None:
        self._view, self._judge, self._budgets = view, judge, budgets
        self._density, self._n_calibrated = density, n_calibrated
        self._found: dict[int, Explained] = {}
        self._uniform: dict[tuple[int, Budget], Simulation] = {}  # the last ones, the oldest first
        self._n_remembered = len(budgets) * (judge.concurrency + 1)
        self._locks: dict[int, threading.Lock] = {}
        self._lock = threading.Lock()

    def explained(self, latent: int) -> Explained:
        """What was found of a latent. Raises as `FitView.evidence`, and what the judge raises."""
        with self._lock:
            lock = self._locks.setdefault(latent, threading.Lock())
        with lock:
            if latent not in self._found:
                self._found[latent] = self._explain(latent)
            return self._found[latent]

    def predicted(self, latent: int, budget: Budget, truth: LatentTruth) -> tuple[Predicted, str]:
        """What the judge predicts of the fragments from a latent's explanation, which has text; why it did not.

        The fragments may be those of another latent. The uniform ones are the same for all, and what was last
        predicted on them is kept, for an explanation is tried on its own latent and on the one before.
        """
        explained = self.explained(latent)
        explanation = explained.explanations[budget]
        with self._locks[latent]:
            uniform = self._uniform.get((latent, budget))
            if uniform is None:
                uniform = simulated(self._judge, explanation, truth.uniform.text)
                with self._lock:
                    while len(self._uniform) >= self._n_remembered:
                        self._uniform.pop(next(iter(self._uniform)))
                    self._uniform[latent, budget] = uniform
        shown = simulated(self._judge, explanation, truth.shown.text)
        of_all = Predicted(
            shown=shown.values,
            uniform=uniform.values,
            shown_answered=shown.answered,
            uniform_answered=uniform.answered,
            cutoffs=explained.cutoffs[budget],
        )
        return of_all, next(iter((*shown.reasons, *uniform.reasons)), "the judge gave no reason")

    def _explain(self, latent: int) -> Explained:
        evidence, threshold = self._view.evidence(latent), self._view.threshold(latent, self._density)
        sample = thinned(evidence.full, self._n_calibrated)
        active = sample.values > threshold * (TOP_LEVEL / evidence.peak)
        mask = sample.text.fragments.mask
        table = self._view.token_means(latent).predict(sample.text)
        explanations: dict[Budget, Explanation] = {}
        cutoffs: dict[Budget, Cutoffs] = {}
        for budget in self._budgets:
            explanation = self._judge.explain(evidence.of(budget))
            explanations[budget] = explanation
            if explanation.text is not None:
                says = simulated(self._judge, explanation, sample.text)
                cutoffs[budget] = choose_cutoffs(says.values, active, mask & says.answered[:, None], sample.weight)
        return Explained(
            latent=latent,
            peak=evidence.peak,
            threshold=threshold,
            explanations=explanations,
            cutoffs=cutoffs,
            table_cutoffs=choose_cutoffs(table, active, mask, sample.weight),
        )


def simulated(judge: Judge, explanation: Explanation, text: Text) -> Simulation:
    """What a judge predicts; a fragment of which it does not give finite numbers, one a position, has no answer."""
    shape = text.fragments.mask.shape
    simulation = judge.simulate(explanation, text)
    values, answered = simulation.values, simulation.answered
    if values.shape != shape or answered.shape != shape[:1]:
        reason = f"predictions of shape {values.shape} for a text of shape {shape}"
        zeros = np.zeros(shape, dtype=np.float32)
        return Simulation(values=zeros, answered=np.zeros(len(text), dtype=np.bool_), reasons=(reason,))
    finite = np.asarray(np.isfinite(values).all(axis=1))
    if finite.all():
        return simulation
    reasons = (*simulation.reasons, "predictions that are not finite")
    values = np.where(finite[:, None], values, np.float32(0))
    return Simulation(values=values, answered=answered & finite, reasons=reasons)


def thinned(sample: Sample, n: int | None) -> Sample:
    """About n of the sample's fragments, evenly over its strata, whose weights stay what they were in sum.

    Strata are told by their weights, one after the other; a stratum of which nothing is taken loses its weight.
    """
    n_fragments = len(sample.weight)
    if n is None or n >= n_fragments:
        return sample
    rows = (2 * np.arange(n) + 1) * n_fragments // (2 * n)
    stratum = np.cumsum(np.append(0, np.diff(sample.weight) != 0))
    total, taken = np.bincount(stratum, weights=sample.weight), np.bincount(stratum[rows], minlength=stratum[-1] + 1)
    return Sample(
        budget=sample.budget,
        text=sample.text.take(rows),
        values=sample.values[rows],
        weight=total[stratum[rows]] / taken[stratum[rows]],
    )
