"""What a run says as a whole: all results in one file, paired differences, agreement of seeds, the paper's rule."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from monosemy.core import (
    Advance,
    Artifact,
    Result,
    Workers,
    atomic_write_text,
    fingerprint,
    numpy_generator,
    read_results,
    write_results,
)
from monosemy.corpus import frozen_labels
from monosemy.dictionaries import load_dictionary
from monosemy.evaluation import (
    Detectors,
    LabelScores,
    label_differences,
    matched_cosine,
    mmcs,
    random_null,
)
from monosemy.experiments.evaluations import ARRAYS_FILE, EVALUATION_FILE, RESULTS_FILE
from monosemy.pipeline import Stage, Workspace

COMPARISON_KIND, COMPARISON_FILE = "comparison", "comparison.json"
REQUIRED_ALIVE = 0.95
"""The paper takes the largest coefficient at which at least this share of the latents is alive."""

N_NULL = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class ComparisonConfig:
    """What is compared: the names of the headline dictionaries, one a method, and what the paper's rule looks at.

    rule: names of tied L1 dictionaries of one site and size, by falling coefficient.
    """

    headline: tuple[str, ...]
    rule: tuple[str, ...]
    seed: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Compared:
    """One evaluation, by its files; `about` is its evaluation.json."""

    path: Path
    about: dict[str, Any]
    results: tuple[Result, ...]

    def value(self, metric: str, split: str) -> float | None:
        """The value of a metric on a split, where it has one."""
        return next((r.value for r in self.results if r.metric == metric and r.split == split), None)


def comparison_stage(
    config: ComparisonConfig,
    evaluations: Sequence[Artifact],
    dictionaries: Mapping[str, Artifact],
    workers: Workers,
) -> Stage:
    """The stage that compares. dictionaries: those of `evaluations` whose seeds are to be compared, by name."""
    parents = {f"evaluation-{i}": evaluation for i, evaluation in enumerate(evaluations)}
    parents |= {f"dictionary-{name}": dictionary for name, dictionary in dictionaries.items()}

    def body(workspace: Workspace) -> None:
        found = [read_evaluation(evaluation.path) for evaluation in evaluations]
        agreement, agreement_results = _agreement(config, dictionaries)
        write_results(workspace.folder / RESULTS_FILE, [r for each in found for r in each.results] + agreement_results)
        _merge_arrays(workspace.folder / ARRAYS_FILE, found)
        summary = {
            "headline": {e.about["method"]: _key(e) for e in found if _key(e) in config.headline},
            "differences": _differences(config, found, workers),
            "paper_rule": _paper_rule(config, found),
            "agreement": agreement,
        }
        atomic_write_text(workspace.folder / COMPARISON_FILE, json.dumps(summary, indent=1, allow_nan=False) + "\n")

    return Stage(name=COMPARISON_KIND, config=config, body=body, parents=parents)


def read_evaluation(path: Path) -> Compared:
    """An evaluation's folder."""
    about = json.loads((path / EVALUATION_FILE).read_text(encoding="utf-8"))
    return Compared(path=path, about=about, results=tuple(read_results(path / RESULTS_FILE)))


def _merge_arrays(path: Path, found: Sequence[Compared]) -> None:
    """The sums a unit of every evaluation, under its name; firings a latent stay in the evaluation's own file."""
    merged: dict[str, np.ndarray] = {}
    for each in found:
        with np.load(each.path / ARRAYS_FILE, allow_pickle=False) as arrays:
            lm = "" if each.about["lm"] == "trained" else "control/"
            merged |= {f"{lm}{each.about['name']}/{key}": arrays[key] for key in arrays if not key.endswith("/fired")}
    np.savez_compressed(path, **merged)  # pyright: ignore[reportArgumentType]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Pair:
    """Two evaluations whose difference a worker computes."""

    head: Path
    against: Path
    seed: int


def _differences(config: ComparisonConfig, found: Sequence[Compared], workers: Workers) -> list[dict[str, Any]]:
    """Each headline dictionary minus the other one and everything that was not trained, or trained on the control."""
    by_name = {_key(each): each for each in found if any(row["status"] == "ok" for row in each.about["labels"])}
    heads = [name for name in config.headline if name in by_name]
    others = [
        name
        for name, each in by_name.items()
        if name in heads or not each.about["n_steps"] or each.about["lm"] == "random"
    ]
    pairs = [
        _Pair(head=by_name[head].path, against=by_name[name].path, seed=config.seed)
        for head in heads
        for name in others
        if name != head
    ]
    return [each for some in workers.map(_difference, pairs) for each in some]


