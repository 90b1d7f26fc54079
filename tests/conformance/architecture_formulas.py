"""The losses of the architectures in plain dense float64, from their formulas and without the package's code.

(weights, x, is_dead) -> the terms by name. Where the published gradient is not that of the formula (steps), the
gradient stands here too, by hand.
"""

from collections.abc import Callable, Sequence

import numpy as np
import scipy.linalg
import torch
from torch import Tensor

Terms = dict[str, Tensor]
Weights = dict[str, Tensor]
Reference = Callable[[Weights, Tensor, Tensor], Terms]
Gradients = Callable[[Weights, Tensor, Tensor], dict[str, Weights]]


def rows_of(matrix: Tensor) -> Tensor:
    """Its rows, each divided by its norm."""
    return torch.stack([row / row.dot(row).sqrt() for row in matrix])


def in_rows(values: Tensor, k: int) -> Tensor:
    """1 on the k largest of each row, 0 elsewhere."""
    kept = torch.zeros_like(values)
    for row, numbers in enumerate(values.tolist()):
        kept[row, sorted(range(len(numbers)), key=lambda i: (-numbers[i], i))[:k]] = 1.0
    return kept


def in_batch(values: Tensor, k: int) -> Tensor:
    """1 on the k * rows largest of all, 0 elsewhere."""
    numbers = values.flatten().tolist()
    kept = torch.zeros(len(numbers), dtype=values.dtype)
    kept[sorted(range(len(numbers)), key=lambda i: (-numbers[i], i))[: k * len(values)]] = 1.0
    return kept.reshape(values.shape)


def errors(x: Tensor, x_hat: Tensor, reduction: str = "sum") -> Tensor:
    """|x - x_hat|^2 of each row, summed or averaged over dimensions, then the mean over rows."""
    found = ((x - x_hat) ** 2).sum(dim=1).mean()
    return found / x.shape[1] if reduction == "mean" else found


def positive(values: Tensor) -> Tensor:
    return torch.where(values > 0, values, 0.0)


def product(x: Tensor, rows: Tensor) -> Tensor:
    return torch.einsum("bd,ld->bl", x, rows)


def combination(z: Tensor, rows: Tensor) -> Tensor:
    return torch.einsum("bl,ld->bd", z, rows)


def tied_l1(
    coefficient: float, reduction: str = "sum", covariance: np.ndarray | None = None, center: str | None = None
) -> Reference:
    """y = P (x - center), P the root of the inverse covariance by scipy."""

    def reference(weights: Weights, x: Tensor, _is_dead: Tensor) -> Terms:
        y = x
        if center is not None:
            y = y - weights[center]
        if covariance is not None:
            y = y @ torch.from_numpy(np.real(scipy.linalg.fractional_matrix_power(covariance, -0.5)))
        rows = rows_of(weights["M"])
        c = positive(product(y, rows) + weights["b"])
        return {
            "reconstruction": errors(y, combination(c, rows), reduction),
            "l1": coefficient * c.sum(dim=1).mean(),
        }

    return reference


def relu_l1(coefficient: float, reduction: str = "sum") -> Reference:
    def reference(weights: Weights, x: Tensor, _is_dead: Tensor) -> Terms:
        z = positive(product(x, weights["W_enc"]) + weights["b_enc"])
        x_hat = combination(z, rows_of(weights["W_dec"]))
        x_hat = x_hat + weights["b_dec"] if "b_dec" in weights else x_hat
        return {"reconstruction": errors(x, x_hat, reduction), "l1": coefficient * z.sum(dim=1).mean()}

    return reference


def norm_weighted_l1(coefficient: float, reduction: str = "sum") -> Reference:
    def reference(weights: Weights, x: Tensor, _is_dead: Tensor) -> Terms:
        z = positive(product(x, weights["W_enc"]) + weights["b_enc"])
        penalty = sum(
            (z[:, i].mean() * row.dot(row).sqrt() for i, row in enumerate(weights["W_dec"])), start=torch.zeros(())
        )
        x_hat = combination(z, weights["W_dec"]) + weights["b_dec"]
        return {"reconstruction": errors(x, x_hat, reduction), "l1": coefficient * penalty}

    return reference


