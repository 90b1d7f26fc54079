"""Oracles: the laws of a permutation, layouts written by hand, and shards put together by plain indexing."""

from pathlib import Path

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from monosemy.activations import ShardLayout
from monosemy.activations.store import StoreOrder
from monosemy.activations.store_writer import chunk_file, is_whole, save_whole, seal_shard, sealed_file
from tests.unit.activations.stores_of_tests import rows


def layout(order: StoreOrder, *, chunk_rows: tuple[int, ...] = (4, 3), n_shards: int = 2, seed: int = 0) -> ShardLayout:
    return ShardLayout(chunk_rows=chunk_rows, n_shards=n_shards, order=order, seed=seed)


def shard(whole: ShardLayout, number: int) -> list[tuple[int, int]]:
    """The rows of a shard as (chunk, row in the text), in order."""
    taken = [
        (chunk, int(row))
        for chunk, start, stop in whole.parts(number)
        for row in whole.rows_of_chunk(chunk)[start:stop]
    ]
    return [taken[i] for i in whole.rows_of_shard(number)]


@settings(max_examples=150, deadline=None)
@given(
    chunk_rows=st.lists(st.integers(0, 40), min_size=1, max_size=6),
    n_shards=st.integers(1, 7),
    order=st.sampled_from(["shuffled", "text"]),
    seed=st.integers(0, 3),
)
def test_every_row_stands_in_exactly_one_shard(
    chunk_rows: list[int], n_shards: int, order: StoreOrder, seed: int
) -> None:
    whole = layout(order, chunk_rows=tuple(chunk_rows), n_shards=n_shards, seed=seed)
    shards = [shard(whole, number) for number in range(whole.n_shards)]
    text = [(chunk, row) for chunk, n in enumerate(whole.chunk_rows) for row in range(n)]
    found = [row for one in shards for row in one]
    assert sorted(found) == text
    assert whole.shard_rows() == tuple(len(one) for one in shards)
    if whole.order == "text":
        assert found == text
        assert max(whole.shard_rows()) - min(whole.shard_rows()) <= 1
    else:
        for chunk, n in enumerate(whole.chunk_rows):  # every shard has its share of every chunk
            shares = [sum(row[0] == chunk for row in one) for one in shards]
            assert max(shares) - min(shares) <= 1
            assert sum(shares) == n


def test_text_order_by_hand() -> None:
    whole = layout("text")
    assert [whole.parts(number) for number in (0, 1)] == [[(0, 0, 3)], [(0, 3, 4), (1, 0, 3)]]


def test_shuffled_order_by_hand() -> None:
    whole = layout("shuffled")
    assert [whole.parts(number) for number in (0, 1)] == [[(0, 0, 2), (1, 1, 3)], [(0, 2, 4), (1, 0, 1)]]
    assert whole.shard_rows() == (4, 3)


def test_a_shuffled_layout_is_shuffled() -> None:
    """Against uniform permutations: ranks of text and of shard are uncorrelated, and neighbors are torn apart."""
    whole = layout("shuffled", chunk_rows=(500,) * 8, n_shards=4)
    order = np.array([500 * chunk + row for number in range(4) for chunk, row in shard(whole, number)])
    assert abs(np.corrcoef(order, np.arange(4000))[0, 1]) < 4 / np.sqrt(4000)
    assert (np.abs(np.diff(order)) == 1).mean() < 0.005  # expected 2 / 4000
    assert abs(np.abs(np.diff(order)).mean() / (4000 / 3) - 1) < 0.05
    other = layout("shuffled", chunk_rows=(500,) * 8, n_shards=4, seed=1)
    assert shard(other, 0) != shard(whole, 0)


def test_a_sealed_shard_is_its_rows(tmp_path: Path) -> None:
    whole = layout("shuffled", chunk_rows=(5, 0, 6), n_shards=3)
    places = [(chunk, row) for chunk, n in enumerate(whole.chunk_rows) for row in range(n)]
    text = dict(zip(places, rows(len(places), 4).half(), strict=True))
    for chunk, n in enumerate(whole.chunk_rows):
        taken = [text[chunk, int(row)] for row in whole.rows_of_chunk(chunk)]
        save_whole(chunk_file(tmp_path, chunk, "a.0"), "x", torch.stack(taken) if n else torch.empty(0, 4).half())
    for number in range(3):
        seal_shard(tmp_path, whole, "a.0", number)
        found = load_file(sealed_file(tmp_path, "a.0", number))["x"]
        assert torch.equal(found, torch.stack([text[row] for row in shard(whole, number)]))
    assert not list(tmp_path.rglob("*.tmp"))


def test_a_file_is_whole_or_it_is_not(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b.safetensors"
    assert not is_whole(path)
    save_whole(path, "x", torch.zeros(3, 2))
    assert is_whole(path)
    data = path.read_bytes()
    for n_bytes in (0, 5, len(data) - 1):
        path.write_bytes(data[:n_bytes])
        assert not is_whole(path)
