"""Triton kernels of the sparse step, and the functions that launch them. Importing this imports triton.

Matrices are contiguous with rows of d numbers, and each program holds whole rows; lists of active entries stand as in
`monosemy.training.kernels`. Never run on a GPU so far: tested in Triton's interpreter, and compiled for two generations
of GPUs, which shows no more than that they compile.
"""

from dataclasses import dataclass
from typing import Any, no_type_check

import torch
import triton
import triton.language as tl
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from monosemy.training.adam import BETA_1, BETA_2, EPSILON
from monosemy.training.cuda.update import Rates, RowKind, Stacked

_KINDS: dict[RowKind, int] = {"free": 0, "unit": 1, "normalized": 2}


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Entries:
    """The active entries of a batch, by row: those of row b stand at start[b] to start[b + 1]."""

    start: Int64[Tensor, " n_rows_and_1"]
    index: Int64[Tensor, " n_entries"]
    value: Float[Tensor, " n_entries"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Columns:
    """The active entries of a batch, by latent, with their slopes dL/dz; rows ascending within a latent."""

    start: Int64[Tensor, " n_latents_and_1"]
    row: Int64[Tensor, " n_entries"]
    value: Float[Tensor, " n_entries"]
    slope: Float[Tensor, " n_entries"]


@triton.jit
@no_type_check
def _decode(
    x, directions, bias, start, index, value, residual, slope, row_error, error_slope, penalty, d,
    HAS_BIAS: tl.constexpr, D: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64)
    i = tl.arange(0, D)
    inside = i < d
    r = -tl.load(x + row * d + i, mask=inside, other=0.0)
    if HAS_BIAS:
        r += tl.load(bias + i, mask=inside, other=0.0)
    begin = tl.load(start + row)
    end = tl.load(start + row + 1)
    for at in range(begin, end):
        latent = tl.load(index + at)
        direction = tl.load(directions + latent * d + i, mask=inside, other=0.0).to(tl.float32)
        r += tl.load(value + at) * direction
    tl.store(residual + row * d + i, r, mask=inside)
    tl.store(row_error + row, tl.sum(r * r, axis=0))
    for at in range(begin, end):
        latent = tl.load(index + at)
        direction = tl.load(directions + latent * d + i, mask=inside, other=0.0).to(tl.float32)
        tl.store(slope + at, error_slope * tl.sum(r * direction, axis=0) + penalty)


@triton.jit
@no_type_check
def _gradients(
    start, row, value, slope, x, residual, encoder, decoder, bias, error_slope, d,
    TIED: tl.constexpr, HAS_DECODER: tl.constexpr, D: tl.constexpr,
):  # fmt: skip
    latent = tl.program_id(0).to(tl.int64)
    i = tl.arange(0, D)
    inside = i < d
    of_encoder = tl.zeros([D], tl.float32)
    of_decoder = tl.zeros([D], tl.float32)
    total = 0.0
    begin = tl.load(start + latent)
    end = tl.load(start + latent + 1)
    for at in range(begin, end):
        b = tl.load(row + at)
        s = tl.load(slope + at)
        total += s
        of_encoder += s * tl.load(x + b * d + i, mask=inside, other=0.0)
        if TIED or HAS_DECODER:
            of_decoder += tl.load(value + at) * tl.load(residual + b * d + i, mask=inside, other=0.0)
    if TIED:
        of_encoder += error_slope * of_decoder
    elif HAS_DECODER:
        tl.store(decoder + latent * d + i, error_slope * of_decoder, mask=inside)
    tl.store(encoder + latent * d + i, of_encoder, mask=inside)
    tl.store(bias + latent, total)


@triton.jit
@no_type_check
def _update(
    weights, gradient, m, v, totals, steps, roots, rows_a_member, d,
    B1: tl.constexpr, B2: tl.constexpr, EPS: tl.constexpr, KIND: tl.constexpr, D: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64)
    step = tl.load(steps + row // rows_a_member)
    root = tl.load(roots + row // rows_a_member)
    i = tl.arange(0, D)
    inside = i < d
    w = tl.load(weights + row * d + i, mask=inside, other=0.0)
    g = tl.load(gradient + row * d + i, mask=inside, other=0.0)
    if KIND != 0:
        square = tl.sum(w * w, axis=0)
        g -= tl.sum(g * w, axis=0) / tl.maximum(square, 1e-16) * w
        if KIND == 2:
            g /= tl.maximum(tl.sqrt(square), 1e-8)
    new_m = B1 * tl.load(m + row * d + i, mask=inside, other=0.0) + (1 - B1) * g
    new_v = B2 * tl.load(v + row * d + i, mask=inside, other=0.0) + (1 - B2) * g * g
    tl.store(m + row * d + i, new_m, mask=inside)
    tl.store(v + row * d + i, new_v, mask=inside)
    w -= step * new_m / (tl.sqrt(new_v) * root + EPS)
    if KIND == 1:
        w /= tl.maximum(tl.sqrt(tl.sum(w * w, axis=0)), 1e-8)
    tl.store(weights + row * d + i, w, mask=inside)
    tl.store(totals + row, tl.sum(w * w, axis=0))


def listed(pre_acts: Float[Tensor, "batch n_latents"], is_active: Bool[Tensor, "batch n_latents"]) -> Entries:
    """The active entries, by row, latents ascending."""
    positions = is_active.flatten().nonzero().flatten()
    counts = is_active.sum(dim=1)
    return Entries(
        start=torch.cat([counts.new_zeros(1), counts.cumsum(dim=0)]),
        index=positions % pre_acts.shape[1],
        value=pre_acts.flatten()[positions],
    )


def decode(
    x: Float[Tensor, "batch d"],
    directions: Float[Tensor, "n_latents d"],
    bias: Float[Tensor, " d"] | None,
    entries: Entries,
    error_slope: float,
    penalty: float,
) -> tuple[Float[Tensor, "batch d"], Float[Tensor, " batch"], Float[Tensor, " n_entries"]]:
    """residual = z directions + bias - x, |residual|^2 of each row, and the slope dL/dz of each entry; a program a row.

    slope = error_slope <residual, direction> + penalty. directions: float32, or bfloat16, whose rows weigh half.
    """
    residual, row_error = torch.empty_like(x), torch.empty_like(x[:, 0])
    slope = torch.empty_like(entries.value)
    lists = entries.start, entries.index, entries.value
    has_bias = bias is not None
    given = x, directions, bias if has_bias else x, *lists, residual, slope, row_error, error_slope, penalty, x.shape[1]
    _launch(_decode, len(x), x.shape[1], *given, HAS_BIAS=has_bias)
    return residual, row_error, slope


def transpose(entries: Entries, slope: Float[Tensor, " n_entries"], n_latents: int) -> Columns:
    """The same entries by latent, by a stable sort."""
    counts = torch.diff(entries.start)
    row = torch.repeat_interleave(torch.arange(len(counts), device=counts.device), counts)
    latent, order = entries.index.sort(stable=True)
    start = torch.searchsorted(latent, torch.arange(n_latents + 1, device=counts.device))
    return Columns(start=start, row=row[order], value=entries.value[order], slope=slope[order])


def gradients(
    columns: Columns,
    x: Float[Tensor, "batch d"],
    residual: Float[Tensor, "batch d"],
    error_slope: float,
    *,
    tied: bool,
    trains_decoder: bool,
) -> tuple[Float[Tensor, "n_latents d"], Float[Tensor, " n_latents"], Float[Tensor, "n_latents d"] | None]:
    """The gradients of encoder, its bias and decoder; a program a latent, in whose registers both rows grow.

    sum_b slope_b x_b, sum_b slope_b and error_slope sum_b value_b residual_b. Tied: both sums in one, no decoder.
    """
    n_latents, d = len(columns.start) - 1, x.shape[1]
    encoder, bias = x.new_empty(n_latents, d), x.new_empty(n_latents)
    decoder = x.new_empty(n_latents, d) if trains_decoder and not tied else None
    lists = columns.start, columns.row, columns.value, columns.slope
    given = *lists, x, residual, encoder, encoder if decoder is None else decoder, bias, error_slope, d
    _launch(_gradients, n_latents, d, *given, TIED=tied, HAS_DECODER=decoder is not None)
    return encoder, bias, decoder


def update_rows_(
    parameter: Stacked, gradient: Float[Tensor, "members rows d"], rates: Rates, kind: RowKind
) -> Float[Tensor, " members"]:
    """The same as `monosemy.training.cuda.update_rows_`, in one pass over all rows; a program a row."""
    n_members, n_rows, d = gradient.shape
    totals = gradient.new_empty(n_members, n_rows)
    given = parameter.values, gradient.contiguous(), parameter.m, parameter.v, totals, rates.step, rates.root, n_rows, d
    constants = {"B1": BETA_1, "B2": BETA_2, "EPS": EPSILON, "KIND": _KINDS[kind]}
    _launch(_update, n_members * n_rows, d, *given, **constants)
    return totals.sum(dim=1)


def _launch(kernel: Any, n_programs: int, d: int, *arguments: object, **constants: object) -> None:
    """d: of the rows that a program holds; wide ones are shared out to more threads."""
    block = triton.next_power_of_2(d)
    kernel[(n_programs,)](*arguments, **constants, D=block, num_warps=4 if block <= 1024 else 8)
