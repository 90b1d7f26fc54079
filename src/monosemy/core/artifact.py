"""Artifact folders: files and a manifest, complete or not there at all.

`manifest.json` says what the folder is (kind), what made it (config, the parents' fingerprints, version) and what it
holds (sha256 and size of every file). The fingerprint is that of the inputs, not of the bytes: what is read from
outside (a user's text files) must therefore stand in the config by its own content hash.
"""

import contextlib
import errno
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any, TypedDict

from monosemy.core.config import canonical_json, fingerprint, to_json
from monosemy.core.errors import DamagedArtifact, UserError
from monosemy.core.threads import available_cores

MANIFEST = "manifest.json"
FORMAT = "monosemy-artifact"
FORMAT_VERSION = 1
NO_PARENTS: Mapping[str, str] = MappingProxyType({})
_FULL = (errno.ENOSPC, errno.EDQUOT)
_RACED = (errno.ENOTEMPTY, errno.EEXIST)  # the target came into being meanwhile
_SCHEMA = {"kind": str, "config": dict, "parents": dict, "files": dict, "fingerprint": str, "version": int}


class FileRecord(TypedDict):
    """What the manifest knows of one file."""

    sha256: str
    n_bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Artifact:
    """A complete artifact folder: where it is, what it is, what made it, what it holds (relative names, with /)."""

    path: Path
    kind: str
    config: dict[str, Any]
    parents: dict[str, str]
    files: dict[str, FileRecord]
    fingerprint: str
    version: int

    def file(self, name: str) -> Path:
        """The path of one of its files; raises UserError when the manifest does not list it."""
        if name not in self.files:
            raise UserError(f"{self.path} ({self.kind}) has no file {name!r}; it holds: {', '.join(self.files)}")
        return self.path / name


def artifact_fingerprint(
    *, kind: str, config: object, parents: Mapping[str, str] = NO_PARENTS, version: int = 1
) -> str:
    """The fingerprint of what an artifact is made from: kind, configuration, the parents' fingerprints, version."""
    return fingerprint({"kind": kind, "config": config, "parents": parents, "version": version})


@contextlib.contextmanager
def write_artifact(
    path: Path, *, kind: str, config: object, parents: Mapping[str, str] = NO_PARENTS, version: int = 1
) -> Iterator[Path]:
    """Yield a temporary folder to fill; if the block ends well it becomes the artifact `path`, otherwise it is removed.

    `config` is a dataclass or a JSON object. The files are hashed and flushed to the disk before the folder is renamed
    into place; an artifact that was there before is replaced only then. Raises UserError when `path` holds something
    that is not an artifact of this kind (it is never overwritten), and when the disk is full.
    """
    path = path.resolve()  # behind a link to another disk, the link stays and the folder there is replaced
    refuse_foreign(path, kind)
    temporary = _sibling(path, "tmp")
    try:
        with full_disk_is_user_error(path):
            _make_folder(temporary)
            yield temporary
            _write_manifest(temporary, kind=kind, config=config, parents=parents, version=version)
            refuse_foreign(path, kind)
            _publish(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)  # after a success there is nothing left to remove


def open_artifact(path: Path, *, kind: str, verify: bool = True) -> Artifact:
    """The artifact in a folder, checked: kind, format, fingerprint, and every file.

    verify True reads all files and compares their sha256; False compares only presence and size. Raises UserError
    naming the file when the folder is of another kind or format, and DamagedArtifact when a file is missing or changed.
    """
    artifact = _read_manifest(path)
    if artifact.kind != kind:
        raise UserError(f"{path} holds an artifact of kind {artifact.kind!r}; expected {kind!r}")
    for name, record in artifact.files.items():
        file = path / name
        if not file.is_file():
            raise DamagedArtifact(f"{file} is missing, though {MANIFEST} lists it; make the artifact anew")
        n_bytes = file.stat().st_size
        if n_bytes != record["n_bytes"]:
            expected = record["n_bytes"]
            raise DamagedArtifact(f"{file} is damaged: {n_bytes} bytes, expected {expected}; make the artifact anew")
        if verify and file_sha256(file) != record["sha256"]:
            raise DamagedArtifact(f"{file} is damaged: its sha256 differs from {MANIFEST}; make the artifact anew")
    return artifact