def topk(
    k: int,
    k_aux: int,
    coefficient: float,
    select: Callable[[Tensor, int], Tensor] = in_rows,
    prefixes: Sequence[tuple[int, float]] | None = None,
) -> Reference:
    """TopK, BatchTopK with `in_batch`, Matryoshka with (size, weight) of each prefix, the last the whole."""

    def reference(weights: Weights, x: Tensor, is_dead: Tensor) -> Terms:
        rows = rows_of(weights["W_dec"])
        pre = product(x, weights["W_enc"]) + weights["b_enc"]
        z = positive(pre) * select(pre.detach(), k)
        x_hat = combination(z, rows) + weights["b_dec"]
        sizes = prefixes or [(len(rows), 1.0)]
        error = sum(
            (w * errors(x, combination(z[:, :m], rows[:m]) + weights["b_dec"], "mean") for m, w in sizes),
            start=torch.zeros(()),
        )
        terms = {"reconstruction": error, "auxk": torch.zeros(())}
        if is_dead.any():
            e = (x - x_hat).detach()
            of_dead = torch.where(is_dead, pre, -torch.inf)
            used = pre * in_rows(of_dead, min(k_aux, int(is_dead.sum())))
            left = ((e - used @ rows) ** 2).sum() / ((e - e.mean(dim=0)) ** 2).sum()
            terms["auxk"] = coefficient * left
        return terms

    return reference


def gated(coefficient: float, reduction: str = "sum") -> Reference:
    """The step of the gate has no gradient; the frozen decoder is a copy without a graph."""

    def reference(weights: Weights, x: Tensor, _is_dead: Tensor) -> Terms:
        rows, frozen = rows_of(weights["W_dec"]), rows_of(weights["W_dec"].detach().clone())
        gate = product(x, weights["W_enc"]) + weights["b_gate"]
        scaled = torch.stack([row * r.exp() for row, r in zip(weights["W_enc"], weights["r_mag"], strict=True)])
        magnitude = product(x, scaled) + weights["b_mag"]
        x_hat = combination((gate > 0).double() * positive(magnitude), rows) + weights["b_dec"]
        x_aux = combination(positive(gate), frozen) + weights["b_dec"].detach().clone()
        return {
            "reconstruction": errors(x, x_hat, reduction),
            "l1": coefficient * positive(gate).sum(dim=1).mean(),
            "auxiliary": errors(x, x_aux, reduction),
        }

    return reference


def jumprelu(coefficient: float, penalty: str, target: float = 1.0) -> Reference:
    def reference(weights: Weights, x: Tensor, _is_dead: Tensor) -> Terms:
        pre = product(x, weights["W_enc"]) + weights["b_enc"]
        is_on = (pre > weights["theta"]).double()
        x_hat = combination(pre * is_on, rows_of(weights["W_dec"])) + weights["b_dec"]
        l0 = is_on.sum(dim=1).mean()
        found = {"step": l0, "tanh": torch.tanh(4 * pre * is_on).sum(dim=1).mean(), "quadratic": (l0 / target - 1) ** 2}
        return {"reconstruction": errors(x, x_hat), "sparsity": coefficient * found[penalty]}

    return reference


def jumprelu_gradients(coefficient: float, penalty: str, bandwidth: float, target: float = 1.0) -> Gradients:
    """By the chain rule, with dz/dpre = H, dz/dtheta = -(theta/eps) rect, dH/dtheta = -(1/eps) rect, dH/dpre = 0."""

    def gradients(weights: Weights, x: Tensor, _is_dead: Tensor) -> dict[str, Weights]:
        w = {name: weight.detach() for name, weight in weights.items()}
        n, rows, theta = len(x), rows_of(w["W_dec"]), w["theta"]
        pre = product(x, w["W_enc"]) + w["b_enc"]
        is_on = (pre > theta).double()
        rect = (((pre - theta) / bandwidth).abs() < 0.5).double()
        z = pre * is_on

        def through_latents(of_z: Tensor) -> Weights:
            of_pre = of_z * is_on
            of_theta = (of_z * rect).sum(dim=0) * -theta / bandwidth
            nothing = {name: torch.zeros_like(weight) for name, weight in w.items()}
            encoder = {"W_enc": torch.einsum("bl,bd->ld", of_pre, x), "b_enc": of_pre.sum(dim=0)}
            return nothing | encoder | {"theta": of_theta}

        error = combination(z, rows) + w["b_dec"] - x
        reconstruction = through_latents(2 / n * product(error, rows))
        of_rows = 2 / n * torch.einsum("bl,bd->ld", z, error)
        for i, (gradient, row) in enumerate(zip(of_rows, rows, strict=True)):
            norm = w["W_dec"][i].dot(w["W_dec"][i]).sqrt()
            reconstruction["W_dec"][i] = (gradient - gradient.dot(row) * row) / norm
        reconstruction["b_dec"] = 2 / n * error.sum(dim=0)
        if penalty == "tanh":
            return {
                "reconstruction": reconstruction,
                "sparsity": through_latents(coefficient * 4 * (1 - torch.tanh(4 * z) ** 2) / n),
            }
        l0 = is_on.sum(dim=1).mean()
        of_l0 = 1.0 if penalty == "step" else float(2 * (l0 / target - 1) / target)
        sparsity = through_latents(torch.zeros_like(z))
        sparsity["theta"] = -coefficient * of_l0 * rect.sum(dim=0) / bandwidth / n
        return {"reconstruction": reconstruction, "sparsity": sparsity}

    return gradients
