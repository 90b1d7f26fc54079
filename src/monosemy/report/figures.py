"""Figures as inline SVG: colors are the page's CSS variables, text is text, equal data gives equal bytes."""

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

from monosemy.report.page import Markup
from monosemy.report.style import SERIES

WIDTH, HEIGHT = 400.0, 270.0
"""Size of a usual figure in CSS pixels; small enough that its text can be read on a phone."""

# Matplotlib draws with these, and each is replaced by the CSS variable of its name.
_STAND_INS = {name: f"#fe01{i:02x}" for i, name in enumerate(("ink", "quiet", "line", "page", *SERIES))}

_FONT = "DejaVu Sans"  # comes with Matplotlib; it only measures, the page sets the text in its own

DASHES = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)), (0, (3, 1)), (0, (8, 3)))
MARKERS = ("o", "s", "^", "D", "v", "P")

_BELOW = 0.34  # of a row: where what a value is set against is marked

_SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.family": _FONT,
    "font.size": 12.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.unicode_minus": False,
    "axes.edgecolor": _STAND_INS["quiet"],
    "axes.labelcolor": _STAND_INS["ink"],
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "grid.color": _STAND_INS["line"],
    "grid.linewidth": 0.7,
    "legend.frameon": False,
    "legend.fontsize": 11.0,
    "legend.labelcolor": _STAND_INS["ink"],
    "lines.linewidth": 1.8,
    "text.color": _STAND_INS["ink"],
    "xtick.color": _STAND_INS["quiet"],
    "ytick.color": _STAND_INS["quiet"],
    "xtick.labelcolor": _STAND_INS["ink"],
    "ytick.labelcolor": _STAND_INS["ink"],
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """A curve, with a band between `low` and `high` where given, and a point that stands apart from it.

    color: the number of its color and dashes, None: its own; lines of one kind share them, and all but one have no
    label. points: single values behind it, as marks.
    """

    label: str
    x: Sequence[int | float]
    y: Sequence[int | float]
    low: Sequence[int | float] | None = None
    high: Sequence[int | float] | None = None
    apart: tuple[int | float, int | float] | None = None
    color: int | None = None
    points: Sequence[tuple[int | float, int | float]] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Dot:
    """A value on a line of its own, with its interval; `hollow` marks another kind.

    `group`: dots of one group follow each other under its name, in a color of its own. `more`: further values of the
    same kind, as small marks. `is_level`: a dotted line leads up from the value through the rows above. `between`: what
    stands for nothing and for much on this row, as two triangles below it; `reference`: a cross below it.
    """

    label: str
    value: float
    low: float
    high: float
    hollow: bool = False
    group: str | None = None
    more: Sequence[float] = ()
    is_level: bool = False
    between: tuple[float, float] | None = None
    reference: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Cloud:
    """Points of one kind, joined by a line in their order where they are a sweep."""

    label: str
    x: Sequence[int | float]
    y: Sequence[int | float]
    joined: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Axis:
    """An axis: its label with the unit, logarithmic or not, limits and ticks (None: from the data), in percent.

    tick_labels: what stands at the ticks, where it is not their value.
    """

    label: str
    log: bool = False
    limits: tuple[int | float, int | float] | None = None
    percent: bool = False
    ticks: Sequence[int | float] | None = None
    tick_labels: Sequence[str] | None = None


