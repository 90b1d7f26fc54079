"""Many members in one stack against each by the definition. Oracle: the same steps by autograd, in float64.

On the CPU, where the stack's products are of float32 and its arithmetic is otherwise that of a GPU.
"""

import copy

import pytest
import torch

from monosemy.dictionaries import TiedL1Config, TopKConfig
from monosemy.training import Adam, AutogradStepper
from monosemy.training.cuda import MemberStack, StackKey
from tests.unit.training.cuda.forms_of_tests import (
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

STEPS = 8


def stack_of(modules: list, optimizers: list[Adam]) -> MemberStack:
    return MemberStack([module.sparse_form() for module in modules], optimizers)


@pytest.mark.parametrize("name", FORMS)
def test_each_member_goes_the_way_of_the_definition(name: str) -> None:
    """Three members: other coefficients, seeds, rates, dead latents, and one with the frozen count of Adam."""
    configs = [FORMS[name][0], FORMS[name][1], FORMS[name][0]]
    rates = [RATE, RATE / 3, RATE]
    modules = [module_of(config, seed) for seed, config in enumerate(configs)]
    exact = [copy.deepcopy(module).double() for module in modules]
    definitions = [AutogradStepper(module, Adam(module, frozen=i == 2)) for i, module in enumerate(exact)]
    stack = stack_of(modules, [Adam(module, frozen=i == 2) for i, module in enumerate(modules)])
    for step in range(STEPS):
        contexts = [context(step, member) for member in range(3)]
        found = stack.step_(batch(step), contexts, rates)
        for i, definition in enumerate(definitions):
            assert_same_step(found[i], definition.step_(batch(step).double(), contexts[i], rates[i]))
    for module, wanted in zip(modules, exact, strict=True):
        assert_same_weights(module, wanted)
    for optimizer, definition in zip(stack.optimizers, definitions, strict=True):
        assert optimizer.n_steps == definition.optimizer.n_steps == STEPS
        for moment, value in optimizer.state().items():
            wanted = definition.optimizer.state()[moment]
            torch.testing.assert_close(value.double(), wanted, rtol=1e-2, atol=1e-6 + 1e-2 * float(wanted.abs().max()))


@pytest.mark.parametrize("name", ["tied", "topk", "batch_topk"])
def test_a_member_sees_nothing_of_the_others(name: str) -> None:
    """One whose weights are NaN is told, and the one beside it has the bytes that it has beside a sane one."""
    ends = []
    for spoiled in (False, True):
        modules = [module_of(FORMS[name][0], 0), module_of(FORMS[name][1], 1)]
        if spoiled:
            with torch.no_grad():
                next(iter(modules[1].latent_parameters()))[4, 1] = torch.nan
        stack = stack_of(modules, [Adam(module) for module in modules])
        first, second = stack.step_(batch(0), [context(1), context(1)], [RATE, RATE])
        assert first.is_finite and second.is_finite != spoiled
        ends.append([parameter.detach().clone() for parameter in modules[0].parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*ends, strict=True))


@pytest.mark.parametrize("name", FORMS)
def test_modules_and_optimizers_hold_what_the_stack_holds(name: str) -> None:
    """What is written into a module or a moment between two steps counts for the next; released, it is their own."""
    modules, others = ([module_of(config, seed) for seed, config in enumerate(FORMS[name])] for _ in range(2))
    optimizers, own = [Adam(module) for module in modules], [Adam(module) for module in others]
    stack = stack_of(modules, optimizers)
    stack.step_(batch(0), [context(0), context(1)], [RATE, RATE])
    for module, other, optimizer, mine in zip(modules, others, optimizers, own, strict=True):
        other.load_state_dict(module.state_dict())
        for moment, value in mine.state().items():
            value.copy_(optimizer.state()[moment])
        mine.n_steps = optimizer.n_steps
    latents = torch.tensor([3, 5])
    for each, optimizer in zip(modules + others, optimizers + own, strict=True):
        each.reset_latents_(latents, torch.ones(2, D))
        for parameter in each.latent_parameters():
            optimizer.forget_rows_(parameter, latents)
    again = stack_of(others, own)
    for taken in (stack, again):
        taken.step_(batch(1), [context(1), context(2)], [RATE, RATE])
    for a, b in zip(modules, others, strict=True):
        assert all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))
    before = [parameter.detach().clone() for module in modules for parameter in module.parameters()]
    stack.release_()
    stack.parameters.encoder.values.zero_()
    stack.parameters.encoder.m.zero_()
    after = [parameter for module in modules for parameter in module.parameters()]
    assert all(torch.equal(p, q) for p, q in zip(before, after, strict=True))
    assert any(bool(value.any()) for optimizer in optimizers for value in optimizer.state().values())


def test_only_forms_of_one_kind_are_stacked() -> None:
    modules = [module_of(TiedL1Config(coefficient=0.1)), module_of(TopKConfig(k=3))]
    keys = [StackKey.of(form) for form in (module.sparse_form() for module in modules) if form is not None]
    assert keys[0] != keys[1] and keys[0].n_latents == keys[1].n_latents == N_LATENTS
    with pytest.raises(ValueError, match="2 kinds"):
        stack_of(modules, [Adam(module) for module in modules])


@pytest.mark.parametrize("name", ["tied", "topk", "batch_topk"])
def test_a_batch_of_equal_rows_and_one_of_a_single_row(name: str) -> None:
    for x in (torch.zeros(4, D), batch(0)[:1].repeat(4, 1), batch(0)[:1]):
        module = module_of(FORMS[name][0])
        exact = copy.deepcopy(module)
        (found,) = stack_of([module], [Adam(module)]).step_(x, [context(3)], [RATE])
        expected = AutogradStepper(exact, Adam(exact)).step_(x, context(3), RATE)
        assert found.is_finite and found.n_active == expected.n_active
        assert found.loss == pytest.approx(expected.loss, rel=1e-4, abs=1e-6)
