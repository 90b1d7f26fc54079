"""Figures of a dictionary run: scores by method, sparsity against error, layers, densities."""

import math
from collections.abc import Sequence

import numpy as np

from monosemy.report.dictionary_groups import LEARNED, NAMES, Group, Role, groups, label_of, natural
from monosemy.report.dictionary_reading import DictionaryEvaluation, DictionaryRun
from monosemy.report.figures import Axis, Cloud, Dot, bar_chart, dot_chart, scatter_chart
from monosemy.report.numbers import count, percent, significant
from monosemy.report.page import Cell, Chart

TITLES: dict[Role, str] = {
    "learned": "learned dictionaries",
    "baseline": "baselines",
    "reference": "floor and ceiling",
    "control": "control: a model with random weights",
}
"""The groups of the figure by method, in its order."""

COLLAPSED_L0 = 1.0
"""A training that ends with fewer latents a token than this is called collapsed."""


def methods_chart(compared: Sequence[Group], metric: str, *, name: str, title: str) -> Chart:
    """One row a method: the headline's or first seed's value with its interval, every other seed as a mark."""
    dots, rows = [], []
    for role, heading in TITLES.items():
        for group in (group for group in compared if group.role == role):
            result = group.first.result(metric)
            if result is None or result.value is None:
                continue
            low = result.value if result.ci_low is None else result.ci_low
            high = result.value if result.ci_high is None else result.ci_high
            dots.append(
                Dot(
                    label=group.label,
                    **{"value": result.value, "low": low, "high": high, "group": heading, "hollow": role != "learned"},
                    more=[value for each in group.members[1:] if (value := each.value(metric)) is not None],
                    is_level=role == "reference",
                )
            )
            for each in group.members:
                rows.append(_row(each, metric, (group.label, heading)))
    top = max((max([dot.high, *dot.more]) for dot in dots), default=1.0)
    return Chart(
        name=name,
        title=title,
        caption="Mean over the contextual labels of the best single latent's F1; latent and threshold chosen on "
        "validation, scored on test. Dot and line: one seed and its 95 % interval; upright marks: the other seeds.",
        alt=f"{title}: " + "; ".join(f"{dot.label} {dot.value:.3f}" for dot in dots) + ".",
        svg=dot_chart(name, dots, Axis(label="F1, contextual labels", limits=(0.0, 1.04 * top))),
        columns=("method", "group", "dictionary", "seed", "value", "ci_low", "ci_high"),
        rows=tuple(rows),
    )


def sparsity_charts(run: DictionaryRun) -> list[Chart]:
    """L0 against FVU, and against the CE increase, at the headline's site; sweeps joined, what collapsed left out."""
    error = Axis(label="unexplained variance (FVU)")
    cost = Axis(label="CE increase, nats a token")
    charts = [
        _sparsity_chart(run, "fvu", "Sparsity against error", "the fraction of variance that it misses", error),
        _sparsity_chart(run, "ce_increase", "Sparsity against cost", "what the language model loses with it", cost),
    ]
    return [chart for chart in charts if chart.rows]


def layer_charts(run: DictionaryRun) -> list[Chart]:
    """Score, error and cost of the first headline's method and sparsity at every site that has it."""
    if not run.headline:
        return []
    head = run.headline[0]
    same = ("method", "variant", "expansion_factor", "sparsity")
    members = [e for e in run.evaluations if all(getattr(e, k) == getattr(head, k) for k in same) and not e.is_control]
    sites = sorted(groups(run, members), key=lambda group: natural(group.first.site or ""))
    if len(sites) < 2:
        return []
    kinds = {
        "label_f1_contextual": ("Contextual F1 by site", "F1, contextual labels"),
        "fvu": ("Error by site", "unexplained variance (FVU)"),
        "ce_increase": ("Cost by site", "CE increase, nats a token"),
    }
    return [_layer_chart(run, sites, metric, *words) for metric, words in kinds.items() if _any(sites, metric)]


def density_charts(run: DictionaryRun) -> list[Chart]:
    """How many latents fire how often, for each headline dictionary; the dead ones apart."""
    return [_density_chart(run, head) for head in run.headline if head.density]


def has_collapsed(evaluation: DictionaryEvaluation) -> bool:
    """Whether its training ended with less than one latent a token."""
    return bool(evaluation.curve) and evaluation.curve[-1]["l0"] < COLLAPSED_L0


