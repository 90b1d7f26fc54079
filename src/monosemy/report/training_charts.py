"""Figures of how dictionaries learned: error, sparsity, dead latents and the terms of the loss against the tokens."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from monosemy.report.dictionary_charts import has_collapsed
from monosemy.report.dictionary_groups import LEARNED, Group, groups
from monosemy.report.dictionary_reading import DictionaryEvaluation, DictionaryRun
from monosemy.report.figures import Axis, Line, line_chart
from monosemy.report.numbers import significant
from monosemy.report.page import Cell, Chart

MAX_CURVES = 6
"""How many kinds of dictionaries a figure shows: as many as there are colors."""

LEAST_L0 = 0.01  # a logarithmic axis has no 0
MOST_FVU = 1.5  # a dictionary begins anywhere, and higher the rest could not be seen
TOKENS = Axis(label="tokens seen", log=True)

Point = dict[str, Any]


def training_charts(run: DictionaryRun) -> list[Chart]:
    """Error, sparsity and dead latents of the kinds at the headline's site and size; each headline's loss terms."""
    shown = shown_groups(run)
    if not shown:
        return []
    highest = _highest(shown, _fvu)
    charts = [
        _chart(
            shown,
            "fvu",
            "Error while learning",
            Axis(label="unexplained variance (FVU)", limits=(0.0, 1.05 * min(highest or 1.0, MOST_FVU))),
            _fvu,
            "The part of a training batch's variance that is missed. A curve that still falls at its end is not "
            + "converged."
            + (f" Above {MOST_FVU:g} it is cut off." if highest > MOST_FVU else ""),
        ),
        _chart(
            shown,
            "l0",
            "Sparsity while learning",
            Axis(label="latents a token (L0)", log=True),
            lambda point, _: max(point["l0"], LEAST_L0),
            f"Active latents a token. Under {LEAST_L0} it is drawn as {LEAST_L0}.",
        ),
        _chart(
            shown,
            "n_dead",
            "Dead latents while learning",
            Axis(label="dead latents", percent=True, limits=(0.0, 1.05 * max(0.05, _highest(shown, _dead)))),
            _dead,
            "The share of latents that did not fire for as many tokens as the recipe says; none can be dead before.",
        ),
    ]
    kinds = [group for head in run.headline for group in shown if head.name in {e.name for e in group.members}]
    return charts + [_loss_chart(group) for group in kinds]


def shown_groups(run: DictionaryRun) -> list[Group]:
    """What was trained at the headline's site in its size, seeds together; the headlines and evenly of the others."""
    head = run.headline[0] if run.headline else None
    trained = [e for e in run.evaluations if e.curve and e.method in LEARNED and not e.is_control]
    if head is not None:
        trained = [e for e in trained if (e.site, e.expansion_factor) == (head.site, head.expansion_factor)]
    found = groups(run, trained)
    heads = {each.name for each in run.headline}
    needed = [i for i, group in enumerate(found) if heads & {e.name for e in group.members}][:MAX_CURVES]
    others = [i for i in range(len(found)) if i not in needed]
    n_more = min(len(others), MAX_CURVES - len(needed))
    ends = {others[round(i)] for i in np.linspace(0, len(others) - 1, n_more)} if n_more > 0 else set[int]()
    return [group for i, group in enumerate(found) if i in needed or i in ends]


def _chart(
    shown: Sequence[Group],
    key: str,
    title: str,
    axis: Axis,
    value: Callable[[Point, DictionaryEvaluation], float],
    caption: str,
) -> Chart:
    lines = [
        Line(
            label=_label(group) if i == 0 else "",
            x=_tokens(each),
            y=[value(point, each) for point in each.curve],
            color=number,
        )
        for number, group in enumerate(shown)
        for i, each in enumerate(group.members)
    ]
    ends = "; ".join(
        f"{_label(group)} ends at {significant(value(group.first.curve[-1], group.first))}" for group in shown
    )
    return Chart(
        name=f"training-{key.replace('_', '-')}",
        title=title,
        caption=f"{caption} Each line is a seed.",
        alt=f"{title} against the tokens seen: {ends}.",
        svg=line_chart(f"training-{key.replace('_', '-')}", lines, TOKENS, axis),
        columns=("dictionary", "step", "tokens_seen", key),
        rows=tuple(
            (each.name, point["step"], tokens, point[key])
            for group in shown
            for each in group.members
            for point, tokens in zip(each.curve, _tokens(each), strict=True)
        ),
    )


def _loss_chart(group: Group) -> Chart:
    """The terms of one kind's loss; a term that is 0 somewhere has no point there."""
    terms = list(dict.fromkeys(term for each in group.members for point in each.curve for term in point["loss"]))
    drawn = [term for term in terms if any(p["loss"].get(term, 0) > 0 for e in group.members for p in e.curve)]
    lines = [
        Line(
            label=term.replace("_", " ") if i == 0 else "",
            x=_tokens(each),
            y=[value if (value := point["loss"].get(term, 0)) > 0 else math.nan for point in each.curve],
            color=number,
        )
        for number, term in enumerate(drawn)
        for i, each in enumerate(group.members)
    ]
    zero = [term.replace("_", " ") for term in terms if term not in drawn]
    left_out = f" Throughout 0: {', '.join(zero)}." if zero else ""
    name = f"training-loss-{group.first.method}".replace("_", "-")
    last = group.first.curve[-1]["loss"]
    rows: list[tuple[Cell, ...]] = [
        (each.name, point["step"], tokens, *(point["loss"].get(term) for term in terms))
        for each in group.members
        for point, tokens in zip(each.curve, _tokens(each), strict=True)
    ]
    return Chart(
        name=name,
        title=f"Loss of {group.label}",
        caption=f"Its terms, already weighted: what is minimized is their sum. Each line is a seed.{left_out}",
        alt=f"Loss terms of {group.label} against the tokens seen; at the end "
        + ", ".join(f"{term.replace('_', ' ')} {significant(value)}" for term, value in last.items())
        + ".",
        svg=line_chart(name, lines, TOKENS, Axis(label="term of the loss", log=True), legend=True),
        columns=("dictionary", "step", "tokens_seen", *terms),
        rows=tuple(rows),
    )


def _label(group: Group) -> str:
    return group.label + (" (collapsed)" if has_collapsed(group.first) else "")


def _tokens(evaluation: DictionaryEvaluation) -> list[float]:
    """Tokens seen at each point, the batch with it on which the point was measured: never 0."""
    batch = (evaluation.n_tokens or 0) / (evaluation.n_steps or 1) or 1.0
    return [point["n_tokens"] + batch for point in evaluation.curve]


def _highest(shown: Sequence[Group], value: Callable[[Point, DictionaryEvaluation], float]) -> float:
    """The highest value of all curves, 0 where there is none."""
    values = [value(point, each) for group in shown for each in group.members for point in each.curve]
    return max((v for v in values if math.isfinite(v)), default=0.0)


def _fvu(point: Point, _: DictionaryEvaluation) -> float:
    return math.nan if point["fvu"] is None else point["fvu"]


def _dead(point: Point, evaluation: DictionaryEvaluation) -> float:
    return point["n_dead"] / evaluation.n_latents if evaluation.n_latents else math.nan
