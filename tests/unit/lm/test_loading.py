"""Oracle: the model in memory before it was saved; every refusal is one line that names what to do."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub.constants
import pytest
import torch
from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError
from safetensors.torch import load_file, save_file
from transformers.utils import logging as transformers_logging

from monosemy.core import UserError
from monosemy.lm import Site, load, loading
from tests.unit.lm.tiny_models import VARIANTS, saved_model, tiny_model, tokens


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved_model(tmp_path_factory.mktemp("saved") / "tiny", "gpt_neox")


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(saved, tmp_path / "tiny"))


def refusal(path_or_id: str | Path, **kwargs: str) -> str:
    with pytest.raises(UserError) as caught:
        load(path_or_id, device="cpu", **kwargs)  # type: ignore[arg-type]
    message = str(caught.value)
    assert "\n" not in message and len(message) < 400, message
    return message


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_saved_model_comes_back(variant: str, tmp_path: Path) -> None:
    lm = load(saved_model(tmp_path / "some-name", variant), device="cpu")
    original = tiny_model(variant).float().eval()
    with torch.inference_mode():
        assert torch.equal(lm.logits(tokens()), original(tokens()).logits)
    assert (lm.name, lm.dtype, lm.device.type) == ("some-name", torch.float32, "cpu")
    text = "the quick brown fox"
    assert lm.tokenizer.decode(lm.tokenizer(text)["input_ids"]) == text
    assert lm.fingerprint() == load(str(tmp_path / "some-name")).fingerprint()
    memory = loading.LanguageModel(original, lm.tokenizer, "memory")
    assert memory.fingerprint() == lm.fingerprint()


def test_float32_whatever_the_files_hold_unless_asked(tmp_path: Path) -> None:
    saved_model(tmp_path, "gpt2")
    tiny_model("gpt2").bfloat16().save_pretrained(tmp_path)
    assert load(tmp_path, device="cpu").dtype == torch.float32
    lm = load(tmp_path, device="cpu", dtype=torch.bfloat16)
    assert lm.capture(tokens(), [Site(1, "resid_post")])[Site(1, "resid_post")].dtype == torch.bfloat16


def test_progress_bars_are_off_only_while_loading(saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert transformers_logging.is_progress_bar_enabled()
    load(saved, device="cpu")
    assert transformers_logging.is_progress_bar_enabled()
    assert capsys.readouterr().err == ""


# --- folders ------------------------------------------------------------------------------------------------------


def drop(*names: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        for name in names:
            (folder / name).unlink()

    return damage


def only_pickle(folder: Path) -> None:
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def config(**changes: object) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        path = folder / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return damage


def write(name: str, text: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        (folder / name).write_text(text)

    return damage


def without_a_tensor(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    del tensors["gpt_neox.layers.1.mlp.dense_h_to_4h.weight"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def cut_short(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])


REFUSED_FOLDERS = {
    "no config": (drop("config.json"), "tiny has no config.json; give a folder written by save_pretrained"),
    "config not JSON": (write("config.json", "{"), "config.json of tiny is not JSON: .*"),
    "config not an object": (write("config.json", "[]"), "config.json of tiny names no model_type; .*"),
    "family": (
        config(model_type="gpt_neo"),
        r"model family 'gpt_neo' is not supported \(did you mean 'gpt_neox'\?\); allowed: gpt2, gpt_neox, llama",
    ),
    "config of no sense": (config(hidden_size=25), "the model tiny cannot be read: .*"),
    "config of another size": (
        config(hidden_size=48),
        r"the weights of tiny do not fit its config.json: 37 tensors are missing or of another shape \(.*\); get .*",
    ),
    "no weights": (
        drop("model.safetensors"),
        r"tiny has no weights in safetensors \(model\*.safetensors\); load it .* save_pretrained it again",
    ),
    "pickle": (only_pickle, ".*; pytorch_model.bin is a pickle, which can run code and is never loaded; .*"),
    "no tokenizer": (drop("tokenizer.json", "tokenizer_config.json"), r"tiny has no tokenizer \(.*\); save .*"),
    "tokenizer damaged": (write("tokenizer.json", "{}"), "the tokenizer of tiny cannot be read: .*"),
    "weights cut short": (cut_short, "the model tiny cannot be read: .*"),
    "a tensor missing": (
        without_a_tensor,
        r"the weights of tiny do not fit its config.json: 1 tensors .*\(gpt_neox.layers.1.mlp.dense_h_to_4h.weight, .*",
    ),
}


@pytest.mark.parametrize("case", REFUSED_FOLDERS)
def test_damaged_folders_are_refused(case: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    damage, expected = REFUSED_FOLDERS[case]
    damage(folder)
    message = refusal(folder)
    assert re.fullmatch(expected, message), message
    assert capsys.readouterr().err == ""


def test_a_tokenizer_larger_than_the_model_is_refused(folder: Path) -> None:
    lm = load(folder, device="cpu")
    lm.tokenizer.add_tokens([f"word{n}" for n in range(50)])
    lm.tokenizer.save_pretrained(folder)
    assert re.search(r"the tokenizer of tiny has \d+ tokens, its model only 300", refusal(folder))


def test_no_code_that_comes_with_a_model_is_run(folder: Path) -> None:
    (folder / "evil.py").write_text(f"open({str(folder / 'ran')!r}, 'w')\nclass Model: pass\nclass Config: pass\n")
    config(auto_map={"AutoConfig": "evil.Config", "AutoModelForCausalLM": "evil.Model"})(folder)
    load(folder, device="cpu")
    assert not (folder / "ran").exists()


def test_paths_that_are_no_model_folder(saved: Path) -> None:
    assert refusal(saved / "model.safetensors").endswith("give the folder that holds config.json and model.safetensors")
    assert refusal("./nowhere").startswith("no folder ./nowhere; give an existing folder or a hub id")
    assert refusal("/a/b/c").startswith("no folder /a/b/c; ")
    assert "has no revisions" in refusal(saved, revision="main")


# --- devices ------------------------------------------------------------------------------------------------------


def test_cuda_without_cuda_is_refused(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match="device cuda was asked for, but PyTorch sees no CUDA device here; use cpu or"):
        load(saved, device="cuda")
    assert load(saved, device="auto").device.type == "cpu"


# --- the hub ------------------------------------------------------------------------------------------------------


def test_a_hub_id_offline_and_not_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    assert re.fullmatch(
        "no folder nobody/nothing@step1 here, and the Hugging Face hub cannot be reached and nobody/nothing@step1 is"
        " not in its cache; go online once, or give a local folder",
        refusal("nobody/nothing", revision="step1"),
    )


@pytest.mark.parametrize(
    ("error", "expected"),
    [(RepositoryNotFoundError, "no such model on the Hugging Face hub; check the spelling"), (GatedRepoError, "gated")],
)
def test_what_the_hub_refuses(
    error: type[RepositoryNotFoundError], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> str:
        raise error("404 Client Error.\nmany lines", response=SimpleNamespace(headers={}, request=None))  # type: ignore

    monkeypatch.setattr(loading, "hf_hub_download", refuse)
    assert expected in refusal("nobody/nothing")


def test_a_model_of_the_hub(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub is a stand-in that serves one repository; what is asked of it holds no pickles."""
    asked: list[tuple[object, ...]] = []

    def config_file(hub_id: str, name: str, *, revision: str | None) -> str:
        asked.append((hub_id, name, revision))
        return str(saved / name)

    def snapshot(hub_id: str, *, revision: str | None, allow_patterns: list[str], ignore_patterns: list[str]) -> str:
        asked.append((hub_id, revision))
        assert not any("bin" in pattern or pattern == "*" for pattern in allow_patterns)
        assert ignore_patterns == ["*/*"]
        return str(saved)

    monkeypatch.setattr(loading, "hf_hub_download", config_file)
    monkeypatch.setattr(loading, "snapshot_download", snapshot)
    lm = load("someone/tiny", device="cpu", revision="step1000")
    assert lm.name == "someone/tiny@step1000"
    assert asked == [("someone/tiny", "config.json", "step1000"), ("someone/tiny", "step1000")]
    assert lm.fingerprint() == load(saved, device="cpu").fingerprint()
