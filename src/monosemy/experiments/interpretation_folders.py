"""The folders that interpreting dictionaries leaves, read back: who was scored, what each latent scored or why not."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from monosemy.core import METHODS, Result, read_results
from monosemy.interpretation import BUDGETS
from monosemy.interpretation.interpretation_files import ABOUT_FILE, LATENTS_FILE, RESULTS_FILE
from monosemy.interpretation.latent_scores import SCORES

LEARNED = METHODS[: METHODS.index("neurons")]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Interpreted:
    """The interpretation of one dictionary; `about` is its about.json, `rows` are the lines of its latents.jsonl.

    is_second: the dictionary is there twice, and this is the one whose latents were taken by their index.
    """

    path: Path
    about: dict[str, Any]
    rows: tuple[dict[str, Any], ...]
    results: tuple[Result, ...]
    is_second: bool = False

    @property
    def variant(self) -> str | None:
        """The dictionary's own variant; `first` where it is there twice and its latents were taken by their index."""
        return "first" if self.is_second else self.about["variant"]

    @property
    def name(self) -> str:
        """The dictionary's name, told apart where it is there twice."""
        return self.about["name"] + (" first" if self.is_second else "")

    @property
    def stem(self) -> str:
        """The name without the seed: what differs in the seed alone has the same."""
        stem = self.about["name"].rsplit("-seed", 1)[0]
        return f"{stem} first" if self.is_second else stem

    def scored(self, budget: str) -> list[dict[str, Any]]:
        """The rows of the latents that were scored under a budget."""
        return [row for row in self.rows if row["budget"] == budget and row["status"] == "ok"]

    def result(self, score: str, budget: str, variant: str | None = None) -> Result | None:
        """The result of a score under a budget; variant: as `defined_only`, without the dictionary's own behind it."""
        of_budget = "_".join(filter(None, (variant, "paper_budget" if budget == "paper" else None)))
        named = "/".join(filter(None, (of_budget, self.about["variant"]))) or None
        return next((r for r in self.results if r.metric == f"autointerp_{score}" and r.variant == named), None)


def read_all_interpreted(paths: Sequence[Path]) -> list[Interpreted]:
    """Several folders, in their order. Raises as `read_interpreted`."""
    found = [read_interpreted(path) for path in paths]
    seeded = {each.name for each in found if each.about["order"] != "first"}
    return [replace(each, is_second=each.about["order"] == "first" and each.name in seeded) for each in found]


def read_interpreted(path: Path) -> Interpreted:
    """One folder; raises UserError when a line of its results is not one."""
    lines = (path / LATENTS_FILE).read_text(encoding="utf-8").splitlines()
    return Interpreted(
        path=path,
        about=json.loads((path / ABOUT_FILE).read_text(encoding="utf-8")),
        rows=tuple(json.loads(line) for line in lines),
        results=tuple(read_results(path / RESULTS_FILE)),
    )


def by_seed(found: Sequence[Interpreted]) -> list[tuple[Interpreted, ...]]:
    """What differs in the seed alone put together, in the order of the methods, the controls last."""
    ordered = sorted(found, key=_order)
    return [tuple(same) for _, same in groupby(ordered, key=lambda each: each.stem)]


def score_of(row: dict[str, Any], score: str) -> float | None:
    """What a latent scored: 0 where its prediction was constant, None where the score does not apply."""
    found = row["scores"].get(score)
    if found is None or found["status"] == "not_applicable":
        return None
    return 0.0 if found["status"] == "constant" or found["value"] is None else float(found["value"])


def score_rows(found: Interpreted) -> list[dict[str, Any]]:
    """One row for each score and budget that any latent has: mean with interval, floor, ceiling, share constant."""
    rows = []
    for budget in BUDGETS:
        scored = found.scored(budget)
        for score in (each.name for each in SCORES):
            values = [(value, row["scores"][score]) for row in scored if (value := score_of(row, score)) is not None]
            if not values:
                continue
            mean = float(np.mean([value for value, _ in values]))
            result, defined, chance = (
                found.result(score, budget, variant) for variant in (None, "defined_only", "failures_as_chance")
            )
            n_constant = sum(each["status"] == "constant" for _, each in values)
            rows.append(
                {
                    **{"score": score, "budget": budget, "n": len(values)},
                    "value": mean if result is None or result.value is None else result.value,
                    "low": None if result is None else result.ci_low,
                    "high": None if result is None else result.ci_high,
                    **{key: _mean([each.get(key) for _, each in values]) for key in ("floor", "ceiling", "unigram")},
                    "constant_share": n_constant / len(values),
                    "defined_only": None if defined is None else defined.value,
                    "as_chance": None if chance is None else chance.value,
                }
            )
    return rows


def latents_counted(found: Interpreted) -> dict[str, Any]:
    """How many latents were looked at, scored, skipped and why, and failed under either budget and why."""
    skipped = [row for row in found.rows if row["status"] == "skipped"]
    failed = [row for row in found.rows if row["status"] == "failed"]
    looked_at = {row["latent"] for row in found.rows}
    return {
        "n_looked_at": len(looked_at),
        "n_scored": len({row["latent"] for row in found.rows if row["status"] == "ok"}),
        "skipped": _counted([row["reason"] for row in skipped]),
        "skipped_share": len({row["latent"] for row in skipped}) / len(looked_at) if looked_at else None,
        "failed": _counted([row["reason"] for row in failed]),
    }


def _counted(reasons: Sequence[str | None]) -> dict[str, int]:
    named = sorted(reason or "no reason given" for reason in reasons)
    return {reason: len(list(same)) for reason, same in groupby(named)}


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _order(each: Interpreted) -> tuple[object, ...]:
    about = each.about
    is_control = about["lm"] == "random", each.variant is not None
    return *is_control, METHODS.index(about["method"]), about["site"] or "", each.stem, about["seed"]
