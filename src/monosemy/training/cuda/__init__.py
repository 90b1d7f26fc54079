"""Training steps on a GPU: many members as one stack, and the sparse step of a wide one in Triton.

Nothing here has run on a GPU so far: the arithmetic is tested on the CPU, in float32, and the kernels in Triton's
interpreter; their speeds are estimates. Triton is imported when the first sparse step is prepared, never before.
"""

from monosemy.training.cuda.auxk import DeadTerm
from monosemy.training.cuda.products import product, rounded
from monosemy.training.cuda.selection import selected
from monosemy.training.cuda.stacked import MemberStack, StackKey
from monosemy.training.cuda.triton_stepper import SPARSE_BELOW, TritonStepper, has_triton
from monosemy.training.cuda.update import Gradients, Parameters, Rates, Stacked, update_, update_rows_

__all__ = [
    "SPARSE_BELOW",
    "DeadTerm",
    "Gradients",
    "MemberStack",
    "Parameters",
    "Rates",
    "StackKey",
    "Stacked",
    "TritonStepper",
    "has_triton",
    "product",
    "rounded",
    "selected",
    "update_",
    "update_rows_",
]
