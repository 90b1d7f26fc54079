"""Which stepper takes a member's steps."""

import torch

from monosemy.dictionaries import TrainableDictionary
from monosemy.training.adam import Adam
from monosemy.training.fast import Engine, FastStepper
from monosemy.training.stepper import AutogradStepper, Stepper


def stepper_for(
    module: TrainableDictionary, optimizer: Adam, sparse_below: int | float, engine: Engine | None = None
) -> Stepper:
    """The hand-written steps where the architecture has a form for them and lies on the CPU in float32; else autograd.

    sparse_below: the density under which a step is sparse; 0 asks for autograd throughout. engine: the threads and
    buffers; None: one thread, buffers of its own.
    """
    definition, form = AutogradStepper(module, optimizer), module.sparse_form()
    plain = all(p.dtype == torch.float32 and p.device.type == "cpu" for p in module.parameters())
    if form is None or not plain or sparse_below <= 0:
        return definition
    return FastStepper(form, optimizer, engine or Engine(), sparse_below, definition)
