"""Oracle: `run.json` as another reader finds it, at every point of the run."""

import json
import platform
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import pytest
import torch

import monosemy
from monosemy.core import Progress, UserError
from monosemy.pipeline import Run, Stage, Workspace, read_run


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    n: int = 1


def fill(workspace: Workspace) -> None:
    (workspace.folder / "data.txt").write_text("content")


def stage(name: str, n: int = 1) -> Stage:
    return Stage(name=name, config=Config(n=n), body=fill)


def start(folder: Path, progress: Progress | None = None, *, refresh: bool = False) -> Run:
    command = ("monosemy", "run", "--out", "my folder")
    return Run(
        folder,
        command=command,
        seed=3,
        n_threads=2,
        progress=progress or Progress(quiet=True),
        refresh=refresh,
    )


def outcomes(folder: Path) -> list[tuple[str, str]]:
    return [(record.name, record.status) for record in read_run(folder / "run.json").stages]


def test_the_record_is_there_from_the_start_and_after_every_stage(tmp_path: Path) -> None:
    with start(tmp_path / "run") as run:
        assert read_run(tmp_path / "run" / "run.json").status == "running"
        harvest = run.stage(stage("harvest"))
        assert outcomes(tmp_path / "run") == [("harvest", "computed")]
        run.stage(Stage(name="train", config=Config(), body=fill, parents={"store": harvest}))
    record = read_run(tmp_path / "run" / "run.json")
    assert (record.status, record.command) == ("complete", ("monosemy", "run", "--out", "my folder"))
    assert (record.seed, record.n_threads) == (3, 2)
    assert (record.monosemy, record.python, record.torch) == (
        monosemy.__version__,
        platform.python_version(),
        torch.__version__,
    )
    assert outcomes(tmp_path / "run") == [("harvest", "computed"), ("train", "computed")]
    assert (tmp_path / "run" / record.stages[0].folder) == harvest.path
    assert record.stages[0].key == harvest.fingerprint


def test_a_continued_run_remembers_what_computing_took(tmp_path: Path) -> None:
    with start(tmp_path) as run:
        run.stage(stage("harvest"))
    first = read_run(tmp_path / "run.json").stages[0]
    assert first.computed_seconds == first.seconds >= 0
    # A telling number instead of the few milliseconds.
    text = (
        (tmp_path / "run.json").read_text().replace(f'"computed_seconds": {first.seconds}', '"computed_seconds": 95.5')
    )
    (tmp_path / "run.json").write_text(text)
    for _ in range(2):
        with start(tmp_path) as run:
            run.stage(stage("harvest"))
            run.stage(stage("harvest", n=2))
    again, other = read_run(tmp_path / "run.json").stages
    assert (again.status, again.computed_seconds) == ("cached", 95.5)
    assert again.seconds < 95.5
    assert other.status == "cached"
    assert other.computed_seconds is not None


def test_refresh_computes_every_stage_anew(tmp_path: Path) -> None:
    for refresh in (False, True):
        with start(tmp_path, refresh=refresh) as run:
            run.stage(stage("harvest"))
        assert outcomes(tmp_path) == [("harvest", "computed")]


def test_ctrl_c_says_how_to_continue(tmp_path: Path) -> None:
    shown = StringIO()
    with pytest.raises(KeyboardInterrupt), start(tmp_path, Progress(shown)) as run:
        run.stage(stage("harvest"))
        raise KeyboardInterrupt
    assert shown.getvalue() == (
        f"interrupted; what is finished is kept in {tmp_path}: continue with monosemy run --out 'my folder'\n"
    )
    assert read_run(tmp_path / "run.json").status == "interrupted"
    assert outcomes(tmp_path) == [("harvest", "computed")]
    with start(tmp_path) as run:
        run.stage(stage("harvest"))
    assert outcomes(tmp_path) == [("harvest", "cached")]


def test_a_failure_is_recorded_and_goes_on_its_way(tmp_path: Path) -> None:
    def broken(_workspace: Workspace) -> None:
        raise UserError("the corpus is empty")

    with pytest.raises(UserError, match="the corpus is empty"), start(tmp_path) as run:
        run.stage(stage("harvest"))
        run.stage(Stage(name="train", config=Config(), body=broken))
    assert read_run(tmp_path / "run.json").status == "failed"
    assert outcomes(tmp_path) == [("harvest", "computed")]


def test_a_record_that_cannot_be_read_is_told_and_replaced(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"type": "RunRecord"}')
    shown = StringIO()
    with start(tmp_path, Progress(shown)):
        pass
    assert shown.getvalue() == (
        f"{tmp_path}/run.json is not the record of a run: command: missing key; "
        "RunRecord needs a list of str, ...; it is replaced\n"
    )
    assert read_run(tmp_path / "run.json").status == "complete"


@pytest.mark.parametrize(("text", "message"), [("{", "is not the record of a run"), (None, "is missing")])
def test_reading_tells_what_is_wrong(tmp_path: Path, text: str | None, message: str) -> None:
    if text is not None:
        (tmp_path / "run.json").write_text(text)
    with pytest.raises(UserError, match=message):
        read_run(tmp_path / "run.json")


def test_the_record_is_plain_json(tmp_path: Path) -> None:
    with start(tmp_path) as run:
        run.stage(stage("harvest"))
    data = json.loads((tmp_path / "run.json").read_text())
    assert list(data) == [
        *("type", "command", "started_utc", "status", "seed", "n_threads", "monosemy", "python", "torch", "stages"),
    ]
    assert list(data["stages"][0]) == ["name", "key", "folder", "status", "seconds", "computed_seconds"]


def test_one_stage_is_computed_anew_where_that_is_asked(tmp_path: Path) -> None:
    with start(tmp_path) as run:
        for refresh in (False, True, False):
            run.stage(stage("harvest"), refresh=refresh)
    assert outcomes(tmp_path) == [("harvest", "computed"), ("harvest", "computed"), ("harvest", "cached")]
