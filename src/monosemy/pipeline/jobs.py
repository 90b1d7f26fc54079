"""Jobs: stages that worker processes make side by side, several of them in one go where they share what they read."""

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from monosemy.core import SILENT, Advance, Progress, Workers, remove_leftovers, write_artifact
from monosemy.pipeline.stage import Stage, Workspace, find_stage, locked, remove_folder


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """What one process does without a break: `body(workspaces, advance)` fills the folders of `stages`, in their order.

    `body` is pickled: a function at the top level of a module, or a `functools.partial` of one. It advances by
    `n_units` in all. Its stages are complete together, or not at all.
    """

    stages: tuple[Stage, ...]
    body: Callable[[Sequence[Workspace], Advance], None]
    n_units: int | float = 1


def run_jobs(
    stages: Sequence[Stage],
    plan: Callable[[Sequence[Stage]], Sequence[Job]],
    root: Path,
    workers: Workers,
    progress: Progress,
    *,
    name: str,
    unit: str,
    refresh: bool = False,
) -> dict[str, float]:
    """Make those of `stages` that are missing under `root` by the jobs that `plan(missing)` gives.

    Returns the seconds that each stage made now took, by key; stages of one job share its time evenly. What a finished
    job made stays when a later one fails. Raises ValueError when the plan's jobs are not made of the missing stages.
    """

    def missing() -> list[Stage]:
        return [stage for stage in stages if refresh or find_stage(stage, root) is None]

    with contextlib.ExitStack() as locks:
        # In the order of their names, so that two runs that need the same stages cannot wait for each other.
        for stage in sorted(missing(), key=lambda stage: stage.folder_name):
            locks.enter_context(locked(root, stage, progress))
        wanted = missing()  # once more: another process may have made some while this one waited
        if not wanted:
            return {}
        jobs = plan(wanted)
        if sorted(stage.key for job in jobs for stage in job.stages) != sorted(stage.key for stage in wanted):
            raise ValueError(f"{name}: the jobs are not made of the stages that are missing")
        seconds: dict[str, float] = {}
        with progress.task(name, sum(job.n_units for job in jobs), unit) as task:
            taken = workers.map(_make, [_Task(job=_light(job), root=root) for job in jobs], task.advance)
            for job, job_seconds in zip(jobs, taken, strict=True):
                seconds |= {stage.key: job_seconds / len(job.stages) for stage in job.stages}
        return seconds


@dataclass(frozen=True, kw_only=True, slots=True)
class _Task:
    job: Job
    root: Path


def _light(job: Job) -> Job:
    """The job without what its stages do by themselves, which need not survive pickling."""
    return replace(job, stages=tuple(replace(stage, body=None) for stage in job.stages))


def _make(task: _Task, advance: Advance) -> float:
    """Do a job in a worker; the seconds that it took."""
    started = time.monotonic()
    with contextlib.ExitStack() as folders:
        workspaces: list[Workspace] = []
        for stage in task.job.stages:
            path = task.root / stage.folder_name
            remove_leftovers(path)
            folder = folders.enter_context(
                write_artifact(
                    path, kind=stage.name, config=stage.config, parents=stage.parent_fingerprints, version=stage.version
                )
            )
            scratch = task.root / ".partial" / stage.folder_name
            workspaces.append(Workspace(folder=folder, progress=SILENT, scratch_path=scratch))
        task.job.body(workspaces, advance)
    for workspace in workspaces:
        remove_folder(workspace.scratch_path)
    return time.monotonic() - started
