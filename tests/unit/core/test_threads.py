"""Oracle: what torch, threadpoolctl and the operating system say about themselves."""

import os
import sys
from collections.abc import Iterator

import numba
import pytest
import threadpoolctl
import torch

from monosemy.core import UserError, available_cores, set_threads


@pytest.fixture(autouse=True)
def threads_as_before() -> Iterator[None]:
    n_torch = torch.get_num_threads()
    with threadpoolctl.threadpool_limits():
        yield
    torch.set_num_threads(n_torch)


def test_every_library_gets_the_number() -> None:
    for n in (2, 1):
        assert set_threads(n) == n
        assert torch.get_num_threads() == n
        assert {pool["num_threads"] for pool in threadpoolctl.threadpool_info()} == {n}


def test_kernels_can_be_compiled_after_another_number_was_set() -> None:
    """Numba reads its settings anew at each compilation, and refuses another number of threads than it has started."""
    for n in (2, 1):
        set_threads(n)
        assert numba.njit(lambda x: x + 1)(n) == n + 1


def test_none_is_every_available_core() -> None:
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count()
    assert set_threads(None) == available_cores() == cores


@pytest.mark.parametrize("n", [0, -3])
def test_less_than_one_is_refused(n: int) -> None:
    with pytest.raises(UserError, match=f"^threads: expected at least 1, got {n}"):
        set_threads(n)
