"""What groups of latents, the proposed, the random and the named ones, are like on the text that they are reported on.

Means over the latents of a group with intervals that resample the latents; a group has few, and is told so.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from monosemy.core import MIN_UNITS, Result, bootstrap_mean, fingerprint, numpy_generator
from monosemy.dictionaries import DictionaryCard
from monosemy.experiments.case_study import CASE_FILE

CaseGroup = Literal["proposed", "random", "named"]

CASE_METRICS: Mapping[str, str] = {
    "case_density": "fraction",
    "case_token_share": "fraction",
    "case_mass_share": "fraction",
    "case_next_token_change": "nats",
    "case_kl": "nats",
    "case_lens_spearman": "correlation",
    "case_lens_precision": "fraction",
    "case_lens_kurtosis": "none",
    "case_rule_score": "correlation",
}
"""Each is a mean over the latents of a group; the unit stands beside it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """A studied latent: its folder, its group, and its rule score on the half of test that chose nothing."""

    group: CaseGroup
    folder: Path
    rule_score: float | None = None

    @property
    def record(self) -> dict[str, Any]:
        """Its case.json."""
        return json.loads((self.folder / CASE_FILE).read_text(encoding="utf-8"))


def case_figures(record: Mapping[str, Any], rule_score: float | None) -> dict[str, float | None]:
    """The metrics of one latent; None where it never fires or a figure is not defined."""
    if record["status"] != "ok":
        return dict.fromkeys(CASE_METRICS) | {"case_density": 0.0, "case_rule_score": rule_score}
    effect = record["effect"]["latent"]
    return {
        "case_density": record["density"],
        "case_token_share": record["token_share"],
        "case_mass_share": record["mass_share"],
        "case_next_token_change": effect["next"]["mean"],
        "case_kl": effect["kl"],
        "case_lens_spearman": effect["spearman"],
        "case_lens_precision": effect["precision"],
        "case_lens_kurtosis": record["lens"]["kurtosis"],
        "case_rule_score": rule_score,
    }


def group_results(cases: Sequence[Case], card: DictionaryCard, split: Literal["validation", "test"]) -> list[Result]:
    """One result a group and metric, `variant` naming the group, in front of the dictionary's own variant."""
    groups: dict[str, list[dict[str, float | None]]] = {}
    records = [case.record for case in cases]
    for case, record in zip(cases, records, strict=True):
        groups.setdefault(case.group, []).append(case_figures(record, case.rule_score))
    config = fingerprint([[record["latent"], record["side"], record["seed"]] for record in records])
    return [
        _result(group, metric, [row[metric] for row in rows], card, split, config)
        for group, rows in groups.items()
        for metric in CASE_METRICS
    ]


def _result(
    group: str,
    metric: str,
    values: Sequence[float | None],
    card: DictionaryCard,
    split: Literal["validation", "test"],
    config: str,
) -> Result:
    known = np.array([value for value in values if value is not None], dtype=np.float64)
    variant = "/".join(filter(None, (group, card.variant)))
    about: dict[str, Any] = {
        "metric": metric,
        "unit": CASE_METRICS[metric],
        "method": card.method,
        "variant": variant,
        "lm": card.lm_kind,
        "dictionary": card.name,
        "site": card.site,
        "split": split,
        "seed": card.seed,
        "definition": metric,
        "config": config,
    }
    if len(known) == 0:
        return Result(**about, value=None, status="not_applicable", reason=f"defined for none of {len(values)} latents")
    missing = len(values) - len(known)
    remarks = [f"{missing} of {len(values)} latents have none"] if missing else []
    remarks += [f"fewer than {MIN_UNITS} latents: the interval is narrow"] if len(known) < MIN_UNITS else []
    low = high = None
    mean = float(known.mean())
    if len(known) > 1:
        found = bootstrap_mean(known, numpy_generator(card.seed, f"case-study/{metric}"))
        mean, low, high = found.value, found.low, found.high
    return Result(
        **about,
        value=mean,
        ci_low=low,
        ci_high=high,
        n=len(known),
        n_unit="latents",
        reason="; ".join(remarks) or None,
    )
