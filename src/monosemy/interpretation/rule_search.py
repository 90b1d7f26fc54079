"""Fitting a list of rules to what a latent does on a sample: greedy over rules, a beam search for each."""

import dataclasses
import math
from dataclasses import dataclass
from typing import Literal, final

import numpy as np
from jaxtyping import Float64, Int64

from monosemy.interpretation.evidence import Sample
from monosemy.interpretation.predicates import KIND_BITS, AnyPredicate, TokenIs, subset_bits
from monosemy.interpretation.rule_rows import FitRows, Uncovered, fit_rows, held_out_gain, weighted_mean
from monosemy.interpretation.rules import VALUE_BITS, Rule, RuleList, conjunction_bits
from monosemy.interpretation.rules_config import RulesConfig

_BACKS: tuple[Literal[0], Literal[1], Literal[2]] = (0, 1, 2)

_MOST_ROWS = 4096
"""A conjunction that holds on more rows is extended by what is seen on so many of them; it is scored on all."""

_ACTIVE = 0.5
"""In tenths of the peak: from here on a row counts as active when rows are thinned out."""


_SET_CHOICE = 128
"""Token sets are made of so many tokens, those that gain most by themselves."""


@final
@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Node:
    """A conjunction, the uncovered rows where it holds, and its score: what it gains, less what its bits cost."""

    when: tuple[AnyPredicate, ...]
    rows: Int64[np.ndarray, " m"]
    bits: float
    score: float


@final
@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Found:
    """A candidate that would extend a node: its number and sign, or a set of tokens at a place."""

    node: _Node
    score: float
    candidate: int
    negated: bool = False
    back: Literal[0, 1, 2] | None = None
    items: Int64[np.ndarray, " k"] | None = None


def fit_rules(sample: Sample, config: RulesConfig) -> RuleList:
    """A list of rules for a sample, by weighted least squares and a description-length penalty.

    Greedy: with U the rows no rule covers yet and y centered on the weighted mean over U, giving the rows of a
    conjunction C their own mean lowers the weighted squared error by

        S_C^2 W_U / (W_C (W_U - W_C)),  S_C = sum over C of w y,  W_C = sum over C of w.

    A predicate may be a set of tokens. The conjunction with the largest gain less what its bits cost becomes the next
    rule, if it holds in enough fragments, and if its gain, with the means taken from the other documents, summed over
    documents, is more than `min_gain_se` standard errors (of fragments, where there are fewer than `MIN_DOCUMENTS`
    documents). Conjunctions are found by a beam search. Equal samples give equal lists. A sample on which nothing
    varies, or of one fragment, gives no rule.
    """
    rows = fit_rows(sample, config)
    if rows is None:
        recorded = sample.values[sample.text.fragments.mask]
        return RuleList(rules=(), default=float(recorded.mean()) if len(recorded) else 0.0)
    rest = Uncovered.everything(rows)
    rules: list[Rule] = []
    while len(rules) < config.max_rules and len(rest.rows) > 1:
        node = _best(rows, rest, config)
        if node is None:
            break
        rules.append(Rule(when=node.when, value=weighted_mean(rows, node.rows)))
        rest = rest.without(rows, node.rows)
    return RuleList(rules=tuple(rules), default=weighted_mean(rows, rest.rows))


def _best(rows: FitRows, rest: Uncovered, config: RulesConfig) -> _Node | None:
    """The best conjunction that passes the tests; None where nothing pays."""
    beam = [_Node(when=(), rows=rest.rows, bits=conjunction_bits(()) + VALUE_BITS, score=0.0)]
    pool: list[_Node] = []
    for _ in range(config.max_literals):
        best = max((node.score for node in pool), default=0.0)
        found: list[_Found] = []
        for node in beam:
            if _may_gain(rows, node, rest, best):
                found += _candidates(rows, node, rest, config)
        beam = _children(rows, rest, found, config.beam)
        pool += beam
    pool = [node for node in pool if node.score > 0]
    for node in sorted(pool, key=lambda node: (-round(node.score, 9), node.bits)):
        if _passes(rows, node, rest, config):
            return node
    return None


def _gain(S: np.ndarray | np.float64, W: np.ndarray | np.float64, rest: Uncovered) -> np.ndarray:
    """S^2 total / (W (total - W)), S being the sum of w y centered, 0 where that is not defined."""
    inside = (W > 0) & (rest.weight * (1 - 1e-6) > W)
    return np.where(inside, S * S * rest.weight / np.where(inside, W * (rest.weight - W), 1.0), 0.0)


