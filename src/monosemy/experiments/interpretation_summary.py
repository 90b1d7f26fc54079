"""What interpreting many dictionaries says as a whole: scores by method, differences, controls, moments, curves."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from monosemy.core import (
    Advance,
    Artifact,
    Result,
    Workers,
    atomic_write_text,
    fingerprint,
    numpy_generator,
    write_results,
)
from monosemy.experiments.interpretation_curves import mean_curve
from monosemy.experiments.interpretation_differences import (
    Draws,
    Resampling,
    method_scores,
    resampled_scores,
    score_differences,
)
from monosemy.experiments.interpretation_folders import (
    LEARNED,
    Interpreted,
    by_seed,
    latents_counted,
    read_all_interpreted,
    score_rows,
)
from monosemy.experiments.interpretation_moments import dictionary_correlations, mean_correlations
from monosemy.interpretation.interpretation_files import LATENTS_FILE, RESULTS_FILE
from monosemy.interpretation.score_intervals import N_RESAMPLES
from monosemy.pipeline import Stage, Workspace

SUMMARY_KIND, SUMMARY_FILE = "interpretation-summary", "interpretation.json"
_CARD = ("method", "lm", "site", "seed", "n_latents", "expansion_factor", "sparsity")


@dataclass(frozen=True, kw_only=True, slots=True)
class InterpretationSummaryConfig:
    """What is summed up: the dictionaries named first on the page, one a method; the seed of the resamples."""

    headline: tuple[str, ...] = ()
    seed: int = 0
    n_resamples: int = N_RESAMPLES


def summary_stage(config: InterpretationSummaryConfig, interpretations: Sequence[Artifact], workers: Workers) -> Stage:
    """The stage that sums interpretations up: results.jsonl, latents.jsonl and interpretation.json, which see below.

    interpretation.json: `judges` (each that any figure is of); `headline`; `dictionaries`: what each is, how many of
    its latents were scored, skipped, failed, its `scores` (`score_rows`) and `correlations` with moments; `methods`:
    what differs in the seed alone together, with means over seeds and a curve; `differences`; `correlations`: means
    over the learned dictionaries of a method.
    """
    parents = {f"interpretation-{i}": interpretation for i, interpretation in enumerate(interpretations)}

    def body(workspace: Workspace) -> None:
        found = read_all_interpreted([interpretation.path for interpretation in interpretations])
        groups = by_seed(found)
        summary = interpretation_summary(config, groups, _draws(config, found, workers))
        results = [result for each in found for result in each.results]
        results += correlation_results(summary["correlations"], fingerprint(config))
        write_results(workspace.folder / RESULTS_FILE, results)
        _write_latents(workspace.folder / LATENTS_FILE, groups)
        atomic_write_text(workspace.folder / SUMMARY_FILE, json.dumps(summary, indent=1, allow_nan=False) + "\n")

    return Stage(name=SUMMARY_KIND, config=config, body=body, parents=parents)


def interpretation_summary(
    config: InterpretationSummaryConfig, groups: Sequence[Sequence[Interpreted]], draws: Mapping[str, Draws]
) -> dict[str, Any]:
    """The content of interpretation.json."""
    found = [each for group in groups for each in group]
    judges = {json.dumps(each.about["judge"], sort_keys=True): each.about["judge"] for each in found}
    return {
        "judges": list(judges.values()),
        "budgets": list(dict.fromkeys(budget for each in found for budget in each.about["budgets"])),
        "headline": [name for name in config.headline if any(each.name == name for each in found)],
        "n_units": len(_units(found)),
        "dictionaries": [_dictionary(each) for each in found],
        "methods": [_method(config, group, draws) for group in groups],
        "differences": score_differences(groups, draws),
        "correlations": _correlations(config, found),
    }


def correlation_results(rows: Sequence[Mapping[str, Any]], config: str) -> list[Result]:
    """Correlations of scores with moments as results of a method over all its dictionaries.

    variant: `pooled` is the paper's figure; `spearman` and `uniform` name the other correlation and the other score.
    """
    results = []
    for row in rows:
        parts = [row["variant"], "spearman" if row["kind"] == "spearman" else None]
        parts += ["uniform" if row["score"] == "uniform" else None]
        results.append(
            Result(
                metric=f"autointerp_correlation/{row['moment']}",
                value=row["value"],
                unit="correlation",
                **{"ci_low": row["low"], "ci_high": row["high"]},
                **{"n": row["n_clusters"], "n_unit": "sites and seeds"},
                status="not_applicable" if row["value"] is None else "ok",
                reason="fewer than three latents have both, or one is constant" if row["value"] is None else None,
                method=row["method"],
                variant="_".join(part for part in parts if part) or None,
                lm="trained",
                dictionary=None,
                split="test",
                definition="autointerp_correlation",
                config=config,
            )
        )
    return results


def _draws(config: InterpretationSummaryConfig, found: Sequence[Interpreted], workers: Workers) -> dict[str, Draws]:
    resampling = Resampling(units=_units(found), seed=config.seed, n_resamples=config.n_resamples)
    tasks = [(each.path, each.name) for each in found]
    drawn = workers.map(partial(_resampled, resampling), tasks)
    return {name: draws for (_, name), draws in zip(tasks, drawn, strict=True)}


def _resampled(resampling: Resampling, task: tuple[Path, str], _: Advance) -> Draws:
    return resampled_scores(*task, resampling)


def _units(found: Sequence[Interpreted]) -> tuple[str, ...]:
    return tuple(sorted({unit for each in found for unit in each.about["units"]}))


def _dictionary(each: Interpreted) -> dict[str, Any]:
    about = each.about
    return {
        **{"name": each.name, "stem": each.stem, "variant": each.variant, **{key: about[key] for key in _CARD}},
        **{"judge": about["judge"], "order": about["order"], "n_asked": about["n_asked"]},
        **{"n_units": len(about["units"]), **latents_counted(each)},
        **{"scores": score_rows(each), "correlations": dictionary_correlations(each)},
    }


def _method(
    config: InterpretationSummaryConfig, group: Sequence[Interpreted], draws: Mapping[str, Draws]
) -> dict[str, Any]:
    first = group[0]
    return {
        **{"stem": first.stem, "variant": first.variant},
        **{key: first.about[key] for key in _CARD if key != "seed"},
        "scores": method_scores(group, draws),
        "curve": mean_curve(group, numpy_generator(config.seed, f"bootstrap/curve/{first.stem}")),
    }


def _correlations(config: InterpretationSummaryConfig, found: Sequence[Interpreted]) -> list[dict[str, Any]]:
    """Of every learned method without a variant, on the trained model."""
    own = [each for each in found if each.about["lm"] == "trained" and each.variant is None]
    rows = []
    for method in LEARNED:
        those = [each for each in own if each.about["method"] == method]
        if those:
            generator = numpy_generator(config.seed, f"bootstrap/moments/{method}")
            rows += [{"method": method} | row for row in mean_correlations(those, generator)]
    return rows


def _write_latents(path: Path, groups: Sequence[Sequence[Interpreted]]) -> None:
    """Every row of every dictionary, its dictionary's name in front."""
    lines = [
        json.dumps({"dictionary": each.name} | row, allow_nan=False) + "\n"
        for group in groups
        for each in group
        for row in each.rows
    ]
    atomic_write_text(path, "".join(lines))
