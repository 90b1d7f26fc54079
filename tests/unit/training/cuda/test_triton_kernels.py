"""The Triton kernels, in Triton's interpreter where there is no GPU, else compiled. Oracle: float64 numpy, dense.

Sizes are no powers of two; some rows and latents have no active entry, one has many. A sum of some tens of float32
products is off by less than 1e-5 of the largest.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from monosemy.core import torch_generator

pytest.importorskip("triton", reason="triton exists for Linux only")

from monosemy.training.adam import BETA_1, BETA_2, EPSILON
from monosemy.training.cuda import Rates, Stacked, triton_kernels, update_rows_
from monosemy.training.cuda.update import RowKind

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
N_ROWS, N_LATENTS = 7, 13


def numbers(purpose: str, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch_generator(0, f"test-triton-{purpose}")).to(DEVICE)


def sparse_latents() -> Tensor:
    """z: row 2 and latents 0 and 12 are empty, latent 5 is active wherever a row is not empty."""
    z = numbers("z", N_ROWS, N_LATENTS).relu() * (numbers("kept", N_ROWS, N_LATENTS) > 0)
    z[:, 5] = 0.75
    z[2] = 0.0
    z[:, [0, 12]] = 0.0
    return z


def exact(x: Tensor) -> np.ndarray:
    return x.cpu().double().numpy()


def assert_close(found: Tensor, wanted: np.ndarray) -> None:
    np.testing.assert_allclose(exact(found), wanted, rtol=1e-5, atol=1e-5 * max(1.0, np.abs(wanted).max(initial=0.0)))


def test_the_entries_are_those_of_the_mask_by_row_and_by_latent() -> None:
    z = sparse_latents()
    entries = triton_kernels.listed(z, z > 0)
    rows, latents = np.nonzero(exact(z))
    np.testing.assert_array_equal(entries.index.cpu(), latents)
    np.testing.assert_array_equal(np.diff(entries.start.cpu()), (exact(z) > 0).sum(axis=1))
    assert_close(entries.value, exact(z)[rows, latents])
    columns = triton_kernels.transpose(entries, 2 * entries.value, N_LATENTS)
    latents, rows = np.nonzero(exact(z).T)
    np.testing.assert_array_equal(columns.row.cpu(), rows)
    np.testing.assert_array_equal(np.diff(columns.start.cpu()), (exact(z) > 0).sum(axis=0))
    assert_close(columns.value, exact(z)[rows, latents])
    assert_close(columns.slope, 2 * exact(z)[rows, latents])


@pytest.mark.parametrize("d", [1, 5, 16])
@pytest.mark.parametrize("has_bias", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_decode_gives_residual_errors_and_slopes(d: int, has_bias: bool, dtype: torch.dtype) -> None:
    z, x, directions = sparse_latents(), numbers("x", N_ROWS, d), numbers("D", N_LATENTS, d).to(dtype)
    bias = numbers("bias", d) if has_bias else None
    entries = triton_kernels.listed(z, z > 0)
    residual, row_error, slope = triton_kernels.decode(x, directions, bias, entries, 0.3, 0.07)
    wanted = exact(z) @ exact(directions) - exact(x) + (exact(bias) if bias is not None else 0.0)
    assert_close(residual, wanted)
    assert_close(row_error, (wanted**2).sum(axis=1))
    assert_close(slope, (0.3 * wanted @ exact(directions).T + 0.07)[np.nonzero(exact(z))])


@pytest.mark.parametrize("d", [1, 5, 16])
@pytest.mark.parametrize("form", ["tied", "untied", "frozen decoder"])
def test_gradients_are_the_dense_products(d: int, form: str) -> None:
    z, x, residual = sparse_latents(), numbers("x", N_ROWS, d), numbers("r", N_ROWS, d)
    slopes = numbers("slopes", N_ROWS, N_LATENTS) * (z > 0)
    columns = triton_kernels.transpose(triton_kernels.listed(z, z > 0), slopes[z > 0], N_LATENTS)
    tied, trains = form == "tied", form != "frozen decoder"
    encoder, bias, decoder = triton_kernels.gradients(columns, x, residual, 0.4, tied=tied, trains_decoder=trains)
    of_decoder = 0.4 * exact(z).T @ exact(residual)
    assert_close(encoder, exact(slopes).T @ exact(x) + (of_decoder if tied else 0.0))
    assert_close(bias, exact(slopes).sum(axis=0))
    if form == "untied":
        assert decoder is not None
        assert_close(decoder, of_decoder)
    else:
        assert decoder is None


@pytest.mark.parametrize("taken_by", ["triton", "torch"])
@pytest.mark.parametrize("d", [5, 16])
@pytest.mark.parametrize("kind", ["free", "unit", "normalized"])
def test_update_is_adam_on_the_rows(kind: RowKind, d: int, taken_by: str) -> None:
    """Two members with other rates and other counts of steps; and so says the update that torch makes."""
    shape = 2, 3, d
    w, g, m, v = numbers("w", *shape), numbers("g", *shape), numbers("m", *shape), numbers("v", *shape).square()
    if kind == "unit":
        w /= w.norm(dim=2, keepdim=True)
    rates, steps = np.array([0.1, 0.02])[:, None, None], np.array([1, 7])[:, None, None]
    correction_1, correction_2 = 1 - BETA_1**steps, 1 - BETA_2**steps
    W, G = exact(w), exact(g)
    length = np.linalg.norm(W, axis=2, keepdims=True)
    if kind != "free":
        G = G - (G * W).sum(axis=2, keepdims=True) / length**2 * W
        G = G / length if kind == "normalized" else G
    M, V = BETA_1 * exact(m) + (1 - BETA_1) * G, BETA_2 * exact(v) + (1 - BETA_2) * G**2
    W = W - rates * (M / correction_1) / (np.sqrt(V / correction_2) + EPSILON)
    if kind == "unit":
        W = W / np.linalg.norm(W, axis=2, keepdims=True)
    given = rates / correction_1, correction_2**-0.5
    step, root = (torch.from_numpy(each.ravel()).float().to(DEVICE) for each in given)
    update = triton_kernels.update_rows_ if taken_by == "triton" else update_rows_
    totals = update(Stacked(values=w, m=m, v=v), g, Rates(step=step, root=root), kind)
    for found, wanted in ((w, W), (m, M), (v, V), (totals, (W**2).sum(axis=(1, 2)))):
        assert_close(found, wanted)


@pytest.mark.parametrize("where", ["weights", "gradient"])
def test_update_tells_what_is_not_finite(where: str) -> None:
    """The other member's sum stays finite."""
    w, g = numbers("w", 2, 3, 5), numbers("g", 2, 3, 5)
    (w if where == "weights" else g)[1, 2, 3] = torch.nan
    ones = torch.ones(2, device=DEVICE)
    parameter = Stacked(values=w, m=torch.zeros_like(w), v=torch.zeros_like(w))
    totals = triton_kernels.update_rows_(parameter, g, Rates(step=0.1 * ones, root=ones), "unit")
    assert totals.isfinite().tolist() == [True, False]


@pytest.mark.slow
def test_the_kernels_compile_for_gpus_that_are_not_here(tmp_path: Path) -> None:
    """Down to machine code, by a process without the interpreter; it proves that, and not that they run."""
    environment = {key: value for key, value in os.environ.items() if key != "TRITON_INTERPRET"}
    environment |= {"TRITON_CACHE_DIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    script = Path(__file__).with_name("compiled_of_tests.py")
    done = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["sm_80"] * 8 + ["sm_90a"] * 8
