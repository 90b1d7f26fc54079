"""What a user gets for a mistake: one line that names it and what to do, exit code 2, and nothing half-written."""

import errno
import json
import shutil
from pathlib import Path

import pytest
import safetensors.torch
import torch

from monosemy.cli import main
from monosemy.core import write_artifact
from monosemy.lm import ModelSource
from monosemy.recipes import EmbeddedLM
from tests.unit.lm.tiny_models import saved_model
from tests.unit.recipes.test_evaluate import FEW, identity, saved

SMALL_RUN = [
    *("--layers", "0", "--context-length", "16", "--n-steps", "8", "--batch-size", "32", "--k", "4", "--n-seeds", "1"),
    *("--l1-coefficients", "1.0", "--l1-headline", "1.0", "--expansion-factor", "2", "--max-train-sequences", "40"),
    *("--n-control-sequences", "40", "--n-score-sequences", "8", "--n-splice-sequences", "4", "--n-fit-rows", "100"),
    *("--threads", "1"),
]
TEXT = "def add(a, b):\n    return a + b\n\n"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny GPT-NeoX of context 16, saved locally with its tokenizer."""
    return saved_model(tmp_path_factory.mktemp("model"), "gpt_neox")


@pytest.fixture
def text(tmp_path: Path) -> Path:
    """A folder of text files, enough for many rows of 16 tokens in every split."""
    folder = tmp_path / "text"
    folder.mkdir()
    for i in range(40):
        (folder / f"{i}.py").write_text(f"x{i} = {i}\n" + TEXT * 20)
    return folder


def _describe(out: Path, *options: str) -> list[str]:
    return ["harvest", "--describe", "--context-length", "16", "--n-sequences", "8", "--out", str(out), *options]


def _one_line(words: list[str], capsys: pytest.CaptureFixture[str], *parts: str) -> str:
    """Run; the only message on the error stream, where the progress display writes too."""
    assert main(words) == 2
    captured = capsys.readouterr()
    errors = [line for line in captured.err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and captured.err.endswith(errors[0] + "\n") and "Traceback" not in captured.err
    for part in parts:
        assert part in errors[0]
    assert captured.out == ""
    return errors[0]


def _nothing_made(out: Path) -> None:
    """No artifact and no leftover of one; only `run.json`, whole, may say that a run failed."""
    made = [path for path in out.rglob("*") if path.is_file() and ".locks" not in path.parts] if out.exists() else []
    assert [path.name for path in made] in ([], ["run.json"])
    for path in made:
        assert json.loads(path.read_text())["status"] == "failed"


def test_the_good_case_works_and_is_cached_the_second_time(
    model: Path, text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = _describe(tmp_path / "out", "--model", str(model), "--corpus", str(text))
    assert main(words) == 0
    page = (tmp_path / "out" / "index.html").read_text()
    assert "<html" in page and capsys.readouterr().out.strip().endswith("index.html")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("describe-*/*")}
    assert before and main(words) == 0
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("describe-*/*")} == before
    assert json.loads((tmp_path / "out" / "run.json").read_text())["stages"][0]["status"] == "cached"


def test_unknown_command_recipe_and_option_offer_the_nearest_name(capsys: pytest.CaptureFixture[str]) -> None:
    _one_line(["rnu"], capsys, "rnu", "run", "commands:")
    _one_line(["run", "stdlb"], capsys, "stdlb", "'stdlib'")
    _one_line(["run", "stdlib", "--n-task-pair", "3"], capsys, "--n-task-pair", "--n-task-pairs")
    _one_line(["run", "stdlib", "--n-task-pairs", "many"], capsys, "--n-task-pairs", "many")
    _one_line(["harvest", "--describe", "--split", "tset"], capsys, "--split", "tset", "test")


@pytest.mark.parametrize(
    ("remove", "say"),
    [("model.safetensors", "no weights"), ("tokenizer.json", "no tokenizer"), ("config.json", "config.json")],
)
def test_model_folder_lacks_a_part(
    remove: str, say: str, text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = saved_model(tmp_path / "broken", "gpt_neox")
    (broken / remove).unlink()
    _one_line(_describe(tmp_path / "out", "--model", str(broken), "--corpus", str(text)), capsys, say)
    _nothing_made(tmp_path / "out")


def test_site_the_model_lacks(model: Path, text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = _describe(tmp_path / "out", "--model", str(model), "--corpus", str(text))
    _one_line([*words, "--sites", "resid_post.9"], capsys, "resid_post", "9")
    _one_line([*words, "--sites", "resid_mid.0"], capsys, "resid_mid")
    _one_line([*words, "--sites", "resid_pots.0"], capsys, "resid_post")
    _nothing_made(tmp_path / "out")


def test_corpus_that_is_missing_empty_or_binary(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty, binary = tmp_path / "empty", tmp_path / "binary"
    empty.mkdir()
    binary.mkdir()
    (binary / "data.bin").write_bytes(bytes(range(256)) * 10)
    for corpus in (tmp_path / "nowhere", empty, binary):
        words = _describe(tmp_path / "out", "--model", str(model), "--corpus", str(corpus))
        _one_line(words, capsys, str(corpus))
        _nothing_made(tmp_path / "out")


def test_text_shorter_than_one_sequence(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    short = tmp_path / "short"
    short.mkdir()
    (short / "a.txt").write_text("x = 1")
    for split in ("train", "validation", "test"):  # its hash decides on which side the only file is
        words = _describe(tmp_path / split, "--model", str(model), "--corpus", str(short), "--split", split)
        assert "give" in _one_line(words, capsys, "text")
        _nothing_made(tmp_path / split)


def test_full_disk(
    model: Path, text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_space(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("monosemy.recipes.harvest.write_description", no_space)
    words = _describe(tmp_path / "out", "--model", str(model), "--corpus", str(text))
    _one_line(words, capsys, "no space left", str(tmp_path / "out"))
    _nothing_made(tmp_path / "out")


def test_folder_that_is_something_else_is_left_alone(
    model: Path, text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    words = _describe(out, "--model", str(model), "--corpus", str(text))
    assert main(words) == 0
    (made,) = out.glob("describe-*")
    (made / "manifest.json").unlink()
    capsys.readouterr()
    _one_line(words, capsys, str(made), "another folder")
    assert (made / "description.json").is_file()


def test_damaged_artifact_is_made_anew(
    model: Path, text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    words = _describe(out, "--model", str(model), "--corpus", str(text))
    assert main(words) == 0
    (file,) = out.glob("describe-*/description.json")
    whole = file.read_bytes()
    file.write_bytes(whole[:-10])
    capsys.readouterr()
    assert main(words) == 0
    assert "damaged" in capsys.readouterr().err and file.read_bytes() == whole


def test_train_lm_into_a_folder_of_something_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("the only copy")
    options = ["--n-steps", "1", "--n-layers", "1", "--validation-rows", "8"]
    sizes = ["--d-model", "32", "--n-heads", "2"]
    _one_line(["train-lm", "--out", str(tmp_path / "out"), *options, *sizes], capsys, "left as it is")
    assert (tmp_path / "out" / "thesis.txt").read_text() == "the only copy"


def test_train_lm_over_a_model_of_another_recipe(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The model there is the work of hours: it is named with the first setting that differs, and stays."""
    out = tmp_path / "out"
    with write_artifact(out, kind="language-model", config=EmbeddedLM()) as folder:
        (folder / "weights").write_text("hours")
    _one_line(["train-lm", "--out", str(out), "--n-steps", "1"], capsys, "training.n_steps", "1", "--out")
    assert (out / "weights").read_text() == "hours"


