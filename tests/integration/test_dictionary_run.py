"""`monosemy run` on a user's model and text, from text to report: repeatable, cached, resumable after a kill."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

from monosemy.cli import main
from monosemy.core import read_results
from tests.unit.lm.tiny_models import VOCAB, tiny_tokenizer

TEXT = "the quick brown fox jumps over the lazy dog, the end of the number {} is near\n"
TINY = [
    *("--layers", "0-1", "--context-length", "64", "--n-steps", "12", "--batch-size", "64", "--k", "4"),
    *("--n-seeds", "2", "--l1-coefficients", "0.5", "1.0", "--l1-headline", "1.0", "--expansion-factor", "3"),
    *("--n-control-sequences", "40", "--n-score-sequences", "30", "--n-splice-sequences", "4", "--n-fit-rows", "500"),
    *("--latents", "3", "--methods", "topk", "pca"),
]

# A process that kills itself with SIGKILL at the n-th call of a function, which is as sudden as the real thing.
SUICIDE = """
import importlib, os, signal, sys
from monosemy.cli import main
module, name, n = sys.argv[1], sys.argv[2], int(sys.argv[3])
owner = importlib.import_module(module)
*parents, last = name.split(".")
for parent in parents:
    owner = getattr(owner, parent)
original, calls = getattr(owner, last), []
def deadly(*args, **kwargs):
    calls.append(1)
    if len(calls) == n:
        os.kill(os.getpid(), signal.SIGKILL)
    return original(*args, **kwargs)
setattr(owner, last, deadly)
sys.exit(main(sys.argv[4:]))
"""

KILLS = {
    "harvest": ("monosemy.activations.harvest", "seal_shard", 2),
    "train": ("monosemy.training.learner", "Learner.advance_", 30),
    "checkpoint": ("monosemy.training.checkpoint", "atomic_write_bytes", 12),
    "fit": ("monosemy.experiments.learning", "fit_baseline", 4),
    "top-k forms": ("monosemy.experiments.learning", "fit_top_k_form", 3),
    "reference": ("monosemy.experiments.evaluations", "write_reference", 1),
    "measure": ("monosemy.experiments.evaluations", "spliced_sums", 3),
    "contexts": ("monosemy.experiments.contexts", "sample_fragments", 2),
    "compare": ("monosemy.experiments.comparison", "mmcs", 1),
    "explain": ("monosemy.interpretation.interpret", "ScratchRows.add", 2),
    "sum up": ("monosemy.experiments.interpretation_summary", "interpretation_summary", 1),
    "report": ("monosemy.recipes.stdlib", "write_dictionary_page", 1),
}


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Options that name a tiny model and a folder of texts with documents enough for three splits."""
    model = tmp_path_factory.mktemp("model")
    config = GPTNeoXConfig(
        vocab_size=VOCAB,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
        bos_token_id=0,
        eos_token_id=0,
    )
    generator = torch.Generator().manual_seed(0)
    lm = GPTNeoXForCausalLM(config)
    with torch.no_grad():
        for name, parameter in lm.named_parameters():
            norm_weight = parameter.ndim == 1 and name.endswith("weight")
            parameter.normal_(1.0 if norm_weight else 0.0, 0.3, generator=generator)
    lm.save_pretrained(model)
    tiny_tokenizer().save_pretrained(model)
    texts = tmp_path_factory.mktemp("texts")
    for i in range(60):
        (texts / f"{i}.txt").write_text("".join(TEXT.format(i * j) for j in range(12)))
    return ["--model", str(model), "--corpus", str(texts)]


def _run(out: Path, subject: list[str], *options: str, threads: int = 1) -> list[str]:
    return ["run", "--out", str(out), *subject, *TINY, "--threads", str(threads), *options]


