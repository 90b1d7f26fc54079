"""Threads and buffers. Oracle: what was asked for, item by item."""

import threading

import pytest

from monosemy.training.fast import BLOCK_ROWS, Engine, Size, pieces


@pytest.mark.parametrize("n_threads", [1, 2, 3])
@pytest.mark.parametrize("n_items", [0, 1, 2, 7])
def test_results_come_in_the_order_of_the_items(n_threads: int, n_items: int) -> None:
    with Engine(n_threads) as engine:
        found = engine.share(lambda thread, item: (thread, item * item), range(n_items))
    assert [square for _, square in found] == [item * item for item in range(n_items)]
    assert all(0 <= thread < n_threads for thread, _ in found)


def test_two_threads_work_at_the_same_time() -> None:
    both = threading.Barrier(2, timeout=20)  # raises BrokenBarrierError where one thread does both items
    with Engine(2) as engine:
        engine.share(lambda _thread, _item: both.wait(), range(2))


def test_a_member_inside_a_thread_shares_no_further() -> None:
    with Engine(2) as engine:
        found = engine.share(lambda _, item: engine.share(lambda thread, _: thread, range(4 + item)), range(2))
    assert found == [[0] * 4, [0] * 5]


def test_an_error_in_a_thread_is_raised() -> None:
    with Engine(2) as engine, pytest.raises(ZeroDivisionError):
        engine.share(lambda _thread, item: 1 // item, [1, 0])


def test_a_workspace_goes_round_and_is_never_given_twice() -> None:
    engine, size = Engine(), Size(batch=300, n_latents=20, d=4, entries_a_block=BLOCK_ROWS * 3)
    with engine.workspace(size) as first, engine.workspace(size) as second:
        assert first is not second
    with engine.workspace(size) as again:
        assert again in (first, second)
    with engine.workspace(Size(300, 40, 4, 8)) as other:
        assert other.encoder_gradient.shape == (40, 4)
    assert first.index.shape == (2 * 3 * BLOCK_ROWS,)


def test_pieces_cover_a_range_once() -> None:
    assert pieces(10, 4) == [(0, 4), (4, 8), (8, 10)]
    assert pieces(0, 4) == []


def test_no_thread_is_no_engine() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Engine(0)
