"""One option for the number of threads of everything that computes on the CPU."""

import os
import sys

import threadpoolctl
import torch

from monosemy.core.errors import UserError


def set_threads(n: int | None) -> int:
    """Give torch and the BLAS and OpenMP libraries n threads each; None means every core this process may use.

    Returns the number set. Numba is told nothing: our kernels start none of its threads, and it refuses another number
    once some have been started. Raises UserError when n < 1.
    """
    if n is not None and n < 1:
        raise UserError(f"threads: expected at least 1, got {n}; leave it out to use every available core")
    n_threads = available_cores() if n is None else n
    torch.set_num_threads(n_threads)
    threadpoolctl.threadpool_limits(n_threads)
    return n_threads


def available_cores() -> int:
    """The cores that this process may run on (its affinity, where the system has one), at least 1."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
