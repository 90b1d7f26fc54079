"""The same steps as autograd's, faster: hand-written gradients, sparse where few latents are active."""

from monosemy.training.fast.auxk_step import AuxKStep
from monosemy.training.fast.dense_step import DenseStep
from monosemy.training.fast.engine import BLOCK_LATENTS, BLOCK_ROWS, Engine, Size, Workspace, pieces
from monosemy.training.fast.fast_stepper import FastStepper
from monosemy.training.fast.parameters import directions_of, rows_of, update_
from monosemy.training.fast.sparse_step import Carried, SparseStep

__all__ = [
    "BLOCK_LATENTS",
    "BLOCK_ROWS",
    "AuxKStep",
    "Carried",
    "DenseStep",
    "Engine",
    "FastStepper",
    "Size",
    "SparseStep",
    "Workspace",
    "directions_of",
    "pieces",
    "rows_of",
    "update_",
]
