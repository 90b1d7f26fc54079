"""A stage: a body that fills an artifact folder, run once for each configuration, parents and version.

    key = fingerprint of (name, configuration, parents' fingerprints, version)        folder = <root>/<name>-<key[:12]>

A folder therefore never holds another configuration's work, and what is there and complete is a cache hit. A stage that
is killed leaves nothing that looks complete; what it had put into its scratch folder is there when it is run again.
"""

import contextlib
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import filelock

from monosemy.core import (
    SILENT,
    Artifact,
    DamagedArtifact,
    Progress,
    Show,
    UserError,
    artifact_fingerprint,
    first_difference,
    ignore_row,
    open_artifact,
    remove_leftovers,
    to_json,
    write_artifact,
)

Origin = Literal["computed", "cached"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Workspace:
    """What a stage's body works with: the folder to fill, the display, and a scratch folder that survives a kill.

    show: where a job says what each of its members is doing.
    """

    folder: Path
    progress: Progress
    scratch_path: Path
    show: Show = ignore_row

    def scratch(self) -> Path:
        """The stage's scratch folder (checkpoints): what a killed run left in it is there; removed once complete."""
        self.scratch_path.mkdir(parents=True, exist_ok=True)
        return self.scratch_path


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """A named step of a run: `body` fills `workspace.folder` from `config` and `parents`, and from nothing else.

    `config` is a frozen dataclass. A stage without a body is made by a job (pipeline/jobs.py). `version` is raised by
    hand when the body's outcome changes. Raises ValueError unless the name consists of lower-case letters, digits, "_"
    and "-".
    """

    name: str
    config: object
    body: Callable[[Workspace], None] | None = None
    parents: Mapping[str, Artifact] = field(default_factory=dict)
    version: int = 1

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", self.name):
            raise ValueError(
                f"a stage's name is part of a folder's: lower-case letters, digits, _ and -, not {self.name!r}"
            )

    @property
    def key(self) -> str:
        """The cache key, which is also the fingerprint of the artifact that the stage makes."""
        return artifact_fingerprint(
            kind=self.name, config=self.config, parents=self.parent_fingerprints, version=self.version
        )

    @property
    def parent_fingerprints(self) -> dict[str, str]:
        """The parents' names and fingerprints, as the manifest keeps them."""
        return {name: parent.fingerprint for name, parent in self.parents.items()}

    @property
    def folder_name(self) -> str:
        """The name of the stage's folder under the root."""
        return f"{self.name}-{self.key[:12]}"


def find_stage(stage: Stage, root: Path, progress: Progress = SILENT, *, verify: bool = False) -> Artifact | None:
    """The stage's artifact where it is complete under `root`; None where it must be computed.

    Presence and size of the files are checked, with `verify` their sha256 too; a damaged folder is told and not taken.
    """
    path = root / stage.folder_name
    if not path.exists():
        return None
    try:
        return open_stage(stage, path, verify=verify)
    except DamagedArtifact as error:
        progress.message(f"{stage.name}: {error}")
        return None


def run_stage(
    stage: Stage, root: Path, progress: Progress = SILENT, *, refresh: bool = False, verify: bool = False
) -> Artifact:
    """The stage's artifact: the one under `root` where it is complete, otherwise computed now.

    `refresh` computes it anew, from the beginning; the old one stays until then. Of two processes that need the same
    stage one computes and the other waits. Raises UserError when the disk is full or the folder is not the stage's own.
    """
    return obtain_stage(stage, root, progress, refresh=refresh, verify=verify)[0]


def obtain_stage(
    stage: Stage, root: Path, progress: Progress = SILENT, *, refresh: bool = False, verify: bool = False
) -> tuple[Artifact, Origin]:
    """`run_stage`, and whether the artifact was computed or found."""
    cached = None if refresh else find_stage(stage, root, verify=verify)
    if cached is None:
        with locked(root, stage, progress):
            # Looked for once more: another process may have made it while this one waited.
            cached = None if refresh else find_stage(stage, root, progress, verify=verify)
            if cached is None:
                return _computed(stage, root, progress, from_the_beginning=refresh), "computed"
    progress.message(f"{stage.name}: cached in {cached.path}")
    return cached, "cached"


def open_stage(stage: Stage, path: Path, *, verify: bool = True) -> Artifact:
    """The artifact in a folder, which must be the one that this stage makes.

    Raises UserError when the folder was made with another configuration, naming the first key that differs and both
    values; and as `open_artifact` does.
    """
    artifact = open_artifact(path, kind=stage.name, verify=verify)
    if artifact.fingerprint != stage.key:
        there = {**artifact.config, "parents": artifact.parents, "version": artifact.version}
        asked = {**to_json(stage.config), "parents": stage.parent_fingerprints, "version": stage.version}
        key, left, right = first_difference(there, asked) or ("fingerprint", artifact.fingerprint, stage.key)
        raise UserError(
            f"{path} was made with another configuration: {key} is {left!r} there and {right!r} here; "
            "use that configuration or another folder"
        )
    return artifact


def _computed(stage: Stage, root: Path, progress: Progress, *, from_the_beginning: bool) -> Artifact:
    """The stage's artifact, made now by the only process that makes it."""
    if stage.body is None:
        raise ValueError(f"{stage.name} has no body: it is made by a job")
    path, scratch = root / stage.folder_name, root / ".partial" / stage.folder_name
    remove_leftovers(path)
    if from_the_beginning:
        remove_folder(scratch)
    with write_artifact(
        path, kind=stage.name, config=stage.config, parents=stage.parent_fingerprints, version=stage.version
    ) as folder:
        stage.body(Workspace(folder=folder, progress=progress, scratch_path=scratch))
    remove_folder(scratch)
    return open_stage(stage, path, verify=False)


def remove_folder(folder: Path) -> None:
    """Remove a folder and what is in it, where it is there."""
    if folder.exists():
        shutil.rmtree(folder)


@contextlib.contextmanager
def locked(root: Path, stage: Stage, progress: Progress) -> Iterator[None]:
    """Hold the lock of a stage's folder; the system releases it when the process ends, however that happens."""
    folder = root / ".locks"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make a folder in {root}: {error.strerror}; choose another place") from error
    lock = filelock.FileLock(folder / f"{stage.folder_name}.lock")
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        progress.message(f"{stage.name}: waiting for another process that computes it")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
