"""All scores of one latent: what is predicted of it beside what it does, as counts a unit and as values."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Bool, Float32, Float64

from monosemy.core import numpy_generator
from monosemy.interpretation.correlation import N_SUMS, UnitSums, correlation_status, pearson
from monosemy.interpretation.detection import (
    CHANCE_BALANCED,
    N_LEVELS,
    Cutoffs,
    ap_lift,
    balanced_accuracy,
    confusion,
    draw_marks,
    f1,
    level_counts,
    mean_on_marks,
)
from monosemy.interpretation.score_view import ScoreView

Statistic = Callable[[np.ndarray], Float64[np.ndarray, "*rows"]]


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class Score:
    """One score: the shape of its counts a unit, the statistic of their sums, what guessing gives, the unit.

    key: under which name the counts stand in `per_document.npz`. metric: the name in results.
    """

    name: str
    key: str
    shape: tuple[int, ...]
    statistic: Statistic
    chance: float
    unit: str

    @property
    def metric(self) -> str:
        """The name in results."""
        return f"autointerp_{self.name}"

    @property
    def is_correlation(self) -> bool:
        """Whether a constant prediction leaves it undefined."""
        return self.shape == (N_SUMS,)


def _correlation(name: str) -> Score:
    return Score(name=name, key=name, shape=(N_SUMS,), statistic=pearson, chance=0.0, unit="correlation")


SCORES: tuple[Score, ...] = (
    *(_correlation(name) for name in ("top_random", "top", "random", "uniform")),
    Score(name="ap_lift", key="ap", shape=(N_LEVELS, 2), statistic=ap_lift, chance=0.0, unit="fraction"),
    Score(name="f1", key="f1", shape=(4,), statistic=f1, chance=0.0, unit="fraction"),
    Score(
        name="detection",
        key="detection",
        shape=(4,),
        statistic=balanced_accuracy,
        chance=CHANCE_BALANCED,
        unit="fraction",
    ),
    Score(name="detection_f1", key="detection_f1", shape=(4,), statistic=f1, chance=0.0, unit="fraction"),
    Score(
        name="fuzzing", key="fuzzing", shape=(4,), statistic=balanced_accuracy, chance=CHANCE_BALANCED, unit="fraction"
    ),
)
"""Each mean over latents is of one of these; the correlations are those with a true activation."""

Counts = Mapping[str, np.ndarray]
"""Key of a score -> its counts [n_units ...] for one latent and one way of predicting it."""


@final
@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Predicted:
    """What is predicted on the shown and on the uniform fragments, which of them have an answer, and the cutoffs."""

    shown: Float32[np.ndarray, "n_shown position"]
    uniform: Float32[np.ndarray, "n_uniform position"]
    shown_answered: Bool[np.ndarray, " n_shown"]
    uniform_answered: Bool[np.ndarray, " n_uniform"]
    cutoffs: Cutoffs

    @property
    def share_answered(self) -> float:
        """Of all fragments, those with an answer."""
        answered = np.concatenate([self.shown_answered, self.uniform_answered])
        return float(answered.mean()) if len(answered) else 0.0


@final
class LatentTruth:
    """What one latent does on the fragments that score: everything that is the same for all predictions of it.

    threshold: above which activation it is active. Which tokens are marked for fuzzing is drawn with the seed.
    """

    def __init__(self, view: ScoreView, latent: int, threshold: float, seed: int) -> None:
        self.shown, self.n_top = view.shown(latent)
        self.uniform = view.uniform(latent)
        self.n_units = len(view.units)
        self._uniform_sums = self._sums_of(np.ones(len(self.uniform.unit), dtype=np.bool_))
        self.shown_active, self.uniform_active = (
            (scored.activations > threshold) & scored.mask for scored in (self.shown, self.uniform)
        )
        # Of the random firing fragments those that are not among the uniform ones: no fragment counts twice.
        numbers, drawn = (scored.text.fragments.number for scored in (self.shown, self.uniform))
        random = np.arange(len(numbers)) >= self.n_top
        self._added = np.flatnonzero(random & ~np.isin(numbers, drawn))
        self._unit = np.concatenate([self.shown.unit[self._added], self.uniform.unit])
        active = np.concatenate([self.shown_active[self._added], self.uniform_active])
        mask = np.concatenate([self.shown.mask[self._added], self.uniform.mask])
        generator = numpy_generator(seed, "interpretation/marks", latent)
        self._marked, self._marks, self._right = draw_marks(active, mask, generator)

    def ceiling(self) -> Counts:
        """The counts of the correlations when exactly the active tokens are predicted: blind to how active they are.

        Every other score of that prediction is 1.
        """
        shown, uniform = (active.astype(np.float32) for active in (self.shown_active, self.uniform_active))
        return self._correlations(predicted_everywhere(shown, uniform, Cutoffs(token=1.0, marks=1.0)))

    def counts(self, predicted: Predicted) -> Counts:
        """The counts of every score; fragments without an answer are left out."""
        mask, unit = self.uniform.mask & predicted.uniform_answered[:, None], self.uniform.unit
        called = predicted.uniform >= predicted.cutoffs.token
        counts = self._correlations(predicted)
        counts["ap"] = level_counts(predicted.uniform, self.uniform_active, mask, unit, self.n_units)
        counts["f1"] = confusion(called, self.uniform_active, mask, unit, self.n_units)
        counts |= self._detection(predicted, called)
        counts["fuzzing"] = self._fuzzing(predicted)
        return counts

    def _correlations(self, predicted: Predicted) -> dict[str, np.ndarray]:
        truth, unit = self.shown.activations, self.shown.unit
        mask = self.shown.mask & predicted.shown_answered[:, None]
        parts = {"top_random": slice(None), "top": slice(self.n_top), "random": slice(self.n_top, None)}
        sums = {
            name: UnitSums(truth[part], mask[part], unit[part], self.n_units).of(predicted.shown[part])
            for name, part in parts.items()
        }
        of_uniform = self._uniform_sums
        if not predicted.uniform_answered.all():
            of_uniform = self._sums_of(predicted.uniform_answered)
        return sums | {"uniform": of_uniform.of(predicted.uniform)}

    def _sums_of(self, answered: Bool[np.ndarray, " n_uniform"]) -> UnitSums:
        uniform = self.uniform
        return UnitSums(uniform.activations, uniform.mask & answered[:, None], uniform.unit, self.n_units)

    def _detection(self, predicted: Predicted, called: Bool[np.ndarray, "n_uniform position"]) -> dict[str, np.ndarray]:
        """Whole fragments: does it have an active token? The random firing ones add to those that have."""
        truth, says = _in_each(self.uniform_active), _in_each(called & self.uniform.mask)
        natural = confusion(says, truth, predicted.uniform_answered, self.uniform.unit, self.n_units)
        has = self._added[(_in_each(self.shown_active) & predicted.shown_answered)[self._added]]
        shown_says = _in_each(((predicted.shown >= predicted.cutoffs.token) & self.shown.mask)[has])
        every = np.ones(len(has), dtype=np.bool_)
        added = confusion(shown_says, every, every, self.shown.unit[has], self.n_units)
        return {"detection": natural + added, "detection_f1": natural}

    def _fuzzing(self, predicted: Predicted) -> np.ndarray:
        """Marked tokens: are they the active ones?"""
        values = np.concatenate([predicted.shown[self._added], predicted.uniform])[self._marked]
        answered = np.concatenate([predicted.shown_answered[self._added], predicted.uniform_answered])[self._marked]
        says = mean_on_marks(values, self._marks) >= predicted.cutoffs.marks
        return confusion(says, self._right, answered, self._unit[self._marked], self.n_units)


def _in_each(tokens: Bool[np.ndarray, "n_fragments position"]) -> Bool[np.ndarray, " n_fragments"]:
    """Whether a fragment has such a token."""
    return np.asarray(tokens.any(axis=1))


def predicted_everywhere(
    shown: Float32[np.ndarray, "n_shown position"],
    uniform: Float32[np.ndarray, "n_uniform position"],
    cutoffs: Cutoffs,
) -> Predicted:
    """A prediction of which every fragment has one."""
    return Predicted(
        shown=shown,
        uniform=uniform,
        shown_answered=np.ones(len(shown), dtype=np.bool_),
        uniform_answered=np.ones(len(uniform), dtype=np.bool_),
        cutoffs=cutoffs,
    )


def score_values(counts: Counts) -> dict[str, tuple[float | None, str]]:
    """Of every score that has counts its value and status: a constant prediction's correlation is 0, "constant"."""
    values: dict[str, tuple[float | None, str]] = {}
    for score in SCORES:
        if score.key not in counts:
            continue
        total = counts[score.key].sum(axis=0)
        value = float(score.statistic(total))
        if np.isnan(value):
            values[score.name] = None, "not_applicable"
        else:
            values[score.name] = value, correlation_status(total) if score.is_correlation else "ok"
    return values


def no_counts(n_units: int) -> dict[str, np.ndarray]:
    """The counts of a latent of which nothing was predicted: no score is defined."""
    return {
        score.key: np.zeros((n_units, *score.shape), dtype=np.float64 if score.is_correlation else np.int32)
        for score in SCORES
    }
