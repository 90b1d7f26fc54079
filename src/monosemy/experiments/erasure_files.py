"""The folder that erasing a concept leaves: what was done, the sums a unit, and the results with their intervals."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float64

from monosemy.causal import Erased, balanced_accuracy
from monosemy.core import (
    MIN_UNITS,
    Result,
    atomic_write_text,
    bootstrap,
    fingerprint,
    numpy_generator,
    write_results,
)

ERASURE_FILE, ERASURE_ARRAYS, ERASURE_RESULTS = "erasure.json", "per_unit.npz", "results.jsonl"

MEASURES = {
    "erasure_linear_accuracy": "balanced accuracy",
    "erasure_hidden_accuracy": "balanced accuracy",
    "erasure_edit_norm": "|x' - x|",
    "erasure_kl": "nats a token",
    "erasure_kl_outside": "nats a token",
    "erasure_ce_increase": "nats a token",
}
"""The figures of an edit and their units."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ErasureAbout:
    """What a folder is about. typical_norm: mean |x - mean| of the reported rows, beside which edits are seen.

    dictionary, method: None where none was needed. share_report: share of reported rows on which the concept holds.
    """

    concept: str
    definition: str
    site: str
    dictionary: str | None
    method: str | None
    sparsity: str
    lm: Literal["trained", "random"]
    n_fit: int
    n_probe: int
    n_choose: int
    n_report: int
    share_report: float
    n_sequences: int
    typical_norm: float
    n_draws: int
    seed: int


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class EditRow:
    """One edit: what it is, and its sums. chosen_accuracy: the probe's on validation, where latents were chosen."""

    method: str
    variant: str | None
    erased: Erased
    n_removed: int = 0
    latents: tuple[int, ...] = ()
    chosen_accuracy: float | None = None

    @property
    def full_variant(self) -> str | None:
        """The variant with the number of what was removed, where that is more than one kind of number."""
        many = self.latents or self.variant in ("directions", "random_latents")
        return f"{self.variant}/k={self.n_removed}" if many else self.variant


def write_erasure(folder: Path, about: ErasureAbout, rows: Sequence[EditRow], config: object) -> None:
    """Write erasure.json, per_unit.npz and results.jsonl into a folder."""
    key = fingerprint(config)
    results: list[Result] = []
    edits: list[dict[str, Any]] = []
    arrays: dict[str, np.ndarray] = {}
    for number, row in enumerate(rows):
        measured = _measured(row, about.seed)
        results += [_result(about, row, name, found, key) for name, found in measured.items()]
        edits.append(
            {
                "method": row.method,
                "variant": row.variant,
                "n_removed": row.n_removed,
                "latents": list(row.latents),
                "chosen_accuracy": row.chosen_accuracy,
                **{name.removeprefix("erasure_"): found for name, found in measured.items()},
            }
        )
        for kind, counts in row.erased.accuracy.items():
            arrays[f"{number}/{kind}"] = counts
        arrays[f"{number}/damage"] = row.erased.damage
    text = json.dumps({**asdict(about), "edits": edits}, indent=1, allow_nan=False) + "\n"
    atomic_write_text(folder / ERASURE_FILE, text)
    np.savez_compressed(folder / ERASURE_ARRAYS, **arrays)  # pyright: ignore[reportArgumentType]
    write_results(folder / ERASURE_RESULTS, results)


def _measured(row: EditRow, seed: int) -> dict[str, dict[str, float | int] | None]:
    """Each figure with its interval over units; None where it does not exist (nothing is known to be outside)."""
    kinds = {f"erasure_{kind}_accuracy": row.erased.accuracy[kind] for kind in ("linear", "hidden")}
    found: dict[str, dict[str, float | int] | None] = {}
    for name, counts in kinds.items():
        found[name] = _interval(counts[counts.sum(axis=1) > 0], _accuracies, seed, name)
    if row.method == "lm":
        return found
    n, kl, ce, n_outside, kl_outside, n_edited, norm = row.erased.damage.T
    for name, numerator, denominator in (
        ("erasure_edit_norm", norm, n_edited),
        ("erasure_kl", kl, n),
        ("erasure_kl_outside", kl_outside, n_outside),
        ("erasure_ce_increase", ce, n),
    ):
        table = np.stack([numerator, denominator], axis=1)[denominator > 0]
        found[name] = _interval(table, _ratio, seed, name) if len(table) else None
    return found


def _interval(table: Float64[np.ndarray, "units columns"], statistic: Any, seed: int, name: str) -> dict[str, Any]:
    ends = bootstrap(table, statistic, numpy_generator(seed, f"erasure-bootstrap/{name}"))
    value, low, high = (float(part[0]) for part in (ends.value, ends.low, ends.high))
    return {"value": value, "low": low, "high": high, "n": len(table)}


def _accuracies(totals: np.ndarray) -> np.ndarray:
    return balanced_accuracy(totals)[:, None]


def _ratio(totals: np.ndarray) -> np.ndarray:
    return totals[:, :1] / totals[:, 1:]


def _result(about: ErasureAbout, row: EditRow, name: str, found: dict[str, Any] | None, key: str) -> Result:
    few = f"{found['n']} units: with fewer than {MIN_UNITS} the interval is too narrow" if found else None
    shared: dict[str, Any] = {
        "metric": f"{name}/{about.concept}",
        "unit": MEASURES[name],
        "method": row.method,
        "variant": row.full_variant,
        "lm": about.lm,
        "dictionary": about.dictionary,
        "site": about.site,
        "split": "test",
        "seed": about.seed,
        "definition": name,
        "config": key,
    }
    if found is None:
        reason = "it is not known at which tokens the concept does not hold"
        return Result(value=None, status="not_applicable", reason=reason, **shared)
    return Result(
        value=found["value"],
        ci_low=found["low"],
        ci_high=found["high"],
        n=found["n"],
        n_unit="units",
        reason=few if found["n"] < MIN_UNITS else None,
        **shared,
    )
