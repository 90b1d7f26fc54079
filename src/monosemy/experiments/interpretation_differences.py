"""Scores of methods and their differences: units resampled jointly, latents within each dictionary, seeds averaged."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float64

from monosemy.core import numpy_generator, smallest_detectable_difference
from monosemy.experiments.interpretation_folders import LEARNED, Interpreted
from monosemy.interpretation.interpretation_files import COUNTS_FILE
from monosemy.interpretation.latent_scores import SCORES, Score
from monosemy.interpretation.score_intervals import interval_around, mean_statistic, resamples

COMPARED = (("uniform", "full"), ("ap_lift", "full"), ("top_random", "paper"))
"""The scores, with their budgets, of which differences are printed."""

RESAMPLED = (*COMPARED, ("random", "paper"))
"""The scores of which the mean over seeds has an interval."""

Kind = Literal["methods", "random_weights", "frozen_decoder", "shuffled"]
"""What a difference is taken to: another method, or one of the controls."""

Draws = Mapping[str, Float64[np.ndarray, " draws"]]
"""`<budget>/<score>`, with `/floor` for the floor -> a dictionary's mean score: as it is, then of every resample."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Resampling:
    """What is resampled how: the units of all dictionaries in one order, the seed, how many resamples."""

    units: tuple[str, ...]
    seed: int
    n_resamples: int


def resampled_scores(folder: Path, name: str, resampling: Resampling) -> Draws:
    """A dictionary's mean scores, and those of every resample; the units drawn are the same for every dictionary.

    A unit of which this dictionary has no fragment counts with sums of 0.
    """
    n = resampling.n_resamples
    units, _ = resamples(len(resampling.units), 1, numpy_generator(resampling.seed, "bootstrap/units"), n)
    found: dict[str, np.ndarray] = {}
    with np.load(folder / COUNTS_FILE, allow_pickle=False) as arrays:
        n_latents = len(arrays["latent"])
        if not n_latents:
            return {}
        generator = numpy_generator(resampling.seed, f"bootstrap/latents/{name}")
        _, latents = resamples(1, n_latents, generator, n)
        drawn = _with_everything_once(units), _with_everything_once(latents)
        place = np.array([resampling.units.index(unit) for unit in arrays["unit"].tolist()])
        for key, score, array in _keys():
            if array not in arrays:
                continue
            own = arrays[array]
            counts = np.zeros((n_latents, len(resampling.units), *own.shape[2:]))
            counts[:, place] = own
            means = mean_statistic(counts, score.statistic, *drawn)
            if not np.isnan(means[0]):
                found[key] = means
    return found


def method_scores(group: Sequence[Interpreted], draws: Mapping[str, Draws]) -> list[dict[str, Any]]:
    """The mean over the seeds of one dictionary, for each score and budget, with its interval and every seed."""
    rows = []
    for key in dict.fromkeys(key for each in group for key in draws[each.name]):
        budget, score = key.split("/", 1)
        if score.endswith("/floor"):
            continue
        members = [each for each in group if key in draws[each.name]]
        means = _over_seeds(members, draws, key)
        interval = interval_around(float(means[0]), means[1:])
        seeds = [
            {"dictionary": each.name, "seed": each.about["seed"], "value": float(draws[each.name][key][0])}
            for each in members
        ]
        rows.append(
            {
                **{"score": score, "budget": budget, "seeds": seeds},
                **{"value": interval.value, "low": interval.low, "high": interval.high},
            }
        )
    return rows


def score_differences(groups: Sequence[Sequence[Interpreted]], draws: Mapping[str, Draws]) -> list[dict[str, Any]]:
    """Each learned dictionary minus everything else at its site, and everything minus its controls, seeds averaged.

    Where nothing was learned, every pair. `kind` says what the difference is taken to; for `shuffled`, the floor,
    `against` is the dictionary itself.
    """
    rows = []
    for kind, a, b in _pairs(groups):
        for score, budget in COMPARED:
            key, other = f"{budget}/{score}", f"{budget}/{score}" + ("/floor" if kind == "shuffled" else "")
            if not all(key in draws[each.name] for each in a) or not all(other in draws[each.name] for each in b):
                continue
            means = _over_seeds(a, draws, key) - _over_seeds(b, draws, other)
            interval = interval_around(float(means[0]), means[1:])
            rows.append(
                {
                    **{"kind": kind, "head": a[0].stem, "against": b[0].stem, "score": score, "budget": budget},
                    **{"value": interval.value, "low": interval.low, "high": interval.high},
                    "smallest_detectable": smallest_detectable_difference(interval),
                    "n_seeds": [len(a), len(b)],
                }
            )
    return rows


def _pairs(
    groups: Sequence[Sequence[Interpreted]],
) -> Iterator[tuple[Kind, Sequence[Interpreted], Sequence[Interpreted]]]:
    trained = [group for group in groups if group[0].about["lm"] == "trained"]
    heads = [g for g in trained if g[0].about["method"] in LEARNED and g[0].variant is None]
    everything = list(combinations(trained, 2))
    for a, b in everything if not heads else ((a, b) for a in heads for b in trained if b is not a):
        if a[0].about["site"] == b[0].about["site"]:
            yield "frozen_decoder" if _differ_in(a, b, "variant") else "methods", a, b
    for a in trained:
        for b in groups:
            if b[0].about["lm"] == "random" and _differ_in(a, b, "lm"):
                yield "random_weights", a, b
    for a in groups:
        yield "shuffled", a, a


def _differ_in(a: Sequence[Interpreted], b: Sequence[Interpreted], what: str) -> bool:
    """Whether two dictionaries are alike but for this; of a variant, whether the second is the frozen one of it."""
    alike = [key for key in ("method", "variant", "lm", "site", "expansion_factor", "sparsity") if key != what]
    one, other = (each[0].about | {"variant": each[0].variant} for each in (a, b))
    if any(one[key] != other[key] for key in alike) or one[what] == other[what]:
        return False
    return what != "variant" or (one[what] is None and other[what] == "frozen_decoder")


def _over_seeds(group: Sequence[Interpreted], draws: Mapping[str, Draws], key: str) -> np.ndarray:
    return np.mean([draws[each.name][key] for each in group], axis=0)


def _keys() -> Iterator[tuple[str, Score, str]]:
    """The key among the draws, the score, and the name of the array of its counts."""
    of_name = {score.name: score for score in SCORES}
    for name, budget in RESAMPLED:
        score = of_name[name]
        own = "sums" if score.is_correlation else "levels" if score.key == "ap" else "counts"
        yield f"{budget}/{name}", score, f"{budget}/{score.key}/{own}"
        if (name, budget) in COMPARED:
            yield f"{budget}/{name}/floor", score, f"{budget}/{score.key}/floor"


def _with_everything_once(counts: np.ndarray) -> np.ndarray:
    """The resamples behind the sample itself."""
    return np.concatenate([np.ones_like(counts[:1]), counts])
