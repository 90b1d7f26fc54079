"""Probes: classifiers that are trained to tell a concept from an activation, to see whether anything of it is left."""

from dataclasses import dataclass
from typing import Literal, final

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor

from monosemy.core import UserError, torch_generator

ProbeKind = Literal["linear", "hidden"]
PROBE_KINDS: tuple[ProbeKind, ...] = ("linear", "hidden")

HIDDEN_UNITS, HIDDEN_STEPS, HIDDEN_BATCH, HIDDEN_RATE = 64, 400, 256, 5e-3
_VARIANCE_CUT = 1e-8  # of the largest: below it stand the traces that rounding leaves of an erased direction
_PENALTY = 1.0  # scikit-learn's C on whitened inputs; thousands of rows leave hardly anything of it


@final
@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Probe:
    """score = W_2 relu(W_1 u + b_1) + b_2, or W_2 u + b_2 of a linear one;  u = (x - mean) whiten.

    A score above 0 says that the concept holds. The inputs are whitened by the rows of the fit, so that a probe finds
    what lies in directions of small variance as easily as what lies in large ones.
    """

    mean: Float64[Tensor, " d_site"]
    whiten: Float64[Tensor, "d_site rank"]
    W_1: Float[Tensor, "rank hidden"] | None
    b_1: Float[Tensor, " hidden"] | None
    W_2: Float[Tensor, " width"]
    b_2: float

    def __call__(self, x: Float[Tensor, "rows d_site"]) -> Float[Tensor, " rows"]:
        """The scores of activations."""
        u = ((x.double() - self.mean) @ self.whiten).float()
        if self.W_1 is not None and self.b_1 is not None:
            u = (u @ self.W_1 + self.b_1).relu()
        return u @ self.W_2 + self.b_2


def fit_probe(
    kind: ProbeKind, x: Float[Tensor, "rows d_site"], holds: Bool[np.ndarray, " rows"], *, seed: int
) -> Probe:
    """A probe fitted to rows, whose two kinds weigh alike however many there are of each.

    linear: logistic regression (scikit-learn, C = 1). hidden: one hidden layer of 64 ReLU units, 400 steps of Adam on
    batches of 256 with a rate that falls linearly from 0.005, seeded. Raises UserError unless rows of both kinds are
    there.
    """
    if not 0 < holds.sum() < len(holds):
        raise UserError(
            f"the concept holds in {int(holds.sum())} of {len(holds)} rows; a probe needs rows of both kinds"
        )
    x64 = x.detach().cpu().double()
    mean = x64.mean(dim=0)
    values, vectors = torch.linalg.eigh((x64 - mean).T @ (x64 - mean) / len(x64))
    kept = values > _VARIANCE_CUT * values[-1].clamp_min(torch.finfo(torch.float64).tiny)
    whiten = vectors[:, kept] * values[kept].rsqrt()
    u = ((x64 - mean) @ whiten).float()
    if kind == "linear":
        from sklearn.linear_model import LogisticRegression  # takes a second, which only probes should cost

        found = LogisticRegression(C=_PENALTY, max_iter=500, class_weight="balanced").fit(u.numpy(), holds)
        weight, bias = torch.from_numpy(found.coef_[0]).float(), float(found.intercept_[0])
        return Probe(mean=mean, whiten=whiten, W_1=None, b_1=None, W_2=weight, b_2=bias)
    W_1, b_1, W_2, b_2 = _trained(u, torch.from_numpy(holds).float(), torch_generator(seed, "hidden-probe"))
    return Probe(mean=mean, whiten=whiten, W_1=W_1, b_1=b_1, W_2=W_2, b_2=float(b_2))


def accuracy_counts(
    scores: Float[Tensor, " rows"], holds: Bool[np.ndarray, " rows"], unit: Int64[np.ndarray, " rows"], n_units: int
) -> Float64[np.ndarray, "n_units 4"]:
    """Counts a unit of what `balanced_accuracy` is made of: right and all where the concept holds, and where not."""
    predicted = (scores > 0).numpy()
    columns = (holds & predicted, holds, ~holds & ~predicted, ~holds)
    return np.stack([np.bincount(unit, column, minlength=n_units) for column in columns], axis=1).astype(np.float64)


def balanced_accuracy(counts: Float64[np.ndarray, "*batch 4"]) -> Float64[np.ndarray, "*batch"]:
    """Mean of the shares that are right where the concept holds and where it does not; 0.5 is chance."""
    return np.asarray((counts[..., 0] / counts[..., 1] + counts[..., 2] / counts[..., 3]) / 2)


def _trained(
    u: Float[Tensor, "rows rank"], holds: Float[Tensor, " rows"], generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    rank = u.shape[1]
    scale = (2.0 / max(1, rank)) ** 0.5
    W_1 = (scale * torch.randn(rank, HIDDEN_UNITS, generator=generator)).requires_grad_()
    W_2 = (HIDDEN_UNITS**-0.5 * torch.randn(HIDDEN_UNITS, generator=generator)).requires_grad_()
    b_1, b_2 = torch.zeros(HIDDEN_UNITS, requires_grad=True), torch.zeros((), requires_grad=True)
    parameters = [W_1, b_1, W_2, b_2]
    share = holds.mean()
    weight = torch.where(holds > 0, 0.5 / share, 0.5 / (1 - share))
    optimizer = torch.optim.Adam(parameters, lr=HIDDEN_RATE, fused=True)
    loss = torch.nn.BCEWithLogitsLoss(reduction="none")
    with torch.inference_mode(False), torch.enable_grad():
        for step in range(HIDDEN_STEPS):
            rows = torch.randint(len(u), (HIDDEN_BATCH,), generator=generator)
            for group in optimizer.param_groups:
                group["lr"] = HIDDEN_RATE * (1 - step / HIDDEN_STEPS)
            scores = (u[rows] @ W_1 + b_1).relu() @ W_2 + b_2
            optimizer.zero_grad()
            (weight[rows] * loss(scores, holds[rows])).mean().backward()
            optimizer.step()
    found = [parameter.detach() for parameter in parameters]
    return found[0], found[1], found[2], found[3]
