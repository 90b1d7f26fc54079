"""Files of an interpretation: what a dictionary's latents respond to, and how well that predicts them.

about.json        the dictionary, the judge, what was asked, how many latents were left out and why
latents.jsonl     one object a line: of each latent that was looked at, in order, one a budget, or one if left out
per_document.npz  "unit" [U], "latent" [L], and counts [L U ...] of those latents: <budget>/<score>/sums (levels of
                  ap, counts of f1, detection, detection_f1 and fuzzing), and of other predictions of the same
                  latents <budget>/<score>/floor, /unigram, and of the correlations /ceiling
results.jsonl     means over latents with their intervals
"""

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from monosemy.core import atomic_write_text, full_disk_is_user_error, write_results
from monosemy.dictionaries import DictionaryCard
from monosemy.interpretation.interpret import Interpretation
from monosemy.interpretation.interpretation_results import interpretation_results
from monosemy.interpretation.latent_rows import Row
from monosemy.interpretation.latent_scores import SCORES, Score

INTERPRETATION_KIND = "interpretation"
ABOUT_FILE, LATENTS_FILE = "about.json", "latents.jsonl"
COUNTS_FILE, RESULTS_FILE = "per_document.npz", "results.jsonl"


def write_interpretation(folder: Path, card: DictionaryCard, interpretation: Interpretation) -> None:
    """Write the four files into a folder that exists; their bytes are a function of the interpretation.

    Raises UserError when the disk is full.
    """
    with full_disk_is_user_error(folder):
        about = _about(card, interpretation)
        atomic_write_text(folder / ABOUT_FILE, json.dumps(about, indent=2, allow_nan=False) + "\n")
        lines = [json.dumps(row, allow_nan=False) + "\n" for row in interpretation.rows]
        atomic_write_text(folder / LATENTS_FILE, "".join(lines))
        write_results(folder / RESULTS_FILE, interpretation_results(interpretation, card))
        arrays = _arrays(interpretation)
        np.savez_compressed(folder / COUNTS_FILE, **arrays)  # pyright: ignore[reportArgumentType]


def has_failures(folder: Path) -> bool:
    """Whether the judge left a latent, or a fragment of one, without an answer in the interpretation in a folder."""
    lines = (folder / LATENTS_FILE).read_text(encoding="utf-8").splitlines()
    rows: list[Row] = [json.loads(line) for line in lines]
    return any(row["status"] == "failed" or (row["status"] == "ok" and row["answered"] < 1) for row in rows)


def _about(card: DictionaryCard, interpretation: Interpretation) -> dict[str, Any]:
    config, rows = interpretation.config, interpretation.rows
    skipped = [row for row in rows if row["status"] == "skipped"]
    failed = [row for row in rows if row["status"] == "failed"]
    n_scored = {budget: sum(_is_scored(row, budget) for row in rows) for budget in config.budgets}
    return {
        "name": card.name,
        "method": card.method,
        "variant": card.variant,
        "lm": card.lm_kind,
        "site": card.site or None,
        "seed": card.seed,
        "n_latents": card.n_latents,
        "expansion_factor": card.expansion_factor,
        "sparsity": card.sparsity,
        "judge": asdict(interpretation.judge),
        "budgets": list(config.budgets),
        "density": config.density,
        "order": config.order,
        "n_uniform": config.n_uniform,
        "floors": config.floors,
        "interpretation_seed": config.seed,
        "n_kept": interpretation.n_kept,
        "n_asked": config.n_latents,
        "n_looked_at": len(interpretation.latents) + len(skipped),
        "n_eligible_looked_at": len(interpretation.latents),
        "skipped": _counted(skipped),
        "n_scored": max(n_scored.values()),
        "n_scored_by_budget": n_scored,
        "failed": _counted(failed),
        "units": list(interpretation.units),
        "remarks": list(interpretation.remarks),
    }


def _is_scored(row: Row, budget: str) -> bool:
    return row["status"] == "ok" and row["budget"] == budget


def _counted(rows: list[Row]) -> dict[str, int]:
    """How many rows have each reason, in the alphabetical order of reasons."""
    return dict(sorted(Counter(str(row["reason"]) for row in rows).items()))


def _arrays(interpretation: Interpretation) -> dict[str, np.ndarray]:
    found = interpretation.arrays
    arrays = {"unit": np.array(interpretation.units), "latent": np.array(interpretation.latents, dtype=np.int64)}
    for budget in interpretation.config.budgets if interpretation.latents else ():
        for score in SCORES:
            prefix = f"{budget}/{score.key}"
            arrays[f"{prefix}/{_own(score)}"] = found[f"{prefix}/own"]
            if interpretation.config.floors:
                arrays[f"{prefix}/floor"] = found[f"{prefix}/floor"]
            arrays |= {
                f"{prefix}/{kind}": found[f"{kind}/{score.key}"]
                for kind in ("ceiling", "unigram")
                if f"{kind}/{score.key}" in found
            }
    return arrays


def _own(score: Score) -> str:
    if score.is_correlation:
        return "sums"
    return "levels" if score.key == "ap" else "counts"
