"""Figures of a language model: its training, what each position predicts, copying, tasks, labels."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from monosemy.report.figures import Axis, Cloud, Dot, Line, dot_chart, line_chart, scatter_chart
from monosemy.report.numbers import percent, significant
from monosemy.report.page import Chart

GATE = 0.9
"""Share of pairs that must be right before a task's causal experiments mean anything."""


def loss_chart(curve: Sequence[Mapping[str, Any]]) -> Chart:
    """Training and validation loss over the steps."""
    keys = ("step", "cpu_seconds", "train_loss", "validation_loss")
    rows = tuple(tuple(point[key] for key in keys) for point in curve)
    steps, _, train, validation = (list(column) for column in zip(*rows, strict=True))
    best = min(range(len(rows)), key=lambda i: validation[i])
    return Chart(
        name="loss",
        title="Loss while training",
        caption=f"Cross-entropy. Lowest validation loss: {validation[best]:.3f} nats a token, at step {steps[best]:,}.",
        alt=f"Two curves over the training steps. The validation loss falls from {validation[0]:.2f} to "
        f"{validation[-1]:.2f} nats a token, the training loss to {train[-1]:.2f}.",
        svg=line_chart(
            "loss",
            [Line(label="train", x=steps, y=train), Line(label="validation", x=steps, y=validation)],
            Axis(label="training step"),
            Axis(label="nats a token"),
        ),
        columns=keys,
        rows=rows,
    )


def position_chart(nats: Sequence[int | float]) -> Chart:
    """Loss at each position of the held-out sequences."""
    return Chart(
        name="nats-by-position",
        title="Loss by position",
        caption="Cross-entropy of held-out text at each position of the sequence: what more context is worth.",
        alt=f"Curve of the loss over the position, from {nats[0]:.2f} nats at the first to "
        f"{np.mean(nats[-16:]):.2f} over the last 16.",
        svg=line_chart(
            "nats-by-position",
            [Line(label="nats", x=list(range(len(nats))), y=nats)],
            Axis(label="position in the sequence"),
            Axis(label="nats a token"),
        ),
        columns=("position", "nats"),
        rows=tuple(enumerate(nats)),
    )


def induction_charts(
    induction: Mapping[str, Sequence[int | float]], vocabulary_size: int | None
) -> tuple[Chart, Chart]:
    """Random tokens given twice: loss and right guesses in the first and in the second copy."""
    parts = {key: list(induction[key]) for key in ("nats_first", "nats_second", "right_first", "right_second")}
    x = list(range(len(parts["nats_first"])))
    second, right = np.mean(parts["nats_second"][1:]), np.mean(parts["right_second"][1:])
    uniform = None if vocabulary_size is None else (float(np.log(vocabulary_size)), "uniform guess")

    def rows(quantity: str) -> tuple[tuple[int | float, ...], ...]:
        return tuple(zip(x, parts[f"{quantity}_first"], parts[f"{quantity}_second"], strict=True))

    def lines(quantity: str) -> list[Line]:
        return [Line(label=f"{copy} copy", x=x, y=parts[f"{quantity}_{copy}"]) for copy in ("first", "second")]

    position = Axis(label="position in the copy")
    nats = Chart(
        name="induction-nats",
        title="Copying: loss",
        caption="A sequence of random tokens given twice. Only copying can make the second copy easier.",
        alt=f"Loss over the position in the copy; mean over the second copy {second:.2f} nats a token.",
        svg=line_chart("induction-nats", lines("nats"), position, Axis(label="nats a token"), reference=uniform),
        columns=("position", "nats_first", "nats_second"),
        rows=rows("nats"),
    )
    guesses = Chart(
        name="induction-right",
        title="Copying: right guesses",
        caption="Share of the same tokens that are the model's first guess. Where the copy starts cannot be known.",
        alt=f"Share of right first guesses over the position; mean over the second copy {percent(float(right))}.",
        svg=line_chart(
            "induction-right",
            lines("right"),
            position,
            Axis(label="right first guesses", limits=(-0.02, 1.02), percent=True),
        ),
        columns=("position", "right_first", "right_second"),
        rows=rows("right"),
    )
    return nats, guesses


def tasks_chart(tasks: Sequence[Mapping[str, Any]]) -> Chart:
    """Share of right pairs of each task with its interval, and the gate."""
    dots = [
        Dot(label=t["name"], value=t["accuracy"], low=t["low"], high=t["high"], hollow=bool(t["hard_case"]))
        for t in tasks
    ]
    return Chart(
        name="tasks",
        title="Tasks",
        caption="Share of pairs that are right in both prompts, with 95 % intervals. Hollow: hard cases.",
        alt="Share of right pairs by task: " + ", ".join(f"{dot.label} {percent(dot.value)}" for dot in dots) + ".",
        svg=dot_chart(
            "tasks",
            dots,
            Axis(label="right pairs", limits=(-0.02, 1.02), percent=True),
            gate=(GATE, f"gate {percent(GATE)}"),
        ),
        columns=("task", "accuracy", "ci_low", "ci_high", "hard_case"),
        rows=tuple((t["name"], t["accuracy"], t["low"], t["high"], int(t["hard_case"])) for t in tasks),
    )


def labels_chart(labels: Sequence[Mapping[str, Any]]) -> Chart:
    """How rare each exact label is, and how well the token alone gives it away."""
    known = [label for label in labels if label["table_f1"] is not None and label["base_rate"] > 0]
    kinds = {False: "in the token", True: "contextual"}
    clouds = [
        Cloud(
            label=kind,
            x=[label["base_rate"] for label in known if bool(label["contextual"]) == contextual],
            y=[label["table_f1"] for label in known if bool(label["contextual"]) == contextual],
        )
        for contextual, kind in kinds.items()
    ]
    contextual_f1 = float(np.median(clouds[1].y)) if clouds[1].y else None
    return Chart(
        name="labels",
        title="Labels",
        caption="Each point is a label: how often it holds, and the F1 of guessing it from the token alone. Contextual "
        "labels, which the token does not give away, are the ones that take a look at the context.",
        alt=f"{len(known)} labels by base rate and token-table F1; {len(clouds[1].y)} are contextual, with a median F1 "
        f"of {significant(contextual_f1, 2)}.",
        svg=scatter_chart(
            "labels",
            clouds,
            Axis(label="base rate: share of tokens", log=True, percent=True),
            Axis(label="F1 of the token table", limits=(-0.03, 1.03)),
        ),
        columns=("label", "family", "base_rate", "table_f1", "contextual"),
        rows=tuple(
            (label["name"], label["family"], label["base_rate"], label["table_f1"], int(label["contextual"]))
            for label in known
        ),
    )
