"""Oracle: all pre-activations sorted at once."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from monosemy.core import UserError, numpy_generator, torch_generator
from monosemy.dictionaries import BatchTopKConfig, JumpReLU, MatryoshkaConfig, ReLUL1Config, TopKConfig
from monosemy.training import calibrate_, calibrate_threshold


@given(
    sizes=st.lists(st.integers(0, 30), min_size=1, max_size=5).filter(lambda sizes: sum(sizes) > 0),
    k=st.integers(1, 6),
    shift=st.sampled_from([-3.0, -0.5, 0.0, 2.0]),
    seed=st.integers(0, 1000),
)
def test_the_mean_l0_is_k(sizes: list[int], k: int, shift: float, seed: int) -> None:
    rng = numpy_generator(seed, "test")
    batches = [torch.from_numpy(rng.normal(size=(n, 8)) + shift).float() for n in sizes]
    found = calibrate_threshold(lambda: batches, k)
    pre = torch.cat(batches)
    n_above, n_positive = int((pre > found.threshold).sum()), int((pre > 0).sum())
    assert n_above == min(k * len(pre), n_positive)
    assert found.l0 == n_above / len(pre)
    in_order = np.sort(pre.numpy().reshape(-1))[::-1]
    if n_positive > k * len(pre):
        assert in_order[k * len(pre) - 1] > found.threshold >= in_order[k * len(pre)]


@pytest.mark.parametrize(
    ("values", "k", "expected"),
    [
        ([3.0, 2.0, 2.0, 2.0, 1.0, 0.0], 1, 1),  # 2 are wanted; there may be 1 or 4
        ([3.0, 2.0, 2.0, 2.0, 2.0, 2.0], 2, 6),  # 4 are wanted; there may be 1 or 6
        ([2.0, 2.0, 2.0, 2.0, 2.0, 0.0], 1, 0),  # 2 are wanted; there may be 0 or 5
    ],
)
def test_ties_go_to_the_side_that_is_closer(values: list[float], k: int, expected: int) -> None:
    """Two tokens of three latents; expected: how many are above it."""
    pre = torch.tensor(values).reshape(2, 3)
    found = calibrate_threshold(lambda: [pre], k)
    assert int((pre > found.threshold).sum()) == expected
    assert found.l0 == expected / 2


@pytest.mark.parametrize("config", [TopKConfig(k=3), BatchTopKConfig(k=3), MatryoshkaConfig(k=3)])
def test_the_exported_dictionary_has_that_l0(config: TopKConfig | BatchTopKConfig | MatryoshkaConfig) -> None:
    module = config.build(16, 64, torch_generator(0, "test"))
    batches = [torch.randn(n, 16, generator=torch_generator(n, "test-x")) for n in (100, 3, 50)]
    found = calibrate_(module, lambda: batches)
    assert found is not None
    assert found.l0 == 3.0
    mean, scale = torch.arange(16.0), 7.0
    with_threshold = {"threshold": True} if isinstance(config, TopKConfig) else {}
    dictionary = module.export(mean, scale, **with_threshold)
    assert isinstance(dictionary.sparsifier, JumpReLU)
    z = dictionary.encode(torch.cat(batches) * scale + mean)
    assert int(z.count_nonzero()) == pytest.approx(3 * 153, abs=1)  # of folded weights, whose rounding differs


def test_others_have_no_threshold() -> None:
    module = ReLUL1Config(coefficient=1.0).build(4, 8, torch_generator(0, "test"))
    before = {name: value.clone() for name, value in module.state_dict().items()}
    assert calibrate_(module, lambda: []) is None
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_nothing_and_nan_are_refused() -> None:
    with pytest.raises(UserError, match="no activations to calibrate"):
        calibrate_threshold(lambda: [], 3)
    with pytest.raises(UserError, match="is NaN"):
        calibrate_threshold(lambda: [torch.full((2, 2), torch.nan)], 1)
