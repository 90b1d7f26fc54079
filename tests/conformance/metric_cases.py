"""The streaming metrics, and what each gives for the same rows in several orders and cuts."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch

from monosemy.core import Result, numpy_generator
from monosemy.evaluation import EvaluationBatch, Metric, Reconstruction, Subject, Sums, reconstruction_results

N_ROWS, D_SITE, N_LATENTS, N_UNITS = 240, 3, 5, 6
HUGE = 1e5  # a mean so many times the spread that sums of float32 squares would have no digit of the variance
SUBJECT = Subject(method="topk", lm="trained", split="test", config="conformance")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class MetricCase:
    """A metric: `make(n_units, n_latents, center)`, and the results of its sums.

    by_hand: metric -> value of the four rows of `hand_rows`. predictors: "perfect", "mean", "zero" -> the values that
    docs/definitions.md gives for such a reconstruction (zero: of data without a mean).
    """

    name: str
    make: Callable[[int, int, np.ndarray], Metric]
    results: Callable[[Sums], list[Result]]
    by_hand: dict[str, float]
    predictors: dict[str, dict[str, float]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class MetricEvidence:
    """What the metric gave.

    hand: for the rows whose values were computed by hand. whole, once: all rows in one batch; cuts: the same in batches
    of other sizes; permuted: in another order; one_unit: all of one unit; twice: each row twice; offset: around a huge
    mean. predicted: by predictor.
    """

    case: MetricCase
    hand: list[Result]
    whole: dict[str, np.ndarray]
    cuts: list[dict[str, np.ndarray]]
    permuted: dict[str, np.ndarray]
    one_unit: dict[str, np.ndarray]
    twice: list[Result]
    once: list[Result]
    offset: list[Result]
    predicted: dict[str, list[Result]]


def rows(mean: float = 0.0) -> EvaluationBatch:
    """Rows whose spread is 1 around `mean`, in units that come in runs."""
    random = numpy_generator(0, "conformance-metric")
    deviation = random.integers(-64, 65, size=(N_ROWS, D_SITE)) / 32.0  # exact in float32, also beside a huge mean
    x = torch.from_numpy(deviation + mean).float()
    error = torch.from_numpy(random.integers(-16, 17, size=(N_ROWS, D_SITE)) / 32.0).float()
    z = random.normal(size=(N_ROWS, N_LATENTS)) * (random.random((N_ROWS, N_LATENTS)) < 0.3)
    unit = np.sort(random.integers(N_UNITS, size=N_ROWS))
    return EvaluationBatch(x=x, z=torch.from_numpy(z).float(), x_hat=x + error, unit=unit)


def hand_rows() -> EvaluationBatch:
    """x = 0, 2, 4, 6 in one dimension with errors 1, 0, 0, 2; latents firing 1, 0, 2, 1 times; two units."""
    x = torch.tensor([[0.0], [2.0], [4.0], [6.0]])
    x_hat = torch.tensor([[1.0], [2.0], [4.0], [4.0]])
    z = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 0.0], [-2.0, 3.0, 0.0], [0.0, 0.5, 0.0]])
    return EvaluationBatch(x=x, z=z, x_hat=x_hat, unit=np.array([0, 0, 1, 1]))


def taken(batch: EvaluationBatch, which: np.ndarray) -> EvaluationBatch:
    index = torch.from_numpy(which)
    return EvaluationBatch(x=batch.x[index], z=batch.z[index], x_hat=batch.x_hat[index], unit=batch.unit[which])


def sums_of(case: MetricCase, batches: list[EvaluationBatch], center: float = 0.0) -> dict[str, np.ndarray]:
    first = batches[0]
    metric = case.make(N_UNITS, first.z.shape[1], np.full(first.x.shape[1], center))
    for batch in batches:
        metric.update(batch)
    return metric.sums()


def with_prediction(batch: EvaluationBatch, x_hat: torch.Tensor) -> EvaluationBatch:
    return EvaluationBatch(x=batch.x, z=batch.z, x_hat=x_hat, unit=batch.unit)


def gather(case: MetricCase) -> MetricEvidence:
    """Let the metric see the same rows in many ways."""
    data, order = rows(), np.arange(N_ROWS)
    cut = [[taken(data, part) for part in np.array_split(order, n)] for n in (2, 7, N_ROWS)]
    uneven = [taken(data, order[:1]), taken(data, order[1:])]
    shuffled = numpy_generator(1, "conformance-metric").permutation(N_ROWS)
    huge = rows(HUGE)
    without_mean = EvaluationBatch(
        x=data.x - data.x.double().mean(dim=0).float(), z=data.z, x_hat=torch.zeros_like(data.x), unit=data.unit
    )
    predictions = {
        "perfect": with_prediction(huge, huge.x),
        "mean": with_prediction(data, data.x.double().mean(dim=0).float().expand_as(data.x)),
        "zero": without_mean,
    }
    return MetricEvidence(
        case=case,
        hand=case.results(sums_of(case, [hand_rows()])),
        whole=sums_of(case, [data]),
        cuts=[sums_of(case, batches) for batches in (*cut, uneven)],
        permuted=sums_of(case, [taken(data, shuffled)]),
        one_unit=sums_of(case, [EvaluationBatch(x=data.x, z=data.z, x_hat=data.x_hat, unit=0 * data.unit)]),
        once=case.results(sums_of(case, [data])),
        twice=case.results(sums_of(case, [data, taken(data, order[: N_ROWS // 2]), taken(data, order[N_ROWS // 2 :])])),
        offset=case.results(sums_of(case, [huge], center=HUGE)),
        predicted={
            name: case.results(sums_of(case, [batch], center=HUGE if name == "perfect" else 0.0))
            for name, batch in predictions.items()
        },
    )


CASES = (
    MetricCase(
        name="reconstruction",
        make=Reconstruction,
        results=lambda sums: reconstruction_results(sums, SUBJECT, numpy_generator(0, "conformance")),
        by_hand={"fvu": 5 / 20, "l0": 1.0, "dead_eval": 1.0},
        predictors={"perfect": {"fvu": 0.0}, "mean": {"fvu": 1.0}, "zero": {"fvu": 1.0}},
    ),
)