def remove_leftovers(path: Path) -> None:
    """Remove what killed writers of the artifact `path` left beside it; the caller knows that no writer is alive."""
    if path.parent.is_dir():
        for entry in path.parent.iterdir():
            if entry.name.startswith(f".{path.name}.") and entry.suffix in (".tmp", ".old"):
                shutil.rmtree(entry)


def atomic_write_bytes(path: Path, data: bytes) -> None:
    """Write a file so that it holds either what it held before or all of `data`, even after a kill or a power cut.

    Makes the folder when it is not there. Raises UserError when the disk is full.
    """
    temporary = _sibling(path, "tmp")
    with full_disk_is_user_error(path.parent):
        _make_folder(path.parent)
        try:
            temporary.write_bytes(data)
            _flush(temporary)
            temporary.replace(path)
            _flush(path.parent)
        finally:
            temporary.unlink(missing_ok=True)


def atomic_write_text(path: Path, text: str) -> None:
    """`atomic_write_bytes` of a text, in UTF-8 and with its newlines as they are."""
    atomic_write_bytes(path, text.encode())


def file_sha256(path: Path) -> str:
    """The sha256 of a file's content, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextlib.contextmanager
def full_disk_is_user_error(folder: Path) -> Iterator[None]:
    """Turn "no space left" and "quota exceeded" from inside the block into a UserError that names the folder."""
    try:
        yield
    except Exception as error:
        if not _says_full(error):
            raise
        existing = next(parent for parent in [folder, *folder.absolute().parents] if parent.exists())
        free_megabytes = shutil.disk_usage(existing).free / 1e6
        raise UserError(
            f"no space left to write {folder} ({free_megabytes:.0f} MB free there); "
            "nothing was changed: free some space or choose another folder, and run the same command again"
        ) from error


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if _says_full(error):
            raise
        raise UserError(f"cannot make a folder in {folder.parent}: {error.strerror}; choose another place") from error


def _says_full(error: Exception) -> bool:
    if isinstance(error, OSError):
        return error.errno in _FULL
    return any(f"(os error {number})" in str(error) for number in _FULL)  # how safetensors, in Rust, says it


def _sibling(path: Path, suffix: str) -> Path:
    """A hidden name beside `path`, hence on the same file system, that no other writer has."""
    return path.parent / f".{path.name}.{uuid.uuid4().hex}.{suffix}"


def refuse_foreign(path: Path, kind: str) -> None:
    """Refuse to replace what is not an artifact of this kind: it may be the user's only copy of something else."""
    while (looked_at := _inode(path)) is not None:
        problem = _foreign(path, kind)
        if problem is None:
            return
        # Another writer of the same artifact may have replaced the folder in the middle of the look: then look again.
        if _inode(path) == looked_at:
            raise UserError(f"{path} {problem}; it is left as it is: choose another folder")


def _foreign(path: Path, kind: str) -> str | None:
    """Why what lies at `path` must not be replaced by an artifact of this kind; None where it may be."""
    try:
        if path.is_dir() and not any(path.iterdir()):
            return None
        if not (path / MANIFEST).is_file():
            return "exists and is not an artifact of Monosemy"
        present = _read_manifest(path).kind
    except FileNotFoundError:
        return "was moved away"
    except DamagedArtifact:
        return None  # it may be made anew
    return None if present == kind else f"holds an artifact of kind {present!r}"


def _inode(path: Path) -> int | None:
    """The number by which the file system knows what lies at `path`; None where nothing does."""
    try:
        return path.stat().st_ino
    except (FileNotFoundError, NotADirectoryError):
        return None


