"""Explaining and scoring latents: each by a judge from validation, on test, beside its floor and its references."""

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, final

import numpy as np

from monosemy.core import Advance, UserError, fingerprint, ignore_advance
from monosemy.evaluation import Fragments
from monosemy.interpretation.bits_curve import bits_curve
from monosemy.interpretation.evidence import BUDGETS, Budget
from monosemy.interpretation.explaining import Explained, Explainer
from monosemy.interpretation.fit_view import FitView
from monosemy.interpretation.judge import Judge, JudgeIdentity
from monosemy.interpretation.latent_order import LatentChoice, Order, choose_latents
from monosemy.interpretation.latent_rows import Row, failed_row, latent_facts, scored_row, skipped_row
from monosemy.interpretation.latent_scores import (
    SCORES,
    Counts,
    LatentTruth,
    Predicted,
    no_counts,
    predicted_everywhere,
)
from monosemy.interpretation.score_view import ScoreView
from monosemy.interpretation.scratch_rows import ScratchRows, packed, unpacked

MIN_FRAGMENTS = 4000
"""Fewer fragments than this in a split are stated beside every number."""


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class InterpretationConfig:
    """Which latents of a dictionary are explained and scored, and how.

    density: every latent is active on at most this share of tokens (see `FitView.threshold`); one for all methods,
    the dictionary's l0 / n_latents. n_uniform: so many of the uniform fragments are scored, and cutoffs are chosen on
    so many of the full sample, for judges that are paid by the fragment; None: on all. floors: each latent is also
    predicted from the explanation of another. Raises UserError for a count below 1, a density that is none, and
    budgets that are none or repeat.
    """

    n_latents: int = 50
    order: Order = "seeded"
    budgets: tuple[Budget, ...] = BUDGETS
    density: float
    n_uniform: int | None = None
    floors: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("n_latents", "n_uniform"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UserError(f"interpretation: {name} is {value}; give at least 1")
        if not 0 < self.density < 1:
            raise UserError(f"interpretation: density is {self.density}; give a share of tokens between 0 and 1")
        if not self.budgets or len({*self.budgets}) < len(self.budgets):
            raise UserError(f"interpretation: budgets are {self.budgets}; name one or both of {BUDGETS}, once each")


@final
@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Interpretation:
    """What was found: a row for each latent looked at (and budget, where it was scored), and counts for intervals.

    arrays: `<budget>/<key>/<kind>` -> [latents units ...], key that of a score, kind "own" or "floor"; and, the same at
    every budget, `ceiling/<key>` and `unigram/<key>`. All of `latents`, in order, zeros where there is no score.
    remarks: what a reader of any number must know.
    """

    config: InterpretationConfig
    judge: JudgeIdentity
    n_kept: int
    units: tuple[str, ...]
    latents: tuple[int, ...]
    rows: tuple[Row, ...]
    arrays: dict[str, np.ndarray]
    remarks: tuple[str, ...]


def interpret_latents(
    fragments: Fragments,
    judge: Judge,
    config: InterpretationConfig,
    *,
    scratch: Path | None = None,
    advance: Advance = ignore_advance,
) -> Interpretation:
    """Explain and score latents of a dictionary, each by itself: what a judge cannot answer is a status of the latent.

    advance is told `config.n_latents` in all. scratch: a file in which each latent's outcome is kept as soon as it is
    there; a call that finds it, for the same fragments, judge and configuration, goes on with what is missing. Raises
    what the judge raises, which is for what concerns the whole run (no more money, no such model).
    """
    view = FitView(fragments.fit, seed=config.seed)
    chosen = choose_latents(fragments, view, config.n_latents, config.order, config.seed)
    scores = ScoreView(fragments.score, n_uniform=config.n_uniform, seed=config.seed)
    eligible = [choice for choice in chosen if choice.skipped is None]
    explainer = Explainer(view, judge, config.budgets, config.density, config.n_uniform)
    work = _Work(
        fragments=fragments,
        config=config,
        view=view,
        scores=scores,
        explainer=explainer,
        order=tuple(choice.latent for choice in eligible),
    )
    kept = ScratchRows(scratch, _header(fragments, judge, config))
    records = {record["latent"]: record for record in kept.found}
    advance(len(records))
    for record in _made(work, [choice for choice in eligible if choice.latent not in records], judge.concurrency):
        kept.add(record)
        records[record["latent"]] = record
        advance(1)
    advance(config.n_latents - len(eligible))
    return _collected(fragments, judge, config, scores.units, chosen, records)


@final
@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Work:
    """All that scoring one latent needs; several threads may use it."""

    fragments: Fragments
    config: InterpretationConfig
    view: FitView
    scores: ScoreView
    explainer: Explainer
    order: tuple[int, ...]

    def record(self, choice: LatentChoice) -> dict[str, Any]:
        """Everything of one latent, as JSON."""
        explained = self.explainer.explained(choice.latent)
        truth = LatentTruth(self.scores, choice.latent, explained.threshold, self.config.seed)
        references = {"ceiling": truth.ceiling(), "unigram": truth.counts(self._of_tokens(explained, truth))}
        arrays = {f"{kind}/{key}": counts for kind, of_kind in references.items() for key, counts in of_kind.items()}
        rows: list[Row] = []
        facts = latent_facts(self.fragments, choice)
        for budget in self.config.budgets:
            row, own, floor = self._scored(facts, budget, explained, truth, references)
            rows.append(row)
            for kind, counts in (("own", own), ("floor", floor)):
                arrays |= {f"{budget}/{key}/{kind}": of_key for key, of_key in counts.items()}
        return {"latent": choice.latent, "rows": rows, "arrays": packed(arrays)}

    def _scored(
        self, facts: Row, budget: Budget, explained: Explained, truth: LatentTruth, references: dict[str, Counts]
    ) -> tuple[Row, Counts, Counts]:
        """The row of one budget, the counts of the latent's own explanation, and those of another latent's."""
        explanation, nothing = explained.explanations[budget], no_counts(truth.n_units)
        if explanation.text is None:
            reason = explanation.reason or "the judge gave no explanation and no reason"
            return failed_row(facts, budget, explained, reason), nothing, nothing
        says, reason = self.explainer.predicted(explained.latent, budget, truth)
        if says.share_answered == 0:
            return failed_row(facts, budget, explained, reason), nothing, nothing
        counts = {"own": truth.counts(says), **references}
        other = self._other(explained.latent, budget)
        if other is not None:
            floor, _ = self.explainer.predicted(other.latent, budget, truth)
            counts["floor"] = truth.counts(floor)
        rules = explanation.rules
        row = scored_row(
            facts,
            budget,
            explained,
            answered=says.share_answered,
            counts=counts,
            floor_of=None if other is None else other.latent,
            curve=None if rules is None else bits_curve(rules, truth.uniform, says.uniform),
        )
        return row, counts["own"], counts.get("floor", nothing)

    def _other(self, latent: int, budget: Budget) -> Explained | None:
        """The next latent in the order, the first one after the last, that has an explanation."""
        place = self.order.index(latent)
        for other in self.order[place + 1 :] + self.order[:place] if self.config.floors else ():
            explained = self.explainer.explained(other)
            if explained.explanations[budget].text is not None:
                return explained
        return None

    def _of_tokens(self, explained: Explained, truth: LatentTruth) -> Predicted:
        """What the token alone predicts."""
        table = self.view.token_means(explained.latent)
        shown, uniform = (table.predict(scored.text) for scored in (truth.shown, truth.uniform))
        return predicted_everywhere(shown, uniform, explained.table_cutoffs)


def _made(work: _Work, missing: Sequence[LatentChoice], concurrency: int) -> Iterator[dict[str, Any]]:
    """The records of the latents, in the order in which they are done."""
    if concurrency <= 1:
        yield from map(work.record, missing)
        return
    with ThreadPoolExecutor(concurrency) as threads:
        futures = [threads.submit(work.record, choice) for choice in missing]
        try:
            for future in as_completed(futures):
                yield future.result()
        finally:
            threads.shutdown(wait=False, cancel_futures=True)  # after an error nobody asks the judge for the rest


def _collected(
    fragments: Fragments,
    judge: Judge,
    config: InterpretationConfig,
    units: tuple[str, ...],
    chosen: tuple[LatentChoice, ...],
    records: dict[int, dict[str, Any]],
) -> Interpretation:
    rows: list[Row] = []
    for choice in chosen:
        if choice.skipped is not None:
            rows.append(skipped_row(latent_facts(fragments, choice), choice.skipped))
        else:
            rows.extend(records[choice.latent]["rows"])
    latents = tuple(choice.latent for choice in chosen if choice.skipped is None)
    arrays = [unpacked(records[latent]["arrays"]) for latent in latents]
    return Interpretation(
        config=config,
        judge=judge.identity(),
        n_kept=len(fragments.fit.latents),
        units=units,
        latents=latents,
        rows=tuple(rows),
        arrays={name: np.stack([of_latent[name] for of_latent in arrays]) for name in (arrays[0] if arrays else {})},
        remarks=_remarks(fragments, config),
    )


def _remarks(fragments: Fragments, config: InterpretationConfig) -> tuple[str, ...]:
    remarks = [
        f"{part.statistics.n_fragments} fragments of {part.split()}, fewer than {MIN_FRAGMENTS}"
        for part in (fragments.fit, fragments.score)
        if part.statistics.n_fragments < MIN_FRAGMENTS
    ]
    if config.order == "first":
        remarks.append("the first latents by number, no random sample")
    return tuple(remarks)


def _header(fragments: Fragments, judge: Judge, config: InterpretationConfig) -> dict[str, Any]:
    """What a scratch file is of."""
    digest = hashlib.sha256()
    for part in (fragments.fit, fragments.score):
        for array in (part.latents, part.table.number, part.table.tokens, part.kept["top"].values.value):
            digest.update(np.ascontiguousarray(array).tobytes())
    return {
        "config": fingerprint(config),
        "judge": asdict(judge.identity()),
        "fragments": digest.hexdigest(),
        "scores": [[score.key, list(score.shape)] for score in SCORES],
    }
