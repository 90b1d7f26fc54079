"""Oracle: a history of firing written by hand."""

import torch

from monosemy.training import DeadLatents


def test_dead_is_counted_in_tokens_since_the_last_firing() -> None:
    dead = DeadLatents(3, dead_after_tokens=20)
    assert not dead.is_dead().any()
    history = [(True, False, False), (False, False, True), (False, False, False)]
    found = []
    for fired in history:
        dead.update_(torch.tensor(fired), 10)
        found.append(dead.is_dead().tolist())
    assert found == [[False, False, False], [False, True, False], [True, True, False]]
    dead.update_(torch.tensor([False, True, False]), 1)
    assert dead.is_dead().tolist() == [True, False, False]
    assert dead.n_silent_tokens.tolist() == [21, 0, 11]
