"""Mean scores of a dictionary's latents as results: each with its interval, beside floor, ceiling and references."""

from collections.abc import Iterator
from dataclasses import asdict

import numpy as np
from jaxtyping import Bool, Float64

from monosemy.core import MIN_UNITS, Interval, Result, bootstrap_mean, fingerprint, numpy_generator, to_json
from monosemy.dictionaries import DictionaryCard
from monosemy.evaluation import Subject
from monosemy.interpretation.evidence import Budget
from monosemy.interpretation.interpret import Interpretation
from monosemy.interpretation.latent_rows import Row
from monosemy.interpretation.latent_scores import SCORES, Score
from monosemy.interpretation.score_intervals import N_RESAMPLES, PerLatent, resamples, value_and_interval

PAPER_BUDGET, SHUFFLED, CEILING, UNIGRAM = "paper_budget", "shuffled", "ceiling", "unigram"
DEFINED_ONLY, AS_CHANCE = "defined_only", "failures_as_chance"

BITS, SHARE_AT_90 = "autointerp_bits", "autointerp_share_at_90"
CONSTANT_SHARE, CONSTANT_SHARE_TOP_RANDOM = "autointerp_constant_share", "autointerp_constant_share_top_random"

INTERPRETATION_METRICS: tuple[str, ...] = (
    *(score.metric for score in SCORES),
    *(BITS, SHARE_AT_90, CONSTANT_SHARE, CONSTANT_SHARE_TOP_RANDOM),
)


def interpretation_results(interpretation: Interpretation, card: DictionaryCard) -> list[Result]:
    """All results of one dictionary: for each score the mean over its latents under each variant.

    No variant: the full budget. Then the paper's budget, the floors of both (`shuffled`), the ceiling, the table of
    tokens, the mean over the latents of which nothing constant is predicted, and, where a judge failed, failures
    counted as guesses. A dictionary's own variant stands behind a slash.
    """
    means = _Means(interpretation, card)
    of_budgets = (result for budget in interpretation.config.budgets for result in means.of_budget(budget))
    return [*of_budgets, *means.of_references()]


class _Means:
    """The means of one interpretation, all under the same resamples of units and latents."""

    def __init__(self, interpretation: Interpretation, card: DictionaryCard) -> None:
        self._of, self._card = interpretation, card
        generator = numpy_generator(interpretation.config.seed, "bootstrap/interpretation")
        self._units, self._latents = resamples(len(interpretation.units), len(interpretation.latents), generator)
        self._config = fingerprint({"config": to_json(interpretation.config), "judge": asdict(interpretation.judge)})

    def of_budget(self, budget: Budget) -> Iterator[Result]:
        """Everything that depends on the budget."""
        rows = [row for row in self._of.rows if row["budget"] == budget]
        answered = np.array([row["answered"] for row in rows], dtype=np.float64)
        for score in SCORES:
            own = self._counts(f"{budget}/{score.key}/own", score)
            yield self._mean(score, own, _variant("", budget))
            if self._of.config.floors:
                floor = self._counts(f"{budget}/{score.key}/floor", score)
                yield self._mean(score, floor, _variant(SHUFFLED, budget))
            if score.is_correlation:
                defined = [row["status"] == "ok" and row["scores"][score.name]["status"] == "ok" for row in rows]
                yield self._mean(score, own, _variant(DEFINED_ONLY, budget), of=np.array(defined, dtype=np.bool_))
            if (answered < 1).any():
                yield self._mean(score, own, _variant(AS_CHANCE, budget), statistic=_as_chance(score, answered))
        yield from self._of_rows([row for row in rows if row["status"] == "ok"], _variant("", budget))

    def of_references(self) -> Iterator[Result]:
        """What does not depend on the budget: the ceilings of the correlations, and the table of tokens."""
        for kind in (CEILING, UNIGRAM):
            for score in SCORES:
                if score.is_correlation or kind == UNIGRAM:
                    yield self._mean(score, self._counts(f"{kind}/{score.key}", score), kind)

    def _counts(self, name: str, score: Score) -> np.ndarray:
        empty = np.zeros((len(self._of.latents), len(self._of.units), *score.shape))
        return self._of.arrays.get(name, empty)

    def _mean(
        self,
        score: Score,
        counts: np.ndarray,
        variant: str,
        *,
        of: Bool[np.ndarray, " n_latents"] | None = None,
        statistic: PerLatent | None = None,
    ) -> Result:
        """The mean over the latents (over those of a choice) that have the score, with its interval."""
        statistic = statistic or score.statistic
        subject, drawn = self._subject(variant), self._latents
        if of is not None:
            counts, drawn = counts[of], drawn[:, of]
        interval = value_and_interval(counts, statistic, self._units, drawn)
        if interval is None:
            return subject.not_applicable(score.metric, score.unit, self._remark("no latent has this score"))
        n = int((~np.isnan(statistic(counts.sum(axis=1)))).sum())
        return self._measured(subject, score.metric, interval, score.unit, n)

    def _of_rows(self, rows: list[Row], variant: str) -> Iterator[Result]:
        """What the rows say themselves, resampled by latent alone."""
        bits = [float(row["bits"]) for row in rows if row["bits"] is not None]
        yield self._share(BITS, bits, "bits", variant, "the judge's explanations have no description length")
        reached = [float(row["bits_to_90"] is not None) for row in rows if row["curve"] is not None]
        yield self._share(SHARE_AT_90, reached, "fraction", variant, "the judge's explanations are no lists of rules")
        for metric, score in ((CONSTANT_SHARE, "uniform"), (CONSTANT_SHARE_TOP_RANDOM, "top_random")):
            status = [row["scores"][score]["status"] for row in rows]
            constant = [float(word == "constant") for word in status if word != "not_applicable"]
            yield self._share(metric, constant, "fraction", variant, "no latent has this score")

    def _share(self, metric: str, values: list[float], unit: str, variant: str, why_not: str) -> Result:
        subject = self._subject(variant)
        if not values:
            return subject.not_applicable(metric, unit, self._remark(why_not))
        generator = numpy_generator(self._of.config.seed, f"bootstrap/interpretation/{metric}")
        interval = bootstrap_mean(np.array(values), generator, N_RESAMPLES)
        return self._measured(subject, metric, interval, unit, len(values))

    def _measured(self, subject: Subject, metric: str, interval: Interval, unit: str, n: int) -> Result:
        n_units = len(self._of.units)
        few = f"{n_units} units: with fewer than {MIN_UNITS} the interval is too narrow" if n_units < MIN_UNITS else ""
        return subject.measured(metric, interval, unit, n=n, n_unit="latents", remark=self._remark(few))

    def _remark(self, first: str) -> str:
        return "; ".join(filter(None, (first, *self._of.remarks)))

    def _subject(self, variant: str) -> Subject:
        card = self._card
        return Subject(
            method=card.method,
            variant="/".join(filter(None, (variant, card.variant))) or None,
            lm=card.lm_kind if card.site else None,
            dictionary=card.name,
            site=card.site or None,
            split="test",
            seed=card.seed,
            config=self._config,
        )


def _variant(kind: str, budget: Budget) -> str:
    return "_".join(filter(None, (kind, "" if budget == "full" else PAPER_BUDGET)))


def _as_chance(score: Score, answered: Float64[np.ndarray, " n_latents"]) -> PerLatent:
    """The score with what was not answered counted as guessed: the value, weighed with chance by shares answered."""

    def statistic(totals: np.ndarray) -> np.ndarray:
        value = answered * score.statistic(totals) + (1 - answered) * score.chance
        return np.where(answered > 0, value, score.chance)

    return statistic
