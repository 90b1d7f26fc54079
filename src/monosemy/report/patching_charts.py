"""Figures of patching: KL by what is patched, areas by dictionary, by order and by layer."""

import math
from collections.abc import Sequence
from typing import Any, Literal

from monosemy.report.figures import Axis, Dot, Line, dot_chart, line_chart
from monosemy.report.page import Cell, Chart
from monosemy.report.patching_reading import PatchCurve, PatchingRun, Row

Against = Literal["latents", "edit", "entries"]

_X: dict[Against, str] = {
    "latents": "latents patched, n (spaced as log2(1 + n))",
    "edit": "mean edit norm, |x' - x| a position",
    "entries": "changed latents times positions, m (as log2(1 + m))",
}
_TITLES: dict[Against, str] = {
    "latents": "KL by the number of patched latents",
    "edit": "KL by the size of the edit",
    "entries": "KL by the number of patched (latent, position) entries",
}
_ORDERS = {"attribution": "attribution", "greedy": "greedy", "threshold_sweep": "threshold sweep"}
_COLUMNS = (
    *("dictionary", "order", "pairs", "n_patched", "kl_nats", "low", "high"),
    *("edit_norm", "edit_low", "edit_high", "entries"),
)
_TICKS = (0, 1, 3, 7, 15, 31, 63, 127, 255, 511, 1023, 2047, 4095, 8191, 16383, 32767)


def order_words(order: str) -> str:
    """How an order is called on the page."""
    return _ORDERS[order]


def kl_chart(
    name: str,
    title: str,
    curves: Sequence[PatchCurve],
    against: Against,
    caption: str,
    *,
    orders: bool = False,
    levels: bool = False,
) -> Chart:
    """A line a curve with its interval over prompts.

    orders: the lines are told apart by order too. levels: how far the reconstruction error alone comes, as lines.
    """
    lines = [_line(curve, against, _words(curve, orders)) for curve in curves]
    if levels:
        lines += [_error_level(curve, i) for i, curve in enumerate(curves) if curve.learned]
        caption += " Level lines: only the reconstruction error patched."
    start, oracle = curves[0].points("kl")[0][0], curves[0]["floors"].get("oracle", [0.0])[0]
    ends = ", ".join(f"{_words(curve, orders)} from {start:.2f} to {curve['lowest']:.2f} nats" for curve in curves)
    kl = Axis(label="KL(patched || target), nats", limits=(-0.11 * start, 1.08 * _highest(curves)))
    return Chart(
        name=name,
        title=title,
        caption=f"{caption} Bands: 95 % intervals over prompts.",
        alt=f"{title}: {ends}.",
        svg=line_chart(name, lines, _axis(curves, against), kl, reference=(oracle, "whole activation"), legend=True),
        columns=_COLUMNS,
        rows=tuple(row for curve in curves for row in _rows(curve)),
    )


def task_charts(run: PatchingRun, task: Row, site: str, slug: str) -> list[Chart]:
    """The two panels of Figure 3 for one task at one site: by number of latents and by edit norm."""
    curves = compared_curves(run, run.of(task["name"], site=site))
    if not curves:
        return []
    words = f"{task['name']}: KL of the patched prediction to the other prompt's"
    captions: dict[Against, str] = {
        "latents": f"Figure 3 (left) of the paper. {words}, by the number of patched latents, in attribution order.",
        "edit": f"Figure 3 (right). {words}, by how far the activation was moved.",
    }
    return [
        kl_chart(
            f"patching-{slug}-{against}",
            f"{task['name']}: {_TITLES[against]}",
            curves,
            against,
            caption,
            levels=against == "latents",
        )
        for against, caption in captions.items()
    ]


