"""Oracles: hashlib for the hashes, the folder's listing before and after for atomicity, faults planted one by one."""

import errno
import hashlib
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from safetensors import SafetensorError

from monosemy.core import (
    Artifact,
    DamagedArtifact,
    UserError,
    artifact_fingerprint,
    atomic_write_bytes,
    atomic_write_text,
    file_sha256,
    from_json,
    full_disk_is_user_error,
    open_artifact,
    remove_leftovers,
    write_artifact,
)

FULL_DEVICE = Path("/dev/full")


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    n: int
    out: Path = Path("a/b")


def make(path: Path, text: str = "content", *, n: int = 1, kind: str = "store") -> Artifact:
    with write_artifact(path, kind=kind, config=Config(n=n), parents={"lm": "abc"}, version=2) as folder:
        (folder / "shards").mkdir()
        (folder / "shards" / "0.bin").write_text(text)
        (folder / "notes.txt").write_text("")
    return open_artifact(path, kind=kind)


def listing(folder: Path) -> dict[str, str]:
    """Every file under a folder and its content; hidden ones too."""
    return {file.relative_to(folder).as_posix(): file.read_text() for file in folder.rglob("*") if file.is_file()}


def test_what_was_written_is_what_is_opened(tmp_path: Path) -> None:
    artifact = make(tmp_path / "deep" / "store")
    assert artifact.files == {
        "notes.txt": {"sha256": hashlib.sha256(b"").hexdigest(), "n_bytes": 0},
        "shards/0.bin": {"sha256": hashlib.sha256(b"content").hexdigest(), "n_bytes": 7},
    }
    assert from_json(Config, artifact.config) == Config(n=1)
    assert (artifact.kind, artifact.parents, artifact.version) == ("store", {"lm": "abc"}, 2)
    assert artifact.file("shards/0.bin").read_text() == "content"
    assert sorted(path.name for path in (tmp_path / "deep").iterdir()) == ["store"]
    with pytest.raises(UserError, match=r"has no file '0\.bin'; it holds: notes\.txt, shards/0\.bin"):
        artifact.file("0.bin")


def test_two_writings_of_the_same_are_the_same_bytes(tmp_path: Path) -> None:
    make(tmp_path / "a")
    make(tmp_path / "b")
    assert listing(tmp_path / "a") == listing(tmp_path / "b")


def test_the_fingerprint_follows_every_input_and_nothing_else(tmp_path: Path) -> None:
    def key(kind: str = "store", n: int = 1, parent: str = "abc", version: int = 2) -> str:
        return artifact_fingerprint(kind=kind, config=Config(n=n), parents={"lm": parent}, version=version)

    assert make(tmp_path / "a", "one").fingerprint == make(tmp_path / "b", "two").fingerprint == key()
    assert len({key(), key(kind="other"), key(n=2), key(parent="abd"), key(version=3)}) == 5


def test_a_json_object_serves_as_configuration(tmp_path: Path) -> None:
    with write_artifact(tmp_path / "a", kind="x", config={"b": 1.5, "a": [Path("p/q"), None]}):
        pass
    assert open_artifact(tmp_path / "a", kind="x").config == {"a": ["p/q", None], "b": 1.5}


@pytest.mark.parametrize("failure", [RuntimeError("broken"), KeyboardInterrupt(), OSError(errno.EIO, "bad sector")])
@pytest.mark.parametrize("existing", [False, True])
def test_a_failure_in_the_middle_leaves_everything_as_it_was(
    tmp_path: Path, failure: BaseException, existing: bool
) -> None:
    if existing:
        make(tmp_path / "store")
    before = listing(tmp_path)
    with (
        pytest.raises(type(failure)),
        write_artifact(tmp_path / "store", kind="store", config=Config(n=2)) as folder,
    ):
        (folder / "half").write_text("half")
        raise failure
    assert listing(tmp_path) == before
    assert list(tmp_path.iterdir()) == ([tmp_path / "store"] if existing else [])


def test_the_old_artifact_stands_until_the_new_one_is_complete(tmp_path: Path) -> None:
    make(tmp_path / "store", "old")
    with write_artifact(tmp_path / "store", kind="store", config=Config(n=2)) as folder:
        (folder / "new").write_text("new")
        assert open_artifact(tmp_path / "store", kind="store").file("shards/0.bin").read_text() == "old"
    assert set(listing(tmp_path)) == {"store/new", "store/manifest.json"}


def test_an_interrupt_between_the_two_renames_brings_the_old_artifact_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path / "store", "old")
    before = listing(tmp_path)
    rename = Path.rename

    def interrupted(self: Path, target: Path) -> Path:
        if self.suffix == ".tmp":
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path / "store", "new")
    assert listing(tmp_path) == before


