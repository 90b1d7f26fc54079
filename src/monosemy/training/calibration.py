"""The one threshold of a dictionary that was trained to keep k latents on average, found on given activations."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from monosemy.core import UserError
from monosemy.dictionaries import BatchTopKAutoencoder, MatryoshkaAutoencoder, TopKAutoencoder, TrainableDictionary

_BITS = 16  # of a float32 are counted in each of the two passes; positive floats are in the order of their bits


@dataclass(frozen=True, kw_only=True, slots=True)
class Calibration:
    """A threshold in the unit of the pre-activations, and the mean L0 that it gives on the tokens it was found on."""

    threshold: float
    l0: float


def calibrate_threshold(pre_acts: Callable[[], Iterable[Float[Tensor, "batch n_latents"]]], k: int) -> Calibration:
    """The threshold above which k pre-activations a token lie, in the mean over all given tokens.

        sum over tokens of #{i: pre_i > threshold} = k n_tokens        threshold >= 0

    It lies halfway between the k n_tokens-th largest positive pre-activation and the next smaller one. Where these are
    equal, no threshold gives k exactly, and it is the one of the two around them whose mean is closer; where fewer are
    positive it is 0. Exact, in float32, in memory that does not depend on the number of tokens: `pre_acts` is called
    twice, and has to give the same batches both times. Raises UserError when it gives no token, or NaN.
    """
    counts, n_tokens = np.zeros(1 << _BITS, np.int64), 0
    for bits, n_rows in _positive_bits(pre_acts):
        counts += np.bincount(bits >> _BITS, minlength=1 << _BITS)
        n_tokens += n_rows
    if n_tokens == 0:
        raise UserError("there are no activations to calibrate a threshold on; give some of the validation split")
    wanted, n_positive = k * n_tokens, int(counts.sum())
    if n_positive <= wanted:
        return Calibration(threshold=0.0, l0=n_positive / n_tokens)
    n_from = counts[::-1].cumsum()[::-1]  # how many are in a bin or above it
    bins = {rank: int(np.flatnonzero(n_from >= rank)[-1]) for rank in (wanted, wanted + 1)}
    within = {each: np.zeros(1 << _BITS, np.int64) for each in bins.values()}
    for bits, _ in _positive_bits(pre_acts):
        for each, found in within.items():
            found += np.bincount(bits[bits >> _BITS == each] & ((1 << _BITS) - 1), minlength=1 << _BITS)
    (upper, n_upper), (lower, n_lower) = (
        _of_rank(within[each], rank, each, int(n_from[each] - counts[each])) for rank, each in bins.items()
    )
    if upper > lower:
        between = float(np.float32((upper + lower) / 2))
        return Calibration(threshold=between if between < upper else lower, l0=wanted / n_tokens)
    n_above = n_upper - int(within[bins[wanted]][_low_bits(upper)])
    if n_lower - wanted < wanted - n_above:
        return Calibration(threshold=float(np.nextafter(np.float32(upper), np.float32(0))), l0=n_lower / n_tokens)
    return Calibration(threshold=upper, l0=n_above / n_tokens)


def calibrate_(
    module: TrainableDictionary, batches: Callable[[], Iterable[Float[Tensor, "batch d"]]]
) -> Calibration | None:
    """Set the threshold of a dictionary in training, by normalized activations that it was not trained on.

    None, and nothing done, where the architecture has no threshold of that kind. Raises as `calibrate_threshold` does.
    """
    match module:
        case TopKAutoencoder() | BatchTopKAutoencoder() | MatryoshkaAutoencoder():
            found = calibrate_threshold(lambda: map(_pre_acts_of(module), batches()), module.config.k)
            module.threshold.fill_(found.threshold)
            return found
        case _:
            return None


def _pre_acts_of(
    module: TopKAutoencoder | BatchTopKAutoencoder | MatryoshkaAutoencoder,
) -> Callable[[Tensor], Tensor]:
    """Its pre-activations, without the selection."""
    return lambda x: torch.addmm(module.b_enc.detach(), x, module.W_enc.detach().T)


def _positive_bits(pre_acts: Callable[[], Iterable[Tensor]]) -> Iterable[tuple[np.ndarray, int]]:
    """The bits of the positive values of each batch, and its number of rows."""
    for batch in pre_acts():
        values = batch.detach().float().cpu().contiguous()
        if torch.isnan(values).any():
            raise UserError("a pre-activation is NaN, no threshold can be calibrated; train the dictionary anew")
        flat = values.numpy().reshape(-1)
        yield flat[flat > 0].view(np.int32), len(values)


def _of_rank(counts: np.ndarray, rank: int, high_bits: int, n_above_bin: int) -> tuple[float, int]:
    """The value that is the rank-th largest of all, and how many are at least as large."""
    n_from = n_above_bin + counts[::-1].cumsum()[::-1]
    low = int(np.flatnonzero(n_from >= rank)[-1])
    value = np.array([high_bits << _BITS | low], np.int32).view(np.float32)[0]
    return float(value), int(n_from[low])


def _low_bits(value: float) -> int:
    return int(np.array([value], np.float32).view(np.int32)[0]) & ((1 << _BITS) - 1)
