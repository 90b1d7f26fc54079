"""Every architecture finds a planted truth of 512 features in 256 dimensions, the paper's toy recipe.

Oracle: the planted directions. A gate is .02 below the worst of five seeds (`benchmarks/recovery.py`, docs/log.md), and
at least .4 above what random directions reach; `relu_l1`, trained as the paper's replication does, must be above .93.
"""

import pytest

from benchmarks.recovery import RECIPES, SIZES, recover

GATES = {
    "relu_l1": 0.93,
    "tied_l1": 0.6,
    "norm_weighted_l1": 0.6,
    "topk": 0.6,
    "batch_topk": 0.6,
    "matryoshka": 0.6,
    "jumprelu": 0.6,
    "gated": 0.6,
}


def test_every_architecture_has_a_gate() -> None:
    assert set(GATES) == set(RECIPES)


@pytest.mark.slow
@pytest.mark.parametrize("name", GATES)
def test_the_truth_is_found(name: str) -> None:
    recovery = recover(name, SIZES["full"], seed=0)
    assert recovery.floor < 0.25
    assert recovery.mmcs > max(GATES[name], recovery.floor + 0.4)
