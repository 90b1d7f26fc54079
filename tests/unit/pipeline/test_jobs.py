"""Oracle: the files that the jobs leave, and which processes made them."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from monosemy.core import Advance, Progress, UserError, Workers
from monosemy.pipeline import Job, Run, Stage, Workspace, find_stage, read_run, run_jobs

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


def test_a_job_leaves_all_or_nothing_and_earlier_jobs_stay(tmp_path: Path) -> None:
    stages = [stage(n) for n in (0, 1, 2, -3)]
    with pytest.raises(UserError, match="-3 is negative"):
        run(stages, tmp_path)
    assert [find_stage(stage, tmp_path) is not None for stage in stages] == [True, True, False, False]
    assert (tmp_path / ".partial" / stages[2].folder_name / "checkpoint").read_text() == "half"


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
