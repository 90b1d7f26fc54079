"""Jobs: stages that worker processes make side by side, several of them in one go where they share what they read."""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from monosemy.core import (
    SILENT,
    Advance,
    Progress,
    Teller,
    UserError,
    Workers,
    remove_leftovers,
    sigterm_as_interrupt,
    write_artifact,
)
from monosemy.pipeline.stage import Stage, Workspace, find_stage, locked, remove_folder


@dataclass(frozen=True, kw_only=True, slots=True)
class JobReport:
    """How a job went, if not plainly well: the stages that it could not make, by their number, and why; notes."""

    failures: Mapping[int, str] = field(default_factory=dict)
    messages: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """What one process does without a break: `body(workspaces, advance)` fills the folders of `stages`, in their order.

    `body` is pickled: a function at the top level of a module, or a `functools.partial` of one. It advances by
    `n_units` in all. Its stages are complete together, or not at all, but for those that its report says have failed:
    their scratch folders stay, and the other stages are kept.
    """

    stages: tuple[Stage, ...]
    body: Callable[[Sequence[Workspace], Advance], JobReport | None]
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
    job made stays when a later one fails. SIGTERM interrupts as Ctrl-C does. Raises UserError in the end, naming them,
    when jobs reported stages that they could not make; ValueError when the plan's jobs are not made of the missing
    stages.
    """

    def missing() -> list[Stage]:
        return [stage for stage in stages if refresh or find_stage(stage, root) is None]

    with sigterm_as_interrupt(), contextlib.ExitStack() as locks:
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
        failures: list[str] = []
        with progress.task(name, sum(job.n_units for job in jobs), unit) as task:
            tasks = [_Task(job=_light(job), root=root, refresh=refresh) for job in jobs]
            for job, done in zip(jobs, workers.map(_make, tasks, task.advance, task.show), strict=True):
                seconds |= {stage.key: done.seconds / len(job.stages) for stage in job.stages}
                failures += done.report.failures.values()
                for text in done.report.messages:
                    progress.message(f"{name}: {text}")
        if failures:
            raise UserError(
                f"{len(failures)} of {len(wanted)} could not be made; the others are complete and kept in {root}: "
                + "; ".join(failures)
            )
        return seconds


@dataclass(frozen=True, kw_only=True, slots=True)
class _Task:
    job: Job
    root: Path
    refresh: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class _Made:
    seconds: float
    report: JobReport


def _light(job: Job) -> Job:
    """The job without what its stages do by themselves, which need not survive pickling."""
    return replace(job, stages=tuple(replace(stage, body=None) for stage in job.stages))


def _make(task: _Task, teller: Teller) -> _Made:
    """Do a job in a worker."""
    started = time.monotonic()
    failed: set[str] = set()
    with contextlib.ExitStack() as folders:
        workspaces = [folders.enter_context(_workspace(task, stage, teller, failed)) for stage in task.job.stages]
        report = task.job.body(workspaces, teller) or JobReport()
        failed |= {task.job.stages[number].key for number in report.failures}
    for stage, workspace in zip(task.job.stages, workspaces, strict=True):
        if stage.key not in failed:
            remove_folder(workspace.scratch_path)
    return _Made(seconds=time.monotonic() - started, report=report)


@contextlib.contextmanager
def _workspace(task: _Task, stage: Stage, teller: Teller, failed: set[str]) -> Iterator[Workspace]:
    """A workspace whose folder becomes the stage's artifact, unless the stage has failed by then."""
    path, scratch = task.root / stage.folder_name, task.root / ".partial" / stage.folder_name
    remove_leftovers(path)
    if task.refresh:
        remove_folder(scratch)
    with (
        contextlib.suppress(_Failed),
        write_artifact(
            path, kind=stage.name, config=stage.config, parents=stage.parent_fingerprints, version=stage.version
        ) as folder,
    ):
        yield Workspace(folder=folder, progress=SILENT, scratch_path=scratch, show=teller.show)
        if stage.key in failed:
            raise _Failed


class _Failed(Exception):
    """Makes `write_artifact` give a folder up."""
