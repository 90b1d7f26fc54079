"""A run: stages one after the other, and `run.json`, which says what was done, with what, and how long it took."""

import json
import platform
import shlex
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Literal

import torch

from monosemy import __version__
from monosemy.core import SILENT, Artifact, Progress, UserError, Workers, atomic_write_text, from_json, to_json
from monosemy.pipeline.jobs import Job, run_jobs
from monosemy.pipeline.stage import Origin, Stage, find_stage, obtain_stage

RUN_FILE = "run.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class StageRecord:
    """One stage of a run: whether it was computed or found, and how long that took.

    `computed_seconds` is what computing it took (its last part, where it was killed and continued), also where the run
    before did that; None where no record tells.
    """

    name: str
    key: str
    folder: str
    status: Origin
    seconds: float
    computed_seconds: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class RunRecord:
    """The content of `run.json`."""

    command: tuple[str, ...]
    started_utc: str
    status: Literal["running", "complete", "interrupted", "failed"]
    seed: int
    n_threads: int
    monosemy: str
    python: str
    torch: str
    stages: tuple[StageRecord, ...]


class Run:
    """A context manager in which stages are run, each recorded in `<folder>/run.json` as soon as it is done.

    record_file: another name for that file, where a command adds to the run of another one. The artifacts lie in
    `folder` too. An exception goes on its way after the record says how the run ended; on Ctrl-C the display says
    how to continue. `refresh` computes every stage anew; with `only_cached` a stage that is not there raises
    UserError.
    """

    def __init__(
        self,
        folder: Path,
        *,
        command: tuple[str, ...],
        seed: int,
        n_threads: int,
        progress: Progress = SILENT,
        refresh: bool = False,
        only_cached: bool = False,
        record_file: str = RUN_FILE,
    ) -> None:
        self.folder, self.progress = folder, progress
        self._refresh, self._only_cached, self._record_file = refresh, only_cached, record_file
        self._known_seconds = _computed_seconds(folder / RUN_FILE, progress)
        if record_file != RUN_FILE:
            self._known_seconds |= _computed_seconds(folder / record_file, progress)
        self.record = RunRecord(
            command=command,
            started_utc=datetime.now(UTC).isoformat(timespec="seconds"),
            status="running",
            seed=seed,
            n_threads=n_threads,
            monosemy=__version__,
            python=platform.python_version(),
            torch=str(torch.__version__),
            stages=(),
        )

    def __enter__(self) -> "Run":
        self._write(self.record)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, traceback: TracebackType | None) -> None:
        if kind is None:
            self._write(replace(self.record, status="complete"))
            return
        interrupted = issubclass(kind, KeyboardInterrupt)
        self._write(replace(self.record, status="interrupted" if interrupted else "failed"))
        if interrupted:
            command = shlex.join(self.record.command)
            self.progress.message(f"interrupted; what is finished is kept in {self.folder}: continue with {command}")

    def stage(self, stage: Stage, *, refresh: bool = False) -> Artifact:
        """The artifact of a stage, found or computed, and recorded. refresh: make it anew where it is there."""
        self._check_there([stage])
        started = time.monotonic()
        artifact, origin = obtain_stage(stage, self.folder, self.progress, refresh=refresh or self._refresh)
        seconds = round(time.monotonic() - started, 3)
        record = StageRecord(
            name=stage.name,
            key=stage.key,
            folder=stage.folder_name,
            status=origin,
            seconds=seconds,
            computed_seconds=seconds if origin == "computed" else self._known_seconds.get(stage.key),
        )
        self._write(replace(self.record, stages=(*self.record.stages, record)))
        return artifact

    def stages(
        self,
        stages: Sequence[Stage],
        plan: Callable[[Sequence[Stage]], Sequence[Job]],
        workers: Workers,
        *,
        name: str,
        unit: str,
        refresh: bool = False,
    ) -> list[Artifact]:
        """The artifacts of many stages: the missing ones made side by side by the jobs of `plan`; all recorded.

        refresh: make those anew that are there.
        """
        self._check_there(stages)
        anew = refresh or self._refresh
        computed = run_jobs(stages, plan, self.folder, workers, self.progress, name=name, unit=unit, refresh=anew)
        artifacts: list[Artifact] = []
        records: list[StageRecord] = []
        for stage in stages:
            artifact = find_stage(stage, self.folder)
            if artifact is None:
                raise UserError(
                    f"{self.folder / stage.folder_name} vanished while it was needed; run the command again"
                )
            seconds = computed.get(stage.key)
            records.append(
                StageRecord(
                    name=stage.name,
                    key=stage.key,
                    folder=stage.folder_name,
                    status="cached" if seconds is None else "computed",
                    seconds=round(seconds or 0.0, 3),
                    computed_seconds=self._known_seconds.get(stage.key) if seconds is None else round(seconds, 3),
                )
            )
            artifacts.append(artifact)
        n_cached = sum(record.status == "cached" for record in records)
        if n_cached:
            self.progress.message(f"{name}: {n_cached} of {len(stages)} cached in {self.folder}")
        self._write(replace(self.record, stages=(*self.record.stages, *records)))
        return artifacts

    def _check_there(self, stages: Sequence[Stage]) -> None:
        if self._only_cached:
            n_missing = sum(find_stage(stage, self.folder) is None for stage in stages)
            if n_missing:
                raise UserError(
                    f"{n_missing} of {len(stages)} stages {stages[0].name} of this configuration are not in "
                    f"{self.folder}; make them first, with monosemy run and the same options"
                )

    def _write(self, record: RunRecord) -> None:
        self.record = record
        atomic_write_text(self.folder / self._record_file, json.dumps(to_json(record), indent=2) + "\n")


def read_run(path: Path) -> RunRecord:
    """The record in a `run.json`; raises UserError when it is missing or cannot be read."""
    if not path.is_file():
        raise UserError(f"{path} is missing; a run writes it into its folder")
    try:
        return from_json(RunRecord, json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, UserError) as error:
        raise UserError(f"{path} is not the record of a run: {error}") from error


def _computed_seconds(path: Path, progress: Progress) -> dict[str, float]:
    """What the run before says that each stage took, by key, so that a continued run does not forget it."""
    if not path.exists():
        return {}
    try:
        stages = read_run(path).stages
    except UserError as error:
        progress.message(f"{error}; it is replaced")
        return {}
    return {stage.key: stage.computed_seconds for stage in stages if stage.computed_seconds is not None}