def line_chart(
    name: str,
    lines: Sequence[Line],
    x: Axis,
    y: Axis,
    *,
    reference: tuple[float, str] | None = None,
    legend: bool | None = None,
) -> Markup:
    """Curves told apart by color and by dashes; `reference` is a level with its name; a legend for more than one."""
    with matplotlib.rc_context(_SETTINGS):
        figure, axes = _canvas(HEIGHT)
        for position, line in enumerate(lines):
            i = position if line.color is None else line.color
            color = _color(i)
            dashes = DASHES[(i + i // len(SERIES)) % len(DASHES)]  # a color that comes again comes with other dashes
            axes.plot(line.x, line.y, color=color, linestyle=dashes, label=line.label or None)
            if line.low is not None and line.high is not None:
                axes.fill_between(line.x, line.low, line.high, color=color, alpha=0.16, linewidth=0)
            if line.apart is not None:
                axes.plot(*line.apart, marker=MARKERS[i % len(MARKERS)], color=color, markersize=5.5)
            if line.points:
                marks = {"marker": MARKERS[i % len(MARKERS)], "linestyle": "none", "markersize": 5.0}
                axes.plot(*zip(*line.points, strict=True), color=color, markerfacecolor=_STAND_INS["page"], **marks)
        if reference is not None:
            _level(axes, *reference)
        _dress(axes, x, y)
        if len(lines) > 1 if legend is None else legend:
            _legend(figure)
        return _svg(figure, name)


def dot_chart(name: str, dots: Sequence[Dot], x: Axis, *, gate: tuple[float, str] | None = None) -> Markup:
    """One line a value, the first on top, with intervals; `gate` is a vertical line with its name."""
    rows, names, row = [], [], 0.0
    for i, dot in enumerate(dots):
        if dot.group is not None and (i == 0 or dot.group != dots[i - 1].group):
            row += 0.35 if i else 0.0
            names.append((row, dot.group))
            row += 0.95
        rows.append(row)
        row += 1
    kinds = [group for _, group in names]
    with matplotlib.rc_context(_SETTINGS):
        figure, axes = _canvas(70.0 + 22.0 * row)
        for at, dot in zip(rows, dots, strict=True):
            _draw_dot(axes, dot, at, _color(kinds.index(dot.group) if dot.group in kinds else 0))
        for at, group in names:
            if at:
                axes.axhline(at - 0.65, color=_STAND_INS["quiet"], linewidth=0.7)
            where = ("axes fraction", "data")
            behind: dict[str, Any] = {"bbox": {"facecolor": _STAND_INS["page"], "edgecolor": "none", "pad": 1.5}}
            text = {"textcoords": "offset points", "va": "center", "weight": "bold"}
            axes.annotate(group, (0.0, at), (4, 0), xycoords=where, **text, **behind)
        if gate is not None:
            axes.axvline(gate[0], color=_STAND_INS["ink"], linewidth=1.1, linestyle=DASHES[1])
            _name(axes, gate[1], (gate[0], 1.0), ("data", "axes fraction"))
        axes.set_ylim(row - 0.5, -0.5)
        axes.set_yticks(rows, [dot.label for dot in dots])
        _dress(axes, x, None)
        return _svg(figure, name)


def scatter_chart(name: str, clouds: Sequence[Cloud], x: Axis, y: Axis) -> Markup:
    """Points of several kinds, told apart by color and shape."""
    with matplotlib.rc_context(_SETTINGS):
        figure, axes = _canvas(HEIGHT)
        for i, cloud in enumerate(clouds):
            axes.plot(
                *(cloud.x, cloud.y, MARKERS[i % len(MARKERS)]),
                **{"label": cloud.label, "color": _color(i), "markersize": 5.5, "markeredgewidth": 1.2},
                linestyle=DASHES[i % len(DASHES)] if cloud.joined else "none",
                linewidth=1.2,
                markerfacecolor=_color(i) if i == 0 else _STAND_INS["page"],
            )
        _dress(axes, x, y)
        if len(clouds) > 1:
            _legend(figure)
        return _svg(figure, name)


def bar_chart(
    name: str,
    edges: Sequence[int | float],
    counts: Sequence[int | float],
    x: Axis,
    y: Axis,
    *,
    apart: tuple[float, float, int | float, str] | None = None,
) -> Markup:
    """A histogram: counts between edges; `apart` is a hatched bar of another kind: its two edges, count and name."""
    with matplotlib.rc_context(_SETTINGS):
        figure, axes = _canvas(HEIGHT)
        axes.stairs(counts, edges, fill=True, color=_color(0), alpha=0.35)
        axes.stairs(counts, edges, color=_color(0), linewidth=1.4)
        if apart is not None:
            left, right, height, label = apart
            axes.stairs([height], [left, right], color=_color(1), linewidth=1.4, hatch="////")
            middle = (left * right) ** 0.5 if x.log else (left + right) / 2
            offset = {"textcoords": "offset points", "ha": "center", "va": "bottom", "fontsize": 11.0}
            axes.annotate(label, (middle, height), (0, 3), **offset)
        _dress(axes, x, y)
        return _svg(figure, name)


def _draw_dot(axes: Axes, dot: Dot, row: float, color: str) -> None:
    face = _STAND_INS["page"] if dot.hollow else color
    if dot.is_level:
        axes.plot([dot.value, dot.value], [row, -0.5], color=color, linewidth=1.0, linestyle=DASHES[2])
    below: dict[str, Any] = {"color": _STAND_INS["quiet"], "linestyle": "none", "markersize": 4.0}
    if dot.between is not None:
        axes.plot(dot.between, [row, row], color=_STAND_INS["quiet"], linewidth=0.5)
        axes.plot(dot.between, [row + _BELOW, row + _BELOW], marker="^", **below)
    if dot.reference is not None:
        axes.plot([dot.reference], [row + _BELOW], marker="x", **below)
    axes.plot([dot.low, dot.high], [row, row], color=color, linewidth=1.6)
    axes.plot(dot.more, [row] * len(dot.more), "|", color=_STAND_INS["ink"], markersize=10, markeredgewidth=1.3)
    axes.plot([dot.value], [row], marker="o", markersize=6.5, color=color, markerfacecolor=face)


def _canvas(height: float) -> tuple[Figure, Axes]:
    # An SVG of Matplotlib has 72 units to the inch: figures are laid out in CSS pixels.
    figure = Figure(figsize=(WIDTH / 72, height / 72), layout="constrained")
    axes = figure.add_subplot()
    axes.set_axisbelow(True)
    return figure, axes


def _color(i: int) -> str:
    return _STAND_INS[SERIES[i % len(SERIES)]]


def _level(axes: Axes, value: float, label: str) -> None:
    axes.axhline(value, color=_STAND_INS["ink"], linewidth=1.1, linestyle=DASHES[1])
    _name(axes, label, (1.0, value), ("axes fraction", "data"), below=True)


def _name(
    axes: Axes, label: str, at: tuple[int | float, int | float], coordinates: tuple[str, str], *, below: bool = False
) -> None:
    offset, va = ((0, -3), "top") if below else ((0, 3), "bottom")
    axes.annotate(label, at, offset, xycoords=coordinates, textcoords="offset points", ha="right", va=va, fontsize=11.0)


def _legend(figure: Figure) -> None:
    # Above the axes: it never hides data.
    figure.legend(loc="outside upper left", ncols=3, borderaxespad=0.2, columnspacing=1.0, handlelength=1.7)


def _dress(axes: Axes, x: Axis, y: Axis | None) -> None:
    _dress_axis(axes, "x", x)
    if y is None:
        axes.tick_params(axis="y", length=0)
    else:
        _dress_axis(axes, "y", y)


def _dress_axis(axes: Axes, which: Literal["x", "y"], axis: Axis) -> None:
    if which == "x":
        drawn, set_scale, set_limits, limits = axes.xaxis, axes.set_xscale, axes.set_xlim, axes.get_xlim
    else:
        drawn, set_scale, set_limits, limits = axes.yaxis, axes.set_yscale, axes.set_ylim, axes.get_ylim
    drawn.set_label_text(axis.label)
    if axis.log:
        set_scale("log")
        low, high = limits()
        drawn.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high / low < 300 else (1.0,)))
        drawn.set_minor_formatter(FuncFormatter(lambda _value, _position: ""))
    else:
        axes.locator_params(axis=which, nbins=6)
    if axis.ticks is not None:
        drawn.set_major_locator(FixedLocator([float(tick) for tick in axis.ticks]))
        drawn.set_minor_locator(NullLocator())
        drawn.set_major_formatter(FuncFormatter(lambda value, _position: f"{value:g}"))
        if axis.tick_labels is not None:
            drawn.set_ticks([float(tick) for tick in axis.ticks], labels=list(axis.tick_labels))
    if axis.limits is not None:
        set_limits(*axis.limits)
    if axis.percent:
        drawn.set_major_formatter(FuncFormatter(lambda value, _position: f"{100 * value:.4g} %"))
    elif axis.log:
        drawn.set_major_formatter(FuncFormatter(lambda value, _position: _plain(value)))
    axes.grid(axis=which)


