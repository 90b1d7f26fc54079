"""Hand-written steps against their definition. Oracle: the same steps by automatic differentiation, in float64.

The float32 of the fast steps rounds each gradient by about 1e-7 of its terms, and Adam divides by the gradient's size,
so weights may differ by a small share of the rate where a gradient nearly vanishes: 1e-3 of a step is allowed in the
median, and a hundredth of all weights may lie further off.
"""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from monosemy.core import torch_generator
from monosemy.dictionaries import (
    Architecture,
    BatchTopKConfig,
    LossContext,
    ReLUL1Config,
    TiedL1Config,
    TopKConfig,
    TrainableDictionary,
)
from monosemy.training import Adam, AutogradStepper, Step
from monosemy.training.fast import Engine, FastStepper

D, N_LATENTS, BATCH, STEPS, RATE = 24, 96, 300, 12, 3e-3

FORMS: dict[str, Architecture] = {
    "tied": TiedL1Config(coefficient=0.3),
    "tied, mean": TiedL1Config(coefficient=0.02, reduction="mean"),
    "relu": ReLUL1Config(coefficient=0.3),
    "relu, no decoder bias": ReLUL1Config(coefficient=0.3, decoder_bias=False),
    "topk": TopKConfig(k=5),
    "topk, few for the dead": TopKConfig(k=5, k_aux=3),
    "topk, frozen decoder": TopKConfig(k=5, frozen_decoder=True),
    "batch_topk": BatchTopKConfig(k=5),
}


def batch(step: int) -> Tensor:
    return torch.randn(BATCH, D, generator=torch_generator(step, "test-fast-batch"))


def context(step: int) -> LossContext:
    """Some latents count as dead, more of them than k_aux in some steps; the coefficient warms up."""
    is_dead = torch.zeros(N_LATENTS, dtype=torch.bool)
    is_dead[7 : 7 + 5 * (step % 5)] = True
    return LossContext(fraction_done=step / STEPS, is_dead=is_dead, sparsity_factor=min(1.0, 0.5 + step / 10))


def module_of(config: Architecture, bias: float = 0.0) -> TrainableDictionary:
    """bias: added to b_enc; below 0 it makes a ReLU form sparse."""
    module = config.build(D, N_LATENTS, torch_generator(0, "test-fast-build"))
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            parameter += bias if name in ("b_enc", "b") else 0.0
    return module


def fast(
    module: TrainableDictionary, *, sparse_below: float, n_threads: int = 1, optimizer: Adam | None = None
) -> FastStepper:
    optimizer, form = optimizer or Adam(module), module.sparse_form()
    assert form is not None
    return FastStepper(form, optimizer, Engine(n_threads), sparse_below, AutogradStepper(module, optimizer))


def run(take: Callable[[Tensor, LossContext, float], Step], dtype: torch.dtype = torch.float32) -> list[Step]:
    return [take(batch(step).to(dtype), context(step), RATE) for step in range(STEPS)]


@pytest.mark.parametrize("density", ["sparse", "dense"])
@pytest.mark.parametrize("name", FORMS)
def test_the_trajectory_is_that_of_the_definition(name: str, density: str) -> None:
    module = module_of(FORMS[name], bias=-0.8 if density == "sparse" else 0.0)
    exact = copy.deepcopy(module).double()
    stepper = fast(module, sparse_below=1.01 if density == "sparse" else 1e-6)
    definition = AutogradStepper(exact, Adam(exact))
    for found, expected in zip(run(stepper.step_), run(definition.step_, torch.float64), strict=True):
        assert found.loss.keys() == expected.loss.keys()
        for term, value in expected.loss.items():
            assert found.loss[term] == pytest.approx(value, rel=1e-4, abs=1e-7), term
        assert found.squared_error == pytest.approx(expected.squared_error, rel=1e-4)
        assert abs(found.n_active - expected.n_active) <= 2  # a pre-activation within rounding of 0
        torch.testing.assert_close(found.row_error.double(), expected.row_error.double(), rtol=1e-3, atol=1e-4)
        assert int((found.fired != expected.fired).sum()) <= 1
        assert found.is_finite
    for (weight, value), wanted in zip(module.named_parameters(), exact.parameters(), strict=True):
        off = (value.double() - wanted).abs().flatten()
        assert off.median() < 1e-3 * RATE and (off > 0.1 * RATE).double().mean() < 0.01, weight
    assert (stepper.n_sparse_steps > 0) == (density == "sparse")


