"""Which stepper takes a member's steps."""

import torch

from monosemy.dictionaries import TrainableDictionary
from monosemy.training.adam import Adam
from monosemy.training.cuda import SPARSE_BELOW, TritonStepper, has_triton
from monosemy.training.fast import Engine, FastStepper
from monosemy.training.stepper import AutogradStepper, Stepper


def stepper_for(
    module: TrainableDictionary, optimizer: Adam, sparse_below: int | float, engine: Engine | None = None
) -> Stepper:
    """The hand-written steps where the architecture has a form for them and is of float32 on one device; else autograd.

    On the CPU they are numba's. On a GPU they are Triton's, where triton is there and the member can be sparse enough
    (`SPARSE_BELOW`); otherwise a member alone takes autograd's, and several are stacked by the loop. sparse_below: the
    density under which a step is sparse; 0 asks for autograd throughout. engine: the threads and buffers; None: one
    thread, buffers of its own.
    """
    definition, form = AutogradStepper(module, optimizer), module.sparse_form()
    kinds = {(parameter.dtype, parameter.device.type) for parameter in module.parameters()}
    if form is None or sparse_below <= 0:
        return definition
    if kinds == {(torch.float32, "cpu")}:
        return FastStepper(form, optimizer, engine or Engine(), sparse_below, definition)
    if kinds == {(torch.float32, "cuda")} and has_triton():
        below = min(SPARSE_BELOW, sparse_below)
        if form.k is None or form.k / len(form.W_enc) < below:
            return TritonStepper(form, optimizer, definition, below)
    return definition
