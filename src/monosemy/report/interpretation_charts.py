"""Figures of interpretations: scores by method, by layer and by size, and how much is explained with how many bits."""

from collections.abc import Sequence
from typing import Literal

from monosemy.report.figures import Axis, Dot, Line, dot_chart, line_chart
from monosemy.report.interpretation_reading import (
    AP_LIFT,
    PAPER,
    PAPER_RANDOM,
    UNIFORM,
    InterpretationRun,
    InterpretedGroup,
    InterpretedScore,
    Role,
    ScoreKey,
)
from monosemy.report.page import Cell, Chart

TITLES: dict[Role, str] = {"learned": "learned dictionaries", "baseline": "baselines", "control": "controls"}
"""The groups of the figure by method, in its order."""

WORDS: dict[ScoreKey, str] = {
    UNIFORM: "Uniform fragments",
    AP_LIFT: "Where it fires",
    PAPER: "The paper's score",
    PAPER_RANDOM: "The paper's score, random only",
}
MEANINGS: dict[ScoreKey, str] = {
    UNIFORM: "correlation of predicted and true activation on test fragments drawn uniformly; explained from a sample "
    "of all of validation",
    AP_LIFT: "how well the prediction finds the tokens on which a latent fires, above chance (average-precision lift)",
    PAPER: "explained from 5 fragments, scored on 5 of the highest activation and 5 random ones on which it fires",
    PAPER_RANDOM: "explained from 5 fragments, scored on 5 random ones on which the latent fires",
}
AXES: dict[ScoreKey, str] = {AP_LIFT: "average-precision lift"}
FIGURES: dict[ScoreKey, str] = {PAPER: " As the paper's Figure 2.", PAPER_RANDOM: " As the paper's Figure 9."}

DENSE = ("neurons_relu", "random", "random_relu", "pca", "ica")
"""What the paper sets its dictionaries against, layer by layer."""

TOP_K = ("pca", "pca_topk", "ica", "ica_topk")

LOCATIONS = {"resid_post": "the residual stream", "mlp_out": "the MLP's output", "mlp_hidden": "the MLP's neurons"}

By = Literal["layer", "expansion_factor"]
Point = tuple[float, InterpretedScore]


def methods_score_chart(run: InterpretationRun, key: ScoreKey, *, name: str) -> Chart | None:
    """A row a dictionary at the headline's site: mean and interval, every seed, floor and ceiling, controls below."""
    dots, rows = [], []
    for role, heading in TITLES.items():
        for group in at_headline_site(run):
            score = group.scores.get(key)
            if group.role != role or score is None:
                continue
            low, high = (score.value if end is None else end for end in (score.low, score.high))
            ends = score.floor, score.ceiling
            dots.append(
                Dot(
                    label=run.label(group),
                    **{"value": score.value, "low": low, "high": high, "group": heading, "hollow": role != "learned"},
                    more=[value for _, value in score.seeds] if len(score.seeds) > 1 else (),
                    between=None if None in ends else (ends[0] or 0.0, ends[1] or 0.0),
                    reference=score.token_table,
                )
            )
            rows += [(run.label(group), heading, *_figures(score, seed)) for seed in score.seeds]
    if not dots:
        return None
    reached = [
        end for dot in dots for end in (dot.low, dot.high, *dot.more, *(dot.between or ()), dot.reference or 0.0)
    ]
    title = f"{WORDS[key]}, by method"
    return Chart(
        name=name,
        title=title,
        caption=f"{MEANINGS[key][0].upper()}{MEANINGS[key][1:]}. Mean over latents and seeds, with its 95 % interval; "
        "upright marks: every seed. Below: triangles for the floor (the explanation of another latent) and the ceiling "
        "(the true activation as a yes or no, which can be exceeded by telling how strongly); a cross for a table of "
        f"the mean activation of each token.{FIGURES.get(key, '')}",
        alt=f"{title}: " + "; ".join(f"{dot.label} {dot.value:.3f}" for dot in dots) + ".",
        svg=dot_chart(name, dots, Axis(label=_axis(key), limits=(min(0.0, *reached) - 0.02, 1.03 * max(reached)))),
        columns=("method", "group", *_COLUMNS),
        rows=tuple(rows),
    )


