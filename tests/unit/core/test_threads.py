"""Oracle: what torch, threadpoolctl and the operating system say about themselves."""

import os
import sys
from collections.abc import Iterator

import pytest
import threadpoolctl
import torch

from monosemy.core import UserError, available_cores, set_threads


@pytest.fixture(autouse=True)
def threads_as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("NUMBA_NUM_THREADS", "1")
    n_torch = torch.get_num_threads()
    with threadpoolctl.threadpool_limits():
        yield
    torch.set_num_threads(n_torch)


def test_every_library_gets_the_number() -> None:
    for n in (2, 1):
        assert set_threads(n) == n
        assert torch.get_num_threads() == n
        assert {pool["num_threads"] for pool in threadpoolctl.threadpool_info()} == {n}
        assert os.environ["NUMBA_NUM_THREADS"] == str(n)


def test_numba_is_told_where_it_runs_already_and_never_more_than_it_can(monkeypatch: pytest.MonkeyPatch) -> None:
    class Numba:
        """What of Numba is used, with a pool of two."""

        class config:
            NUMBA_NUM_THREADS = 2

        told: list[int] = []  # noqa: RUF012

        @classmethod
        def set_num_threads(cls, n: int) -> None:
            cls.told.append(n)

    monkeypatch.setitem(sys.modules, "numba", Numba)
    set_threads(1)
    set_threads(3)
    assert Numba.told == [1, 2]


def test_none_is_every_available_core() -> None:
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count()
    assert set_threads(None) == available_cores() == cores


@pytest.mark.parametrize("n", [0, -3])
def test_less_than_one_is_refused(n: int) -> None:
    with pytest.raises(UserError, match=f"^threads: expected at least 1, got {n}"):
        set_threads(n)
