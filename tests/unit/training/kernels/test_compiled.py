"""How kernels are compiled. Oracle: what Python itself gives."""

from typing import Any, no_type_check

import numba
import numpy as np
import pytest

from monosemy.training.kernels import compiled


@no_type_check
def ratio(values, divisor):
    total = 0.0
    for value in values:
        total += value / divisor
    return total


def test_nan_and_infinity_keep_their_meaning() -> None:
    function = numba.njit(error_model="numpy")(ratio)
    fast = compiled(ratio)
    for values, divisor in (([1.0, 2.0], 0.0), ([1.0, np.nan], 2.0), ([np.inf, 1.0], 1.0), ([3.0, 4.0], 2.0)):
        np.testing.assert_equal(fast(np.array(values), divisor), function(np.array(values), divisor))


def test_without_a_place_for_the_compiled_code_it_works_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    njit = numba.njit

    def without_cache(*, cache: bool = False, **options: Any) -> Any:
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return njit(**options)

    monkeypatch.setattr(numba, "njit", without_cache)
    assert compiled(ratio)(np.array([1.0, 2.0]), 2.0) == 1.5
