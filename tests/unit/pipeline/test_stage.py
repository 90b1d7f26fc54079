"""Oracles: a body that counts its calls, the listing of the root, and real processes that are really killed."""

import errno
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from monosemy.core import Artifact, Progress, UserError, open_artifact, write_artifact
from monosemy.pipeline import Stage, Workspace, find_stage, obtain_stage, open_stage, run_stage


@dataclass(frozen=True, kw_only=True, slots=True)
class Optimizer:
    lr: float = 0.1
    n_steps: int = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    k: int = 4
    optimizer: Optimizer = Optimizer()


class Body:
    """Fills the folder with one file and counts how often it did."""

    def __init__(self, text: str = "content") -> None:
        self.text, self.n_calls = text, 0

    def __call__(self, workspace: Workspace) -> None:
        self.n_calls += 1
        (workspace.folder / "data.txt").write_text(self.text)


def stage(body: Callable[[Workspace], None], config: Config | None = None, **changes: object) -> Stage:
    fields: dict = {"name": "train", "config": config or Config(), "body": body} | changes
    return Stage(**fields)


def visible(root: Path) -> list[str]:
    return sorted(path.name for path in root.iterdir() if not path.name.startswith("."))


def hidden(root: Path) -> list[str]:
    """What lies hidden in the root, without the folder of locks."""
    return sorted(path.name for path in root.iterdir() if path.name.startswith(".") and path.name != ".locks")


def parent(fingerprint: str) -> Artifact:
    return Artifact(path=Path("p"), kind="store", config={}, parents={}, files={}, fingerprint=fingerprint, version=1)


def test_the_second_time_is_a_cache_hit_and_says_so(tmp_path: Path) -> None:
    body, shown = Body(), StringIO()
    first = run_stage(stage(body), tmp_path, Progress(shown))
    assert shown.getvalue() == ""
    second = run_stage(stage(body), tmp_path, Progress(shown))
    assert (first, body.n_calls) == (second, 1)
    assert shown.getvalue() == f"train: cached in {first.path}\n"
    assert first.path == tmp_path / f"train-{first.fingerprint[:12]}"
    assert first.file("data.txt").read_text() == "content"
    assert hidden(tmp_path) == []


def test_every_input_has_a_folder_of_its_own_and_overwrites_no_other(tmp_path: Path) -> None:
    body = Body()
    stages = [
        stage(body),
        stage(body, Config(k=5)),
        stage(body, Config(optimizer=Optimizer(n_steps=11))),
        stage(body, version=2),
        stage(body, name="evaluate"),
        stage(body, parents={"store": parent("aaaa")}),
        stage(body, parents={"store": parent("bbbb")}),
        stage(body, parents={"lm": parent("aaaa")}),
    ]
    for each in [*stages, *stages]:
        run_stage(each, tmp_path)
    assert body.n_calls == len(visible(tmp_path)) == len({each.key for each in stages}) == len(stages)


def test_the_artifact_tells_what_it_was_made_from(tmp_path: Path) -> None:
    made = run_stage(stage(Body(), parents={"store": parent("aaaa")}, version=3), tmp_path)
    assert (made.kind, made.parents, made.version) == ("train", {"store": "aaaa"}, 3)
    assert made.config == {"type": "Config", "k": 4, "optimizer": {"lr": 0.1, "n_steps": 10}}


def test_refresh_computes_anew(tmp_path: Path) -> None:
    run_stage(stage(Body("old")), tmp_path)
    assert run_stage(stage(Body("new")), tmp_path, refresh=True).file("data.txt").read_text() == "new"
    assert len(visible(tmp_path)) == 1


def test_the_origin_of_an_artifact_is_told(tmp_path: Path) -> None:
    assert [obtain_stage(stage(Body()), tmp_path)[1] for _ in range(2)] == ["computed", "cached"]


@pytest.mark.parametrize("failure", [KeyboardInterrupt(), SystemExit(1), ValueError("nan"), GeneratorExit()])
def test_a_stage_stopped_in_the_middle_leaves_nothing_that_looks_complete(
    tmp_path: Path, failure: BaseException
) -> None:
    def stopped(workspace: Workspace) -> None:
        (workspace.folder / "data.txt").write_text("ha")
        raise failure

    with pytest.raises(type(failure)):
        run_stage(stage(stopped), tmp_path)
    assert visible(tmp_path) == hidden(tmp_path) == []
    body = Body()
    run_stage(stage(body), tmp_path)
    assert body.n_calls == 1


