"""The sparse step in Triton, interpreted, against the definition. Oracle: the same steps by autograd, in float64."""

import copy

import pytest
import torch

from monosemy.dictionaries import ReLUL1Config, TrainableDictionary
from monosemy.training import Adam, AutogradStepper
from monosemy.training.cuda import SPARSE_BELOW, TritonStepper, has_triton, update_rows_
from monosemy.training.cuda.triton_stepper import row_updater
from monosemy.training.stepper_choice import stepper_for
from tests.unit.training.cuda.forms_of_tests import (
    BATCH,
    FORMS,
    N_LATENTS,
    RATE,
    D,
    assert_same_step,
    assert_same_weights,
    batch,
    context,
    module_of,
)

pytest.importorskip("triton", reason="triton exists for Linux only")
pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="tests/device runs these kernels on the GPU")

STEPS, ROWS = 2, 9  # the interpreter takes a tenth of a millisecond for each line of each program and entry


def triton_stepper(
    module: TrainableDictionary, sparse_below: float = 1.01, optimizer: Adam | None = None
) -> TritonStepper:
    optimizer, form = optimizer or Adam(module), module.sparse_form()
    assert form is not None
    return TritonStepper(form, optimizer, AutogradStepper(module, optimizer), sparse_below)


@pytest.mark.parametrize("name", FORMS)
def test_the_trajectory_is_that_of_the_definition(name: str) -> None:
    module = module_of(FORMS[name][1])
    exact = copy.deepcopy(module).double()
    stepper, definition = triton_stepper(module), AutogradStepper(exact, Adam(exact))
    for step in range(STEPS):
        x, given = batch(step)[:ROWS], context(step + 1)
        found = stepper.step_(x, given, RATE)
        assert_same_step(found, definition.step_(x.double(), given, RATE))
    assert_same_weights(module, exact)
    assert stepper.n_sparse_steps == STEPS


def test_the_density_of_the_step_before_decides_and_is_its_whole_state() -> None:
    module = module_of(ReLUL1Config(coefficient=0.3))
    stepper = triton_stepper(module, sparse_below=0.2)
    taken = stepper.step_(batch(0), context(0), RATE)
    density = taken.n_active / (BATCH * N_LATENTS)  # the other steps are autograd's
    assert density > 0.2 and not stepper.is_sparse and stepper.n_sparse_steps == 0
    with torch.no_grad():
        next(p for name, p in module.named_parameters() if name == "b_enc").sub_(2.0)
    assert stepper.step_(batch(1), context(1), RATE).n_active < 0.2 * BATCH * N_LATENTS
    assert stepper.is_sparse
    again = triton_stepper(module, sparse_below=0.2)
    assert not again.is_sparse
    again.load_state_(stepper.state())
    assert again.is_sparse


@pytest.mark.parametrize("name", ["tied", "relu", "topk", "batch_topk"])
@pytest.mark.parametrize("where", ["batch", "encoder"])
def test_what_is_not_finite_is_told(name: str, where: str) -> None:
    module, x = module_of(FORMS[name][0]), batch(0)[:ROWS]
    with torch.no_grad():
        if where == "batch":
            x[3, 2] = torch.nan
        else:
            next(iter(module.latent_parameters()))[4, 1] = torch.nan
    stepper = triton_stepper(module)
    stepper.load_state_({"carried": torch.tensor([0.0, 0.0])})
    assert not stepper.step_(x, context(1), RATE).is_finite
    assert stepper.n_sparse_steps == 1


def test_a_step_without_an_active_latent() -> None:
    module = module_of(ReLUL1Config(coefficient=0.3))
    with torch.no_grad():
        next(p for name, p in module.named_parameters() if name == "b_enc").sub_(100.0)
    exact = copy.deepcopy(module)
    stepper = triton_stepper(module)
    stepper.load_state_({"carried": torch.tensor([0.0, 0.0])})
    found, expected = (
        each.step_(batch(0)[:ROWS], context(0), RATE) for each in (stepper, AutogradStepper(exact, Adam(exact)))
    )
    assert found.n_active == 0 and not found.fired.any() and stepper.n_sparse_steps == 1
    assert_same_step(found, expected)


def test_on_the_cpu_nothing_of_it_is_chosen() -> None:
    module = module_of(FORMS["topk"][0])
    assert not isinstance(stepper_for(module, Adam(module), 0.3), TritonStepper)
    assert row_updater(torch.zeros(2, D)) is update_rows_
    assert has_triton() and 0 < SPARSE_BELOW < 0.3
