"""Training on a GPU against float64 on the CPU; never run so far, as no machine with a GPU was at hand.

bfloat16 keeps 8 bits of the factors of each product, 0.4 % of each; a loss is a sum of many, off by less than 2 %, and
weights by a few hundredths of the way that they went. Which latents are kept may differ where two are nearly equal.
"""

import copy

import numpy as np
import pytest
import torch

from monosemy.core import torch_generator
from monosemy.dictionaries import TopKConfig
from monosemy.training import Adam, AutogradStepper, Learner, stepper_for, train_members
from monosemy.training.cuda import MemberStack, TritonStepper
from tests.unit.training.cuda.forms_of_tests import FORMS, RATE, batch, context, module_of
from tests.unit.training.members_of_tests import NORMALIZATION, a_member, a_stream

pytestmark = [
    pytest.mark.device,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here"),
]

STEPS = 8


def moved(step: int, member: int = 0):
    given = context(step, member)
    return type(given)(
        fraction_done=given.fraction_done, is_dead=given.is_dead.cuda(), sparsity_factor=given.sparsity_factor
    )


def assert_alike(module, exact, start) -> None:
    """The way from the start differs from the exact one by a small part of its length."""
    for (name, value), wanted, first in zip(
        module.named_parameters(), exact.parameters(), start.parameters(), strict=True
    ):
        way, off = wanted - first.double(), value.detach().cpu().double() - wanted
        assert torch.linalg.vector_norm(off) <= 0.2 * torch.linalg.vector_norm(way) + 1e-6, name


@pytest.mark.parametrize("name", FORMS)
def test_a_stack_learns_as_the_definition(name: str) -> None:
    start = [module_of(config, seed) for seed, config in enumerate(FORMS[name])]
    exact = [copy.deepcopy(module).double() for module in start]
    definitions = [AutogradStepper(module, Adam(module)) for module in exact]
    modules = [copy.deepcopy(module).cuda() for module in start]
    stack = MemberStack([form for m in modules if (form := m.sparse_form())], [Adam(module) for module in modules])
    for step in range(STEPS):
        found = stack.step_(batch(step).cuda(), [moved(step, member) for member in range(2)], [RATE, RATE / 2])
        for i, definition in enumerate(definitions):
            wanted = definition.step_(batch(step).double(), context(step, i), RATE / (1 + i))
            assert found[i].is_finite
            assert found[i].squared_error == pytest.approx(wanted.squared_error, rel=0.02)
            assert found[i].n_active == pytest.approx(wanted.n_active, rel=0.05)
    for module, wanted, first in zip(modules, exact, start, strict=True):
        assert_alike(module, wanted, first)


@pytest.mark.parametrize("name", FORMS)
def test_the_triton_step_learns_as_the_definition(name: str) -> None:
    start = module_of(FORMS[name][0])
    exact, module = copy.deepcopy(start).double(), copy.deepcopy(start).cuda()
    form, optimizer = module.sparse_form(), Adam(module)
    assert form is not None
    stepper = TritonStepper(form, optimizer, AutogradStepper(module, optimizer), 1.01)
    definition = AutogradStepper(exact, Adam(exact))
    for step in range(STEPS):
        found = stepper.step_(batch(step).cuda(), moved(step), RATE)
        wanted = definition.step_(batch(step).double(), context(step), RATE)
        assert found.is_finite
        assert found.squared_error == pytest.approx(wanted.squared_error, rel=0.02)
    assert stepper.n_sparse_steps == STEPS
    assert_alike(module, exact, start)


def test_wide_members_get_the_triton_step() -> None:
    for n_latents, expected in ((4096, TritonStepper), (64, AutogradStepper)):
        module = TopKConfig(k=8).build(16, n_latents, torch_generator(0, "test-device")).cuda()
        assert isinstance(stepper_for(module, Adam(module), 0.3), expected)


def test_a_whole_training_ends_near_that_on_the_cpu() -> None:
    """Two in a stack, one alone; taken up on the other device as well."""
    members = [a_member(name="k2"), a_member(name="k3", architecture=TopKConfig(k=3)), a_member(name="w", n_latents=12)]
    here, there = (train_members(members, a_stream(), NORMALIZATION, device=device) for device in ("cpu", "cuda"))
    for found, wanted in zip(there, here, strict=True):
        assert found.dictionary is not None and found.dictionary.W_enc.device.type == "cpu"
        assert found.curve[-1].fvu == pytest.approx(wanted.curve[-1].fvu, rel=0.05)
    learner = Learner(members[0], np.zeros(6), 1.0, device="cuda")
    tensors, numbers = Learner(members[0], np.zeros(6), 1.0, device="cuda").state()
    learner.load_state_({name: value.cpu() for name, value in tensors.items()}, numbers)