@pytest.mark.parametrize("bias", [0.0, -0.8])
@pytest.mark.parametrize("name", ["tied", "relu", "topk", "batch_topk"])
def test_two_threads_give_the_bytes_of_one(name: str, bias: float) -> None:
    one, two = (module_of(FORMS[name], bias) for _ in range(2))
    run(fast(one, sparse_below=0.3).step_)
    run(fast(two, sparse_below=0.3, n_threads=2).step_)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))


def test_the_density_of_the_step_before_decides() -> None:
    module = module_of(TiedL1Config(coefficient=30.0))
    stepper, n_sparse = fast(module, sparse_below=0.2), []
    for _ in range(60):
        before = stepper.n_sparse_steps
        taken = stepper.step_(batch(0), LossContext(fraction_done=0.0, is_dead=context(0).is_dead), 0.02)
        n_sparse.append((stepper.n_sparse_steps > before, taken.n_active / (BATCH * N_LATENTS)))
    was_sparse = [sparse for sparse, _ in n_sparse[1:]]
    assert was_sparse == [density < 0.2 for _, density in n_sparse[:-1]]
    assert True in was_sparse and False in was_sparse


def test_more_entries_than_there_is_room_for_are_left_to_the_dense_step() -> None:
    module, exact = module_of(FORMS["relu"]), module_of(FORMS["relu"])
    stepper = fast(module, sparse_below=0.05)
    stepper.load_state_({"carried": torch.tensor([0.0, 0.01], dtype=torch.float64)})  # it expects 1 %, 50 % come
    found, expected = (
        stepper.step_(batch(0), context(0), RATE),
        fast(exact, sparse_below=1e-6).step_(batch(0), context(0), RATE),
    )
    assert stepper.n_sparse_steps == 0 and found.n_active == expected.n_active
    assert all(torch.equal(a, b) for a, b in zip(module.parameters(), exact.parameters(), strict=True))


@pytest.mark.parametrize("name", FORMS)
def test_what_it_carries_is_its_whole_state(name: str) -> None:
    """Broken off after half the steps and taken up by a new stepper: the same bytes."""
    whole, broken = module_of(FORMS[name], -0.5), module_of(FORMS[name], -0.5)
    stepper = fast(whole, sparse_below=0.2)
    run(stepper.step_)
    first = fast(broken, sparse_below=0.2)
    for step in range(STEPS // 2):
        first.step_(batch(step), context(step), RATE)
    second = fast(broken, sparse_below=0.2, optimizer=first._sparse.optimizer)
    second.load_state_(first.state())
    for step in range(STEPS // 2, STEPS):
        second.step_(batch(step), context(step), RATE)
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), broken.parameters(), strict=True))


@pytest.mark.parametrize("where", ["batch", "encoder"])
@pytest.mark.parametrize("name", ["tied", "relu", "topk", "batch_topk"])
def test_what_is_not_finite_is_told(name: str, where: str) -> None:
    module, x = module_of(FORMS[name], -0.8), batch(0)
    with torch.no_grad():
        if where == "batch":
            x[3, 2] = torch.nan
        else:
            next(iter(module.latent_parameters()))[4, 1] = torch.nan
    for sparse_below in (1e-6, 1.01):
        assert not fast(copy.deepcopy(module), sparse_below=sparse_below).step_(x, context(1), RATE).is_finite


@pytest.mark.parametrize("name", ["tied", "topk", "batch_topk"])
def test_a_batch_of_equal_rows_and_one_of_a_single_row(name: str) -> None:
    for x in (torch.zeros(BATCH, D), batch(0)[:1].repeat(BATCH, 1), batch(0)[:1]):
        module = module_of(FORMS[name])
        exact = copy.deepcopy(module)
        found = fast(module, sparse_below=1.01).step_(x, context(3), RATE)
        expected = AutogradStepper(exact, Adam(exact)).step_(x, context(3), RATE)
        assert found.is_finite and found.n_active == expected.n_active
        assert found.loss == pytest.approx(expected.loss, rel=1e-4, abs=1e-6)