def _write_manifest(folder: Path, *, kind: str, config: object, parents: Mapping[str, str], version: int) -> None:
    if (folder / MANIFEST).exists():
        raise ValueError(f"{MANIFEST} is the artifact's own; what fills the folder cannot write a file of that name")
    found = sorted(file for file in folder.rglob("*") if file.is_file())
    with ThreadPoolExecutor(available_cores()) as threads:  # hashing gigabytes takes seconds, and frees the GIL
        digests = list(threads.map(_flushed_sha256, found))
    files: dict[str, FileRecord] = {
        file.relative_to(folder).as_posix(): {"sha256": digest, "n_bytes": file.stat().st_size}
        for file, digest in zip(found, digests, strict=True)
    }
    manifest = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "kind": kind,
        "version": version,
        "fingerprint": artifact_fingerprint(kind=kind, config=config, parents=parents, version=version),
        "config": json.loads(canonical_json(config)) if isinstance(config, Mapping) else to_json(config),
        "parents": dict(parents),
        "files": files,
    }
    (folder / MANIFEST).write_bytes((json.dumps(manifest, indent=2, allow_nan=False) + "\n").encode())
    _flush(folder / MANIFEST)
    for inner in [folder, *(inner for inner in folder.rglob("*") if inner.is_dir())]:
        _flush(inner)


def _flushed_sha256(file: Path) -> str:
    _flush(file)
    return file_sha256(file)


def _read_manifest(path: Path) -> Artifact:
    """The manifest of a folder, its own consistency checked, its files not."""
    file = path / MANIFEST
    if not file.is_file():
        raise DamagedArtifact(f"{file} is missing: {path} is not a complete artifact of Monosemy")
    try:
        manifest = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DamagedArtifact(f"{file} is damaged ({error}); make the artifact anew") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise UserError(f"{file} was not written by Monosemy (no format {FORMAT!r}); name a folder that Monosemy made")
    if manifest.get("format_version") != FORMAT_VERSION:
        raise UserError(
            f"{file} has format version {manifest.get('format_version')!r}, this Monosemy reads {FORMAT_VERSION}; "
            "use the version that wrote it, or a newer one"
        )
    for key, kind in _SCHEMA.items():
        if not isinstance(manifest.get(key), kind):
            raise DamagedArtifact(f"{file} is damaged: {key} is {manifest.get(key)!r}; make the artifact anew")
    for name, record in manifest["files"].items():
        # A manifest from elsewhere must not make us read outside of its folder.
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts or "\\" in name:
            raise UserError(f"{file} lists {name!r}, which lies outside of the folder; do not use this artifact")
        if not isinstance(record, dict) or set(record) != {"sha256", "n_bytes"}:
            raise DamagedArtifact(f"{file} is damaged: {name!r} is {record!r}; make the artifact anew")
    made_from = {key: manifest[key] for key in ("kind", "config", "parents", "version")}
    if artifact_fingerprint(**made_from) != manifest["fingerprint"]:
        raise DamagedArtifact(f"{file} was changed: its fingerprint does not fit its content; make the artifact anew")
    return Artifact(path=path, **{key: manifest[key] for key in _SCHEMA})


def _publish(temporary: Path, path: Path) -> None:
    """Rename a complete folder into place; of several writers at once, the last one stays and none fails."""
    for _ in range(100):
        old = _sibling(path, "old")
        try:
            with contextlib.suppress(FileNotFoundError):  # nothing was there, or another writer just moved it away
                path.rename(old)
            temporary.rename(path)
        except BaseException as error:
            if isinstance(error, OSError) and error.errno in _RACED:
                shutil.rmtree(old, ignore_errors=True)  # another writer's new artifact stands in its place already
                continue
            if old.exists() and not path.exists():
                old.rename(path)
            raise
        _flush(path.parent)
        shutil.rmtree(old, ignore_errors=True)
        return
    raise OSError(errno.EBUSY, "other processes keep writing the same artifact", str(path))


def _flush(path: Path) -> None:
    """Have the system put a file, or the entries of a folder, on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