def entries_chart(run: PatchingRun, task: Row, site: str, slug: str) -> Chart | None:
    """The same by the number of (latent, position) entries."""
    curves = compared_curves(run, run.of(task["name"], site=site))
    if not curves:
        return None
    caption = "A latent that changes at five positions counts five times; dense methods change every latent everywhere."
    title = f"{task['name']}: {_TITLES['entries']}"
    return kl_chart(f"patching-{slug}-entries", title, curves, "entries", caption)


def coefficients_chart(run: PatchingRun, task: Row, site: str, slug: str) -> Chart | None:
    """Tied L1 by its coefficient beside PCA, where there are several coefficients."""
    here = [curve for curve in run.of(task["name"], site=site) if not curve["seed"]]
    swept = [curve for curve in here if curve["method"] == "tied_l1" and curve["variant"] is None]
    if len(swept) < 2:
        return None
    swept = sorted(swept, key=lambda curve: float(curve["sparsity"].partition("=")[2]))
    return kl_chart(
        f"patching-{slug}-coefficients",
        f"{task['name']}: tied L1 by its coefficient",
        [*swept, *(curve for curve in here if curve["method"] == "pca")],
        "latents",
        "Figure 3's dictionaries: a sparser one ends higher, as its error keeps more of the first prompt.",
    )


def areas_chart(run: PatchingRun, task: Row, site: str, slug: str) -> Chart | None:
    """A row a dictionary: its area with the interval over prompts; marks: each held-out template alone."""
    curves = run.of(task["name"], site=site)
    if not curves:
        return None
    dots = [
        Dot(
            label=curve.label,
            **dict(zip(("value", "low", "high"), curve.bounds("area"), strict=True)),
            hollow=not curve.learned,
            more=list(curve["area_by_template"].values()),
        )
        for curve in sorted(curves, key=lambda curve: curve["area"][0])
    ]
    title = f"{task['name']}: area under the curve"
    return Chart(
        name=f"patching-{slug}-areas",
        title=title,
        caption="Area of KL / KL(0 patched) over log2(1 + n) up to the width of the site, as a share: 1 is no effect, "
        "less is better. With 95 % intervals over prompts; upright marks: each held-out template alone; hollow: "
        "baselines.",
        alt=f"{title}: " + "; ".join(f"{dot.label} {dot.value:.3f}" for dot in dots) + ".",
        svg=dot_chart(f"patching-{slug}-areas", dots, Axis(label="area (share of KL(0))", limits=_span(dots))),
        columns=("dictionary", "area", "low", "high", "templates"),
        rows=tuple((d.label, d.value, d.low, d.high, " ".join(f"{x:.4g}" for x in d.more)) for d in dots),
    )


def order_charts(run: PatchingRun, task: Row, slug: str) -> list[Chart]:
    """A panel a dictionary that was patched in several orders, the sweep's two variants among them."""
    charts = []
    names = dict.fromkeys(c["dictionary"] for c in run.curves if c["task"] == task["name"])
    for i, name in enumerate(names):
        curves = [
            curve
            for curve in run.curves
            if (curve["task"], curve["dictionary"]) == (task["name"], name) and curve["which"] != "right"
        ]
        if len({curve["order"] for curve in curves}) > 1:
            title = f"{task['name']}, {curves[0].label}: by the order of latents"
            caption = "Chosen on other templates than it is measured on, but for the paper's way: the same pairs."
            charts.append(kl_chart(f"patching-{slug}-order-{i}", title, curves, "latents", caption, orders=True))
    return charts


