"""What the artifact says of each latent: one JSON object for each latent and budget."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from monosemy.evaluation import Fragments
from monosemy.evaluation.fragment_parts import position_of
from monosemy.interpretation.bits_curve import Curve, bits_to_share
from monosemy.interpretation.evidence import Budget
from monosemy.interpretation.explaining import Explained
from monosemy.interpretation.judge import Explanation
from monosemy.interpretation.latent_order import LatentChoice, n_firing_fragments
from monosemy.interpretation.latent_scores import SCORES, Counts, score_values
from monosemy.interpretation.rules import rule_list_json

Row = dict[str, Any]


def latent_facts(fragments: Fragments, choice: LatentChoice) -> Row:
    """What every row of a latent says: its number, its place in the order, and its activations on validation."""
    statistics, place = fragments.fit.statistics, position_of(choice.latent, fragments.fit.latents)
    moments = {name: getattr(statistics, name)[place] for name in ("mean", "variance", "skewness", "excess_kurtosis")}
    return {
        "latent": choice.latent,
        "order": choice.place,
        "density": float(statistics.n_firing_tokens[place] / max(1, statistics.n_tokens)),
        "n_firing_fragments_fit": n_firing_fragments(fragments.fit, choice.latent),
        "n_firing_fragments_score": n_firing_fragments(fragments.score, choice.latent),
        **{name: float(value) if np.isfinite(value) else None for name, value in moments.items()},
    }


def skipped_row(facts: Row, reason: str) -> Row:
    """The row of a latent that is left out."""
    return _row(facts, status="skipped", reason=reason)


def failed_row(facts: Row, budget: Budget, explained: Explained, reason: str) -> Row:
    """The row of a latent of which the judge had no explanation, or no prediction."""
    return _row(facts, status="failed", reason=reason, budget=budget, answered=0.0, **_explanation(explained, budget))


def scored_row(
    facts: Row,
    budget: Budget,
    explained: Explained,
    *,
    answered: float,
    counts: Mapping[str, Counts],
    floor_of: int | None,
    curve: Curve | None,
) -> Row:
    """The row of a scored latent. counts: under "own", "ceiling", "unigram", and "floor" where there is one."""
    values = {kind: score_values(of_kind) for kind, of_kind in counts.items()}
    scores: dict[str, Row] = {}
    for score in SCORES:
        value, status = values["own"][score.name]
        # Predicting exactly the active tokens is right by every measure but the correlations with how active they are.
        perfect = None if value is None else 1.0
        others = {kind: values.get(kind, {}).get(score.name, (None, ""))[0] for kind in ("ceiling", "floor", "unigram")}
        if not score.is_correlation:
            others["ceiling"] = perfect
        scores[score.name] = {"value": value, "status": status, **others}
    return _row(
        facts,
        status="ok",
        budget=budget,
        answered=answered,
        scores=scores,
        floor_of=floor_of,
        curve=None if curve is None else [list(point) for point in curve],
        bits_to_90=None if curve is None else bits_to_share(curve, scores["uniform"]["ceiling"]),
        **_explanation(explained, budget),
    )


def _explanation(explained: Explained, budget: Budget) -> Row:
    explanation: Explanation = explained.explanations[budget]
    return {
        "explanation": explanation.text,
        "bits": explanation.bits,
        "rules": None if explanation.rules is None else rule_list_json(explanation.rules),
        "default": None if explanation.rules is None else float(explanation.rules.default),
        "peak": explained.peak,
        "threshold": explained.threshold,
    }


def _row(facts: Row, **known: Any) -> Row:
    """A row with every field, null where there is nothing to say."""
    row: Row = {
        "latent": facts["latent"],
        "order": facts["order"],
        "budget": None,
        "status": None,
        "reason": None,
        "explanation": None,
        "bits": None,
        "rules": None,
        "default": None,
        **{name: value for name, value in facts.items() if name not in ("latent", "order")},
        "peak": None,
        "threshold": None,
        "floor_of": None,
        "scores": None,
        "curve": None,
        "bits_to_90": None,
        "answered": None,
    }
    return row | known
