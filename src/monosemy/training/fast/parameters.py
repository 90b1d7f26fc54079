"""The end of a hand-written step: Adam on all parameters of a form, from gradients in a workspace."""

import math
from collections.abc import Callable
from typing import no_type_check

import numpy as np
from torch import nn

from monosemy.dictionaries import SparseForm
from monosemy.training import kernels
from monosemy.training.adam import BETA_1, BETA_2, EPSILON, Adam
from monosemy.training.fast.engine import BLOCK_LATENTS, Engine, Workspace, pieces


def rows_of(parameter: nn.Parameter) -> np.ndarray:
    """The numbers of a parameter as rows of a matrix, a vector as one row; not a copy."""
    array = parameter.detach().numpy()
    return array if array.ndim == 2 else array[None]


def directions_of(form: SparseForm, workspace: Workspace, engine: Engine) -> np.ndarray:
    """The decoder's rows `[n_latents d]`; a tied form's are made in the workspace's `decoder_gradient`.

    That buffer is free: a tied form adds up both gradients in the other one.
    """
    if form.W_dec is not None:
        return rows_of(form.W_dec)
    unit, weights = workspace.decoder_gradient, rows_of(form.W_enc)

    @no_type_check  # made anew at each step
    def of_rows(_thread: int, piece: tuple[int, int]) -> None:
        first, last = piece
        kernels.normalize(first, last, weights, unit)

    engine.share(of_rows, pieces(len(weights), BLOCK_LATENTS))
    return unit


def update_(
    form: SparseForm,
    optimizer: Adam,
    workspace: Workspace,
    decoder_bias_gradient: np.ndarray,
    learning_rate: float,
    engine: Engine,
) -> bool:
    """One Adam step of every parameter of the form; whether all weights are finite after it.

    The gradients: `encoder_gradient`, `decoder_gradient` (of a tied form, their sum in the first) and `bias_gradient`
    of the workspace, and the given one of b_dec.
    """
    correction_1, correction_2 = optimizer.next_corrections()

    @no_type_check  # made anew at each step
    def moved(weights: nn.Parameter, gradient: np.ndarray, kind: int) -> Callable[[int, tuple[int, int]], float]:
        m, v = (moment.numpy() for moment in optimizer.moments(weights))
        rows, slopes, m, v = (each if each.ndim == 2 else each[None] for each in (rows_of(weights), gradient, m, v))

        @no_type_check  # made anew at each step
        def of_rows(_thread: int, piece: tuple[int, int]) -> float:
            first, last = piece
            rates = learning_rate, BETA_1, BETA_2, correction_1, correction_2, EPSILON
            return float(kernels.adam(first, last, rows, slopes, m, v, *rates, kind))

        return of_rows

    tied = form.W_dec is None
    latents = pieces(form.W_enc.shape[0], BLOCK_LATENTS)
    encoder = moved(form.W_enc, workspace.encoder_gradient, kernels.NORMALIZED if tied else kernels.FREE)
    totals = engine.share(encoder, latents)
    if form.W_dec is not None and form.trains_decoder:
        totals += engine.share(moved(form.W_dec, workspace.decoder_gradient, kernels.UNIT), latents)
    totals.append(moved(form.b_enc, workspace.bias_gradient, kernels.FREE)(0, (0, 1)))
    if form.b_dec is not None:
        totals.append(moved(form.b_dec, decoder_bias_gradient, kernels.FREE)(0, (0, 1)))
    optimizer.n_steps += 1
    return math.isfinite(sum(totals))
