"""Oracle: the files that the jobs leave, and which processes made them."""

import io
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest

from monosemy.core import Advance, Progress, Row, UserError, Workers
from monosemy.pipeline import Job, JobReport, Run, Stage, Workspace, find_stage, read_run, run_jobs

QUIET = Progress(quiet=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    n: int


def stage(n: int) -> Stage:
    return Stage(name="member", config=Config(n=n))


def fill(numbers: Sequence[int], workspaces: Sequence[Workspace], advance: Advance) -> None:
    for number, workspace in zip(numbers, workspaces, strict=True):
        if number < 0:
            raise UserError(f"{number} is negative")
        (workspace.scratch() / "checkpoint").write_text("half")
        (workspace.folder / "number.txt").write_text(f"{number} {os.getpid()}")
        advance(number)


def fill_the_even(numbers: Sequence[int], workspaces: Sequence[Workspace], advance: Advance) -> JobReport:
    fill(numbers, workspaces, advance)
    odd = {i: f"{number} is odd" for i, number in enumerate(numbers) if number % 2}
    return JobReport(failures=odd, messages=tuple(f"saw {number}" for number in numbers))


def number_of(stage: Stage) -> int:
    assert isinstance(stage.config, Config)
    return stage.config.n


def in_pairs(missing: Sequence[Stage]) -> list[Job]:
    pairs = [tuple(missing[i : i + 2]) for i in range(0, len(missing), 2)]
    return [Job(stages=pair, body=partial(fill, [number_of(stage) for stage in pair])) for pair in pairs]


def run(stages: Sequence[Stage], root: Path, n_workers: int = 1) -> dict[str, float]:
    with Workers(n_workers) as workers:
        return run_jobs(stages, in_pairs, root, workers, QUIET, name="members", unit="members")


def content(stage: Stage, root: Path) -> list[str]:
    artifact = find_stage(stage, root)
    assert artifact is not None
    return artifact.file("number.txt").read_text().split()


@pytest.mark.parametrize("n_workers", [1, 2])
def test_what_is_missing_is_made_and_nothing_else(tmp_path: Path, n_workers: int) -> None:
    stages = [stage(n) for n in range(5)]
    assert set(run(stages[:2], tmp_path)) == {stages[0].key, stages[1].key}
    before = [(tmp_path / stage.folder_name / "number.txt").stat().st_mtime_ns for stage in stages[:2]]
    assert set(run(stages, tmp_path, n_workers)) == {stage.key for stage in stages[2:]}
    assert [content(stage, tmp_path)[0] for stage in stages] == list("01234")
    assert [(tmp_path / stage.folder_name / "number.txt").stat().st_mtime_ns for stage in stages[:2]] == before
    made_by = {content(stage, tmp_path)[1] for stage in stages[2:]}
    assert (str(os.getpid()) in made_by) is (n_workers == 1)
    assert run(stages, tmp_path) == {}
    assert not list((tmp_path / ".partial").iterdir())


def show_and_fill(workspaces: Sequence[Workspace], advance: Advance) -> None:
    for i, workspace in enumerate(workspaces):
        workspace.show(Row(name=f"member{i}", cells={"L0": "16"}, state="done"))
        (workspace.folder / "number.txt").write_text("0")
        advance(1)


def test_rows_that_a_job_shows_are_on_the_display(tmp_path: Path) -> None:
    stages = (stage(0), stage(1))
    with Progress(stream := io.StringIO()) as progress, Workers(1) as workers:
        plan = [Job(stages=stages, body=show_and_fill, n_units=2)]
        run_jobs(stages, lambda _: plan, tmp_path, workers, progress, name="train", unit="members")
    assert stream.getvalue().splitlines()[:2] == ["member0: L0 16; done", "member1: L0 16; done"]


def test_a_job_leaves_all_or_nothing_and_earlier_jobs_stay(tmp_path: Path) -> None:
    stages = [stage(n) for n in (0, 1, 2, -3)]
    with pytest.raises(UserError, match="-3 is negative"):
        run(stages, tmp_path)
    assert [find_stage(stage, tmp_path) is not None for stage in stages] == [True, True, False, False]
    assert (tmp_path / ".partial" / stages[2].folder_name / "checkpoint").read_text() == "half"


@pytest.mark.parametrize("n_workers", [1, 2])
def test_failures_that_a_job_reports_cost_no_other_stage(tmp_path: Path, n_workers: int) -> None:
    """Of three jobs of two stages each, one stage of each fails: the evens are kept, and the end names the odds."""
    stages, stream = [stage(n) for n in range(6)], io.StringIO()

    def plan(missing: Sequence[Stage]) -> list[Job]:
        jobs = in_pairs(missing)
        return [replace(job, body=partial(fill_the_even, [number_of(each) for each in job.stages])) for job in jobs]

    with pytest.raises(UserError) as caught, Workers(n_workers) as workers:
        run_jobs(stages, plan, tmp_path, workers, Progress(stream), name="members", unit="members")
    text = str(caught.value)
    assert "3 of 6 could not be made" in text and "1 is odd; 3 is odd; 5 is odd" in text and "\n" not in text
    assert [find_stage(stage, tmp_path) is not None for stage in stages] == [True, False] * 3
    scratch = {path.name for path in (tmp_path / ".partial").iterdir()}
    assert scratch == {stage.folder_name for stage in stages[1::2]}
    assert all(f"members: saw {n}" in stream.getvalue() for n in range(6))
    assert not [path for path in tmp_path.iterdir() if path.suffix == ".tmp"]
    assert set(run(stages, tmp_path)) == {stage.key for stage in stages[1::2]}


def test_sigterm_interrupts_the_jobs(tmp_path: Path) -> None:
    def end(_: Sequence[Workspace], __: Advance) -> None:
        signal.raise_signal(signal.SIGTERM)

    with pytest.raises(KeyboardInterrupt), Workers(1) as workers:
        plan = [Job(stages=(stage(1),), body=end)]
        run_jobs([stage(1)], lambda _: plan, tmp_path, workers, QUIET, name="members", unit="members")
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_refresh_begins_without_what_was_left(tmp_path: Path) -> None:
    found: list[list[str]] = []

    def look(workspaces: Sequence[Workspace], _: Advance) -> None:
        found.append(sorted(path.name for path in workspaces[0].scratch().iterdir()))

    with pytest.raises(UserError), Workers(1) as workers:
        plan = [Job(stages=(stage(3),), body=partial(fill_the_even, [3]))]
        run_jobs([stage(3)], lambda _: plan, tmp_path, workers, QUIET, name="members", unit="members")
    looking = [Job(stages=(stage(3),), body=look)]
    for refresh in (False, True):
        with Workers(1) as workers:
            run_jobs([stage(3)], lambda _: looking, tmp_path, workers, QUIET, name="", unit="", refresh=refresh)
        (tmp_path / ".partial" / stage(3).folder_name).mkdir(parents=True)
        (tmp_path / ".partial" / stage(3).folder_name / "left").touch()
    assert found == [["checkpoint"], []]


def test_a_plan_that_forgets_a_stage_is_a_defect(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not made of the stages"), Workers(1) as workers:
        run_jobs([stage(1)], lambda _: [], tmp_path, workers, QUIET, name="members", unit="members")


def test_the_run_records_every_stage(tmp_path: Path) -> None:
    def go(n: int) -> list[tuple[str, bool]]:
        with Workers(1) as workers, Run(tmp_path, command=("monosemy",), seed=0, n_threads=1) as run:
            stages = [stage(i) for i in range(n)]
            artifacts = run.stages(stages, in_pairs, workers, name="members", unit="members")
            assert [artifact.fingerprint for artifact in artifacts] == [stage.key for stage in stages]
        return [(r.status, r.computed_seconds is not None) for r in read_run(tmp_path / "run.json").stages]

    assert go(2) == [("computed", True)] * 2
    assert go(3) == [("cached", True)] * 2 + [("computed", True)]


def test_a_stage_without_a_body_cannot_be_run_alone(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="made by a job"), Run(tmp_path, command=(), seed=0, n_threads=1) as run:
        run.stage(stage(1))
