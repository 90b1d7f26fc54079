"""Oracle: stores written by hand, whose rows carry their own number."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from monosemy.activations import ActivationStore, ReaderState
from monosemy.core import DamagedArtifact, UserError, write_artifact
from tests.unit.activations.stores_of_tests import CONTEXT, open_store, rows, write_store

SITES = ("resid_post.0", "mlp_out.1")
Batch = tuple[dict[str, torch.Tensor], ReaderState]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ActivationStore:
    return open_store(tmp_path_factory.mktemp("store") / "s")[0]


def numbers(x: dict[str, torch.Tensor]) -> list[int]:
    """The rows of a batch, by the number that each carries; the same at both sites."""
    assert torch.equal(x[SITES[0]][:, 0], x[SITES[1]][:, 0])
    return [int(number) for number in x[SITES[0]][:, 0]]


def take(batches: Iterator[Batch], n: int) -> list[Batch]:
    return list(itertools.islice(batches, n))


def epoch(store: ActivationStore, *, batch_size: int = 1, seed: int = 0, number: int = 0) -> list[int]:
    """The rows of one epoch, in order."""
    state = ReaderState(epoch=number, n_read_rows=0)
    batches = take(store.batches(SITES, batch_size, seed, state), store.n_rows // batch_size)
    return [row for x, _ in batches for row in numbers(x)]


def test_what_a_store_says_of_itself(tmp_path: Path) -> None:
    store, x = open_store(tmp_path / "s")
    assert (store.sites, store.n_rows, store.context_length, store.order) == (SITES, 23, CONTEXT, "shuffled")
    assert (store.d_site("mlp_out.1"), store.config) == (2, {"seed": 3})
    assert (store.documents[2].id, store.documents[2].unit, store.documents[2].first_token) == ("d2", "u", 8)
    x64 = x["resid_post.0"].double().numpy()
    np.testing.assert_allclose(store.mean("resid_post.0"), x64.mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(store.mean_square("resid_post.0"), (x64**2).mean(axis=0), rtol=1e-14)
    assert store.scale("resid_post.0") == pytest.approx(np.sqrt((x64**2).mean()), rel=1e-14)
    scaled = x64 / store.scale("resid_post.0")
    assert (scaled**2).sum(axis=1).mean() == pytest.approx(3.0)  # a mean square of 1 a dimension
    sequences = store.sequences()
    assert sequences.tokens.shape == (23, CONTEXT)
    assert sequences.document.reshape(-1)[1 + 7 * CONTEXT] == 7


@pytest.mark.parametrize(("max_rows", "n_rows"), [(4, None), (100, None), (1, 10), (4, 9), (5, 0), (3, 1000)])
def test_chunks_are_the_stored_rows_in_order(tmp_path: Path, max_rows: int, n_rows: int | None) -> None:
    store, x = open_store(tmp_path / "s")
    n = 23 if n_rows is None else min(n_rows, 23)
    chunks = list(store.chunks(["mlp_out.1", "resid_post.0"], max_rows, n_rows))
    assert all(1 <= len(chunk.place) <= max_rows for chunk in chunks)
    for site in SITES if n else ():
        found = torch.cat([chunk.x[site] for chunk in chunks])
        assert found.dtype == torch.float32
        assert torch.equal(found, x[site][:n])
    assert [int(place) for chunk in chunks for place in chunk.place] == [1 + CONTEXT * row for row in range(n)]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_both_formats_are_read(tmp_path: Path, dtype: torch.dtype) -> None:
    x = rows(8, 3, dtype=dtype)
    store = ActivationStore.open(write_store(tmp_path / "s", {"resid_pre.0": x}, [8], dtype=dtype))
    assert torch.equal(next(store.chunks(["resid_pre.0"])).x["resid_pre.0"], x)


@settings(max_examples=30, deadline=None)
@given(batch_size=st.integers(1, 23), seed=st.integers(0, 3), number=st.integers(0, 2))
def test_an_epoch_gives_every_row_once_and_leaves_less_than_a_batch(
    store: ActivationStore, batch_size: int, seed: int, number: int
) -> None:
    found = epoch(store, batch_size=batch_size, seed=seed, number=number)
    assert len(set(found)) == len(found) == 23 // batch_size * batch_size


def test_a_batch_has_the_rows_that_the_store_has(tmp_path: Path) -> None:
    store, x = open_store(tmp_path / "s")
    for batch, _ in take(store.batches(SITES, 7, seed=1), 9):
        chosen = numbers(batch)
        for site in SITES:
            assert batch[site].dtype == torch.float32
            assert not batch[site].is_inference()
            assert torch.equal(batch[site], x[site][chosen])


def test_epochs_and_seeds_differ_and_one_seed_repeats(store: ActivationStore) -> None:
    assert epoch(store) == epoch(store)
    orders = [epoch(store, seed=seed, number=number) for seed in (0, 1) for number in (0, 1, 2)]
    assert len({tuple(order) for order in orders}) == 6
    assert all(sorted(order) == list(range(23)) for order in orders)
    first_shards = {order[0] // 9 for order in (epoch(store, number=number) for number in range(20))}
    assert len(first_shards) > 1  # shards change places too


@pytest.mark.parametrize("batch_size", [1, 4, 23])
def test_every_state_restarts_at_exactly_the_next_batch(store: ActivationStore, batch_size: int) -> None:
    n = 2 * (23 // batch_size) + 2  # beyond two ends of epochs
    whole = take(store.batches(SITES, batch_size, seed=5), n)
    for done, (_, state) in enumerate(whole[:-1], start=1):
        again = take(store.batches(SITES, batch_size, 5, state), n - done)
        assert [s for _, s in again] == [s for _, s in whole[done:]]
        for (x, _), (y, _) in zip(again, whole[done:], strict=True):
            assert all(torch.equal(x[site], y[site]) for site in SITES)


def test_sites_asked_for_do_not_change_the_rows(store: ActivationStore) -> None:
    both, one = (take(store.batches(sites, 4, seed=2), 7) for sites in (SITES, SITES[1:]))
    for (x, _), (y, _) in zip(both, one, strict=True):
        assert set(y) == {"mlp_out.1"}
        assert torch.equal(x["mlp_out.1"], y["mlp_out.1"])


def test_what_a_reader_refuses(store: ActivationStore) -> None:
    with pytest.raises(UserError, match=r"no activations at 'resid_post.9' \(did .*'resid_post.0'\?\); it has: resid"):
        store.batches(["resid_post.9"], 4, seed=0)
    with pytest.raises(UserError, match=r"it has: resid_post\.0, mlp_out\.1"):
        store.chunks(["x"])
    for ask in (store.d_site, store.mean, store.mean_square, store.scale):
        with pytest.raises(UserError, match="no activations at 'x'"):
            ask("x")
    for batch_size in (0, 24):
        with pytest.raises(UserError, match="has 23; take 1 to that"):
            store.batches(SITES, batch_size, seed=0)
    for state in (ReaderState(epoch=0, n_read_rows=3), ReaderState(epoch=-1, n_read_rows=0)):
        with pytest.raises(UserError, match="is no state of a reader of 23 rows in batches of 4"):
            store.batches(SITES, 4, 0, state)


def test_a_flipped_byte_is_told_when_the_shard_is_read(tmp_path: Path) -> None:
    open_store(tmp_path / "s")
    path = tmp_path / "s" / "mlp_out.1" / "00002.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    damaged = ActivationStore.open(tmp_path / "s")  # opens: nothing has been read
    assert sum(len(chunk.place) for chunk in damaged.chunks(["resid_post.0"])) == 23
    assert len(list(damaged.chunks(["mlp_out.1"], n_rows=9))) == 1
    for read in (lambda: list(damaged.chunks(["mlp_out.1"])), lambda: take(damaged.batches(SITES, 23, seed=0), 1)):
        with pytest.raises(DamagedArtifact, match=r"mlp_out.1/00002.safetensors is damaged: its sha256") as error:
            read()
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["moments.safetensors", "store.json", "documents.json", "place/00000.safetensors"])
def test_a_shortened_file_is_told_at_once(tmp_path: Path, name: str) -> None:
    open_store(tmp_path / "s")
    path = tmp_path / "s" / name
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DamagedArtifact, match=f"{name} is damaged"):
        ActivationStore.open(tmp_path / "s")


def test_what_is_no_store_is_refused(tmp_path: Path) -> None:
    with write_artifact(tmp_path / "other", kind="describe", config={}):
        pass
    with pytest.raises(UserError, match="expected 'activations'"):
        ActivationStore.open(tmp_path / "other")
    with write_artifact(tmp_path / "empty", kind="activations", config={}) as folder:
        (folder / "store.json").write_text("{}")
    with pytest.raises(DamagedArtifact, match="is not a store of this version"):
        ActivationStore.open(tmp_path / "empty")


@pytest.mark.parametrize(
    ("mean", "mean_square", "message"),
    [
        ([3.0, -2.0], [9.0, 4.0], "do not vary"),
        ([0.0, 0.0], [0.0, 0.0], "do not vary"),
        ([0.0, 0.0], [np.inf, 1.0], "are not finite"),
        ([np.nan, 0.0], [1.0, 1.0], "are not finite"),
    ],
)
def test_activations_without_a_scale(tmp_path: Path, mean: list[float], mean_square: list[float], message: str) -> None:
    moments = {"resid_pre.0/mean": np.array(mean), "resid_pre.0/mean_square": np.array(mean_square)}
    store = ActivationStore.open(write_store(tmp_path / "s", {"resid_pre.0": rows(4, 2)}, [4], moments=moments))
    with pytest.raises(UserError, match=f"the activations at resid_pre.0 {message}"):
        store.scale("resid_pre.0")
