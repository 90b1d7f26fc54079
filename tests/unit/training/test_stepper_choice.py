"""Which stepper a member gets. Oracle: the list of the issue, and what a form can say."""

import pytest

from monosemy.core import torch_generator
from monosemy.dictionaries import (
    Architecture,
    BatchTopKConfig,
    GatedConfig,
    NormWeightedL1Config,
    ReLUL1Config,
    TiedL1Config,
    TopKConfig,
)
from monosemy.training import Adam, AutogradStepper, stepper_for
from monosemy.training.fast import FastStepper


@pytest.mark.parametrize(
    ("config", "fast"),
    [
        (TiedL1Config(coefficient=1.0), True),
        (ReLUL1Config(coefficient=1.0), True),
        (TopKConfig(k=2), True),
        (BatchTopKConfig(k=2), True),
        (TiedL1Config(coefficient=1.0, centering="learned"), False),
        (NormWeightedL1Config(coefficient=1.0), False),
        (GatedConfig(coefficient=1.0), False),
    ],
)
def test_squared_error_with_an_elementwise_penalty_is_fast(config: Architecture, fast: bool) -> None:
    module = config.build(4, 8, torch_generator(0, "test-choice"))
    assert isinstance(stepper_for(module, Adam(module), 0.3), FastStepper if fast else AutogradStepper)


def test_a_threshold_of_zero_asks_for_the_definition() -> None:
    module = TopKConfig(k=2).build(4, 8, torch_generator(0, "test-choice"))
    assert isinstance(stepper_for(module, Adam(module), 0), AutogradStepper)


def test_another_precision_is_left_to_the_definition() -> None:
    module = TopKConfig(k=2).build(4, 8, torch_generator(0, "test-choice")).double()
    assert isinstance(stepper_for(module, Adam(module), 0.3), AutogradStepper)