@pytest.mark.parametrize("method", ["write_text", "write_bytes"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_told_with_folder_and_free_space(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str, code: int
) -> None:
    # write_text fails in the middle of the body, write_bytes when the manifest is written.
    make(tmp_path / "store", "old")
    before = listing(tmp_path)

    def full(self: Path, _data: object) -> int:
        raise OSError(code, "full", str(self))

    with monkeypatch.context() as patch:
        patch.setattr(Path, method, full)
        with pytest.raises(
            UserError, match=rf"^no space left to write {tmp_path}/store \(\d+ MB free there\); nothing"
        ):
            make(tmp_path / "store", "new")
    assert listing(tmp_path) == before


@pytest.mark.skipif(not FULL_DEVICE.exists(), reason="the system has no /dev/full")
def test_the_full_device_of_the_system_is_recognized(tmp_path: Path) -> None:
    with (
        pytest.raises(UserError, match="no space left"),
        full_disk_is_user_error(tmp_path),
        FULL_DEVICE.open("wb", buffering=0) as stream,
    ):
        stream.write(b"x")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"), UserError),
        (SafetensorError("Error while serializing: I/O error: Permission denied (os error 13)"), SafetensorError),
        (OSError(errno.EACCES, "denied"), OSError),
        (ValueError("no space"), ValueError),
    ],
)
def test_only_a_full_disk_is_called_one(tmp_path: Path, error: Exception, told: type[Exception]) -> None:
    with pytest.raises(told), full_disk_is_user_error(tmp_path / "not" / "there"):
        raise error


def edit_manifest(edit: Callable[[dict], object]) -> Callable[[Path], None]:
    def fault(folder: Path) -> None:
        manifest = json.loads((folder / "manifest.json").read_text())
        edit(manifest)
        (folder / "manifest.json").write_text(json.dumps(manifest))

    return fault


