"""Compiles every kernel in every variant for two generations of GPUs, and prints the target of each; needs no GPU."""

import re
from collections.abc import Mapping
from typing import Any

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from monosemy.training.cuda import triton_kernels

FLOATS, LONGS = "*fp32", "*i64"
DECODE = {"start": LONGS, "index": LONGS, "error_slope": "fp32", "penalty": "fp32", "d": "i32", "directions": "*bf16"}
GRADIENTS = {"start": LONGS, "row": LONGS, "error_slope": "fp32", "d": "i32"}
UPDATE = {"rows_a_member": "i32", "d": "i32"}
ADAM = {"B1": 0.9, "B2": 0.999, "EPS": 1e-8}
VARIANTS: list[tuple[Any, Mapping[str, str], Mapping[str, object]]] = [
    *((triton_kernels._decode, DECODE, {"HAS_BIAS": has_bias}) for has_bias in (True, False)),
    *(
        (triton_kernels._gradients, GRADIENTS, {"TIED": tied, "HAS_DECODER": has_decoder})
        for tied, has_decoder in ((True, False), (False, True), (False, False))
    ),
    *((triton_kernels._update, UPDATE, {**ADAM, "KIND": kind}) for kind in (0, 1, 2)),
]

for capability in (80, 90):
    for kernel, types, constants in VARIANTS:
        constants = {**constants, "D": 512}
        signature = {name: "constexpr" if name in constants else types.get(name, FLOATS) for name in kernel.arg_names}
        source = ASTSource(fn=kernel, signature=signature, constexprs=constants)
        made = triton.compile(source, target=GPUTarget("cuda", capability, 32))
        assert made.asm["cubin"]
        found = re.search(r"\.target (\w+)", made.asm["ptx"])
        assert found is not None
        print(found.group(1))  # noqa: T201