def _difference(pair: _Pair, _: Advance) -> list[dict[str, Any]]:
    """The difference of every label metric, units resampled jointly."""
    head, against = read_evaluation(pair.head), read_evaluation(pair.against)
    generator = numpy_generator(pair.seed, f"bootstrap/difference/{_key(head)}/{_key(against)}")
    return [
        {
            "method": _key(head),
            "against": _key(against),
            "metric": difference.metric,
            "value": difference.interval.value,
            "low": difference.interval.low,
            "high": difference.interval.high,
            "smallest_detectable": difference.smallest_detectable,
        }
        for difference in label_differences(_label_scores(head), _label_scores(against), generator)
    ]


def _key(each: Compared) -> str:
    return each.about["name"]


def _label_scores(each: Compared) -> LabelScores:
    """What scoring the labels left, read back."""
    with np.load(each.path / ARRAYS_FILE, allow_pickle=False) as arrays:
        positives, negatives, level, units = (
            arrays[f"test/{name}"] for name in ("label_positives", "label_negatives", "label_level", "unit")
        )
    rows = each.about["labels"]
    why_not = tuple(row["reason"] or "" for row in rows)
    label_of = {label.name: label for label in frozen_labels().labels}
    unknown = np.zeros(len(rows))  # which latent it was, and above which value, is not needed to compare
    detectors = Detectors(
        latent=None,
        sign=unknown.astype(np.int64),
        thresholds=np.zeros((len(rows), positives.shape[2] - 1), dtype=np.float32),
        level=level,
        f1=unknown,
        why_not=why_not,
        of_latents=None,
    )
    return LabelScores(
        detectors=detectors,
        positives=positives,
        negatives=negatives,
        units=tuple(units.tolist()),
        labels=tuple(label_of[row["label"]] for row in rows),
        why_not=why_not,
    )


def _paper_rule(config: ComparisonConfig, found: Sequence[Compared]) -> dict[str, Any]:
    """The largest coefficient with at least 95 % of latents alive on validation; None where there is none."""
    by_name = {_key(each): each for each in found}
    candidates = [by_name[name] for name in config.rule if name in by_name]
    chosen = None
    n_tokens = None
    for each in candidates:
        result = next(r for r in each.results if r.metric == "alive_paper" and r.split == "validation")
        n_tokens = result.n
        if chosen is None and result.value is not None and result.value >= REQUIRED_ALIVE * each.about["n_latents"]:
            chosen = _key(each)
    return {"chosen": chosen, "required_alive": REQUIRED_ALIVE, "n_tokens": n_tokens, "split": "validation"}


def _agreement(
    config: ComparisonConfig, dictionaries: Mapping[str, Artifact]
) -> tuple[list[dict[str, Any]], list[Result]]:
    """Every pair of dictionaries that differ in the seed alone, beside random ones of the same shape."""
    loaded = {name: load_dictionary(artifact.path) for name, artifact in dictionaries.items()}
    pairs: list[dict[str, Any]] = []
    results: list[Result] = []
    nulls: dict[tuple[int, int], Any] = {}
    for a, b in combinations(loaded, 2):
        (first, card), (second, _) = loaded[a], loaded[b]
        if a.rsplit("-seed", 1)[0] != b.rsplit("-seed", 1)[0]:
            continue
        shape = first.n_latents, first.d_out
        if shape not in nulls:
            nulls[shape] = random_null(first.n_latents, second.n_latents, first.d_out, config.seed, N_NULL)
        null = nulls[shape]
        found = {
            "mmcs": mmcs(first.W_dec, second.W_dec),
            "matched_cosine": matched_cosine(first.W_dec, second.W_dec),
        }
        pairs.append({"a": a, "b": b, **found, "mmcs_random": null.mmcs, "matched_cosine_random": null.matched_cosine})
        results += [
            Result(
                metric=metric,
                value=value,
                unit="cosine",
                n=first.n_latents,
                n_unit="latents",
                method=card.method,
                variant=variant,
                lm=card.lm_kind,
                dictionary=a,
                site=card.site,
                seed=card.seed,
                reason=f"with {b}" if variant is None else f"random dictionaries of {shape[0]} x {shape[1]}",
                definition=metric,
                config=fingerprint(config),
            )
            for variant, values in ((None, found), ("random", {k: pairs[-1][f"{k}_random"] for k in found}))
            for metric, value in values.items()
        ]
    return pairs, results
