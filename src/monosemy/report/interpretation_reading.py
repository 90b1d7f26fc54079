"""The summary of interpretations, read as plain files: who was explained, with which scores, and each latent's row."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from monosemy.core import UserError
from monosemy.report.dictionary_groups import dictionary_words, method_role
from monosemy.report.feature_view import LatentExplanation
from monosemy.report.reading import read_json_object

INTERPRETATION_KEYS = (
    *("judges", "budgets", "headline", "n_units", "dictionaries", "methods", "differences", "correlations"),
)
UNIFORM, AP_LIFT, PAPER, PAPER_RANDOM = (
    ("uniform", "full"),
    ("ap_lift", "full"),
    ("top_random", "paper"),
    (
        "random",
        "paper",
    ),
)
"""Scores with their budgets: the headline's two, the paper's, and the paper's on random fragments alone."""

ScoreKey = tuple[str, str]
Role = Literal["learned", "baseline", "control"]


@dataclass(frozen=True, kw_only=True, slots=True)
class InterpretedScore:
    """The mean score over the latents of one dictionary, or over the seeds of several, with a 95 % interval.

    seeds: of every seed the dictionary's name and its mean. floor: of the explanation of another latent; ceiling: of
    the true activation as a yes or no, which a prediction that says how strongly can exceed.
    """

    value: float
    low: float | None
    high: float | None
    seeds: tuple[tuple[str, float], ...]
    floor: float | None
    ceiling: float | None
    token_table: float | None


@dataclass(frozen=True, kw_only=True, eq=False)
class InterpretedGroup:
    """Dictionaries that differ in the seed alone; `members` are their entries in interpretation.json."""

    stem: str
    method: str
    variant: str | None
    lm: str
    site: str | None
    expansion_factor: int | float | None
    sparsity: str
    members: tuple[Mapping[str, Any], ...]
    scores: Mapping[ScoreKey, InterpretedScore]
    curve: Mapping[str, Any] | None

    @property
    def role(self) -> Role:
        """Control where the model's weights, or the directions, are random; else what the method is."""
        if self.lm == "random" or self.variant == "frozen_decoder":
            return "control"
        return "learned" if method_role(self.method) == "learned" else "baseline"

    @property
    def location(self) -> str:
        """Where in a block, `resid_post`; `centered` behind it where the mean was taken off."""
        return re.sub(r"\.\d+", "", self.site or "")

    @property
    def layer(self) -> int | None:
        """The number of the block."""
        found = re.search(r"\.(\d+)", self.site or "")
        return None if found is None else int(found.group(1))


@dataclass(frozen=True, kw_only=True, eq=False)
class InterpretationRun:
    """A summary of interpretations; `differences` and `correlations` are those of interpretation.json.

    latents: of each dictionary's name the rows of its latents.
    """

    judges: tuple[Mapping[str, Any], ...]
    budgets: tuple[str, ...]
    headline: tuple[str, ...]
    n_units: int
    groups: tuple[InterpretedGroup, ...]
    differences: tuple[Mapping[str, Any], ...]
    correlations: tuple[Mapping[str, Any], ...]
    latents: Mapping[str, tuple[Mapping[str, Any], ...]]

    @cached_property
    def heads(self) -> tuple[InterpretedGroup, ...]:
        """The groups of the dictionaries named as headline; else the learned ones of one site; else the first."""
        named = [g for name in self.headline for g in self.groups if any(m["name"] == name for m in g.members)]
        learned = [g for g in self.groups if g.role == "learned"]
        alike = [g for g in learned if g.site == learned[0].site]
        return tuple(dict.fromkeys(named)) or tuple(alike) or self.groups[:1]

    def label(self, group: InterpretedGroup) -> str:
        """What it is called, not the site, not the seed."""
        usual = self.heads[0].expansion_factor if self.heads else None
        words = dictionary_words(group.method, group.variant, group.sparsity, group.expansion_factor, usual)
        return words + (", random weights" if group.lm == "random" else "")

    def group(self, stem: str) -> InterpretedGroup | None:
        """The group of that name."""
        return next((group for group in self.groups if group.stem == stem), None)

    @property
    def is_rules(self) -> bool:
        """Whether every figure is of rules."""
        return all(judge["name"] == "rules" for judge in self.judges)

    def explanation(self, dictionary: str, latent: int) -> LatentExplanation | None:
        """What a latent is said to respond to, under the full budget where there is one; None where nothing is."""
        for budget in ("full", "paper"):
            row = self._explained.get((dictionary, latent, budget))
            if row is not None:
                return explanation_of(row)
        return None

    @cached_property
    def _explained(self) -> dict[tuple[str, int, str], Mapping[str, Any]]:
        rows = ((name, row) for name, rows in self.latents.items() for row in rows if row["explanation"] is not None)
        return {(name, row["latent"], row["budget"]): row for name, row in rows}


