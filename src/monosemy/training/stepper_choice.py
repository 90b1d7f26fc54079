"""Which stepper takes a member's steps."""

from monosemy.dictionaries import TrainableDictionary
from monosemy.training.adam import Adam
from monosemy.training.stepper import AutogradStepper, Stepper


def stepper_for(module: TrainableDictionary, optimizer: Adam, sparse_below: int | float) -> Stepper:
    """The stepper of a member: sparse where its form and its density allow, else autograd."""
    del sparse_below
    return AutogradStepper(module, optimizer)
