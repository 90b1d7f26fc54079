"""Steering curves. Oracle: the formulas written as loops, a model whose answer is planted, goals that are known."""

import numpy as np
import pytest
import torch

from monosemy.causal import (
    DAMAGE_COLUMNS,
    MODES,
    Intervention,
    Mode,
    NeutralText,
    SteeringCurve,
    active_quantiles,
    added,
    best_strength,
    steering_curve,
    steering_edit,
    unit_vector,
)
from monosemy.core import UserError
from monosemy.dictionaries import Dictionary, TopK
from monosemy.evaluation import sample_sequences
from monosemy.lm import Site
from tests.unit.evaluation.splice_rows import rows
from tests.unit.lm.tiny_models import D_MODEL, tiny_lm

SITE = Site.parse("resid_post.1")
Q, S, LATENT = 1.5, 2.0, 3


def dictionary() -> Dictionary:
    generator = torch.Generator().manual_seed(0)
    w = torch.nn.functional.normalize(torch.randn(10, D_MODEL, generator=generator, dtype=torch.float64), dim=1)
    zeros = torch.zeros(10, dtype=torch.float64)
    return Dictionary(W_enc=w, b_enc=zeros, W_dec=2 * w, b_dec=torch.zeros(D_MODEL).double(), sparsifier=TopK(3))


@pytest.mark.parametrize("mode", MODES)
def test_edits_are_those_of_a_loop_over_rows(mode: Mode) -> None:
    of = dictionary()
    x = torch.randn(2, 6, D_MODEL, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    edited = steering_edit(mode, of, LATENT, S, Q)(x)
    d = of.W_dec[LATENT]
    for row, after in zip(x.flatten(0, 1), edited.flatten(0, 1), strict=True):
        z = float(of.encode(row[None])[0, LATENT])
        amount = {"add": S * Q, "clamp": S * Q - z, "scale": (S - 1) * z}[mode]
        assert (after - (row + amount * d)).abs().max() < 1e-10


def test_quantiles_are_of_active_rows_alone() -> None:
    z = torch.zeros(200, 3)
    z[:100, 0] = torch.arange(1.0, 101.0)
    z[5, 1] = -4.0
    found = active_quantiles(z, 0.99)
    assert found.tolist() == pytest.approx([np.quantile(np.arange(1.0, 101.0), 0.99), 4.0, 0.0])


def test_a_latent_that_never_fires_is_named() -> None:
    with pytest.raises(UserError, match="latent 3 never fires"):
        steering_edit("add", dictionary(), LATENT, 1.0, 0.0)


def test_a_direction_without_length_is_refused() -> None:
    assert unit_vector(torch.tensor([3.0, 4.0])).tolist() == pytest.approx([0.6, 0.8])
    with pytest.raises(UserError, match="length 0"):
        unit_vector(torch.zeros(3))


class Moved:
    """A goal that reads off how far a zero activation is moved along the first dimension."""

    def effect(self, edit: Intervention) -> np.ndarray:
        x = torch.zeros(1, 3, D_MODEL, dtype=torch.float64)
        return edit(x)[0, :, 0].numpy()


def test_a_curve_holds_the_goal_s_effects_and_the_text_s_damage() -> None:
    text = NeutralText(tiny_lm("gpt_neox"), SITE, sample_sequences(rows(), 4, seed=0))
    first = torch.zeros(D_MODEL, dtype=torch.float64)
    first[0] = 1.0
    done: list[int | float] = []
    edits = [(s, None if s == 0 else added(first, s)) for s in (-1.0, 0.0, 2.0)]
    curve = steering_curve(edits, Moved(), text, done.append)
    assert curve.effect.tolist() == [[-1.0] * 3, [0.0] * 3, [2.0] * 3]
    assert sum(done) == 3
    column = DAMAGE_COLUMNS.index("ce_increase")
    assert np.array_equal(curve.ce_increase[2], text.damage(added(first, 2.0))[:, column])
    assert curve.damage[1] == 0
    assert curve.damage[2] == pytest.approx(curve.ce_increase[2].sum() / text.n_predictions().sum())


def curve_of(effect: list[float], damage: list[float]) -> SteeringCurve:
    return SteeringCurve(
        strengths=tuple(float(i) for i in range(len(effect))),
        effect=np.array(effect)[:, None] * np.ones((1, 2)),
        ce_increase=np.array(damage)[:, None] * 5.0,
        n_predictions=np.full((len(effect), 1), 5.0),
    )


def test_the_best_strength_is_the_most_effective_within_the_damage() -> None:
    assert best_strength(curve_of([0, 1, 3, 2, 9], [0, 0.05, 0.1, 0.01, 0.2])) == 2
    assert best_strength(curve_of([0, -1, 5], [0, 0.05, 0.3])) is None
