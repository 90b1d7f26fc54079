"""What patching many dictionaries says as a whole: curves with intervals, areas, differences, results."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from monosemy.causal import area
from monosemy.core import (
    METHODS,
    Artifact,
    Interval,
    Result,
    atomic_write_text,
    bootstrap_difference,
    bootstrap_mean,
    fingerprint,
    numpy_generator,
    smallest_detectable_difference,
    write_results,
)
from monosemy.experiments.evaluations import RESULTS_FILE
from monosemy.experiments.patching import ABOUT_FILE, RIGHT_FILE
from monosemy.experiments.patching_curves import Patched, Split, curve_figures, half_edit_difference, read_patched
from monosemy.pipeline import Stage, Workspace

SUMMARY_KIND, SUMMARY_FILE = "patching-summary", "patching.json"
Which = Literal["all", "right", "paper"]
"""Over which pairs: all held-out ones, those that the model gets right, or those that the order was chosen on."""

_ABOUT = (
    *("task", "order", "dictionary", "method", "variant", "sparsity", "site", "lm", "n_latents", "expansion_factor"),
    *("d_site", "n_selection_pairs", "n_pairs", "n_latents_ever_changed", "seconds"),
)
_FLOORS = ("oracle", "error_only", "all_latents")


@dataclass(frozen=True, kw_only=True, slots=True)
class PatchingSummaryConfig:
    """headline: dictionaries that are set against the others, the first one first. gate: the share of pairs right below
    which a task says nothing (none: every task is shown). seed: of the resamples."""

    headline: tuple[str, ...]
    gate: float | None
    seed: int


def patching_summary_stage(
    config: PatchingSummaryConfig, tasks: Sequence[Artifact], patched: Sequence[Artifact]
) -> Stage:
    """The stage that sums patchings up into results.jsonl and patching.json, which see `patching_summary`."""
    parents = {f"task-{i}": each for i, each in enumerate(tasks)}
    parents |= {f"patching-{i}": each for i, each in enumerate(patched)}

    def body(workspace: Workspace) -> None:
        scores = [TaskScore.read(each.path) for each in tasks]
        found = [read_patched(each.path) for each in patched]
        summary = patching_summary(config, scores, found)
        write_results(workspace.folder / RESULTS_FILE, patching_results(summary, fingerprint(config)))
        text = json.dumps(summary, separators=(",", ":"), allow_nan=False) + "\n"
        atomic_write_text(workspace.folder / SUMMARY_FILE, text)

    return Stage(name=SUMMARY_KIND, config=config, body=body, parents=parents)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class TaskScore:
    about: dict[str, Any]
    right: np.ndarray

    @staticmethod
    def read(path: Path) -> "TaskScore":
        with np.load(path / RIGHT_FILE, allow_pickle=False) as arrays:
            right = arrays["right"]
        return TaskScore(about=json.loads((path / ABOUT_FILE).read_text(encoding="utf-8")), right=right)


def patching_summary(
    config: PatchingSummaryConfig, scores: Sequence[TaskScore], found: Sequence[Patched]
) -> dict[str, Any]:
    """The content of patching.json.

    `headline`, `gate`; `tasks`: what each is, its accuracy on held-out pairs, whether it passes the gate; `curves`: of
    every dictionary, task and order, over which pairs (`which`): KL, edit norm and entries by number of patched
    latents, each [value, low, high]; area, what half of KL(0) takes, floors; `differences` of areas, headline -
    against, under the same resamples.
    """
    right = {score.about["name"]: score.right for score in scores}
    ordered = sorted(found, key=_order)
    return {
        "headline": [name for name in config.headline if any(each.about["dictionary"] == name for each in found)],
        "gate": config.gate,
        "tasks": [_task(score, config.gate) for score in scores],
        "curves": [row for each in ordered for row in _rows(config, each, right[each.about["task"]])],
        "differences": [row for name in config.headline for row in _differences(config, name, ordered)],
    }


def patching_results(summary: Mapping[str, Any], config: str) -> list[Result]:
    """Areas as `patching_kl_area/<task>`, and what half of KL(0) takes; below the gate the statement that and why not.

    variant: the order where it is not attribution, `paper` for a sweep measured on the pairs that it was chosen on,
    `right_pairs` for those alone that the model gets right.
    """
    results = [result for row in summary["curves"] for result in _curve_results(row, config)]
    for task in summary["tasks"]:
        if task["passes"]:
            continue
        reason = (
            f"the model gets {task['accuracy']:.1%} [{task['low']:.1%}, {task['high']:.1%}] of {task['n_pairs']} pairs "
            f"right in both prompts; below {summary['gate']:.0%} there is no behavior to explain"
        )
        results.append(
            Result(
                metric=f"patching_kl_area/{task['name']}",
                value=None,
                unit="fraction of KL(0)",
                status="not_applicable",
                reason=reason,
                method="lm",
                lm="trained",
                definition="patching_kl_area",
                config=config,
            )
        )
    return results


def _task(score: TaskScore, gate: float | None) -> dict[str, Any]:
    about = {key: value for key, value in score.about.items() if key != "templates"}
    passes = gate is None or about["accuracy"] >= gate
    return about | {"passes": passes, "n_templates": len(set(score.about["templates"]))}


def _rows(config: PatchingSummaryConfig, each: Patched, right: np.ndarray) -> list[dict[str, Any]]:
    every = np.ones(int(each.about["n_pairs"]), dtype=np.bool_)
    rows = [_row(config, each, "held_out", "all", every)]
    if 0 < right.sum() < len(right):
        rows.append(_row(config, each, "held_out", "right", right))
    if "selection" in each.curves:
        rows.append(_row(config, each, "selection", "paper", np.ones(each.about["n_selection_pairs"], dtype=np.bool_)))
    return rows


def _row(config: PatchingSummaryConfig, each: Patched, split: Split, which: Which, pairs: np.ndarray) -> dict[str, Any]:
    curve = each.curve(split)
    generator = numpy_generator(config.seed, f"patching/{each.about['task']}/{which}")
    figures = curve_figures(curve, area(curve, each.width), pairs, generator)
    floors = {name: _bounds(_mean(config, each, name, pairs)) for name in _FLOORS} if which != "paper" else {}
    return {
        **{key: each.about[key] for key in _ABOUT},
        **{"seed": each.about["dictionary_seed"], "which": which, "n_units": int(pairs.sum())},
        "n_patched": curve.n_patched.tolist(),
        **{name: [_bounds(point) for point in getattr(figures, name)] for name in ("kl", "edit", "entries")},
        **{name: _bounds(getattr(figures, name)) for name in ("area", "half_n", "half_edit")},
        **{"reaches_half": figures.reaches_half, "lowest": _short(figures.lowest)},
        "floors": floors,
        "area_by_template": _by_template(each, pairs) if which != "paper" else {},
        "area_by_sweep": [_short(area(one, each.width).value) for one in each.curves[split]]
        if which != "right"
        else [],
        "n_changed": _short(float(each.per_pair["n_changed"].mean())),
        **{key: each.about.get(key) for key in ("n_visits", "n_rows", "n_skipped")},
    }


def _mean(config: PatchingSummaryConfig, each: Patched, name: str, pairs: np.ndarray) -> Interval:
    generator = numpy_generator(config.seed, f"patching/{each.about['task']}/floors")
    return bootstrap_mean(each.per_pair[name][pairs], generator)


def _by_template(each: Patched, pairs: np.ndarray) -> dict[str, float]:
    """The area over each template's pairs alone: how much the choice of templates matters."""
    found = area(each.curve("held_out"), each.width)
    templates = np.array(each.about["templates"])
    shown = {}
    for template in dict.fromkeys(each.about["templates"]):
        own = pairs & (templates == template)
        if found.denominator[own].sum() > 0:
            shown[template] = _short(float(found.numerator[own].sum() / found.denominator[own].sum()))
    return shown