def _may_gain(rows: FitRows, node: _Node, rest: Uncovered, best: float) -> bool:
    """Whether a conjunction with more predicates could score more than the best one there is.

    By Cauchy and Schwarz S^2 / W is at most the sum of w y^2 over those rows of the node that are on one side of 0.
    """
    if not node.when:
        return True
    y = rows.y[node.rows] - rest.mean
    w = rows.wy_w[1, node.rows]
    square = w * y * y
    above = y > 0
    most = max(float(square[above].sum()), float(square[~above].sum()))
    share = float(w.sum()) / rest.weight
    cost = rows.bit_cost * (node.bits + float(rows.table.bits.min()))
    return bool(share >= 1 or most / (1 - share) - cost > best)


def _candidates(rows: FitRows, node: _Node, rest: Uncovered, config: RulesConfig) -> list[_Found]:
    """The best candidates for one predicate more; counts of a conjunction that holds on many rows are estimated."""
    if not node.when:
        total, sums = rest.sums, rest.sums
    else:
        at, values = _thinned(rows, node)
        sums = rows.table.sums(at, values)
        total = np.append(values.sum(axis=1), len(at))
    S, W, n = sums[0] - rest.mean * sums[1], sums[1], sums[2]
    found = _singles(rows, node, rest, (S, W, n), np.arange(len(S)), float(total[2]) if node.when else math.inf, config)
    if node.when:
        can = np.flatnonzero(rows.table.can_be_negated)
        other = (total[0] - rest.mean * total[1] - S[can], total[1] - W[can], total[2] - n[can])
        found += [
            dataclasses.replace(each, negated=True)
            for each in _singles(rows, node, rest, other, can, float(total[2]), config)
        ]
    for back in _BACKS:
        if not any(isinstance(literal, TokenIs) and literal.back == back for literal in node.when):
            found += _token_sets(rows, node, rest, (S, W, n), back, config)
    return found