def _plain(value: float) -> str:
    """Without an exponent in the usual range: 0.01, 20, 1k, 5M."""
    if 1e3 <= value < 1e9:
        return f"{value / 1e6:g}M" if value >= 1e6 else f"{value / 1e3:g}k"
    return f"{value:g}"


def _svg(figure: Figure, name: str) -> Markup:
    """The figure as an `<svg>` element to stand inside a page."""
    stream = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": name}):
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    svg = stream.getvalue()
    svg = svg[svg.index("<svg ") :]
    svg = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<svg [^>]*viewBox="([^"]+)"[^>]*>', r'<svg viewBox="\1">', svg, count=1)
    svg = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", svg, flags=re.DOTALL)  # would hold for the whole page
    svg = svg.replace(f"'{_FONT}'", "var(--font)")
    svg = _own_ids(svg, name)
    for variable, color in _STAND_INS.items():
        svg = svg.replace(color, f"var(--{variable})")
    return Markup(re.sub(r"\n\s*", "\n", svg).strip())


def _own_ids(svg: str, name: str) -> str:
    """Ids that are referred to carry the figure's name, for several figures share a page; the others go."""
    used = set(re.findall(r'(?:url\(#|href="#)([^")]+)', svg))
    svg = re.sub(r' id="([^"]+)"', lambda match: match.group() if match.group(1) in used else "", svg)
    for id_ in used:
        svg = re.sub(rf'(id="|url\(#|href="#){re.escape(id_)}(?=["\)])', rf"\g<1>{name}-{id_}", svg)
    return svg
