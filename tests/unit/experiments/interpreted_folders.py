"""Invented interpretations of dictionaries, in the files that interpreting them leaves: every number is planted."""

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from monosemy.core import Artifact, Result, Workers, numpy_generator, open_artifact, write_artifact, write_results
from monosemy.experiments.interpretation_summary import InterpretationSummaryConfig, summary_stage
from monosemy.pipeline import run_stage

SITE, N_LATENTS, N_UNITS, N_TOKENS = "resid_post.1", 24, 41, 12
UNITS = tuple(f"package{number}" for number in range(N_UNITS))
CORRELATIONS = ("top_random", "top", "random", "uniform")
OTHERS = ("ap_lift", "f1", "detection", "fuzzing")
HOSTILE = "fires on `<img src=x onerror=alert(1)>`"
SENTENCES = ("fires on `self` right after `(`", "fires on a name being defined", "fires on a number", HOSTILE)


@dataclass(frozen=True, kw_only=True)
class Interpretation:
    """One planted dictionary: how well its latents are explained under the full budget, and what it is."""

    method: str
    score: float
    sparsity: str = ""
    variant: str | None = None
    lm: Literal["trained", "random"] = "trained"
    site: str = SITE
    seed: int = 0
    r: int | float = 4
    order: str = "seeded"
    skipped: dict[str, int] = field(default_factory=lambda: {"fires in too few fragments to fit": 3})
    failed: dict[str, int] = field(default_factory=dict)
    judge: str = "rules"

    @property
    def name(self) -> str:
        parts = ["control" if self.lm == "random" else "", self.method, self.sparsity.replace("=", ""), f"r{self.r:g}"]
        parts += [self.variant or "", self.site, f"seed{self.seed}"]
        return "-".join(part for part in parts if part)


TOPK = Interpretation(method="topk", sparsity="k=16", score=0.44)
TIED = Interpretation(method="tied_l1", sparsity="l1=2", score=0.36)


def planted() -> list[Interpretation]:
    """One site as in the default run, with controls."""
    return [
        *(replace(TOPK, seed=seed, score=0.44 + 0.01 * seed) for seed in range(3)),
        *(replace(TIED, seed=seed) for seed in range(3)),
        Interpretation(method="ica", score=0.31, r=1),
        Interpretation(method="ica_topk", sparsity="k=16", score=0.27, r=1),
        Interpretation(method="pca", score=0.12, r=1),
        Interpretation(method="pca_topk", sparsity="k=16", score=0.13, r=1),
        Interpretation(method="random", score=0.14),
        Interpretation(method="neurons_relu", score=0.15, r=1),
        replace(TOPK, lm="random", score=0.2),
        Interpretation(method="ica", score=0.17, r=1, lm="random"),
        replace(TOPK, variant="frozen_decoder", score=0.24),
    ]


def layers() -> list[Interpretation]:
    """Four residual layers and two of the MLP, for the paper's methods; two sizes beside at the middle layer."""
    methods = ((TOPK, 0.5), (Interpretation(method="ica", score=0.0, r=1), 0.34))
    methods += tuple((Interpretation(method=m, score=0.0, r=1), 0.15) for m in ("pca", "random", "neurons_relu"))
    found = [
        replace(base, site=f"{location}.{layer}", score=score - 0.04 * layer)
        for location, n in (("resid_post", 4), ("mlp_out", 2))
        for layer in range(n)
        for base, score in methods
    ]
    return [*found, *(replace(TOPK, r=r) for r in (0.5, 2, 8))]