def _differences(config: PatchingSummaryConfig, name: str, found: Sequence[Patched]) -> list[dict[str, Any]]:
    """A headline's area minus every other one's of the same task, order and site, and minus its own in other orders."""
    rows = []
    for head in (each for each in found if each.about["dictionary"] == name):
        for other in found:
            kind = _kind(head, other, config.headline)
            if kind is None:
                continue
            ours, theirs = (area(each.curve("held_out"), each.width) for each in (head, other))
            generator = numpy_generator(config.seed, f"patching/{head.about['task']}/differences")
            difference = bootstrap_difference(
                *(ours.numerator, ours.denominator, theirs.numerator, theirs.denominator), generator
            )
            generator = numpy_generator(config.seed, f"patching/{head.about['task']}/differences")
            edit = half_edit_difference(head.curve("held_out"), other.curve("held_out"), generator)
            rows.append(
                {
                    **{key: head.about[key] for key in ("task", "order", "site")},
                    **{"kind": kind, "dictionary": name, "against": other.about["dictionary"]},
                    "against_order": other.about["order"],
                    **{key: _short(value) for key, value in asdict(difference).items()},
                    "smallest_detectable": _short(smallest_detectable_difference(difference)),
                    "half_edit": None if edit is None else _bounds(edit),
                }
            )
    return rows


