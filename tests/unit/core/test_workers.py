"""Oracle: the same functions called one after the other in this process."""

import os
import signal
import time
from pathlib import Path

import pytest
import torch

from monosemy.core import Advance, Row, Teller, UserError, Workers, held_interruptions


def square(number: int, advance: Advance) -> int:
    advance(number)
    return number * number


def show_rows(number: int, teller: Teller) -> int:
    for i in range(200):  # of which at most two a second are worth showing
        teller.show(Row(name=f"member{number}", cells={"L0": str(i)}))
        teller(1)
    teller.show(Row(name=f"member{number}", cells={"left": "x" * 2_000}, state="done"))
    return number


def where(_: int, __: Advance) -> tuple[int, int]:
    time.sleep(0.2)  # long enough for the other worker to take the next
    return os.getpid(), torch.get_num_threads()


def product(seed: int, _: Advance) -> bytes:
    generator = torch.Generator().manual_seed(seed)
    a = torch.randn(300, 170, generator=generator)
    return (a.T @ a).numpy().tobytes()


def refuse(number: int, _: Advance) -> int:
    if number == 2:
        raise UserError("two is refused")
    return number


def die(number: int, _: Advance) -> int:
    if number == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def wait_forever(path: Path, _: Advance) -> None:
    path.write_text(str(os.getpid()))
    time.sleep(600)


def save_when_interrupted(path: Path, advance: Advance) -> None:
    with held_interruptions() as interrupted:
        path.with_suffix(".begun").touch()
        advance(1)
        while not interrupted():
            time.sleep(0.01)
        path.write_text("saved")
    raise KeyboardInterrupt


@pytest.mark.parametrize("n", [1, 2])
def test_results_come_in_the_order_of_the_tasks_and_advances_add_up(n: int) -> None:
    told: list[int | float] = []
    with Workers(n) as workers:
        assert list(workers.map(square, range(20), told.append)) == [i * i for i in range(20)]
        assert sum(told) == sum(range(20))
        assert list(workers.map(square, [7], told.append)) == [49]
        assert list(workers.map(square, [])) == []


@pytest.mark.parametrize("n", [1, 2])
def test_rows_come_from_the_workers_thinned_out_and_the_last_ones_all(n: int) -> None:
    shown: list[Row] = []
    told: list[int | float] = []
    with Workers(n) as workers:
        assert list(workers.map(show_rows, range(60), told.append, shown.append)) == list(range(60))
        next(workers.map(show_rows, range(100)))  # more is never read than a pipe holds: no worker waits for that
    assert sum(told) == 60 * 200
    assert {row.name for row in shown if row.state == "done"} == {f"member{i}" for i in range(60)}
    assert 60 <= sum(row.state == "running" for row in shown) <= 120


def test_two_workers_are_two_other_processes_of_one_thread() -> None:
    with Workers(2) as workers:
        places = list(workers.map(where, range(6)))
    assert len({pid for pid, _ in places}) == 2
    assert os.getpid() not in {pid for pid, _ in places}
    assert {n_threads for _, n_threads in places} == {1}


def test_bytes_do_not_depend_on_the_number_of_workers() -> None:
    with Workers(1) as one, Workers(2) as two:
        assert list(one.map(product, range(3))) == list(two.map(product, range(3)))


@pytest.mark.parametrize("n", [1, 2])
def test_an_error_of_the_users_passes_through(n: int) -> None:
    with pytest.raises(UserError, match="two is refused"), Workers(n) as workers:
        list(workers.map(refuse, range(5)))


def test_a_worker_that_is_killed_is_told_in_one_line() -> None:
    with pytest.raises(UserError, match="worker process died"), Workers(2) as workers:
        list(workers.map(die, range(4)))


def test_an_interrupt_ends_the_workers(tmp_path: Path) -> None:
    pids = [tmp_path / "a", tmp_path / "b"]
    with pytest.raises(KeyboardInterrupt), Workers(2) as workers:
        results = workers.map(wait_forever, pids)

        def interrupt(*_: object) -> None:
            if all(path.exists() for path in pids):
                raise KeyboardInterrupt

        previous = signal.signal(signal.SIGALRM, interrupt)
        signal.setitimer(signal.ITIMER_REAL, 0.2, 0.2)
        try:
            list(results)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, previous)
    for path in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(int(path.read_text()), 0)


def test_tasks_that_hold_an_interrupt_back_save_and_no_other_begins(tmp_path: Path) -> None:
    """Two workers have begun two of five tasks when the interrupt comes; the third was already on its way to them."""
    paths = [tmp_path / str(i) for i in range(5)]
    n_begun = 0

    def interrupt(n: int | float) -> None:
        nonlocal n_begun
        n_begun += int(n)
        if n_begun == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), Workers(2) as workers:
        list(workers.map(save_when_interrupted, paths, interrupt))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0", "0.begun", "1", "1.begun"]
    assert (tmp_path / "0").read_text() == (tmp_path / "1").read_text() == "saved"


def test_fewer_than_one_is_refused() -> None:
    with pytest.raises(UserError, match="at least 1"):
        Workers(0)