def _sparsity_chart(run: DictionaryRun, metric: str, title: str, against: str, y: Axis) -> Chart:
    clouds, rows = [], []
    for label, members in _families(run).items():
        both = [(e.value("l0"), e.value(metric), e) for e in members]
        points = sorted((l0, value, e.name) for l0, value, e in both if l0 is not None and value is not None)
        if points:
            is_sweep = len({e.sparsity for e in members}) > 1
            clouds.append(Cloud(label=label, x=[p[0] for p in points], y=[p[1] for p in points], joined=is_sweep))
            rows += [(label, dictionary, l0, value) for l0, value, dictionary in points]
    highest = max((value for cloud in clouds for value in cloud.y), default=1.0)
    name = f"sparsity-{metric.replace('_', '-')}"
    y = Axis(label=y.label, limits=(min([0.0, *(v for cloud in clouds for v in cloud.y)]), 1.05 * highest))
    collapsed = sum(has_collapsed(e) for e in run.evaluations)
    left_out = f" {collapsed} collapsed left out." if collapsed else ""
    return Chart(
        name=name,
        title=title,
        caption=f"Latents a token against {against}, on test; down and to the left is better. Each point is a "
        f"dictionary; a sweep's are joined.{left_out}",
        alt=f"{title}: " + "; ".join(f"{row[0]} L0 {significant(row[2])}, {row[3]:.3f}" for row in rows) + ".",
        svg=scatter_chart(name, clouds, Axis(label="latents a token (L0)", log=True), y),
        columns=("method", "dictionary", "l0", metric),
        rows=tuple(rows),
    )


def _families(run: DictionaryRun) -> dict[str, list[DictionaryEvaluation]]:
    """What the sparsity figures show: learned dictionaries of the headline's size, and dense methods' top-k forms."""
    head = run.headline[0] if run.headline else None
    found: dict[str, list[DictionaryEvaluation]] = {}
    shown = [e for e in run.evaluations if not (e.is_control or has_collapsed(e)) and (e.curve or "_topk" in e.method)]
    for method in (*("topk", "tied_l1", "ica_topk", "pca_topk", "neurons_topk", "random_topk"), *LEARNED):
        same = [e for e in shown if e.method == method and (head is None or e.site == head.site)]
        if head is not None and method in LEARNED:
            same = [e for e in same if e.expansion_factor == head.expansion_factor]
        if same and NAMES[method] not in found:
            found[NAMES[method]] = same
    return found


def _layer_chart(run: DictionaryRun, sites: Sequence[Group], metric: str, title: str, axis: str) -> Chart:
    dots, rows = [], []
    for group in sites:
        result = group.first.result(metric)
        if result is None or result.value is None:
            continue
        low, high = (result.value if end is None else end for end in (result.ci_low, result.ci_high))
        more = [value for each in group.members[1:] if (value := each.value(metric)) is not None]
        dots.append(Dot(label=group.first.site or "", value=result.value, low=low, high=high, more=more))
        rows += [_row(each, metric, (group.first.site,)) for each in group.members]
    name = f"sites-{metric.replace('_', '-')}"
    top = max(max([dot.high, *dot.more]) for dot in dots)
    return Chart(
        name=name,
        title=title,
        caption=f"{label_of(sites[0].first, run)}, on test, with 95 % intervals; upright marks: further seeds.",
        alt=f"{title}: " + "; ".join(f"{dot.label} {dot.value:.3f}" for dot in dots) + ".",
        svg=dot_chart(name, dots, Axis(label=axis, limits=(min([0.0, *(dot.low for dot in dots)]), 1.06 * top))),
        columns=("site", "dictionary", "seed", "value", "ci_low", "ci_high"),
        rows=tuple(rows),
    )


def _row(evaluation: DictionaryEvaluation, metric: str, before: tuple[Cell, ...]) -> tuple[Cell, ...]:
    result = evaluation.result(metric)
    figures = (None, None, None) if result is None else (result.value, result.ci_low, result.ci_high)
    return (*before, evaluation.name, evaluation.seed, *figures)


def _any(sites: Sequence[Group], metric: str) -> bool:
    return any(group.first.value(metric) is not None for group in sites)


def _density_chart(run: DictionaryRun, head: DictionaryEvaluation) -> Chart:
    density = np.asarray(head.density, dtype=np.float64)
    alive = density[density > 0]
    n_dead = len(density) - len(alive)
    least = math.floor(math.log10(alive.min())) if len(alive) else -4
    edges = np.logspace(least, 0, 4 * -least + 1) if least < 0 else np.array([0.1, 1.0])
    counts, _ = np.histogram(np.clip(alive, edges[0], 1.0), edges)
    label = label_of(head, run)
    name = f"density-{head.method}".replace("_", "-")
    apart = (edges[0] / 10**0.75, edges[0] / 10**0.5, n_dead, f"{n_dead:,} dead")
    middle = f", half of those alive on more than {percent(float(np.median(alive)), 2)}" if len(alive) else ""
    return Chart(
        name=name,
        title=f"How often latents fire: {label}",
        caption=f"Latents by the share of test tokens on which they fire{middle}. Hatched: {count(n_dead)} of "
        f"{count(len(density))} that never fire there.",
        alt=f"Histogram of the density of {len(density)} latents of {label}; {n_dead} never fire{middle}.",
        svg=bar_chart(
            name,
            [float(edge) for edge in edges],
            [int(n) for n in counts],
            Axis(label="share of tokens", log=True, percent=True),
            Axis(label="latents"),
            apart=apart,
        ),
        columns=("density_from", "density_to", "latents"),
        rows=(
            (0.0, 0.0, n_dead),
            *((float(a), float(b), int(n)) for a, b, n in zip(edges, edges[1:], counts, strict=False)),
        ),
    )
