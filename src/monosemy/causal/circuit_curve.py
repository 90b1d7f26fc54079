"""How much of a task a growing set of nodes carries: faithfulness and completeness, with intervals over pairs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float64
from torch import Tensor

from monosemy.causal.circuit import NodeGraph, complement, first_nodes, prompt_metric
from monosemy.core import Advance, Interval, UserError, bootstrap, ignore_advance, numpy_generator
from monosemy.corpus.tasks import Pair

GOAL = 0.8
"""The faithfulness on the selection pairs that decides how many nodes a task's graph has."""


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class CircuitPoint:
    """The n_nodes of the largest effect. faithfulness: of them alone. completeness: of all the others.

    threshold: |effect| of the last node that is in, in nats; None where there is none. fit_faithfulness: on the
    selection pairs.
    """

    n_nodes: int
    threshold: float | None
    fit_faithfulness: float
    faithfulness: Interval
    completeness: Interval


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class CircuitCurve:
    """One order of nodes; `errors`: whether error terms are among them, or always ablated."""

    errors: bool
    points: tuple[CircuitPoint, ...]

    @property
    def chosen(self) -> CircuitPoint | None:
        """The smallest set with a faithfulness of GOAL on the selection pairs; None where none has."""
        return next((point for point in self.points if point.fit_faithfulness >= GOAL), None)


def faithfulness(
    metric: Float64[Tensor, " pairs"],
    empty: Float64[Tensor, " pairs"],
    full: Float64[Tensor, " pairs"],
    generator: np.random.Generator,
) -> Interval:
    """(m(C) - m(empty)) / (m(model) - m(empty)), of means over pairs; interval by bootstrap over pairs; no unit.

    1: as good as the model, which is 1 exactly; the empty set is 0. Raises UserError where the model does the task no
    better than with everything ablated, so that there is nothing to explain. Source: Marks et al. 2024, section 3.
    """
    sums = np.stack([each.numpy() for each in (metric, empty, full)], axis=1)
    if not sums[:, 2].mean() > sums[:, 1].mean():
        raise UserError("the model does the task no better than with every node ablated; take a task that it can do")
    found = bootstrap(sums, _share, generator)
    return Interval(value=float(found.value[0]), low=float(found.low[0]), high=float(found.high[0]))


def circuit_curve(
    graph: NodeGraph,
    effects: Sequence[Float64[Tensor, " _"]],
    pairs: tuple[Sequence[Pair], Sequence[Pair]],
    sizes: Sequence[int],
    *,
    errors: bool,
    seed: int,
    advance: Advance = ignore_advance,
) -> CircuitCurve:
    """The curve over the numbers of nodes; pairs: the selection ones, which chose the order, and those reported.

    `advance` by 1 for each size. Raises UserError as `faithfulness`.
    """
    selection, held_out = pairs
    full = tuple(prompt_metric(graph, some, graph.all(True)) for some in pairs)
    empty = tuple(prompt_metric(graph, some, graph.all(False)) for some in pairs)

    def share(metric: Tensor, which: int) -> Interval:
        return faithfulness(metric, empty[which], full[which], numpy_generator(seed, "circuit-intervals"))

    points = []
    for n in sizes:
        kept = first_nodes(graph, effects, n, errors=errors)
        inside = [effect[mask].abs() for effect, mask in zip(effects, kept, strict=True) if mask.any()]
        points.append(
            CircuitPoint(
                n_nodes=sum(int(mask.sum()) for mask in kept),
                threshold=min(float(size.min()) for size in inside) if inside else None,
                fit_faithfulness=share(prompt_metric(graph, selection, kept), 0).value,
                faithfulness=share(prompt_metric(graph, held_out, kept), 1),
                completeness=share(prompt_metric(graph, held_out, complement(kept)), 1),
            )
        )
        advance(1)
    return CircuitCurve(errors=errors, points=tuple(points))


def _share(totals: np.ndarray) -> np.ndarray:
    metric, empty, full = totals.T
    return ((metric - empty) / (full - empty))[:, None]
