"""Oracle: the batches and states of the store itself, which reads without a thread."""

import itertools
import threading
from pathlib import Path

import pytest
import torch

from monosemy.activations import ActivationStore, ReaderState, prefetched
from monosemy.core import DamagedArtifact, UserError
from tests.unit.activations.stores_of_tests import open_store

SITES = ("resid_post.0", "mlp_out.1")


@pytest.fixture
def store(tmp_path: Path) -> ActivationStore:
    return open_store(tmp_path / "store")[0]


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "prefetch"]


@pytest.mark.parametrize("batch_size", [1, 5, 23])
def test_batches_and_states_are_those_of_the_store(store: ActivationStore, batch_size: int) -> None:
    """Over three epochs and shards of unequal sizes, so that batches cross from one to the next."""
    n = 3 * 23 // batch_size
    expected = itertools.islice(store.batches(SITES, batch_size, 4), n)
    with_thread = prefetched(store, SITES, batch_size, 4)
    for (x, state), (batch, own_state) in zip(expected, with_thread, strict=False):
        assert own_state == state
        assert list(batch) == list(SITES)
        assert all(torch.equal(batch[site], x[site]) and batch[site].dtype == torch.float32 for site in SITES)
    with_thread.close()
    assert threads() == []


def test_it_goes_on_from_any_state(store: ActivationStore) -> None:
    whole = [
        (batch["mlp_out.1"].clone(), state) for batch, state in itertools.islice(prefetched(store, SITES, 5, 4), 12)
    ]
    for i, (_, state) in enumerate(whole[:-1]):
        later = prefetched(store, SITES, 5, 4, state)
        batch, after = next(later)
        assert after == whole[i + 1][1]
        assert torch.equal(batch["mlp_out.1"], whole[i + 1][0])
        later.close()


def test_a_batch_in_use_is_not_written_again(store: ActivationStore) -> None:
    """It keeps its values while the thread reads ahead; two buffers are all there are."""
    batches = prefetched(store, SITES, 5, 0)
    where: set[int] = set()
    for batch, _ in itertools.islice(batches, 9):
        before = batch[SITES[0]].clone()
        threading.Event().wait(0.002)
        assert torch.equal(batch[SITES[0]], before)
        where.add(batch[SITES[0]].data_ptr())
    assert len(where) == 2
    batches.close()


def test_a_consumer_that_stops_early_ends_the_thread(store: ActivationStore) -> None:
    for n in (1, 2):
        batches = prefetched(store, SITES, 5, 0)
        for _ in range(n):
            next(batches)
        assert len(threads()) == 1
        batches.close()
        assert threads() == []
    prefetched(store, SITES, 5, 0).close()  # never begun
    assert threads() == []


def test_what_goes_wrong_in_the_thread_is_raised_here(tmp_path: Path) -> None:
    store, _ = open_store(tmp_path / "store")
    shard = tmp_path / "store" / SITES[0] / "00003.safetensors"
    shard.write_bytes(shard.read_bytes()[:-1] + b"\x7f")
    with pytest.raises(DamagedArtifact, match=r"00003\.safetensors is damaged"):
        for _ in prefetched(store, SITES, 5, 0):
            pass
    assert threads() == []


def test_a_bad_request_is_refused_before_anything_is_read(store: ActivationStore) -> None:
    with pytest.raises(UserError, match="a batch of 24 rows"):
        prefetched(store, SITES, 24, 0)
    with pytest.raises(UserError, match="no state of a reader"):
        prefetched(store, SITES, 5, 0, ReaderState(epoch=0, n_read_rows=3))
    assert threads() == []