def score_by(
    run: InterpretationRun,
    groups: Sequence[InterpretedGroup],
    key: ScoreKey,
    by: By,
    *,
    name: str,
    title: str,
    caption: str,
) -> Chart | None:
    """A score by layer (a line a method) or by size (a line a site); None where nothing has two of them.

    A line runs through means over seeds, its band is their 95 % interval; every seed is a mark.
    """
    of: dict[str, list[InterpretedGroup]] = {}
    for group in groups:
        of.setdefault(run.label(group) if by == "layer" else group.site or "", []).append(group)
    lines, rows = [], []
    for label, members in of.items():
        points = _points(members, key, by)
        if len(points) > 1:
            lines.append(_line(label, points))
            rows += [(label, x, *_figures(score, seed)) for x, score in points for seed in score.seeds]
    if not lines:
        return None
    values = [value for line in lines for ends in (line.low, line.high) for value in ends or ()]
    ticks = sorted({x for line in lines for x in line.x})
    axis = Axis(label="layer" if by == "layer" else "latents for each dimension (R)", log=by != "layer", ticks=ticks)
    return Chart(
        name=name,
        title=title,
        caption=f"{caption} Bands: 95 % intervals; marks: every seed.",
        alt=f"{title}: " + "; ".join(f"{line.label} {_listed(line)}" for line in lines) + ".",
        svg=line_chart(
            name, lines, axis, Axis(label=_axis(key), limits=(min(0.0, *values), 1.06 * max(values))), legend=True
        ),
        columns=("line", by, *_COLUMNS),
        rows=tuple(rows),
    )


def layer_score_charts(run: InterpretationRun) -> list[Chart]:
    """The paper's Figures 2, 9 and 10: scores by layer, for each place in the block that has several layers."""
    charts = []
    first = run.heads[0].location if run.heads else ""
    for location in sorted({group.location for group in run.groups}, key=lambda name: (name != first, name)):
        groups = [g for g in run.groups if g.location == location and _is_shown_by_layer(run, g)]
        where = LOCATIONS.get(location, location.replace("_", " "))
        for key in (UNIFORM, PAPER, PAPER_RANDOM):
            charts.append(
                score_by(
                    *(run, groups, key, "layer"),
                    name=f"interpretation-{location}-{key[0]}".replace("_", "-"),
                    title=f"{WORDS[key]}, by layer of {where}",
                    caption=f"{MEANINGS[key][0].upper()}{MEANINGS[key][1:]}."
                    + (FIGURES.get(key, "") if location == "resid_post" else " As the paper's Figure 10."),
                )
            )
    return [chart for chart in charts if chart is not None]


def size_score_charts(run: InterpretationRun) -> list[Chart]:
    """The paper's Figure 8: the headline's score by size, for each method of the headline that has several sizes."""
    charts = []
    for head in run.heads:
        alike = [
            g
            for g in run.groups
            if (g.method, g.variant, g.sparsity, g.lm) == (head.method, None, head.sparsity, "trained")
        ]
        charts.append(
            score_by(
                *(run, alike, PAPER, "expansion_factor"),
                name=f"interpretation-size-{head.method}".replace("_", "-"),
                title=f"{WORDS[PAPER]}, by size: {run.label(head)}",
                caption=f"{MEANINGS[PAPER][0].upper()}{MEANINGS[PAPER][1:]}. As the paper's Figure 8.",
            )
        )
    return [chart for chart in charts if chart is not None]


def top_k_score_chart(run: InterpretationRun) -> Chart | None:
    """The paper's Figure 18: PCA and ICA with as many of their largest responses as the dictionary has, by layer."""
    head = run.heads[0] if run.heads else None
    if head is None or not any(g.method in ("pca_topk", "ica_topk") for g in run.groups):
        return None
    groups = [
        g
        for g in run.groups
        if g.location == head.location and g.lm == "trained" and (g.method in TOP_K or _is_like(g, head))
    ]
    return score_by(
        *(run, groups, PAPER, "layer"),
        name="interpretation-top-k",
        title=f"{WORDS[PAPER]}, dense methods cut to the dictionary's sparsity",
        caption="Whether being sparse is all there is to it: principal and independent components with only their "
        "largest responses kept. As the paper's Figure 18.",
    )


