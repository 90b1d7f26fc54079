"""`monosemy run`, from nothing to the page, on a few documents of each split: repeatable, cached, resumable."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from monosemy.cli import main
from monosemy.core import read_results

pytestmark = pytest.mark.slow  # two minutes of one core: labels of two million tokens are looked up for the tables

FEW = [
    "--max-documents",
    "2",
    "--n-task-pairs",
    "16",
    "--n-describe-sequences",
    "8",
    "--n-induction-sequences",
    "8",
    "--threads",
    "1",
    *("--layers", "1", "--n-seeds", "1", "--n-steps", "8", "--batch-size", "256", "--expansion-factor", "2"),
    *("--l1-coefficients", "2.0", "--max-train-sequences", "40", "--n-control-sequences", "20"),
    *(
        "--n-score-sequences",
        "48",
        "--n-splice-sequences",
        "2",
        "--n-fit-rows",
        "2000",
        "--max-context-sequences",
        "48",
    ),
]
FILES = ("results.jsonl", "language_model.json", "per_document.npz")


def _run(out: Path, *options: str) -> list[str]:
    return ["run", "stdlib", "--out", str(out), *FEW, *options]


def _contents(out: Path) -> dict[str, bytes]:
    """What the stages left, by stage and file."""
    return {
        f"{path.parent.name}/{path.name}": path.read_bytes()
        for path in sorted(out.glob("*-*/*"))
        if path.is_file() and path.name != "manifest.json"
    }


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run") / "a"
    assert main(_run(out)) == 0
    return out


def test_the_run_leaves_results_record_and_page(finished: Path) -> None:
    record = json.loads((finished / "run.json").read_text())
    assert record["status"] == "complete"
    assert [stage["name"] for stage in record["stages"]][:3] == ["text-models", "language-model", "describe"]
    (results,) = finished.glob("language-model-*/results.jsonl")
    metrics = {(result.metric, result.variant) for result in read_results(results)}
    assert ("lm_bits_per_byte", None) in metrics and ("lm_bits_per_byte", "xz_given_train") in metrics
    assert ("task_accuracy/E2", None) in metrics
    page = (finished / "report" / "language-model.html").read_text()
    assert "E2" in page and "http://" not in page.replace("http://www.w3.org", "")


def test_the_dictionaries_are_scored_against_the_labels(finished: Path) -> None:
    found = {
        (r.method, r.lm): r.value
        for r in read_results(finished / "results.jsonl")
        if r.metric == "label_f1_contextual" and r.split == "test"
    }
    assert {("token_table", None), ("bigram_table", None), ("probe", "trained"), ("probe", "random")} <= found.keys()
    assert {("topk", "trained"), ("tied_l1", "trained"), ("topk", "random"), ("ica", "random")} <= found.keys()
    value = {key: number for key, number in found.items() if number is not None}
    # What eight steps of training cannot change: all dimensions tell more than the token, or the control's.
    assert value["probe", "trained"] > value["token_table", None] > 0.15
    assert value["probe", "trained"] > value["probe", "random"]
    assert "label_tp" in {key.rsplit("/")[-1] for key in np.load(finished / "per_document.npz")}
    page = (finished / "report" / "index.html").read_text()
    assert "language-model.html" in page and "contextual labels" in page


def test_the_same_run_elsewhere_gives_the_same_bytes(finished: Path, tmp_path: Path) -> None:
    assert main(_run(tmp_path / "b")) == 0
    assert _contents(tmp_path / "b") == _contents(finished)


def test_another_seed_gives_other_pairs(finished: Path, tmp_path: Path) -> None:
    assert main(_run(tmp_path / "c", "--seed", "1")) == 0
    ours, theirs = (next(out.glob("language-model-*/language_model.json")) for out in (finished, tmp_path / "c"))
    assert json.loads(ours.read_text())["tasks"] != json.loads(theirs.read_text())["tasks"]


def test_again_is_a_cache_hit(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(_run(finished)) == 0
    assert {s["status"] for s in json.loads((finished / "run.json").read_text())["stages"]} == {"cached"}
    assert "report: " in capsys.readouterr().out


def test_a_changed_option_recomputes_what_depends_on_it(finished: Path) -> None:
    assert main(_run(finished, "--n-task-pairs", "8")) == 0
    stages = json.loads((finished / "run.json").read_text())["stages"]
    assert [stage["name"] for stage in stages if stage["status"] == "computed"] == ["language-model"]


def test_a_killed_run_goes_on_and_ends_like_an_uninterrupted_one(finished: Path, tmp_path: Path) -> None:
    """SIGKILL after the first stage is there, then the same command: every file equals the uninterrupted run's."""
    out = tmp_path / "d"
    command = [sys.executable, "-m", "monosemy", *_run(out)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env=dict(os.environ))
    deadline = time.monotonic() + 120
    while not list(out.glob("text-models-*/manifest.json")) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not list(out.glob("describe-*"))
    assert main(_run(out)) == 0
    assert next(s["status"] for s in json.loads((out / "run.json").read_text())["stages"]) == "cached"
    assert _contents(out) == _contents(finished)