def layers_chart(run: PatchingRun, task: Row, slug: str) -> Chart | None:
    """Areas by layer, a line a method; None where there is one layer."""
    of: dict[str, list[PatchCurve]] = {}
    for site in run.sites:
        for curve in compared_curves(run, run.of(task["name"], site=site)):
            of.setdefault(curve.label, []).append(curve)
    lines = [_layer_line(label, curves) for label, curves in of.items() if len(curves) > 1]
    if not lines:
        return None
    title = f"{task['name']}: area by layer"
    ticks = sorted({x for line in lines for x in line.x})
    return Chart(
        name=f"patching-{slug}-layers",
        title=title,
        caption="The panels' curves in one figure each; less is better. Bands: 95 % intervals over prompts.",
        alt=f"{title}: " + "; ".join(f"{line.label} {_listed(line)}" for line in lines) + ".",
        svg=line_chart(
            f"patching-{slug}-layers",
            lines,
            Axis(label="layer", ticks=ticks),
            Axis(label="area (share of KL(0))", limits=(0, 1.05)),
            legend=True,
        ),
        columns=("dictionary", "layer", "area", "low", "high"),
        rows=tuple((label, _layer(c), *c.bounds("area")) for label, curves in of.items() for c in curves),
    )


def compared_curves(run: PatchingRun, curves: Sequence[PatchCurve]) -> list[PatchCurve]:
    """Those that methods are compared by: the headlines and the baselines, of the first seed."""
    heads = set(run.headline)
    return [c for c in curves if c["dictionary"] in heads or (not c.learned and not c["seed"])]


def _line(curve: PatchCurve, against: Against, label: str) -> Line:
    kl, low, high = curve.points("kl")
    x: list[float]
    match against:
        case "latents":
            x = [math.log2(1 + n) for n in curve["n_patched"]]
        case "edit":
            x = curve.points("edit")[0]
        case "entries":
            x = [math.log2(1 + m) for m in curve.points("entries")[0]]
    return Line(label=label, x=x, y=kl, low=low, high=high)


def _error_level(curve: PatchCurve, color: int) -> Line:
    """How far patching nothing but the reconstruction error comes, in the color of its curve."""
    level = curve["floors"]["error_only"][0]
    return Line(label="", x=[0.0, math.log2(1 + curve["n_patched"][-1])], y=[level, level], color=color)


def _axis(curves: Sequence[PatchCurve], against: Against) -> Axis:
    if against == "edit":
        return Axis(label=_X[against])
    key = "n_patched" if against == "latents" else "entries"
    largest = max(curve[key][-1] if key == "n_patched" else max(curve.points(key)[0]) for curve in curves)
    ticks = [n for n in _TICKS if n <= largest]
    ticks = ticks if len(ticks) <= 9 else ticks[::2]
    return Axis(label=_X[against], ticks=[math.log2(1 + n) for n in ticks], tick_labels=[f"{n}" for n in ticks])


def _words(curve: PatchCurve, orders: bool) -> str:
    if not orders:
        return curve.label
    return "sweep, the paper's way" if curve["which"] == "paper" else order_words(curve["order"])


def _rows(curve: PatchCurve) -> list[tuple[Cell, ...]]:
    found: list[tuple[Cell, ...]] = []
    for i, n in enumerate(curve["n_patched"]):
        figures = (*curve["kl"][i], *curve["edit"][i], curve["entries"][i][0])
        found.append((curve["dictionary"], curve["order"], curve["which"], n, *figures))
    return found


def _highest(curves: Sequence[PatchCurve]) -> float:
    return max(max(curve.points("kl")[2]) for curve in curves)


def _span(dots: Sequence[Dot]) -> tuple[float, float]:
    reached = [x for dot in dots for x in (dot.low, dot.high, *dot.more)]
    return min(0.0, *reached) - 0.02, max(1.0, *reached) + 0.03


def _layer(curve: PatchCurve) -> int:
    return int(curve["site"].split(".")[1])


def _layer_line(label: str, curves: Sequence[PatchCurve]) -> Line:
    areas = [curve.bounds("area") for curve in curves]
    value, low, high = ([area[i] for area in areas] for i in range(3))
    return Line(label=label, x=[_layer(curve) for curve in curves], y=value, low=low, high=high)


def _listed(line: Line) -> str:
    pairs: list[tuple[Any, Any]] = list(zip(line.x, line.y, strict=True))
    return ", ".join(f"{y:.3f} at layer {x:g}" for x, y in pairs)