def _contents(out: Path) -> dict[str, bytes]:
    """What the stages left, by folder and file: dictionaries, results, sums, manifests."""
    folders = [folder for folder in out.iterdir() if folder.is_dir() and "-" in folder.name]
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def finished(subject: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run") / "a"
    assert main(_run(out, subject)) == 0
    return out


def test_from_text_to_report(finished: Path) -> None:
    assert json.loads((finished / "run.json").read_text())["status"] == "complete"
    results = read_results(finished / "results.jsonl")
    by_method = {result.method for result in results}
    assert {"topk", "tied_l1", "neurons", "random_topk", "pca_nonneg", "ica_topk"} <= by_method
    measured = {result.metric for result in results if result.status == "ok"}
    assert {"fvu", "l0", "ce_increase", "kl", "mmcs", "matched_cosine", "alive_paper"} <= measured
    assert {result.status for result in results if result.metric.startswith("label_")} == {"not_applicable"}
    assert {result.lm for result in results if result.method == "topk"} == {"trained", "random"}
    latents = [json.loads(line) for line in (finished / "latents.jsonl").read_text().splitlines()]
    assert {row["dictionary"].partition("-")[0] for row in latents} == {"topk", "pca"}
    page = (finished / "report" / "index.html").read_text()
    assert "no exact labels" in page and "http://" not in page.replace("http://www.w3.org", "")


def test_the_figures_hold_together(finished: Path) -> None:
    results = [r for r in read_results(finished / "results.jsonl") if r.split == "test" and r.lm == "trained"]
    value = {(r.dictionary, r.metric): r.value for r in results}
    names = {r.dictionary for r in results if r.method == "topk" and r.dictionary}
    assert names and all(0 < (value[name, "l0"] or 0) <= 4 for name in names)
    for method in ("neurons", "pca", "ica"):  # exact inverses
        assert value[f"{method}-resid_post.0-seed0", "fvu"] == pytest.approx(0, abs=1e-6)
        assert value[f"{method}-resid_post.0-seed0", "ce_increase"] == pytest.approx(0, abs=1e-3)


def test_again_is_a_cache_hit(finished: Path, subject: list[str]) -> None:
    before = _contents(finished)
    assert main(_run(finished, subject)) == 0
    assert {s["status"] for s in json.loads((finished / "run.json").read_text())["stages"]} == {"cached"}
    assert _contents(finished) == before


def test_the_report_can_be_written_anew_but_not_before_it_is_measured(
    finished: Path, subject: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = _run(finished, subject)
    page = (finished / "report" / "index.html").read_text()
    assert main(["report", *words[1:]]) == 0
    assert len((finished / "report" / "index.html").read_text()) == pytest.approx(len(page), rel=0.01)
    capsys.readouterr()
    assert main(["report", *_run(tmp_path / "new", subject)[1:]]) == 2
    assert "make them first" in capsys.readouterr().err


def test_a_finished_run_is_interpreted_further(finished: Path, subject: list[str], tmp_path: Path) -> None:
    """Other latents, another method, a control: what the run has made is found again, its own record stays."""
    out = tmp_path / "run"
    shutil.copytree(finished, out)
    record = (out / "run.json").read_bytes()
    words = ["--latents", "2", "--methods", "topk", "random_topk", "--axes", "controls", "--threads", "1"]
    assert main(["interpret", str(out), *words]) == 0
    assert (out / "run.json").read_bytes() == record
    stages = json.loads((out / "interpret.json").read_text())["stages"]
    assert {stage["name"] for stage in stages if stage["status"] == "computed"} == {
        *("fragments", "interpretation", "interpretation-summary", "activations"),
    }
    names = {json.loads(line)["dictionary"] for line in (out / "latents.jsonl").read_text().splitlines()}
    assert names == {
        *("topk-k4-r3-resid_post.0-seed0", "topk-k4-frozen_decoder-r3-resid_post.0-seed0"),
        *("control-topk-k4-r3-resid_post.0-seed0", "control-random_topk-k4-resid_post.0-seed0"),
        "random_topk-k4-resid_post.0-seed0",
    }


def test_one_dictionary_is_interpreted(finished: Path, subject: list[str], tmp_path: Path) -> None:
    folder = next(f for f in finished.glob("dictionary-*") if '"topk-k4-r3' in (f / "manifest.json").read_text())
    words = ["--lm", subject[1], *subject[2:], "--out", str(tmp_path), "--context-length", "64", "--latents", "2"]
    assert main(["interpret", str(folder), *words, "--threads", "1"]) == 0
    assert (tmp_path / "report" / "index.html").is_file()
    assert {r.split for r in read_results(tmp_path / "results.jsonl")} == {"test"}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--methods", "top"], "unknown method 'top' (did you mean 'topk'?)"),
        (["--judge", "openai"], "--judge openai needs a model"),
        (["--judge", "replay"], "name their file with --calls"),
        (["--latents", "0"], "give at least 1"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(
    words: list[str], says: str, finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["interpret", str(finished), *words, "--threads", "1"]) == 2
    assert says in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.slow
def test_the_same_run_by_two_workers_gives_the_same_bytes(finished: Path, subject: list[str], tmp_path: Path) -> None:
    assert main(_run(tmp_path / "b", subject, threads=2)) == 0
    ours, theirs = _contents(finished), _contents(tmp_path / "b")
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if ours[name] != theirs[name]] == []


@pytest.mark.slow
def test_another_seed_gives_other_dictionaries(finished: Path, subject: list[str], tmp_path: Path) -> None:
    assert main(_run(tmp_path / "c", subject, "--seed", "1")) == 0

    def weights(out: Path) -> set[bytes]:
        return {path.read_bytes() for path in out.glob("dictionary-*/dictionary.safetensors")}

    common = weights(finished) & weights(tmp_path / "c")
    assert len(common) <= 2  # neurons, signed and positive, are what they are


@pytest.mark.slow
@pytest.mark.parametrize("stage", KILLS)
def test_killed_in_a_stage_it_goes_on_and_ends_the_same(
    finished: Path, subject: list[str], tmp_path: Path, stage: str
) -> None:
    out = tmp_path / "killed"
    module, name, n = KILLS[stage]
    words = _run(out, subject)
    killed = subprocess.run(
        [sys.executable, "-c", SUICIDE, module, name, str(n), *words], env=dict(os.environ), capture_output=True
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()[-500:]
    assert json.loads((out / "run.json").read_text())["status"] == "running"
    assert main(words) == 0
    ours, theirs = _contents(finished), _contents(out)
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if ours[name] != theirs[name]] == []
