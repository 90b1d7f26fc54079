"""Faithfulness and completeness. Oracle: the planted wiring, whose true nodes are known, and ratios by hand."""

import numpy as np
import pytest
import torch

from monosemy.causal import NodeGraph, circuit_curve, faithfulness, node_effects, node_site, prompt_metric
from monosemy.core import UserError, numpy_generator
from monosemy.corpus.tasks import Pair
from tests.unit.causal.planted_wiring import CAUSE_HERE, DECOY, MIDDLE, SITES, TARGET, VOCAB, Planted, planted


@pytest.fixture(scope="module")
def world() -> Planted:
    return planted()


def graph_of(world: Planted) -> NodeGraph:
    store = world.stores[0]
    means = [store.x[str(site)].mean(dim=0).numpy() for site in SITES]
    return NodeGraph(
        lm=world.lm, sites=tuple(node_site(each.fit, mean) for each, mean in zip(world.layers, means, strict=True))
    )


def pairs_of(world: Planted, n: int, seed: int) -> list[Pair]:
    """The clean prompt ends on a token that says what makes the target, the corrupt one on one that does not."""
    generator = np.random.default_rng(seed)
    says = world.z[:, CAUSE_HERE].numpy() > 0
    usable = np.arange(VOCAB) > 2
    made = []
    for _ in range(n):
        start = generator.integers(3, VOCAB, 4).tolist()
        ends = [int(generator.choice(np.flatnonzero(mask & usable))) for mask in (says, ~says)]
        ids = {"clean_ids": (*start, ends[0]), "corrupt_ids": (*start, ends[1])}
        made.append(
            Pair(task="t", template="t", clean_text="", corrupt_text="", **ids, answer_ids=(1,), wrong_ids=(2,))
        )
    return made


def test_the_true_nodes_carry_the_task_and_nothing_is_left_without_them(world: Planted) -> None:
    graph = graph_of(world)
    pairs = pairs_of(world, 12, 0), pairs_of(world, 12, 1)
    effects = [each.mean(dim=0) for each in node_effects(graph, pairs[0], 10)]
    best = [int(effect[:-1].abs().argmax()) for effect in effects]
    assert best[1:] == [MIDDLE, TARGET]
    assert best[0] == CAUSE_HERE and abs(float(effects[0][DECOY])) < 1e-2 * float(effects[0][CAUSE_HERE])
    every = sum(each.n_nodes for each in graph.sites)
    curve = circuit_curve(graph, effects, pairs, [0, 3, every], errors=True, seed=0)
    assert [point.n_nodes for point in curve.points] == [0, 3, every]
    none, three, whole = curve.points
    assert none.faithfulness.value == 0.0 and none.completeness.value == 1.0
    assert whole.faithfulness.value == 1.0 and whole.completeness.value == 0.0
    assert three.faithfulness.value == pytest.approx(1.0, abs=0.1)
    assert three.completeness.value == pytest.approx(0.0, abs=0.1)
    assert curve.chosen is three
    assert three.threshold == pytest.approx(min(float(effects[i][best[i]].abs()) for i in range(3)))


def test_without_errors_only_latents_are_counted(world: Planted) -> None:
    graph = graph_of(world)
    pairs = pairs_of(world, 6, 0), pairs_of(world, 6, 1)
    effects = [each.mean(dim=0) for each in node_effects(graph, pairs[0], 4)]
    told: list[float] = []
    curve = circuit_curve(graph, effects, pairs, [0, 10_000], errors=False, seed=0, advance=lambda n: told.append(n))
    assert curve.points[1].n_nodes == sum(each.n_nodes - 1 for each in graph.sites)
    assert not curve.errors and told == [1, 1]


def test_faithfulness_by_hand() -> None:
    """Means 2, 1 and 5 give (2 - 1) / (5 - 1)."""
    metric, empty, full = (torch.tensor(values, dtype=torch.float64) for values in ([1, 3], [1, 1], [4, 6]))
    found = faithfulness(metric, empty, full, numpy_generator(0, "test"))
    assert found.value == 0.25
    assert found.low == 0.0 and found.high == pytest.approx(2 / 5)


def test_a_task_that_the_model_cannot_do_is_refused(world: Planted) -> None:
    graph = graph_of(world)
    zero = torch.zeros(3, dtype=torch.float64)
    with pytest.raises(UserError, match="no better than with every node ablated"):
        faithfulness(zero, zero, zero, numpy_generator(0, "test"))
    assert prompt_metric(graph, [], graph.all(True)).shape == (0,)