def _kind(head: Patched, other: Patched, headline: Sequence[str]) -> Literal["methods", "orders"] | None:
    ours, theirs = head.about, other.about
    if (ours["task"], ours["site"]) != (theirs["task"], theirs["site"]):
        return None
    if ours["dictionary"] == theirs["dictionary"]:
        return "orders" if ours["order"] == "attribution" != theirs["order"] else None
    if ours["order"] != theirs["order"]:
        return None
    if _stem(ours["dictionary"]) == _stem(theirs["dictionary"]):
        return None  # another seed of the same
    is_before = theirs["dictionary"] in headline[: headline.index(ours["dictionary"])]
    return None if is_before else "methods"


def _stem(name: str) -> str:
    return name.rpartition("-seed")[0]


def _curve_results(row: Mapping[str, Any], config: str) -> list[Result]:
    order = None if row["order"] == "attribution" else row["order"]
    which = {"all": None, "right": "right_pairs", "paper": "paper"}[row["which"]]
    variant = "_".join(part for part in (row["variant"], order, which) if part) or None
    common = {
        **{key: row[key] for key in ("method", "dictionary", "site", "lm", "seed")},
        **{"variant": variant, "n": row["n_units"], "n_unit": "pairs", "config": config},
    }
    low_high = dict(zip(("ci_low", "ci_high"), row["area"][1:], strict=True))
    results = [
        Result(
            **{"metric": f"patching_kl_area/{row['task']}", "unit": "fraction of KL(0)"},
            **{"definition": "patching_kl_area", "value": row["area"][0]},
            **low_high,
            **common,
        )
    ]
    for name, unit in (("half_n", "latents"), ("half_edit", "activation norm")):
        value, low, high = row[name]
        is_there = {"value": value, "ci_low": low, "ci_high": high}
        reason = f"KL falls to {row['lowest']:.3g} nats of {row['kl'][0][0]:.3g} and never to the half"
        missing = {"value": None, "status": "not_applicable", "reason": reason}
        results.append(
            Result(
                **{"metric": f"patching_{name}/{row['task']}", "unit": unit, "definition": f"patching_{name}"},
                **(is_there if row["reaches_half"] else missing),
                **common,
            )
        )
    return results


def _order(each: Patched) -> tuple[object, ...]:
    about = each.about
    return about["task"], about["site"], about["order"], METHODS.index(about["method"]), about["dictionary"]


def _bounds(interval: Interval) -> list[float]:
    return [_short(interval.value), _short(interval.low), _short(interval.high)]


def _short(value: float) -> float:
    """Six digits: what is shown has three, and the file is read by a page."""
    return float(f"{value:.6g}")
