"""How much of a latent each rule tells: the score of every beginning of a list of rules, beside its description length.

The score alone cannot tell a clean latent from one of several unrelated meanings, which a longer list describes as
well; the bits that it takes to reach a share of what can be reached do.
"""

import numpy as np
from jaxtyping import Float32, Int64

from monosemy.interpretation.correlation import pearson
from monosemy.interpretation.rules import RuleList
from monosemy.interpretation.score_view import Scored

SHARE = 0.9
"""Which share of its ceiling an explanation must reach."""

Curve = tuple[tuple[float, float], ...]


def bits_curve(rules: RuleList, scored: Scored, predicted: Float32[np.ndarray, "n_fragments position"]) -> Curve:
    """(bits, Pearson correlation on the fragments) of the first 0, 1, ... rules; an undefined correlation counts as 0.

    predicted: what the whole list predicts there. Which rule decides at a token follows from the value predicted, or,
    where two rules have the same, from the rules. A token whose rule is not yet there has the default.
    """
    values = np.array([*(rule.value for rule in rules.rules), rules.default], dtype=np.float32)
    n_rules, n_groups = len(rules.rules), len(values)
    order = np.argsort(values, kind="stable")
    group = order[np.minimum(np.searchsorted(values[order], predicted[scored.mask]), n_rules)]
    if len(np.unique(values)) < n_groups or not np.array_equal(values[group], predicted[scored.mask]):
        group = _deciding(rules, scored)[scored.mask]
    t = scored.activations[scored.mask].astype(np.float64)
    t -= t.mean() if len(t) else 0.0
    n, sum_t, sum_tt = (np.bincount(group, weights=w, minlength=n_groups).astype(np.float64) for w in (None, t, t * t))
    curve: list[tuple[float, float]] = []
    for length in range(n_groups):
        p = np.where(np.arange(n_groups) < length, values, rules.default).astype(np.float64)
        sums = np.array([n.sum(), n @ p, sum_t.sum(), n @ p**2, sum_tt.sum(), p @ sum_t])
        curve.append((float(rules.prefix(length).bits), float(np.nan_to_num(pearson(sums)))))
    return tuple(curve)


def _deciding(rules: RuleList, scored: Scored) -> Int64[np.ndarray, "n_fragments position"]:
    """The number of the first rule that holds; that of all rules where none does."""
    first = np.full(scored.mask.shape, len(rules.rules), dtype=np.int64)
    for place in reversed(range(len(rules.rules))):
        first[rules.rules[place].holds(scored.text)] = place
    return first


def bits_to_share(curve: Curve, ceiling: float | None, share: float = SHARE) -> float | None:
    """The bits of the first beginning of the list that reaches that share of the ceiling; None where none does."""
    if ceiling is None or ceiling <= 0:
        return None
    return next((bits for bits, value in curve if value >= share * ceiling), None)
