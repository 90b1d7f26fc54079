"""Figures of steering: the effect against the damage, and both against the strength."""

from monosemy.report.figures import Axis, Line, line_chart
from monosemy.report.page import Cell, Chart
from monosemy.report.steering_reading import Steered, SteeredBy

SHOWN_DAMAGE = 0.5
"""Nats a token: beyond it a text is destroyed, and the figure ends."""


def tradeoff_chart(steered: Steered) -> Chart:
    """Effect against damage, a point a strength of at least 0, up to a damage of `SHOWN_DAMAGE`."""
    lines: list[Line] = []
    rows: list[tuple[Cell, ...]] = []
    for color, curve in enumerate(steered.curves):
        points = [point for point in curve.points if _is_shown(curve, point)]
        x = [max(0.0, float(point["damage"]["value"])) for point in points]
        y = [float(point["effect"]["value"]) for point in points]
        lines.append(Line(label=curve.short, x=x, y=y, points=list(zip(x, y, strict=True)), color=color))
        rows += [_row(curve, point) for point in points]
    limit = float(steered.about["max_damage"])
    highest = max([0.0, *(float(y) for line in lines for y in line.y)])
    lines.append(Line(label=f"{limit:g} nats", x=[limit, limit], y=[0.0, highest], color=len(lines)))
    gap = steered.about.get("gap")
    return Chart(
        name=_name(steered, "tradeoff"),
        title="Effect against damage",
        caption=(
            f"{_effect_words(steered)} against the rise of the cross-entropy on neutral text; from the start of each "
            "line on, strengths rise. Upper left is better; a success costs at most "
            f"{float(steered.about['max_damage']):g} nats a token."
        ),
        alt=f"Effect of steering for {steered.task} against damage, by what is added.",
        svg=line_chart(
            _name(steered, "tradeoff"),
            lines,
            Axis(label="damage: CE increase on neutral text, nats a token"),
            Axis(label="effect, nats"),
            reference=(float(gap), "the answer fully turned") if gap and highest > float(gap) / 3 else None,
        ),
        columns=(
            "steered by",
            "strength",
            "effect",
            "effect_low",
            "effect_high",
            "damage",
            "damage_low",
            "damage_high",
        ),
        rows=tuple(rows),
    )


def strength_chart(steered: Steered) -> Chart:
    """Effect against strength, with its interval."""
    lines = [
        Line(
            label=curve.short,
            x=[float(point["strength"]) for point in curve.points],
            y=[float(point["effect"]["value"]) for point in curve.points],
            low=[float(point["effect"]["low"]) for point in curve.points],
            high=[float(point["effect"]["high"]) for point in curve.points],
            apart=None if curve.point is None else (float(curve.point["strength"]), curve.effect or 0.0),
            color=color,
        )
        for color, curve in enumerate(steered.curves)
    ]
    return Chart(
        name=_name(steered, "strength"),
        title="Effect against strength",
        caption=(
            f"{_effect_words(steered)}, with 95 % intervals over {steered.about['prompts']}; a mark is the strength "
            "that was chosen on validation. Strength 1 is the latent's 99 % quantile where it is active; the other "
            "directions are as long. Scaled by 1 a latent is unchanged."
        ),
        alt=f"Effect of steering for {steered.task} against strength, by what is added.",
        svg=line_chart(
            _name(steered, "strength"),
            lines,
            Axis(label="strength, in 99 % quantiles of the latent"),
            Axis(label="effect, nats"),
        ),
        columns=(
            "steered by",
            "strength",
            "effect",
            "effect_low",
            "effect_high",
            "damage",
            "damage_low",
            "damage_high",
        ),
        rows=tuple(_row(curve, point) for curve in steered.curves for point in curve.points),
    )


def _is_shown(curve: SteeredBy, point: dict[str, object]) -> bool:
    start = 1.0 if curve.variant == "scale" else 0.0
    damage = point["damage"]
    assert isinstance(damage, dict)
    return float(str(point["strength"])) >= start and float(damage["value"]) <= SHOWN_DAMAGE


def _row(curve: SteeredBy, point: dict[str, object]) -> tuple[Cell, ...]:
    effect, damage = point["effect"], point["damage"]
    assert isinstance(effect, dict)
    assert isinstance(damage, dict)
    ends = [float(part[name]) for part in (effect, damage) for name in ("value", "low", "high")]
    return (curve.label, float(str(point["strength"])), *ends)


def _effect_words(steered: Steered) -> str:
    if steered.about.get("tokens"):
        return "Mean rise of log P(tokens)"
    return "Mean rise of log P(clean answer) - log P(corrupt answer) on corrupt prompts"


def _name(steered: Steered, kind: str) -> str:
    words = f"steer-{steered.task}-{steered.about['method']}-{steered.about['latent']}-{kind}"
    return words.replace("_", "-").lower()