FAULTS: dict[str, tuple[Callable[[Path], object], type[UserError], str]] = {
    "a changed byte": (
        lambda f: (f / "shards/0.bin").write_text("contenT"),
        DamagedArtifact,
        "0.bin is damaged: its sha",
    ),
    "a truncated file": (
        lambda f: (f / "shards/0.bin").write_text("conten"),
        DamagedArtifact,
        "0.bin is damaged: 6 bytes, expected 7",
    ),
    "a missing file": (lambda f: (f / "notes.txt").unlink(), DamagedArtifact, "notes.txt is missing"),
    "no manifest": (lambda f: (f / "manifest.json").unlink(), DamagedArtifact, "manifest.json is missing"),
    "half a manifest": (
        lambda f: (f / "manifest.json").write_text('{"a"'),
        DamagedArtifact,
        "manifest.json is damaged",
    ),
    "another program's": (lambda f: (f / "manifest.json").write_text("[]"), UserError, "not written by Monosemy"),
    "a newer format": (
        edit_manifest(lambda m: m.update(format_version=2)),
        UserError,
        "has format version 2, this Monosemy reads 1",
    ),
    "a changed config": (edit_manifest(lambda m: m["config"].update(n=7)), DamagedArtifact, "fingerprint does not fit"),
    "no config": (edit_manifest(lambda m: m.pop("config")), DamagedArtifact, "config is None"),
    "a bad record": (edit_manifest(lambda m: m["files"].update(a=3)), DamagedArtifact, "'a' is 3"),
    "a path that leads out": (edit_manifest(lambda m: m["files"].update({"../a": {}})), UserError, "lies outside"),
    "an absolute path": (edit_manifest(lambda m: m["files"].update({"/etc/a": {}})), UserError, "lies outside"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_told_with_the_file(tmp_path: Path, name: str) -> None:
    fault, error, message = FAULTS[name]
    make(tmp_path / "store")
    fault(tmp_path / "store")
    with pytest.raises(UserError) as caught:
        open_artifact(tmp_path / "store", kind="store")
    assert type(caught.value) is error
    assert message in str(caught.value)
    assert str(tmp_path / "store") in str(caught.value)


def test_without_verification_only_presence_and_size_count(tmp_path: Path) -> None:
    make(tmp_path / "store")
    (tmp_path / "store/shards/0.bin").write_text("contenT")
    open_artifact(tmp_path / "store", kind="store", verify=False)
    (tmp_path / "store/shards/0.bin").write_text("conten")
    with pytest.raises(DamagedArtifact, match="6 bytes"):
        open_artifact(tmp_path / "store", kind="store", verify=False)


def test_another_kind_is_refused(tmp_path: Path) -> None:
    make(tmp_path / "store")
    with pytest.raises(UserError, match="holds an artifact of kind 'store'; expected 'dictionary'"):
        open_artifact(tmp_path / "store", kind="dictionary")


def plant_foreign(folder: Path) -> None:
    folder.mkdir()
    (folder / "thesis.tex").write_text("ten years of work")


@pytest.mark.parametrize(
    ("plant", "message"),
    [
        (plant_foreign, "exists and is not an artifact of Monosemy; it is left as it is"),
        (lambda path: path.write_text("a file"), "exists and is not an artifact of Monosemy; it is left as it is"),
        (lambda path: make(path, kind="dictionary"), "holds an artifact of kind 'dictionary'; it is left as it is"),
        (lambda path: (make(path), FAULTS["a newer format"][0](path)), "has format version 2"),
    ],
)
def test_what_is_not_the_same_kind_of_artifact_is_never_overwritten(
    tmp_path: Path, plant: Callable[[Path], object], message: str
) -> None:
    plant(tmp_path / "target")
    before = listing(tmp_path)
    with pytest.raises(UserError, match=message):
        make(tmp_path / "target")
    assert listing(tmp_path) == before


def test_what_comes_into_being_meanwhile_is_not_overwritten_either(tmp_path: Path) -> None:
    with (
        pytest.raises(UserError, match="is not an artifact"),
        write_artifact(tmp_path / "target", kind="store", config=Config(n=1)),
    ):
        plant_foreign(tmp_path / "target")
    assert listing(tmp_path) == {"target/thesis.tex": "ten years of work"}


@pytest.mark.parametrize("name", ["a changed byte", "a missing file", "half a manifest", "a changed config"])
def test_a_damaged_artifact_can_be_made_anew(tmp_path: Path, name: str) -> None:
    make(tmp_path / "store")
    FAULTS[name][0](tmp_path / "store")
    assert make(tmp_path / "store", "anew").file("shards/0.bin").read_text() == "anew"


def test_an_empty_folder_may_be_filled(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    make(tmp_path / "store")


def test_a_folder_behind_a_link_is_replaced_and_the_link_stays(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "store").symlink_to(tmp_path / "disk" / "store")
    make(tmp_path / "store", "one")
    make(tmp_path / "store", "two")
    assert (tmp_path / "store").is_symlink()
    assert (tmp_path / "disk/store/shards/0.bin").read_text() == "two"
    assert list((tmp_path / "disk").iterdir()) == [tmp_path / "disk" / "store"]


def test_the_name_of_the_manifest_is_taken(tmp_path: Path) -> None:
    with (
        pytest.raises(ValueError, match="is the artifact's own"),
        write_artifact(tmp_path / "store", kind="store", config=Config(n=1)) as folder,
    ):
        (folder / "manifest.json").write_text("{}")


def test_a_place_where_no_folder_can_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot make a folder in"):
        make(tmp_path / "file" / "store")
    with pytest.raises(UserError, match="cannot make a folder in"):
        atomic_write_text(tmp_path / "file" / "inner" / "a.txt", "text")


def test_writers_of_the_same_artifact_at_once_all_succeed(tmp_path: Path) -> None:
    failures: list[BaseException] = []

    def write(text: str) -> None:
        try:
            for _ in range(5):
                with write_artifact(tmp_path / "store", kind="store", config=Config(n=1)) as folder:
                    (folder / "text").write_text(text)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(f"writer {i}",)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert open_artifact(tmp_path / "store", kind="store").file("text").read_text().startswith("writer ")
    assert list(tmp_path.iterdir()) == [tmp_path / "store"]


def test_leftovers_of_one_artifact_are_removed_and_nothing_else(tmp_path: Path) -> None:
    for name in (".store.1.tmp", ".store.2.old", ".store2.1.tmp", ".store.lock"):
        (tmp_path / name).mkdir()
    make(tmp_path / "store")
    remove_leftovers(tmp_path / "store")
    remove_leftovers(tmp_path / "not there" / "store")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".store.lock", ".store2.1.tmp", "store"]


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "new" / "run.json"
    atomic_write_bytes(file, b"first")
    atomic_write_text(file, "second \u00e9\r\n")
    assert file.read_bytes() == "second \u00e9\r\n".encode()
    for failure, told in ((OSError(errno.ENOSPC, "full"), UserError), (KeyboardInterrupt(), KeyboardInterrupt)):

        def fail(_self: Path, _target: Path, failure: BaseException = failure) -> Path:
            raise failure

        with monkeypatch.context() as patch, pytest.raises(told):
            patch.setattr(Path, "replace", fail)
            atomic_write_text(file, "third")
        assert file.read_bytes() == "second \u00e9\r\n".encode()
        assert list(file.parent.iterdir()) == [file]


def test_the_hash_of_a_file_is_that_of_its_bytes(tmp_path: Path) -> None:
    data = bytes(range(256)) * 4096  # more than one read of hashlib
    (tmp_path / "data").write_bytes(data)
    assert file_sha256(tmp_path / "data") == hashlib.sha256(data).hexdigest()
