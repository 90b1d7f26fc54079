"""Charts of single latents, drawn here as SVG: their labels are tokens of any script, which the browser sets."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from monosemy.report.case_reading import Record
from monosemy.report.feature_view import visible
from monosemy.report.numbers import count, significant
from monosemy.report.page import Cell, Chart, Markup, text
from monosemy.report.style import SERIES

WIDTH = 400.0
LEFT, RIGHT = 44.0, 8.0
PLOT_HEIGHT = 180.0
ROW_HEIGHT, LABEL_WIDTH = 17.0, 112.0
LABEL_CHARACTERS = 14
LEGEND_ROW = 18.0
N_BARS = 10

OTHERS = "all others"


@dataclass(frozen=True, kw_only=True, slots=True)
class Bar:
    """A horizontal bar from zero, with its interval."""

    label: str
    value: float
    low: float
    high: float


def token_label(token: str) -> str:
    """A token as a label: white space made visible, long ones cut."""
    shown = visible(token) or "(no text)"
    shown = "\u2423" + shown[1:] if shown.startswith(" ") else shown
    return shown if len(shown) <= LABEL_CHARACTERS else shown[: LABEL_CHARACTERS - 1] + "\u2026"


def token_code(token: str) -> Markup:
    """A token inside a line, never broken."""
    return Markup(f'<code style="white-space: nowrap">{text(token_label(token))}</code>')


def activation_chart(name: str, record: Record) -> Chart:
    """Activating tokens by activation: stacked counts of the most common tokens and of all others."""
    histogram = record["histogram"]
    names = [token_label(token) for token in histogram["tokens"]]
    sampled = "all" if histogram["n"] == record["n_fired"] else f"a drawn {count(histogram['n'])} of"
    return _stacked(
        name,
        "Activating tokens by activation",
        f"{sampled[0].upper() + sampled[1:]} {count(record['n_fired'])} tokens of {record['split']} on which it fires.",
        histogram["edges"],
        histogram["counts"],
        [*names, OTHERS],
    )


def pattern_chart(name: str, record: Record) -> Chart:
    """The same by whether the pattern matches there."""
    pattern = record["pattern"]
    words = (
        f"The pattern {pattern['regex']} on {record['split']}: {count(pattern['both'])} tokens match and fire, "
        f"{count(pattern['pattern_only'])} only match, {count(pattern['latent_only'])} only fire."
    )
    title = "Activating tokens that a pattern matches"
    return _stacked(name, title, words, pattern["edges"], pattern["counts"], ["match", "no match"])


def effect_chart(name: str, record: Record) -> Chart:
    """The tokens whose logits the ablation lowers most and raises most, with intervals."""
    effect = record["effect"]["latent"]
    rows = [*effect["lowered"][:N_BARS], *reversed(effect["raised"][:N_BARS])]
    bars = [Bar(label=row["token"], value=row["logit"], low=row["low"], high=row["high"]) for row in rows]
    n = record["effect"]["n_positions"]
    return Chart(
        name=name,
        title="What ablating it does to the next token",
        caption=f"Mean change of the logit at {count(n)} positions of {record['split']} where it fires; lines: 95 % "
        f"intervals over packages or files.",
        alt=f"Lowered most: {', '.join(visible(row['token']) for row in effect['lowered'][:5])}.",
        svg=_bars(bars),
        columns=("token", "logit", "low", "high", "log_probability", "probability_before"),
        rows=tuple(_data(row) for row in rows),
    )


def _data(row: dict[str, Any]) -> tuple[Cell, ...]:
    return visible(row["token"]), row["logit"], row["low"], row["high"], row["log_prob"], row["probability"]


def _stacked(
    name: str, title: str, caption: str, edges: Sequence[float], counts: Sequence[Sequence[int]], names: list[str]
) -> Chart:
    kinds = [i for i in range(len(names)) if any(row[i] for row in counts)]
    n_rows, placed = _legend_places([names[i] for i in kinds])
    top = LEGEND_ROW * n_rows + 8
    highest = max(1, *(sum(row) for row in counts))
    ticks = _ticks(highest)
    scale = PLOT_HEIGHT / max(highest, ticks[-1])
    bottom = top + PLOT_HEIGHT
    step = (WIDTH - LEFT - RIGHT) / len(counts)
    parts = [
        f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{bottom - tick * scale:.1f}" y2="{bottom - tick * scale:.1f}" '
        f'style="stroke: var(--line); stroke-width: .7"/>'
        + _label(LEFT - 5, bottom - tick * scale + 4, str(tick), "end")
        for tick in ticks
    ]
    for number, row in enumerate(counts):
        y = bottom
        for i in kinds:
            height = row[i] * scale
            y -= height
            parts.append(
                f'<rect x="{LEFT + number * step + 1:.1f}" y="{y:.1f}" width="{step - 2:.1f}" height="{height:.1f}" '
                f'style="fill: {_fill(i, len(names))}"><title>{text(names[i])}: {row[i]}</title></rect>'
            )
    for number in range(0, len(edges), max(1, (len(edges) - 1) // 5)):
        parts.append(_label(LEFT + number * step, bottom + 15, significant(edges[number], 2), "middle"))
    parts.append(_label((LEFT + WIDTH - RIGHT) / 2, bottom + 33, "activation", "middle"))
    for (x, y), i in zip(placed, kinds, strict=True):
        parts.append(
            f'<rect x="{x:.1f}" y="{y + 2:.1f}" width="10" height="10" style="fill: {_fill(i, len(names))}"/>'
            + _label(x + 14, y + 11, names[i], "start")
        )
    rows = [(low, high, *row) for low, high, row in zip(edges, edges[1:], counts, strict=False)]
    return Chart(
        name=name,
        title=title,
        caption=caption,
        alt=f"Stacked histogram over {len(counts)} bins; most common: {', '.join(names[:-1])}.",
        svg=_svg(bottom + 40, parts),
        columns=("from", "to", *names),
        rows=tuple(rows),
    )


def _bars(bars: Sequence[Bar]) -> Markup:
    """One bar a line, labels on the left; the zero line is drawn through."""
    low, high = min(0.0, *(bar.low for bar in bars)), max(0.0, *(bar.high for bar in bars))
    span = (high - low) or 1.0
    height = len(bars) * ROW_HEIGHT

    def at(value: float) -> float:
        return LABEL_WIDTH + (WIDTH - RIGHT - 6 - LABEL_WIDTH) * (value - low) / span

    parts = [
        f'<line x1="{at(tick):.1f}" x2="{at(tick):.1f}" y1="0" y2="{height}" style="stroke: var(--line); '
        f'stroke-width: .7"/>{_label(at(tick), height + 15, f"{tick:g}", "middle")}'
        for tick in _signed_ticks(low, high)
    ]
    for number, bar in enumerate(bars):
        y = number * ROW_HEIGHT
        color = "series-2" if bar.value < 0 else "series-1"
        left, width = min(at(0.0), at(bar.value)), abs(at(bar.value) - at(0.0))
        middle = y + ROW_HEIGHT / 2
        parts.append(
            f'<rect x="{left:.1f}" y="{y + 3:.1f}" width="{width:.1f}" height="{ROW_HEIGHT - 6:.1f}" style="fill: '
            f'var(--{color}); opacity: .75"><title>{text(visible(bar.label))}: {bar.value:.3f}</title></rect>'
            f'<line x1="{at(bar.low):.1f}" x2="{at(bar.high):.1f}" y1="{middle:.1f}" y2="{middle:.1f}" '
            f'style="stroke: var(--ink); stroke-width: 1.1"/>'
            + _label(LABEL_WIDTH - 8, middle + 4, token_label(bar.label), "end", mono=True)
        )
    parts.append(
        f'<line x1="{at(0.0):.1f}" x2="{at(0.0):.1f}" y1="0" y2="{height}" style="stroke: var(--quiet)"/>'
        + _label((LABEL_WIDTH + WIDTH) / 2, height + 32, "change of the logit", "middle")
    )
    return _svg(height + 38, parts)


def _svg(height: float, parts: Sequence[str]) -> Markup:
    return Markup(f'<svg viewBox="0 0 {WIDTH:g} {height:g}">{"".join(parts)}</svg>')


def _label(x: float, y: float, words: str, anchor: str, *, mono: bool = False) -> str:
    font = "ui-monospace, monospace" if mono else "var(--font)"
    style = f"font: 12px {font}; fill: var(--ink); white-space: pre"
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" style="{style}">{text(words)}</text>'


def _fill(i: int, n: int) -> str:
    """The color of a kind; the last is grey."""
    return "var(--line)" if i == n - 1 else f"var(--{SERIES[i % len(SERIES)]})"


def _legend_places(names: Sequence[str]) -> tuple[int, list[tuple[float, float]]]:
    """How many lines the legend takes, and where each entry stands."""
    places: list[tuple[float, float]] = []
    x, row = LEFT, 0
    for name in names:
        width = 26 + 7.2 * len(name)
        if x + width > WIDTH and x > LEFT:
            x, row = LEFT, row + 1
        places.append((x, row * LEGEND_ROW))
        x += width
    return row + 1, places


def _ticks(highest: int) -> list[int]:
    """Three to six round numbers from 0 up to what holds the highest."""
    step = next(s * 10**e for e in range(12) for s in (1, 2, 5) if highest <= 5 * s * 10**e)
    return list(range(0, highest + step, step))


def _signed_ticks(low: float, high: float) -> list[float]:
    """Round numbers between low and high, zero among them."""
    span = (high - low) or 1.0
    step = next(s * 10.0**e for e in range(-9, 12) for s in (1, 2, 5) if span <= 5 * s * 10.0**e)
    first, last = -int(-low / step), int(high / step)
    return [round(i * step, 10) for i in range(first, last + 1)]
