"""Whether latents with heavy tails are easier to explain: scores against the moments of activations (Table 2)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float64
from scipy.stats import rankdata

from monosemy.core import bootstrap, bootstrap_ratio
from monosemy.experiments.interpretation_folders import Interpreted, score_of

MOMENTS = ("mean", "variance", "skewness", "excess_kurtosis")
CORRELATED = (("top_random", "paper"), ("uniform", "full"))
"""The scores, with their budgets, that are set against the moments: the paper's, and the headline."""

LEAST_LATENTS = 3

Values = Float64[np.ndarray, " latents"]


def pearson(x: Values, y: Values) -> float | None:
    """Pearson's correlation; None for fewer than three latents, or where one side is constant."""
    if len(x) < LEAST_LATENTS or np.ptp(x) == 0 or np.ptp(y) == 0:
        return None
    return float(np.corrcoef(x, y)[0, 1])


def spearman(x: Values, y: Values) -> float | None:
    """Pearson's correlation of the ranks, equal values at their mean rank."""
    return pearson(rankdata(x), rankdata(y)) if len(x) else None


def known_pairs(found: Interpreted, score: str, budget: str, moment: str) -> tuple[Values, Values, int]:
    """Scores and moments of the latents that have both, and how many of those scored have no such moment."""
    pairs, n_undefined = [], 0
    for row in found.scored(budget):
        value = score_of(row, score)
        if value is None:
            continue
        if row[moment] is None or not np.isfinite(row[moment]):
            n_undefined += 1
            continue
        pairs.append((value, float(row[moment])))
    columns = np.array(pairs, dtype=np.float64).reshape(-1, 2)
    return columns[:, 0], columns[:, 1], n_undefined


def dictionary_correlations(found: Interpreted) -> list[dict[str, Any]]:
    """Of one dictionary: both correlations of each score with each moment, on how many latents, how many left out."""
    rows = []
    for score, budget in CORRELATED:
        for moment in MOMENTS:
            x, y, n_undefined = known_pairs(found, score, budget, moment)
            rows.append(
                {
                    **{"score": score, "budget": budget, "moment": moment},
                    **{"pearson": pearson(x, y), "spearman": spearman(x, y)},
                    **{"n": len(x), "n_undefined": n_undefined},
                }
            )
    return rows


def mean_correlations(found: Sequence[Interpreted], generator: np.random.Generator) -> list[dict[str, Any]]:
    """Over several dictionaries: the mean of their correlations, and that of all their latents pooled (the paper's).

    The interval resamples clusters: the dictionaries of one site and seed come together. None where there is only one
    cluster. Ranks of the pooled latents are taken once, over all of them.
    """
    clusters = list(dict.fromkeys(_cluster(each) for each in found))
    of = np.array([clusters.index(_cluster(each)) for each in found], dtype=np.int64)
    rows = []
    for score, budget in CORRELATED:
        for moment in MOMENTS:
            pairs = [known_pairs(each, score, budget, moment) for each in found]
            base = {
                **{"score": score, "budget": budget, "moment": moment, "n_clusters": len(clusters)},
                **{"n_dictionaries": len(found), "n": sum(len(x) for x, _, _ in pairs)},
                "n_undefined": sum(n for _, _, n in pairs),
            }
            for kind, correlation in (("pearson", pearson), ("spearman", spearman)):
                each = [correlation(x, y) for x, y, _ in pairs]
                mean = _clustered_mean(each, of, len(clusters), generator)
                pooled = _pooled([(x, y) for x, y, _ in pairs], of, kind == "spearman", generator)
                rows.append(base | {"kind": kind, "variant": None} | mean)
                rows.append(base | {"kind": kind, "variant": "pooled"} | pooled)
    return rows


def _cluster(found: Interpreted) -> tuple[object, object]:
    return found.about["site"], found.about["seed"]


def _clustered_mean(
    values: Sequence[float | None], of: np.ndarray, n_clusters: int, generator: np.random.Generator
) -> dict[str, float | None]:
    known = np.array([value is not None for value in values])
    if not known.any():
        return _nothing()
    numbers = np.array([0.0 if value is None else value for value in values])
    total = np.bincount(of, numbers, n_clusters)
    counted = np.bincount(of, known.astype(np.float64), n_clusters)
    interval = bootstrap_ratio(total, counted, generator)
    return _row(interval.value, interval.low, interval.high, n_clusters)


def _pooled(
    pairs: Sequence[tuple[Values, Values]], of: np.ndarray, ranks: bool, generator: np.random.Generator
) -> dict[str, float | None]:
    x, y = (np.concatenate([pair[side] for pair in pairs]) for side in (0, 1))
    cluster = np.repeat(of, [len(first) for first, _ in pairs])
    if pearson(x, y) is None:
        return _nothing()
    if ranks:
        x, y = rankdata(x), rankdata(y)
    x, y = (x - x.mean()) / x.std(), (y - y.mean()) / y.std()  # so that the sums below keep their digits
    products = (np.ones(len(x)), x, y, x * x, y * y, x * y)
    n_clusters = int(of.max()) + 1
    sums = np.stack([np.bincount(cluster, product, n_clusters) for product in products], axis=1)
    found = bootstrap(sums, _pearson_of_sums, generator)
    return _row(float(found.value[0]), float(found.low[0]), float(found.high[0]), n_clusters)


def _pearson_of_sums(totals: np.ndarray) -> np.ndarray:
    n, x, y, xx, yy, xy = totals.T
    spread = (n * xx - x * x) * (n * yy - y * y)
    return np.where(spread > 0, (n * xy - x * y) / np.sqrt(np.where(spread > 0, spread, 1.0)), np.nan)[:, None]


def _row(value: float, low: float, high: float, n_clusters: int) -> dict[str, float | None]:
    known = n_clusters > 1
    return {"value": value, "low": low if known else None, "high": high if known else None}


def _nothing() -> dict[str, float | None]:
    return {"value": None, "low": None, "high": None}
