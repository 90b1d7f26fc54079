"""Figures of erased concepts: what probes still find against what the edit costs."""

from collections.abc import Sequence

from monosemy.report.erasure_reading import ErasedBy, ErasedConcept
from monosemy.report.figures import Axis, Line, line_chart
from monosemy.report.page import Cell, Chart

DRAWN = (
    ("leace", None),
    ("mean_difference", None),
    ("topk", "projection"),
    ("topk", "ablation"),
    ("tied_l1", "projection"),
    ("random", "directions"),
)
"""What a figure shows, in the order of colors, where it is there; the table has all."""

_X = {
    "kl": ("KL to the unedited model, nats a token", "KL(base || edited) on neutral text", True),
    "edit_norm": ("mean edit |x' - x|, % of the typical |x - mean|", "the mean length of the edit", False),
}
_PROBES = {"linear": "linear probe", "hidden": "one-hidden-layer probe"}


def pareto_chart(concept: ErasedConcept, probe: str, cost: str) -> Chart:
    """Residual accuracy of a probe (`linear`, `hidden`) against a cost (`kl`, `edit_norm`)."""
    curves = drawn_curves(concept)
    lines: list[Line] = []
    rows: list[tuple[Cell, ...]] = []
    scale = 1.0 if cost == "kl" else 1 / float(concept.about["typical_norm"])
    label, words, is_log = _X[cost]
    for color, curve in enumerate(curves):
        points: list[tuple[float, float]] = []
        for edit in curve:
            x, y = edit.value(cost), edit.value(f"{probe}_accuracy")
            if x is None or y is None or (is_log and x <= 0):
                continue
            points.append((scale * x, y))
            found = edit.measured[f"{probe}_accuracy"] or {}
            rows.append((edit.label, edit.n_removed, scale * x, y, found.get("low"), found.get("high")))
        lines.append(
            Line(label=curve[0].short, x=[p[0] for p in points], y=[p[1] for p in points], points=points, color=color)
        )
    base = concept.only("lm")
    level = None if base is None else base.value(f"{probe}_accuracy")
    return Chart(
        name=f"erase-{concept.concept}-{probe}-{cost}".replace("_", "-"),
        title=f"{concept.concept}: {_PROBES[probe]} against {'KL' if cost == 'kl' else 'edit length'}",
        caption=(
            f"Balanced accuracy of the {_PROBES[probe]}, trained anew after each edit, against {words}. Lower left is "
            "better; 50 % is chance. Points on a line: more and more latents or directions taken out."
        ),
        alt=f"Residual accuracy of the {_PROBES[probe]} for {concept.concept} against {words}, by method.",
        svg=line_chart(
            f"erase-{concept.concept}-{probe}-{cost}",
            lines,
            Axis(label=label, log=is_log, percent=not is_log),
            Axis(label="balanced accuracy", percent=True, limits=_limits(lines, level)),
            reference=None if level is None else (level, "no edit"),
        ),
        columns=("edit", "n_removed", cost, f"{probe}_accuracy", "low", "high"),
        rows=tuple(rows),
    )


def drawn_curves(concept: ErasedConcept) -> list[Sequence[ErasedBy]]:
    """The curves of a figure, in the order of `DRAWN`; other methods' projections after them."""
    curves = concept.curves()
    found: list[Sequence[ErasedBy]] = []
    for method, variant in DRAWN:
        found += [c for c in curves if (c[0].method, c[0].variant) == (method, variant)]
    known = {method for method, _ in DRAWN}
    found += [c for c in curves if c[0].method not in known and c[0].variant == "projection"]
    return found


def _limits(lines: Sequence[Line], level: float | None) -> tuple[float, float]:
    values = [float(y) for line in lines for y in line.y] + ([] if level is None else [level])
    return min(0.48, *values) if values else 0.48, min(1.0, max(0.6, *values) + 0.02) if values else 1.0