def test_a_dictionary_that_does_not_fit_the_model(
    model: Path, text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lm, out = ModelSource(name=str(model)).load(), tmp_path / "out"
    options = ["--model", str(model), "--corpus", str(text), *FEW, "--out", str(out)]
    wide = saved(tmp_path / "wide", identity(30), lm.fingerprint())
    _one_line(["evaluate", str(wide), *options], capsys, "width 30", "has 24", "--model")
    elsewhere = saved(tmp_path / "elsewhere", identity(24), lm.fingerprint(), "resid_post.9")
    _one_line(["evaluate", str(elsewhere), *options], capsys, "resid_post.9", "layers 0 to 2")
    strange = saved(tmp_path / "strange", identity(24), "0123456789abcdef")
    _one_line(["evaluate", str(strange), *options], capsys, "another model", "0123456789abcdef")
    good = saved(tmp_path / "good", identity(24), lm.fingerprint())
    _one_line(["evaluate", str(good), *options, "--layer", "1"], capsys, "resid_post.0", "--layer")
    _one_line(["evaluate", str(good), *options, "--layer", "1", "--site", "mlp_out.1"], capsys, "--site", "one of them")
    _one_line(["evaluate", str(text), *options], capsys, "no dictionary", "manifest.json")
    _one_line(["evaluate", "stdlb", *options], capsys, "'stdlib'", "recipes")
    _nothing_made(out)


def test_a_dictionary_with_nan(model: Path, text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In a folder of ours the checksum tells; in SAELens' files, which have none, the numbers themselves."""
    lm, out = ModelSource(name=str(model)).load(), tmp_path / "out"
    options = ["--model", str(model), "--corpus", str(text), *FEW, "--out", str(out)]
    own, theirs = saved(tmp_path / "own", identity(24), lm.fingerprint()), tmp_path / "theirs"
    assert main(["convert", str(own), "--to", "saelens", "--out", str(theirs)]) == 0
    for file in (own / "dictionary.safetensors", theirs / "sae_weights.safetensors"):
        tensors = safetensors.torch.load_file(file)
        tensors["W_enc"][0, 0] = float("nan")
        safetensors.torch.save_file(tensors, file)
    capsys.readouterr()
    _one_line(["evaluate", str(own), *options], capsys, "sha256", "anew")
    _one_line(["evaluate", str(theirs), *options], capsys, "W_enc", "NaN")
    _nothing_made(out)


def test_activations_that_do_not_vary(
    model: Path, text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    zero = tmp_path / "zero"
    shutil.copytree(model, zero)
    weights = safetensors.torch.load_file(zero / "model.safetensors")
    zeros = {name: torch.zeros_like(weight) for name, weight in weights.items()}
    safetensors.torch.save_file(zeros, zero / "model.safetensors", metadata={"format": "pt"})
    words = ["train", "--model", str(zero), "--corpus", str(text), *SMALL_RUN, "--out", str(tmp_path / "out")]
    _one_line(words, capsys, "resid_post.0", "do not vary")


def test_a_shard_with_one_bit_flipped(
    model: Path, text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    options = ["--model", str(model), "--corpus", str(text), *SMALL_RUN, "--out", str(out)]
    assert main(["harvest", *options]) == 0
    for shard in out.glob("activations-*/resid_post.0/*.safetensors"):
        content = bytearray(shard.read_bytes())
        content[-5] ^= 0x40
        shard.write_bytes(content)
    capsys.readouterr()
    _one_line(["train", *options], capsys, "resid_post.0", "damaged", "sha256")
    assert not list(out.glob("dictionary-*"))


def test_what_cannot_fit_is_refused_before_anything_is_recorded(
    model: Path, text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    options = ["--model", str(model), "--corpus", str(text), *SMALL_RUN, "--out", str(out)]
    _one_line(["train", *options, "--batch-size", "1000000000"], capsys, "memory", "--batch-size 512 would fit")
    _one_line(["run", *options, "--max-train-sequences", "1000000000000"], capsys, "disk", "--max-train-sequences")
    _one_line(["run", *options, "--k", "1000"], capsys, "k is 1000", "48 latents")
    assert not out.exists()
    assert main(["plan", *options, "--batch-size", "1000000000"]) == 0
    assert "it does not fit" in capsys.readouterr().out and not out.exists()