def bits_chart(run: InterpretationRun) -> Chart | None:
    """How much of a latent a description of so many bits tells, the mean over each method's latents."""
    lines, rows = [], []
    for group in at_headline_site(run):
        curve = group.curve
        if curve is None or group.role == "control":
            continue
        label = run.label(group)
        lines.append(Line(label=label, x=curve["bits"], y=curve["value"], low=curve["low"], high=curve["high"]))
        columns = (curve["bits"], curve["value"], curve["low"], curve["high"])
        rows += [(label, *values) for values in zip(*columns, strict=True)]
    if not lines:
        return None
    title = "What a longer explanation buys"
    highest = max(value for line in lines for value in line.high or ())
    return Chart(
        name="interpretation-bits",
        title=title,
        caption="Correlation on uniform fragments of the first rules of each explanation, as many as fit into so many "
        "bits, the mean over latents. A latent that stands for one thing needs few; one for several, more. Bands: 95 % "
        "intervals over latents.",
        alt=f"{title}: " + "; ".join(f"{line.label} {line.y[-1]:.2f} at {line.x[-1]:.0f} bits" for line in lines) + ".",
        svg=line_chart(
            "interpretation-bits",
            lines,
            Axis(label="bits of the explanation"),
            Axis(
                label="correlation", limits=(min(0.0, *(v for line in lines for v in line.low or ())), 1.06 * highest)
            ),
            legend=True,
        ),
        columns=("method", "bits", "mean", "ci_low", "ci_high"),
        rows=tuple(rows),
    )


def at_headline_site(run: InterpretationRun) -> list[InterpretedGroup]:
    """The groups at the site of the first headline, those of other sizes and sparsities of its method left out."""
    if not run.heads:
        return []
    heads = {head.method: head for head in run.heads}
    found = []
    for group in run.groups:
        head = heads.get(group.method)
        same = head is None or (group.sparsity, group.expansion_factor) == (head.sparsity, head.expansion_factor)
        if group.site == run.heads[0].site and same:
            found.append(group)
    return found


def _is_shown_by_layer(run: InterpretationRun, group: InterpretedGroup) -> bool:
    if group.lm != "trained" or group.variant is not None:
        return False
    return group.method in DENSE or any(_is_like(group, head) for head in run.heads)


def _is_like(group: InterpretedGroup, head: InterpretedGroup) -> bool:
    """The same but for the site."""
    same = ("method", "variant", "lm", "sparsity", "expansion_factor")
    return all(getattr(group, key) == getattr(head, key) for key in same)


def _points(groups: Sequence[InterpretedGroup], key: ScoreKey, by: By) -> list[Point]:
    found = []
    for group in groups:
        x, score = group.layer if by == "layer" else group.expansion_factor, group.scores.get(key)
        if x is not None and score is not None:
            found.append((float(x), score))
    return sorted(found, key=lambda point: point[0])


def _line(label: str, points: Sequence[Point]) -> Line:
    return Line(
        label=label,
        x=[x for x, _ in points],
        y=[score.value for _, score in points],
        low=[score.value if score.low is None else score.low for _, score in points],
        high=[score.value if score.high is None else score.high for _, score in points],
        points=[(x, value) for x, score in points for _, value in score.seeds],
    )


_COLUMNS = ("dictionary", "seed_value", "mean", "ci_low", "ci_high", "floor", "ceiling", "token_table")


def _figures(score: InterpretedScore, seed: tuple[str, float]) -> tuple[Cell, ...]:
    return *seed, score.value, score.low, score.high, score.floor, score.ceiling, score.token_table


def _listed(line: Line) -> str:
    return ", ".join(f"{y:.2f}" for y in line.y)


def _axis(key: ScoreKey) -> str:
    return AXES.get(key, "correlation")
