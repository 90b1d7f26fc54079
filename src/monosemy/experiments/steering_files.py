"""The folder that steering leaves: what was steered with, the curves with their intervals, the results."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from monosemy.causal import MAX_DAMAGE, SteeringCurve, Tried, best_strength
from monosemy.core import (
    MIN_UNITS,
    Result,
    atomic_write_text,
    bootstrap_mean,
    bootstrap_ratio,
    fingerprint,
    numpy_generator,
    write_results,
)
from monosemy.dictionaries import DictionaryCard

STEERING_FILE, STEERING_ARRAYS, STEERING_RESULTS = "steering.json", "curves.npz", "results.jsonl"

STEERING_MEASURES = {"steering_effect": "nats", "steering_damage": "nats a token"}
"""The figures of a way of steering and their units."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SteeringAbout:
    """What was steered for and with what.

    is_given: the latent was named, not chosen. tokens, raised: of the goal `own_tokens`, the tokens and by how many
    nats the latent raises each where it is active. tried: the candidates of a task. accuracy: share of held-out pairs
    that the model gets right; gap: what turning an answer fully amounts to, nats. prompts: what effects are means over.
    """

    task: str
    description: str
    latent: int
    is_given: bool
    quantile: float
    tokens: tuple[str, ...]
    raised: tuple[float, ...]
    tried: tuple[Tried, ...]
    accuracy: float | None
    gap: float | None
    lm: Literal["trained", "random"]
    prompts: Literal["pairs", "sequences"]
    n_sequences: int
    seed: int


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class CurvePair:
    """One way of steering: the curve by which the strength is chosen, and the one that is reported."""

    method: str
    variant: str | None
    choosing: SteeringCurve
    reporting: SteeringCurve


def write_steering(
    folder: Path, about: SteeringAbout, card: DictionaryCard, curves: Sequence[CurvePair], config: object
) -> None:
    """Write steering.json, curves.npz and results.jsonl into a folder."""
    key = fingerprint(config)
    results: list[Result] = []
    drawn: list[dict[str, Any]] = []
    arrays: dict[str, np.ndarray] = {}
    for number, pair in enumerate(curves):
        chosen = best_strength(pair.choosing)
        points = _points(pair.reporting, about.seed)
        drawn.append(
            {
                "method": pair.method,
                "variant": pair.variant,
                "chosen": chosen,
                "points": points,
                "choosing": {
                    "effect": pair.choosing.effect.mean(axis=1).tolist(),
                    "damage": pair.choosing.damage.tolist(),
                },
            }
        )
        results += _results(about, card, pair, chosen, points, key)
        for name, curve in (("choosing", pair.choosing), ("reporting", pair.reporting)):
            arrays[f"{number}/{name}/effect"] = curve.effect
            arrays[f"{number}/{name}/ce_increase"] = curve.ce_increase
            arrays[f"{number}/{name}/n_predictions"] = curve.n_predictions
    data = {
        **asdict(about),
        "dictionary": card.name,
        "method": card.method,
        "sparsity": card.sparsity,
        "site": card.site,
        "n_prompts": curves[0].reporting.effect.shape[1],
        "max_damage": MAX_DAMAGE,
        "curves": drawn,
    }
    atomic_write_text(folder / STEERING_FILE, json.dumps(data, indent=1, allow_nan=False) + "\n")
    np.savez_compressed(folder / STEERING_ARRAYS, **arrays)  # pyright: ignore[reportArgumentType]
    write_results(folder / STEERING_RESULTS, results)


def _points(curve: SteeringCurve, seed: int) -> list[dict[str, Any]]:
    """A point a strength: effect and damage with intervals over prompts and over units."""
    points: list[dict[str, Any]] = []
    for number, strength in enumerate(curve.strengths):
        generator = numpy_generator(seed, f"steering-bootstrap/{strength}")
        effect = bootstrap_mean(curve.effect[number], generator)
        n, rise = curve.n_predictions[number], curve.ce_increase[number]
        damage = bootstrap_ratio(rise[n > 0], n[n > 0], generator)
        points.append(
            {
                "strength": strength,
                "effect": {"value": effect.value, "low": effect.low, "high": effect.high},
                "damage": {"value": damage.value, "low": damage.low, "high": damage.high},
                "n_units": int((n > 0).sum()),
            }
        )
    return points


def _results(
    about: SteeringAbout,
    card: DictionaryCard,
    pair: CurvePair,
    chosen: int | None,
    points: Sequence[dict[str, Any]],
    key: str,
) -> list[Result]:
    """Effect and damage at the strength that was chosen, or the statement that there is none."""
    shared: dict[str, Any] = {
        "method": pair.method,
        "variant": pair.variant,
        "lm": about.lm,
        "dictionary": card.name,
        "site": card.site,
        "split": "test",
        "seed": about.seed,
        "config": key,
    }
    if chosen is None:
        return [_nothing(about, name, unit, shared) for name, unit in STEERING_MEASURES.items()]
    point = points[chosen]
    counts = {
        "steering_effect": (pair.reporting.effect.shape[1], about.prompts),
        "steering_damage": (point["n_units"], "units"),
    }
    found: list[Result] = []
    for name, unit in STEERING_MEASURES.items():
        part = point[name.removeprefix("steering_")]
        n, n_unit = counts[name]
        remark = f"strength {point['strength']:g}, chosen on validation"
        if n < MIN_UNITS:
            remark += f"; {n} {n_unit}: with fewer than {MIN_UNITS} the interval is too narrow"
        found.append(
            Result(
                metric=f"{name}/{about.task}",
                value=part["value"],
                unit=unit,
                ci_low=part["low"],
                ci_high=part["high"],
                n=n,
                n_unit=n_unit,
                reason=remark,
                definition=name,
                **shared,
            )
        )
    return found


def _nothing(about: SteeringAbout, name: str, unit: str, shared: dict[str, Any]) -> Result:
    """The statement that no strength could be chosen."""
    reason = f"on validation no strength has any effect within a damage of {MAX_DAMAGE} nats a token"
    return Result(
        metric=f"{name}/{about.task}",
        value=None,
        unit=unit,
        status="not_applicable",
        reason=reason,
        definition=name,
        **shared,
    )
