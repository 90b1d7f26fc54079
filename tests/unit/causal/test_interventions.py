"""Interventions through a dictionary. Oracle: the formula, one example, one position and one latent at a time, float64.

And what must hold exactly: nothing patched gives the same tensor, all of a perfect dictionary patched gives the other
activation, an ablated latent of a tied dictionary is just inactive.
"""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from monosemy.causal import (
    ablated,
    added,
    encoded,
    latent_indices,
    projected_out,
    reconstructed,
    scaled,
    with_values,
)
from monosemy.core import UserError
from monosemy.dictionaries import Dictionary, ReLU, TopK
from tests.unit.causal.patching_cases import perfect_dictionary, sparse_dictionary

N_BATCH, N_SEQ, D, N = 3, 4, 10, 16


def activations(seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(N_BATCH, N_SEQ, D, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def dictionary(seed: int = 0, dtype: torch.dtype = torch.float32) -> Dictionary:
    double = sparse_dictionary(N, D, seed)
    weights = {name: getattr(double, name).to(dtype) for name in ("W_enc", "W_dec", "b_dec")}
    return Dictionary(**weights, b_enc=torch.zeros(N, dtype=dtype), sparsifier=TopK(4))


def tied_relu(seed: int = 0) -> Dictionary:
    """Unit rows that both read and write, in float64."""
    rows = torch.randn(N, D, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    rows = rows / rows.norm(dim=1, keepdim=True)
    return Dictionary(
        W_enc=rows,
        b_enc=torch.full((N,), -0.1, dtype=torch.float64),
        W_dec=rows.clone(),
        b_dec=torch.zeros(D, dtype=torch.float64),
        sparsifier=ReLU(),
    )


def direct(d: Dictionary, x: Tensor, latents: list[int], value: dict[tuple[int, int, int], float]) -> Tensor:
    """x + sum_j (v_j - z_j) d_j, one number after the other, in float64."""
    changed = x.double().clone()
    z = encoded(d, x).double()
    for b in range(x.shape[0]):
        for s in range(x.shape[1]):
            for place, j in enumerate(latents):
                for k in range(x.shape[2]):
                    changed[b, s, k] += (value[b, s, place] - float(z[b, s, j])) * float(d.W_dec[j, k])
    return changed


def everywhere(values: Tensor) -> dict[tuple[int, int, int], float]:
    full = values.expand(N_BATCH, N_SEQ, values.shape[-1])
    return {
        (b, s, n): float(full[b, s, n]) for b in range(N_BATCH) for s in range(N_SEQ) for n in range(full.shape[-1])
    }


def close(x: Tensor, y: Tensor) -> bool:
    return torch.allclose(x.double(), y.double(), rtol=0, atol=1e-5)


LATENTS = torch.tensor([3, 0, 11])


def test_encoded_is_the_dictionarys_code_of_every_position() -> None:
    d, x = dictionary(), activations()
    for b in range(N_BATCH):
        for s in range(N_SEQ):
            assert close(encoded(d, x)[b, s], d.encode(x[b, s][None])[0])


def test_the_reconstruction_takes_the_place_of_every_position() -> None:
    d, x = dictionary(), activations()
    for b in range(N_BATCH):
        for s in range(N_SEQ):
            z = d.encode(x[b, s][None])[0].double()
            expected = d.b_dec.double() + sum(z[j] * d.W_dec[j].double() for j in range(N))
            assert close(reconstructed(d)(x)[b, s], expected)


@pytest.mark.parametrize("shape", [(3,), (N_BATCH, N_SEQ, 3)])
def test_latents_get_values_and_the_error_stays(shape: tuple[int, ...]) -> None:
    d, x = dictionary(), activations()
    values = torch.randn(shape, generator=torch.Generator().manual_seed(5))
    expected = direct(d, x, LATENTS.tolist(), everywhere(values))
    assert close(with_values(d, LATENTS, values)(x), expected)


def test_batched_equals_one_by_one() -> None:
    d, x = dictionary(), activations()
    intervene = with_values(d, LATENTS, torch.ones(3))
    for b in range(N_BATCH):
        assert close(intervene(x)[b : b + 1], intervene(x[b : b + 1]))


def test_ablation_takes_away_what_the_latent_contributes() -> None:
    d, x = dictionary(), activations()
    assert close(ablated(d, LATENTS)(x), direct(d, x, LATENTS.tolist(), everywhere(torch.zeros(3))))


@pytest.mark.parametrize("factor", [-1.0, 0.0, 2.5])
def test_scaling_multiplies_the_latents(factor: float) -> None:
    d, x = dictionary(), activations()
    expected = direct(d, x, LATENTS.tolist(), everywhere(factor * encoded(d, x)[..., LATENTS]))
    assert close(scaled(d, LATENTS, factor)(x), expected)


def test_an_amount_of_a_direction_is_added_at_every_position() -> None:
    x, direction = activations(), torch.arange(D, dtype=torch.float64)
    changed = added(direction, -0.5)(x)
    for b in range(N_BATCH):
        for s in range(N_SEQ):
            assert close(changed[b, s], x[b, s].double() - 0.5 * direction)
    assert changed.dtype == x.dtype


def test_nothing_patched_is_the_very_same_tensor() -> None:
    d, x, none = dictionary(), activations(), torch.zeros(0, dtype=torch.int64)
    assert with_values(d, none, torch.zeros(0))(x) is x
    assert ablated(d, none)(x) is x
    assert scaled(d, none, 3.0)(x) is x
    assert scaled(d, LATENTS, 1.0)(x) is x
    assert projected_out(torch.zeros(0, D))(x) is x
    assert projected_out(torch.zeros(2, D))(x) is x


def test_all_latents_of_a_perfect_dictionary_patched_are_the_full_patch() -> None:
    d, x, other = perfect_dictionary(D), activations(dtype=torch.float64), activations(1, torch.float64)
    patched = with_values(d, torch.arange(D), encoded(d, other))(x)
    assert torch.allclose(patched, other, rtol=0, atol=1e-12)


@given(st.integers(0, 1000), st.integers(0, N - 1))
def test_an_ablated_latent_of_a_tied_dictionary_is_just_inactive(seed: int, latent: int) -> None:
    """Its pre-activation is exactly at the edge, 0, where it was active, and as it was where it was not."""
    d, x = tied_relu(seed), activations(seed + 1, torch.float64)
    before = d.pre_acts(x.flatten(0, 1))[:, latent]
    after = d.pre_acts(ablated(d, torch.tensor([latent]))(x).flatten(0, 1))[:, latent]
    active = before > 0
    assert torch.allclose(after[active], torch.zeros(()).double(), rtol=0, atol=1e-12)
    assert torch.equal(after[~active], before[~active])


@given(st.integers(0, 1000), st.integers(1, 4))
def test_projecting_out_twice_is_projecting_out_once(seed: int, n: int) -> None:
    x = activations(seed, torch.float64)
    directions = torch.randn(n, D, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    directions = torch.cat([directions, directions[:1] + directions[-1:]])  # one that depends on the others
    project = projected_out(directions)
    once = project(x)
    assert torch.allclose(project(once), once, rtol=0, atol=1e-10)
    assert torch.allclose(once @ directions.T, torch.zeros(()).double(), rtol=0, atol=1e-9)


def test_one_direction_is_projected_out_by_the_rank_one_formula() -> None:
    x, f = activations(dtype=torch.float64), torch.linspace(-1, 2, D, dtype=torch.float64)
    projected = projected_out(f[None])(x)
    for b in range(N_BATCH):
        for s in range(N_SEQ):
            dot = sum(float(x[b, s, k] * f[k]) for k in range(D))
            expected = x[b, s] - dot * f / sum(float(v) ** 2 for v in f)
            assert torch.allclose(projected[b, s], expected, rtol=0, atol=1e-12)


def test_precisions_are_the_activations() -> None:
    x = activations(dtype=torch.float32)
    d = dictionary(dtype=torch.float64)
    for intervene in (reconstructed(d), ablated(d, LATENTS), scaled(d, LATENTS, 2.0), projected_out(d.W_dec[:2])):
        assert intervene(x).dtype == torch.float32


def test_latents_that_do_not_exist_or_come_twice_are_named() -> None:
    d = dictionary()
    assert latent_indices(d, [2, 0]).tolist() == [2, 0]
    with pytest.raises(UserError, match=f"latent {N} does not exist: the dictionary has 0 to {N - 1}"):
        latent_indices(d, [0, N])
    with pytest.raises(UserError, match="latent -1 does not exist"):
        latent_indices(d, [-1])
    with pytest.raises(UserError, match="named twice"):
        latent_indices(d, [1, 1])


def test_a_transcoder_cannot_edit_what_it_reads() -> None:
    d = dictionary()
    transcoder = Dictionary(
        W_enc=d.W_enc, b_enc=d.b_enc, W_dec=d.W_dec[:, :4], b_dec=d.b_dec[:4], sparsifier=d.sparsifier
    )
    for make in (reconstructed, lambda t: ablated(t, LATENTS), lambda t: scaled(t, LATENTS, 2.0)):
        with pytest.raises(UserError, match="a transcoder"):
            make(transcoder)
