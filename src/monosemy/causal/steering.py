"""Steering curves: what adding a direction does for its purpose, against what it does to all other text.

At strength s, with q the latent's 99 % quantile where it is active and d its decoder row:

    add     x' = x + s q d                 at every position
    clamp   x' = x + (s q - z) d           the latent has the value s q everywhere
    scale   x' = x + (s - 1) z d           where the latent is active it is s times itself

The other directions (a difference of means, a random one) are added with the length |q d|, so that equal strengths are
equally long. The effect is the goal's (`PairGoal`, `TokenGoal`); the damage is the rise of the cross-entropy on neutral
text, in nats a token. The strength is chosen on validation: the most effective whose damage is at most `MAX_DAMAGE`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, final, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from monosemy.causal.interventions import Intervention, added, scaled, with_values
from monosemy.causal.neutral_text import DAMAGE_COLUMNS, NeutralText
from monosemy.core import Advance, UserError, ignore_advance
from monosemy.dictionaries import Dictionary

Mode = Literal["add", "clamp", "scale"]
MODES: tuple[Mode, ...] = ("add", "clamp", "scale")

STRENGTHS = (-4.0, -1.0, -0.25, 0.0, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
MAX_DAMAGE = 0.1
"""Nats a token that steering may cost to count as a success."""


@runtime_checkable
class Goal(Protocol):
    """What steering is meant to do, measured on prompts of its own."""

    def effect(self, edit: Intervention) -> np.ndarray:
        """Of each prompt by how much the edit does it, in nats."""
        ...


@final
@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SteeringCurve:
    """Effects `[strengths prompts]` in nats, and damage: the sums `[strengths units]` of the rise of the cross-entropy
    and of predictions."""

    strengths: tuple[float, ...]
    effect: Float64[np.ndarray, "strengths prompts"]
    ce_increase: Float64[np.ndarray, "strengths units"]
    n_predictions: Float64[np.ndarray, "strengths units"]

    @property
    def damage(self) -> Float64[np.ndarray, " strengths"]:
        """Nats a token at each strength."""
        return self.ce_increase.sum(axis=1) / self.n_predictions.sum(axis=1)


def active_quantiles(z: Float[Tensor, "rows n_latents"], q: float = 0.99) -> Float64[np.ndarray, " n_latents"]:
    """The quantile of |z| where the latent is active; 0 for one that never is."""
    values = z.abs().double().numpy()
    found = np.zeros(values.shape[1])
    for latent in np.flatnonzero(values.any(axis=0)):
        column = values[:, latent]
        found[latent] = np.quantile(column[column > 0], q)
    return found


def steering_edit(mode: Mode, dictionary: Dictionary, latent: int, strength: float, quantile: float) -> Intervention:
    """The edit of one latent at a strength. Raises UserError for a latent that never fires (quantile 0)."""
    if not quantile > 0:
        raise UserError(
            f"latent {latent} never fires on the validation text, so that there is no strength to steer with; "
            "choose one that fires"
        )
    match mode:
        case "add":
            return added(dictionary.W_dec[latent], strength * quantile)
        case "clamp":
            value = torch.tensor([strength * quantile], dtype=dictionary.W_dec.dtype)
            return with_values(dictionary, torch.tensor([latent]), value)
        case "scale":
            return scaled(dictionary, torch.tensor([latent]), strength)


def unit_vector(direction: Float[Tensor, " d_site"]) -> Float[Tensor, " d_site"]:
    """The direction with length 1. Raises UserError where it has none."""
    length = direction.double().norm()
    if not float(length) > 0:
        raise UserError("a direction of length 0 cannot be steered along: both kinds of prompts have the same mean")
    return (direction.double() / length).to(direction.dtype)


def steering_curve(
    edits: Sequence[tuple[float, Intervention | None]],
    goal: Goal,
    text: NeutralText,
    advance: Advance = ignore_advance,
) -> SteeringCurve:
    """Effect and damage at each strength; an edit None changes nothing. `advance` counts edits."""
    effects: list[np.ndarray] = []
    rises: list[np.ndarray] = []
    counts: list[np.ndarray] = []
    n_predictions = text.n_predictions()
    for _, edit in edits:
        if edit is None:
            effects.append(np.zeros_like(goal.effect(_same)))
            rises.append(np.zeros_like(n_predictions))
        else:
            effects.append(goal.effect(edit))
            rises.append(text.damage(edit)[:, DAMAGE_COLUMNS.index("ce_increase")])
        counts.append(n_predictions)
        advance(1)
    return SteeringCurve(
        strengths=tuple(strength for strength, _ in edits),
        effect=np.stack(effects).astype(np.float64),
        ce_increase=np.stack(rises),
        n_predictions=np.stack(counts),
    )


def best_strength(curve: SteeringCurve, max_damage: float = MAX_DAMAGE) -> int | None:
    """The number of the strength with the greatest mean effect, of those whose damage is at most max_damage.

    None where no strength within the damage does anything for the goal.
    """
    effect = np.where(curve.damage <= max_damage, curve.effect.mean(axis=1), -np.inf)
    best = int(effect.argmax())
    return best if effect[best] > 0 else None


def _same(x: Tensor) -> Tensor:
    return x