def test_a_full_disk_is_the_users_to_mend_and_the_stage_runs_again(tmp_path: Path) -> None:
    def full(workspace: Workspace) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(workspace.folder))

    with pytest.raises(UserError, match=rf"^no space left to write {tmp_path}/train-"):
        run_stage(stage(full), tmp_path)
    assert run_stage(stage(Body()), tmp_path).file("data.txt").read_text() == "content"


def test_a_refresh_that_fails_keeps_the_old_artifact(tmp_path: Path) -> None:
    def broken(workspace: Workspace) -> None:
        raise OSError(errno.EDQUOT, "quota", str(workspace.folder))

    run_stage(stage(Body("old")), tmp_path)
    with pytest.raises(UserError):
        run_stage(stage(broken), tmp_path, refresh=True)
    assert run_stage(stage(broken), tmp_path).file("data.txt").read_text() == "old"


def test_a_damaged_artifact_is_told_and_made_anew(tmp_path: Path) -> None:
    made, shown, body = run_stage(stage(Body()), tmp_path), StringIO(), Body("anew...")
    made.file("data.txt").write_text("conten")
    assert run_stage(stage(body), tmp_path, Progress(shown)).file("data.txt").read_text() == "anew..."
    assert shown.getvalue() == (
        f"train: {made.path}/data.txt is damaged: 6 bytes, expected 7; make the artifact anew\n"
    )
    # One changed byte is found where it is looked for.
    made.file("data.txt").write_text("anew!!!")
    assert find_stage(stage(body), tmp_path) is not None
    assert find_stage(stage(body), tmp_path, verify=True) is None
    assert run_stage(stage(body), tmp_path, verify=True).file("data.txt").read_text() == "anew..."
    assert body.n_calls == 2


def edit(path: Path, **changes: object) -> None:
    manifest = json.loads((path / "manifest.json").read_text())
    (path / "manifest.json").write_text(json.dumps(manifest | changes))