def write_interpretation(root: Path, planted: Interpretation, n: int = N_LATENTS) -> Artifact:
    """The artifact of one dictionary, in a folder of its name."""
    with write_artifact(root / planted.name, kind="interpretation", config={"name": planted.name}) as folder:
        arrays, rows = _latents(planted, n)
        np.savez(folder / "per_document.npz", **arrays)  # pyright: ignore[reportArgumentType]
        (folder / "latents.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        (folder / "about.json").write_text(json.dumps(_about(planted, n)), encoding="utf-8")
        write_results(folder / "results.jsonl", _results(planted, rows))
    return open_artifact(root / planted.name, kind="interpretation")


def write_summary(
    root: Path, interpretations: list[Interpretation], headline: tuple[str, ...] = (TOPK.name, TIED.name)
) -> Path:
    """The summary of planted interpretations, made by the stage itself with few resamples."""
    artifacts = [write_interpretation(root / "each", each) for each in interpretations]
    config = InterpretationSummaryConfig(headline=headline, n_resamples=200)
    with Workers(1) as workers:
        return run_stage(summary_stage(config, artifacts, workers), root / "summary").path


def _latents(planted: Interpretation, n: int) -> tuple[dict[str, np.ndarray], list[dict[str, Any]]]:
    generator = numpy_generator(planted.seed, f"planted/{planted.name}")
    quality = np.clip(planted.score + 0.15 * generator.standard_normal(n), 0.02, 0.97)
    quality[-1] = 0.0  # the last one's prediction is constant
    latents = [7 * i % 160 for i in range(n)]
    n_failed, n_skipped = sum(planted.failed.values()), sum(planted.skipped.values())
    arrays: dict[str, np.ndarray] = {"unit": np.array(UNITS), "latent": np.array(latents)}
    rows: list[dict[str, Any]] = []
    for budget, factor in (("paper", 0.6), ("full", 1.0)):
        sums: dict[str, np.ndarray] = {}
        for score in CORRELATIONS:
            less = factor * (0.5 if score == "random" else 1.0)
            for end, rho in (("", less * quality), ("/floor", 0.02 + 0 * quality), ("/ceiling", 0.8 + 0 * quality)):
                sums[score + end] = sums_of(rho, generator)
                arrays[f"{budget}/{score}{end or '/sums'}"] = sums[score + end]
        for end, share in (("levels", quality), ("floor", 0.02 + 0 * quality)):
            arrays[f"{budget}/ap/{end}"] = levels_of(factor * share, generator)
        for place, latent in enumerate(latents):
            row: dict[str, Any] = _row(planted, latent, place, quality[place], factor, generator) | {"budget": budget}
            row["scores"] |= {score: _score(place, sums, score) for score in CORRELATIONS}
            row["scores"]["ap_lift"]["value"] = lift_of(arrays[f"{budget}/ap/levels"][place])
            row["scores"]["fuzzing"] = {"value": None, "status": "not_applicable"}
            rows.append(row)
        rows += [_other(i, "failed", reason, budget) for i, reason in enumerate(_listed(planted.failed), n)]
    rows += [_other(i, "skipped", reason, None) for i, reason in enumerate(_listed(planted.skipped), n + n_failed)]
    assert len({row["latent"] for row in rows}) == n + n_failed + n_skipped
    return arrays, rows


def sums_of(rho: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Sums [latents units 6] of predictions that correlate about `rho` with the truth; 0: a constant prediction."""
    truth = generator.standard_normal((len(rho), N_UNITS, N_TOKENS))
    noise = generator.standard_normal(truth.shape)
    weight = rho[:, None, None]
    predicted = np.where(weight == 0, 0.0, weight * truth + np.sqrt(1 - weight**2) * noise)
    products = (np.ones_like(truth), predicted, truth, predicted**2, truth**2, predicted * truth)
    return np.stack([product.sum(axis=2) for product in products], axis=2)


def levels_of(found: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Counts [latents units levels 2] of silent and active tokens: of the active a share `found` at the upper level."""
    counts = np.zeros((len(found), N_UNITS, 2, 2), dtype=np.int32)
    counts[:, :, 0, 0], counts[:, :, 1, 0] = 50, generator.integers(0, 3, (len(found), N_UNITS))
    counts[:, :, 1, 1] = generator.binomial(8, found[:, None], (len(found), N_UNITS))
    counts[:, :, 0, 1] = 8 - counts[:, :, 1, 1]
    return counts


def lift_of(counts: np.ndarray) -> float:
    """Average precision above the base rate of one latent, by the plain formula for two levels."""
    (_silent_below, active_below), (silent, active) = counts.sum(axis=0).astype(float)
    n_active = active + active_below
    base = n_active / counts.sum()
    top = active / (active + silent) if active + silent else 0.0
    return float(((active * top + active_below * base) / n_active - base) / (1 - base))


def pearson_of(sums: np.ndarray) -> float:
    """The plain formula on the total sums of one latent; 0 for a constant prediction."""
    n, p, t, pp, tt, pt = sums.sum(axis=0)
    spread = (n * pp - p * p) * (n * tt - t * t)
    return float((n * pt - p * t) / np.sqrt(spread)) if spread > 1e-9 else 0.0


def _score(place: int, sums: dict[str, np.ndarray], score: str) -> dict[str, Any]:
    value = pearson_of(sums[score][place])
    floor, ceiling = (pearson_of(sums[f"{score}/{end}"][place]) for end in ("floor", "ceiling"))
    status = "constant" if value == 0 else "ok"
    return {"value": value, "status": status, "floor": floor, "ceiling": ceiling, "unigram": 0.8 * value}


def _row(
    planted: Interpretation, latent: int, place: int, quality: float, factor: float, generator: np.random.Generator
) -> dict[str, Any]:
    value = factor * quality
    plain = {"status": "ok", "floor": 0.01, "ceiling": 1.0, "unigram": 0.5 * value}
    return {
        **{"latent": latent, "order": place, "status": "ok", "reason": None},
        "explanation": SENTENCES[place % len(SENTENCES)],
        **{"bits": 20.0 + place, "rules": [{"when": ["token in {self}"], "value": 7.5, "bits": 20.0}]},
        **{"density": 0.01 * (1 + place % 9), "n_firing_fragments_fit": 80, "n_firing_fragments_score": 90},
        **{"mean": 0.1 * place, "variance": 1.0 + place % 5, "skewness": 2 + 5 * quality},
        "excess_kurtosis": None if place == 0 else 10 + 40 * quality + generator.standard_normal(),
        **{"peak": 9.0, "threshold": 0.5, "floor_of": latent + 1, "answered": 1.0},
        "scores": {score: {"value": value, **plain} for score in OTHERS},
        "curve": [[0.0, 0.0], [12.0, 0.5 * value], [20.0 + place, value]],
        "bits_to_90": 20.0 + place if place % 2 else None,
    }


def _other(latent: int, status: str, reason: str, budget: str | None) -> dict[str, Any]:
    return {
        **{"latent": 1000 + latent, "order": latent, "budget": budget, "status": status, "reason": reason},
        **{"explanation": None, "bits": None, "rules": None, "scores": None, "curve": None, "bits_to_90": None},
    }


def _listed(counts: dict[str, int]) -> list[str]:
    return [reason for reason, n in counts.items() for _ in range(n)]


def _about(planted: Interpretation, n: int) -> dict[str, Any]:
    return {
        **{"name": planted.name, "method": planted.method, "variant": planted.variant, "lm": planted.lm},
        **{"site": planted.site, "seed": planted.seed, "n_latents": round(160 * planted.r)},
        **{"expansion_factor": planted.r, "sparsity": planted.sparsity, "budgets": ["paper", "full"]},
        "judge": {"name": planted.judge, "revision": "1", "settings": "max_rules 8"},
        **{"order": planted.order, "n_asked": n, "n_scored": n, "units": list(UNITS)},
        **{"n_eligible_looked_at": n, "skipped": planted.skipped, "failed": planted.failed},
    }


def _results(planted: Interpretation, rows: list[dict[str, Any]]) -> list[Result]:
    found = []
    for budget, name in (("full", None), ("paper", "paper_budget")):
        for score in (*CORRELATIONS, *OTHERS[:3]):
            those = [row["scores"][score] for row in rows if row["budget"] == budget and row["status"] == "ok"]
            value = float(np.mean([each["value"] for each in those]))
            parts = [part for part in (name, planted.variant) if part]
            found.append(
                Result(
                    metric=f"autointerp_{score}",
                    **{"value": value, "unit": "correlation", "ci_low": value - 0.03, "ci_high": value + 0.03},
                    **{"n": len(those), "n_unit": "latents", "method": planted.method, "lm": planted.lm},
                    **{"variant": "/".join(parts) or None, "dictionary": planted.name, "site": planted.site},
                    **{"split": "test", "seed": planted.seed, "config": "c"},
                    definition=f"autointerp_{score}",
                )
            )
    return found
