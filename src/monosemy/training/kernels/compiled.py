"""How the kernels are compiled."""

from collections.abc import Callable
from typing import Any

import numba

FAST_MATH = {"reassoc", "nsz", "contract", "arcp"}
"""Sums may be taken in another order, which vectors need; NaN and infinity keep their meaning, so they are seen."""


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function in machine code, made at its first call and kept on disk where there is a place to keep it.

    It releases the interpreter's lock, so that threads can share a step, and a division by zero gives infinity.
    """
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": FAST_MATH}
    try:
        return numba.njit(cache=True, **options)(function)
    except RuntimeError:  # neither the package's folder nor the user's can be written: compiled anew in each process
        return numba.njit(**options)(function)
