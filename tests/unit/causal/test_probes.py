"""Probes. Oracle: planted concepts whose best accuracy is known, scikit-learn's own score, permuted rows."""

import numpy as np
import pytest
import torch
from sklearn.metrics import balanced_accuracy_score

from monosemy.causal import PROBE_KINDS, ProbeKind, accuracy_counts, balanced_accuracy, fit_probe
from monosemy.core import UserError

D, N = 10, 3000


def linear_rows(seed: int, *, share: float = 0.5) -> tuple[torch.Tensor, np.ndarray]:
    """The concept is the sign of a direction of small variance."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(N, D, generator=generator) * torch.linspace(1, 30, D) + 5.0
    threshold = x[:, 0].quantile(1 - share)
    return x, (x[:, 0] > threshold).numpy()


def ring_rows(seed: int) -> tuple[torch.Tensor, np.ndarray]:
    """The concept is a distance from the center: no linear probe can tell it."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(N, D, generator=generator)
    return x, (x[:, :2].norm(dim=1) > 1.18).numpy()


def accuracy(kind: ProbeKind, fit: tuple[torch.Tensor, np.ndarray], test: tuple[torch.Tensor, np.ndarray]) -> float:
    scores = fit_probe(kind, *fit, seed=0)(test[0])
    return float(balanced_accuracy(accuracy_counts(scores, test[1], np.zeros(N, dtype=np.int64), 1))[0])


@pytest.mark.parametrize("kind", PROBE_KINDS)
@pytest.mark.parametrize("share", [0.5, 0.1])
def test_a_planted_direction_is_found_whatever_its_variance(kind: ProbeKind, share: float) -> None:
    assert accuracy(kind, linear_rows(1, share=share), linear_rows(2, share=share)) > 0.95


def test_only_the_hidden_layer_finds_what_is_not_linear() -> None:
    assert accuracy("linear", ring_rows(1), ring_rows(2)) < 0.55
    assert accuracy("hidden", ring_rows(1), ring_rows(2)) > 0.85


@pytest.mark.parametrize("kind", PROBE_KINDS)
def test_nothing_is_found_where_nothing_is(kind: ProbeKind) -> None:
    (x, holds), (x_test, holds_test) = linear_rows(3), linear_rows(4)
    generator = np.random.default_rng(0)
    found = accuracy(kind, (x, generator.permutation(holds)), (x_test, generator.permutation(holds_test)))
    assert abs(found - 0.5) < 0.05


@pytest.mark.parametrize("kind", PROBE_KINDS)
def test_equal_arguments_give_equal_probes_and_the_global_state_is_not_touched(kind: ProbeKind) -> None:
    x, holds = linear_rows(5)
    state = torch.get_rng_state()
    first, second = (fit_probe(kind, x, holds, seed=3)(x) for _ in range(2))
    assert torch.equal(first, second)
    assert torch.equal(torch.get_rng_state(), state)


def test_counts_are_those_of_the_rows_of_each_unit() -> None:
    generator = np.random.default_rng(1)
    scores, holds = torch.from_numpy(generator.normal(size=200)).float(), generator.random(200) < 0.3
    unit = generator.integers(3, size=200)
    counts = accuracy_counts(scores, holds, unit, 4)
    assert counts[3].tolist() == [0, 0, 0, 0]
    for number in range(3):
        of_unit = unit == number
        expected = balanced_accuracy_score(holds[of_unit], (scores > 0).numpy()[of_unit])
        assert balanced_accuracy(counts[number]) == pytest.approx(expected)
    assert balanced_accuracy(counts.sum(axis=0)) == pytest.approx(balanced_accuracy_score(holds, (scores > 0).numpy()))


def test_rows_of_one_kind_are_refused() -> None:
    with pytest.raises(UserError, match="holds in 4 of 4 rows"):
        fit_probe("linear", torch.randn(4, 2), np.ones(4, dtype=bool), seed=0)