def _thinned(rows: FitRows, node: _Node) -> tuple[Int64[np.ndarray, " m"], Float64[np.ndarray, "2 m"]]:
    """The rows of a node with w y and w; of many, all (or half of what is kept) that are active, and some others.

    A row counts as active from half a tenth of the peak on. What is left out is made up for by larger weights.
    """
    values = rows.wy_w[:, node.rows]
    if len(node.rows) <= _MOST_ROWS:
        return node.rows, values
    active = np.abs(rows.y[node.rows]) >= _ACTIVE
    kept = np.zeros(len(node.rows), dtype=np.bool_)
    values = values.copy()
    n_active = min(int(active.sum()), max(_MOST_ROWS // 2, _MOST_ROWS - int((~active).sum())))
    for part, n in ((active, n_active), (~active, _MOST_ROWS - n_active)):
        at = np.flatnonzero(part)
        if len(at) > n:
            taken = at[np.argpartition(rows.place[node.rows[at]], n)[:n]]
            values[:, taken] *= len(at) / n
            at = taken
        kept[at] = True
    return node.rows[kept], values[:, kept]


def _singles(
    rows: FitRows,
    node: _Node,
    rest: Uncovered,
    sums: tuple[np.ndarray, np.ndarray, np.ndarray],
    candidates: Int64[np.ndarray, " k"],
    n_rows: float,
    config: RulesConfig,
) -> list[_Found]:
    S, W, n = sums
    some = np.flatnonzero((n >= rows.min_fragments - 0.5) & (n < n_rows - 0.5))
    score = _gain(S[some], W[some], rest) - rows.bit_cost * (node.bits + rows.table.bits[candidates[some]])
    best = _largest(score, config.beam)
    return [_Found(node=node, score=float(score[i]), candidate=int(candidates[some[i]])) for i in best.tolist()]


def _token_sets(
    rows: FitRows,
    node: _Node,
    rest: Uncovered,
    sums: tuple[np.ndarray, np.ndarray, np.ndarray],
    back: Literal[0, 1, 2],
    config: RulesConfig,
) -> list[_Found]:
    """Sets of two or more tokens at a place, each token of which lowers the error by more than its bits cost.

    With m the mean of the set, a token's share of the gain is about 2 m S - m^2 W; m and the set take turns.
    """
    segment = rows.table.token_segment(back)
    n_tokens = segment.stop - segment.start
    enough = np.flatnonzero(sums[2][segment] >= rows.min_fragments - 0.5)
    enough = np.sort(enough[_largest(_gain(sums[0][segment][enough], sums[1][segment][enough], rest), _SET_CHOICE)])
    S, W = sums[0][segment][enough], sums[1][segment][enough]
    found: dict[tuple[int, ...], _Found] = {}
    for start in _largest(_gain(S, W, rest), 2).tolist():
        m = S[start] / W[start]
        items = np.array([start])
        for _ in range(4):
            share = 2 * m * S - m * m * W
            cost = rows.bit_cost * math.log2(max(2.0, n_tokens / max(len(items), 1)))
            items = _largest(np.where(share > cost, share, -np.inf), config.max_tokens)
            if len(items) < 2:
                break
            m = S[items].sum() / W[items].sum()
        if len(items) < 2:
            continue
        chosen = np.sort(enough[items])
        bits = node.bits + KIND_BITS + subset_bits(rows.table.n_tokens, len(chosen))
        score = float(_gain(S[items].sum(), W[items].sum(), rest)) - rows.bit_cost * bits
        first = segment.start + int(chosen[0])
        found[tuple(chosen.tolist())] = _Found(node=node, score=score, candidate=first, back=back, items=chosen)
    return list(found.values())


def _largest(values: np.ndarray, n: int) -> Int64[np.ndarray, " k"]:
    """The places of the n largest values that are not -inf, largest first, of equals the first."""
    at = np.flatnonzero(values > -np.inf)
    if len(at) > n:
        least = np.partition(values[at], len(at) - n)[len(at) - n]
        at = at[values[at] >= least]
    return at[np.argsort(-values[at], kind="stable")[:n]]


def _children(rows: FitRows, rest: Uncovered, found: list[_Found], n: int) -> list[_Node]:
    """The n best nodes that candidates make; of those that hold on the same rows the one of fewest bits."""
    found = sorted(found, key=lambda each: (-round(each.score, 9), each.candidate, each.negated))
    kept: dict[bytes, _Node] = {}
    for each in found[: 4 * n]:
        child = _child(rows, rest, each)
        key = child.rows.tobytes()
        if len(child.rows) > 0 and (key not in kept or child.bits < kept[key].bits):
            kept[key] = child
        if len(kept) == n:
            break
    return list(kept.values())


def _child(rows: FitRows, rest: Uncovered, found: _Found) -> _Node:
    """The node of a candidate, with its score from all its rows.

    Under the full budget no token of a set may rest on a single fragment; of the paper's five there is often no other.
    """
    node = found.node
    if found.back is not None and found.items is not None:
        items = _supported(rows, rest, node, found.back, found.items) if rows.is_full else found.items
        predicate: AnyPredicate = rows.table.tokens(found.back, items)
        holds = rows.table.holds_any(found.back, items, node.rows)
    else:
        predicate = rows.table.predicate(found.candidate, found.negated)
        holds = rows.table.holds(found.candidate, node.rows) != found.negated
    at = node.rows[holds]
    bits = node.bits + predicate.bits()
    S, W = rows.wy_w[:, at].sum(axis=1)
    score = float(_gain(S - rest.mean * W, W, rest)) - rows.bit_cost * bits
    return _Node(when=(*node.when, predicate), rows=at, bits=bits, score=score)


def _supported(
    rows: FitRows, rest: Uncovered, node: _Node, back: Literal[0, 1, 2], items: Int64[np.ndarray, " k"]
) -> Int64[np.ndarray, " n"]:
    """Those tokens of a set that lower the error without the fragment that speaks most for them, too; at least one."""
    at = node.rows[rows.table.holds_any(back, items, node.rows)]
    wy, w = rows.wy_w[:, at]
    wy = wy - rest.mean * w
    m = wy.sum() / w.sum()
    share = m * (2 * wy - m * w)
    number = np.searchsorted(items, rows.table.token_code(back, at))
    fragment = rows.table.fragment[at]
    pairs, pair = np.unique(number * (fragment.max() + 1) + fragment, return_inverse=True)
    of_pair = np.bincount(pair, share)
    of_token = pairs // (fragment.max() + 1)
    total = np.bincount(of_token, of_pair, len(items))
    most = np.full(len(items), -np.inf)
    np.maximum.at(most, of_token, of_pair)
    kept = total > most
    return items[kept] if kept.any() else items[[int(np.argmax(total))]]


def _passes(rows: FitRows, node: _Node, rest: Uncovered, config: RulesConfig) -> bool:
    """Whether a rule holds in enough fragments, and its held-out gain is more than chance."""
    if len(np.unique(rows.table.fragment[node.rows])) < rows.min_fragments:
        return False
    gain = held_out_gain(rows.unit_sums(node.rows), rest.unit_sums)
    error = math.sqrt(rows.n_units / (rows.n_units - 1) * float(((gain - gain.mean()) ** 2).sum()))
    return float(gain.sum()) > max(config.min_gain_se * error, 0.0)