def test_what_a_newer_version_or_another_kind_left_is_not_overwritten(tmp_path: Path) -> None:
    made, body = run_stage(stage(Body()), tmp_path), Body("other")
    edit(made.path, format_version=2)
    with pytest.raises(UserError, match="has format version 2, this Monosemy reads 1"):
        run_stage(stage(body), tmp_path)
    for refresh in (False, True):
        with pytest.raises(UserError, match="format version 2"):
            run_stage(stage(body), tmp_path, refresh=refresh)
    edit(made.path, format_version=1)
    made.path.rename(tmp_path / stage(body, name="evaluate").folder_name)
    with pytest.raises(UserError, match="holds an artifact of kind 'train'; expected 'evaluate'"):
        run_stage(stage(body, name="evaluate"), tmp_path)
    assert body.n_calls == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"config": Config(optimizer=Optimizer(lr=0.2))}, "optimizer.lr is 0.1 there and 0.2 here"),
        ({"config": Config(k=5, optimizer=Optimizer(lr=0.2))}, "k is 4 there and 5 here"),
        ({"config": Optimizer()}, "type is 'Config' there and 'Optimizer' here"),
        ({"parents": {"store": parent("bbbb")}}, "parents.store is 'aaaa' there and 'bbbb' here"),
        ({"parents": {}}, "parents.store is 'aaaa' there and '(absent)' here"),
        ({"version": 2}, "version is 1 there and 2 here"),
    ],
)
def test_a_folder_made_with_another_configuration_is_refused_by_the_first_difference(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    given = stage(Body(), parents={"store": parent("aaaa")})
    path = run_stage(given, tmp_path).path
    assert open_stage(given, path).path == path
    with pytest.raises(UserError) as caught:
        open_stage(replace(given, **changes), path)
    expected = f"{path} was made with another configuration: {message}; use that configuration or another folder"
    assert str(caught.value) == expected


def test_scratch_survives_a_failure_and_goes_when_the_stage_completes(tmp_path: Path) -> None:
    def resumable(workspace: Workspace) -> None:
        checkpoint = workspace.scratch() / "step.txt"
        step = int(checkpoint.read_text()) if checkpoint.exists() else 0
        checkpoint.write_text(str(step + 1))
        if step < 2:
            raise KeyboardInterrupt
        (workspace.folder / "data.txt").write_text(f"resumed at {step}")

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            run_stage(stage(resumable), tmp_path)
    # Another configuration has another scratch folder.
    with pytest.raises(KeyboardInterrupt):
        run_stage(stage(resumable, Config(k=5)), tmp_path)
    assert run_stage(stage(resumable), tmp_path).file("data.txt").read_text() == "resumed at 2"
    assert visible(tmp_path / ".partial") == [stage(resumable, Config(k=5)).folder_name]
    # A refresh starts from the beginning.
    with pytest.raises(KeyboardInterrupt):
        run_stage(stage(resumable, Config(k=5)), tmp_path, refresh=True)
    step = tmp_path / ".partial" / stage(resumable, Config(k=5)).folder_name / "step.txt"
    assert step.read_text() == "1"


KILLED = """
import sys, time
from pathlib import Path
from tests.unit.pipeline.test_stage import stage
from monosemy.pipeline import run_stage

def body(workspace):
    (workspace.scratch() / "checkpoint.txt").write_text("half way")
    (workspace.folder / "data.txt").write_text("ha")
    print("in the middle", flush=True)
    time.sleep(600)

run_stage(stage(body), Path(sys.argv[1]))
"""


def test_a_killed_process_frees_who_waits_and_its_work_is_continued(tmp_path: Path) -> None:
    """While a process is in the stage another one waits; SIGKILL lets it go on, from the scratch folder."""
    found: list[str] = []
    shown = StringIO()

    def resumed(workspace: Workspace) -> None:
        found.append((workspace.scratch() / "checkpoint.txt").read_text())
        (workspace.folder / "data.txt").write_text("whole")

    environment = {"PYTHONPATH": ":".join(sys.path), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    waiter = threading.Thread(target=lambda: run_stage(stage(resumed), tmp_path, Progress(shown)))
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "in the middle\n"
        assert find_stage(stage(resumed), tmp_path) is None
        waiter.start()
        deadline = time.monotonic() + 60
        while not shown.getvalue() and time.monotonic() < deadline:
            time.sleep(0.01)
        waiter.join(timeout=0.1)
        assert waiter.is_alive()
        assert shown.getvalue() == "train: waiting for another process that computes it\n"
        assert found == visible(tmp_path) == []
    finally:
        process.kill()
        process.communicate()
    waiter.join(timeout=60)
    assert found == ["half way"]
    assert find_stage(stage(resumed), tmp_path, verify=True) is not None
    assert visible(tmp_path) == [stage(resumed).folder_name]
    assert visible(tmp_path / ".partial") == []
    assert hidden(tmp_path) == [".partial"]  # the killed writer's temporary folder is gone


def test_of_many_that_need_the_same_stage_one_computes(tmp_path: Path) -> None:
    body = Body()
    made: list[Artifact] = []
    barrier = threading.Barrier(4)

    def need() -> None:
        barrier.wait()
        made.append(run_stage(stage(body), tmp_path))

    threads = [threading.Thread(target=need) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert body.n_calls == 1
    assert made == [made[0]] * 4


def test_a_complete_artifact_needs_no_permission_to_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = run_stage(stage(Body()), tmp_path)

    def denied(self: Path, *_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(self))

    monkeypatch.setattr(Path, "mkdir", denied)
    assert run_stage(stage(Body()), tmp_path) == made
    with pytest.raises(UserError, match=r"cannot make a folder in .*: Permission denied"):
        run_stage(stage(Body(), Config(k=5)), tmp_path)


def test_a_folder_of_the_users_own_in_the_way_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / stage(Body()).folder_name
    path.mkdir()
    (path / "thesis.tex").write_text("ten years of work")
    with pytest.raises(UserError, match="is not an artifact of Monosemy"):
        run_stage(stage(Body()), tmp_path)
    assert visible(path) == ["thesis.tex"]


def test_a_stage_may_take_another_artifact_as_its_parent(tmp_path: Path) -> None:
    with write_artifact(tmp_path / "store", kind="store", config={"n": 1}):
        pass
    store = open_artifact(tmp_path / "store", kind="store")
    assert run_stage(stage(Body(), parents={"store": store}), tmp_path).parents == {"store": store.fingerprint}


@pytest.mark.parametrize("name", ["", "Train", "a/b", "../a", "-a", "a b", "a.b"])
def test_a_name_that_cannot_be_part_of_a_folders_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="a stage's name is part of a folder's"):
        stage(Body(), name=name)
