"""What a metric is: it takes batches and keeps sums for each unit; all that is reported is a function of the sums."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64, Shaped
from torch import Tensor

from monosemy.core import MIN_UNITS, Interval, Result

Sums = Mapping[str, np.ndarray]
"""Name -> float64 `[units ...]`: what a metric has added up, one row a unit (the package or file of a document)."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class EvaluationBatch:
    """Activations, their latents and reconstructions, and the number of the unit that each row belongs to.

    x and x_hat in the activation's own units; rows in any order, of any number: a metric weighs tokens, not batches.
    """

    x: Float[Tensor, "batch d_site"]
    z: Float[Tensor, "batch n_latents"]
    x_hat: Float[Tensor, "batch d_site"]
    unit: Int64[np.ndarray, " batch"]


class Metric(ABC):
    """Sums over a stream of batches. How the stream was cut into batches changes them by rounding at most."""

    @abstractmethod
    def update(self, batch: EvaluationBatch) -> None:
        """Add one batch."""

    @abstractmethod
    def sums(self) -> dict[str, np.ndarray]:
        """The sums so far, by name, each `[units ...]` in float64. Names are the metric's own."""


def add_by_unit_(
    totals: Float64[np.ndarray, "units ..."], unit: Int64[np.ndarray, " batch"], rows: Shaped[Tensor, "batch ..."]
) -> None:
    """totals[u] += sum of the rows of unit u, summed in float64."""
    present, local = np.unique(unit, return_inverse=True)
    if len(present) == 1:
        totals[present[0]] += rows.sum(dim=0, dtype=torch.float64).cpu().numpy()
        return
    sums = torch.zeros((len(present), *rows.shape[1:]), dtype=torch.float64, device=rows.device)
    sums.index_add_(0, torch.from_numpy(local).to(rows.device), rows.to(torch.float64))
    totals[present] += sums.cpu().numpy()


@dataclass(frozen=True, kw_only=True, slots=True)
class Subject:
    """What a result speaks of: the fields of a `Result` that all results of one evaluation share."""

    method: str
    variant: str | None = None
    lm: Literal["trained", "random"] | None
    dictionary: str | None = None
    site: str | None = None
    split: Literal["train", "validation", "test"] | None = None
    seed: int | None = None
    config: str

    def measured(
        self,
        metric: str,
        interval: Interval | int | float,
        unit: str,
        *,
        n: int,
        n_unit: str = "units",
        remark: str = "",
    ) -> Result:
        """A result that is there; an interval over fewer than 40 units says so in its reason."""
        low = high = None
        if isinstance(interval, Interval):
            value, low, high = interval.value, interval.low, interval.high
            if n < MIN_UNITS:
                few = f"{n} {n_unit}: with fewer than {MIN_UNITS} the interval is too narrow"
                remark = f"{remark}; {few}" if remark else few
        else:
            value = float(interval)
        return self._result(
            metric, unit, value=value, ci_low=low, ci_high=high, n=n, n_unit=n_unit, reason=remark or None
        )

    def not_applicable(self, metric: str, unit: str, reason: str) -> Result:
        """The statement that the metric has no meaning here, and why."""
        return self._result(metric, unit, value=None, status="not_applicable", reason=reason)

    def _result(self, metric: str, unit: str, **fields: object) -> Result:
        return Result(
            metric=metric,
            unit=unit,
            method=self.method,
            variant=self.variant,
            lm=self.lm,
            dictionary=self.dictionary,
            site=self.site,
            split=self.split,
            seed=self.seed,
            definition=metric,
            config=self.config,
            **fields,  # pyright: ignore[reportArgumentType]
        )