def read_interpretation(path: Path) -> InterpretationRun:
    """The folder of a summary. Raises UserError when a file is missing, is not what it should be, or lacks a part."""
    data = read_json_object(path / "interpretation.json", INTERPRETATION_KEYS)
    by_stem: dict[str, list[Mapping[str, Any]]] = {}
    for each in data["dictionaries"]:
        by_stem.setdefault(each["stem"], []).append(each)
    return InterpretationRun(
        judges=tuple(data["judges"]),
        budgets=tuple(data["budgets"]),
        headline=tuple(data["headline"]),
        n_units=data["n_units"],
        groups=tuple(_group(method, tuple(by_stem[method["stem"]])) for method in data["methods"]),
        differences=tuple(data["differences"]),
        correlations=tuple(data["correlations"]),
        latents=_latents(path / "latents.jsonl"),
    )


def explanation_of(row: Mapping[str, Any]) -> LatentExplanation:
    """A row of latents.jsonl that has an explanation."""
    found = (row["scores"] or {}).get("uniform", {})
    return LatentExplanation(
        sentence=row["explanation"],
        bits=row["bits"],
        uniform=found.get("value"),
        ceiling=found.get("ceiling"),
        is_constant=found.get("status") == "constant",
    )


def _group(method: Mapping[str, Any], members: tuple[Mapping[str, Any], ...]) -> InterpretedGroup:
    keys = ("stem", "method", "variant", "lm", "site", "expansion_factor", "sparsity", "curve")
    return InterpretedGroup(
        **{key: method[key] for key in keys},
        members=members,
        scores={key: found for key in _keys(members) if (found := _score(key, method, members)) is not None},
    )


def _keys(members: tuple[Mapping[str, Any], ...]) -> list[ScoreKey]:
    return list(dict.fromkeys((row["score"], row["budget"]) for member in members for row in member["scores"]))


def _score(key: ScoreKey, method: Mapping[str, Any], members: tuple[Mapping[str, Any], ...]) -> InterpretedScore | None:
    """Over all seeds as the summary resampled it; of one seed the dictionary's own; else the mean, no interval."""
    rows = [(m["name"], row) for m in members for row in m["scores"] if (row["score"], row["budget"]) == key]
    joint = next((row for row in method["scores"] if (row["score"], row["budget"]) == key), None)
    shown = rows[0][1] if len(rows) == 1 else joint
    values = [row["value"] for _, row in rows]
    return InterpretedScore(
        value=sum(values) / len(values) if shown is None else shown["value"],
        low=None if shown is None else shown["low"],
        high=None if shown is None else shown["high"],
        seeds=tuple((name, row["value"]) for name, row in rows),
        floor=_mean([row["floor"] for _, row in rows]),
        ceiling=_mean([row["ceiling"] for _, row in rows]),
        token_table=_mean([row["unigram"] for _, row in rows]),
    )


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _latents(path: Path) -> dict[str, tuple[Mapping[str, Any], ...]]:
    if not path.is_file():
        raise UserError(f"{path} is missing; run the stage that sums the interpretations up again")
    found: dict[str, list[Mapping[str, Any]]] = {}
    try:
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            found.setdefault(row["dictionary"], []).append(row)
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path} is damaged ({error!r}); run the stage that sums the interpretations up again"
        ) from error
    return {name: tuple(rows) for name, rows in found.items()}
