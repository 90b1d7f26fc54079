"""Oracles: sums by hand; a batch that fits and its double that does not; what the refusal says is tried."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from monosemy.core import UserError
from monosemy.experiments import MEMBERS_A_JOB
from monosemy.lm import ModelSource
from monosemy.recipes import Plan, Speed, plan_run, refuse_what_cannot_fit
from monosemy.recipes.plan import PROCESS_BYTES, READER_BYTES, dictionary_bytes, job_bytes, largest_batch
from monosemy.training import training_bytes
from tests.unit.recipes.subjects import SUBJECT, D

SPEED = Speed(products_a_second=1e9, tokens_a_second=1e4)
MEMBERS = (*SUBJECT.members, *SUBJECT.control)
WIDTHS = (D,) * len(MEMBERS)


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return plan_run(SUBJECT, ModelSource().load(), SPEED, tmp_path / "not" / "there", 2)


def test_what_is_recorded_and_how_much_disk_it_takes(plan: Plan) -> None:
    sizes = {store.name: (store.n_tokens, store.stored_bytes) for store in plan.stores}
    row = 2 * D + 20
    assert sizes["train, 2 sites"] == (200 * 64, 200 * 64 * (row + 2 * D))
    assert sizes["control, train, 1 site"] == (100 * 64, 100 * 64 * row)
    assert sizes["contexts, test, 1 site"] == (50 * 64, 50 * 64 * row)
    assert plan.disk_bytes == sum(size for _, size in sizes.values()) + dictionary_bytes(MEMBERS, WIDTHS)


def test_stores_that_are_there_are_not_counted_again(plan: Plan, tmp_path: Path) -> None:
    (tmp_path / "activations-0123456789ab").mkdir()
    (tmp_path / "activations-0123456789ab" / "x").write_bytes(bytes(1000))
    again = plan_run(SUBJECT, ModelSource().load(), SPEED, tmp_path, 2)
    assert again.disk_bytes == plan.disk_bytes - 1000


def test_memory_of_a_process_is_that_of_the_largest_members_of_a_job() -> None:
    needs = sorted((training_bytes(m, D) for m in MEMBERS), key=lambda need: need.weights, reverse=True)
    kept = sum(need.weights + need.moments for need in needs[:MEMBERS_A_JOB])
    assert job_bytes(MEMBERS, WIDTHS) == PROCESS_BYTES + READER_BYTES + kept + max(need.buffers for need in needs)


def test_the_largest_batch_fits_and_twice_as_many_rows_do_not() -> None:
    available = 2_000_000_000
    batch = largest_batch(MEMBERS, WIDTHS, 2, available)
    assert batch is not None

    def need(size: int) -> int:
        return 2 * job_bytes([replace(m, batch_size=size) for m in MEMBERS], WIDTHS)

    assert need(batch) <= available < need(2 * batch)
    assert largest_batch(MEMBERS, WIDTHS, 2, available, most=100) == 64
    assert largest_batch(MEMBERS, WIDTHS, 2, 1000) is None and largest_batch(MEMBERS, WIDTHS, 2, None) is None


def test_what_the_refusal_offers_would_fit(plan: Plan) -> None:
    big = [replace(m, n_latents=2_000_000, batch_size=65_536) for m in MEMBERS]
    available = 20_000_000_000
    tight = replace(
        plan,
        members=tuple(big),
        job_bytes=job_bytes(big, WIDTHS),
        available_bytes=available,
        free_bytes=10**15,
        largest_batch=largest_batch(big, WIDTHS, 2, available),
    )
    with pytest.raises(UserError, match="would fit") as error:
        refuse_what_cannot_fit(tight)
    batch, latents = re.findall(r"--batch-size (\d+) or n_latents ([\d,]+)", str(error.value))[0]
    for changed in (
        [replace(m, batch_size=int(batch)) for m in big],
        [replace(m, n_latents=int(latents.replace(",", ""))) for m in big],
    ):
        assert 2 * job_bytes(changed, WIDTHS) <= available < 2 * job_bytes(big, WIDTHS)
    assert "\n" not in str(error.value)


def test_fewer_processes_are_offered_where_one_fits(plan: Plan) -> None:
    tight = replace(plan, available_bytes=plan.job_bytes + 1, free_bytes=10**15, largest_batch=None)
    with pytest.raises(UserError, match="--threads 1 would fit"):
        refuse_what_cannot_fit(tight)
    refuse_what_cannot_fit(replace(tight, available_bytes=None))  # where nothing is known nothing is refused


def test_a_full_disk_is_refused(plan: Plan) -> None:
    with pytest.raises(UserError, match="--max-train-sequences"):
        refuse_what_cannot_fit(replace(plan, free_bytes=plan.disk_bytes - 1))
    with pytest.raises(UserError, match="fewer or smaller dictionaries"):
        refuse_what_cannot_fit(replace(plan, free_bytes=10))
    refuse_what_cannot_fit(replace(plan, free_bytes=plan.disk_bytes, available_bytes=None))


def test_the_lines_for_the_terminal(plan: Plan) -> None:
    text = "\n".join([*plan.lines(), plan.line()])
    assert "12,800 tokens" in text and "100 steps of 64 = 6,400 tokens" in text and "1 topk, control" in text
    assert "available not known" in "\n".join(replace(plan, available_bytes=None).lines())
    assert max(map(len, plan.lines())) <= 120
